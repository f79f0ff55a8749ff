#include "services/settings.h"

#include <charconv>

#include "base/error.h"
#include "base/nearest.h"

namespace pome::services {
namespace {

// Calls f(key, field of each of `settings`…) for every field: the one list of them.
template <class F, class... S>
void each_field(F f, S&... s) {
  f("system_prompt", s.system_prompt...);
  f("prefill_response", s.prefill_response...);
  f("chat_template_config", s.chat_template_config...);
  f("chat_template", s.chat_template...);
  f("ignore_chat_template", s.ignore_chat_template...);
  f("max_tokens", s.max_tokens...);
  f("stop", s.stop...);
  f("extra_eos_tokens", s.extra_eos_tokens...);
  f("temperature", s.temperature...);
  f("top_k", s.top_k...);
  f("top_p", s.top_p...);
  f("min_p", s.min_p...);
  f("typical_p", s.typical_p...);
  f("top_n_sigma", s.top_n_sigma...);
  f("xtc_probability", s.xtc_probability...);
  f("xtc_threshold", s.xtc_threshold...);
  f("min_tokens_to_keep", s.min_tokens_to_keep...);
  f("repetition_penalty", s.repetition_penalty...);
  f("repetition_context_size", s.repetition_context_size...);
  f("presence_penalty", s.presence_penalty...);
  f("presence_context_size", s.presence_context_size...);
  f("frequency_penalty", s.frequency_penalty...);
  f("frequency_context_size", s.frequency_context_size...);
  f("dry_multiplier", s.dry_multiplier...);
  f("dry_base", s.dry_base...);
  f("dry_allowed_length", s.dry_allowed_length...);
  f("dry_penalty_last_n", s.dry_penalty_last_n...);
  f("dry_sequence_breakers", s.dry_sequence_breakers...);
  f("mirostat", s.mirostat...);
  f("mirostat_tau", s.mirostat_tau...);
  f("mirostat_eta", s.mirostat_eta...);
  f("logit_bias", s.logit_bias...);
  f("seed", s.seed...);
  f("kv_bits", s.kv_bits...);
  f("kv_group_size", s.kv_group_size...);
  f("max_kv_size", s.max_kv_size...);
}

template <class T>
void read(T& field, const Json& value, std::string_view key) {
  field = json_as<T>(value, key);
}

void read(Json& field, const Json& value, std::string_view key) {
  if (!value.is_object())
    fail(ErrorKind::corrupt, "{}: expected an object, found {}", key, value.type_name());
  field = value;
}

// One string is a list of one.
void read(std::vector<std::string>& field, const Json& value, std::string_view key) {
  field.clear();
  if (value.is_string()) {
    field.push_back(value.get<std::string>());
    return;
  }
  if (!value.is_array()) fail(ErrorKind::corrupt, "{}: expected strings, found {}", key, value.type_name());
  for (const Json& item : value) field.push_back(json_as<std::string>(item, key));
}

// {"token id": bias}, as in OpenAI's API.
void read(std::map<std::int32_t, float>& field, const Json& value, std::string_view key) {
  if (!value.is_object())
    fail(ErrorKind::corrupt, "{}: expected an object, found {}", key, value.type_name());
  field.clear();
  for (const auto& [name, bias] : value.items()) {
    std::int32_t token = 0;
    const char* end = name.data() + name.size();
    if (const auto [stop, code] = std::from_chars(name.data(), end, token);
        code != std::errc() || stop != end) {
      fail(ErrorKind::corrupt, "{}: \"{}\" is not a token id", key, name);
    }
    field[token] = json_as<float>(bias, key);
  }
}

template <class T>
Json written(const T& field) {
  return field;
}

// 0.8, where its double would be 0.800000011920929.
Json written(const float& field) { return std::strtod(fmt::format("{}", field).c_str(), nullptr); }

Json written(const std::map<std::int32_t, float>& field) {
  Json object = Json::object();
  for (const auto& [token, bias] : field) object[std::to_string(token)] = written(bias);
  return object;
}

void set_field(Settings& settings, std::string_view key, const Json& value) {
  if (key == "temp") key = "temperature";
  bool found = false;
  each_field(
      [&](std::string_view name, auto& field) {
        if (name != key) return;
        found = true;
        if (value.is_null()) {
          field.reset();
        } else {
          read(field.emplace(), value, key);
        }
      },
      settings);
  if (found) return;
  Error unknown = error(ErrorKind::corrupt, "there is no setting \"{}\"", key);
  const std::vector<std::string_view> keys = settings_keys();
  const std::vector<std::string> names(keys.begin(), keys.end());
  if (const auto close = nearest(key, names)) unknown.with_hint(fmt::format("did you mean {}?", *close));
  throw unknown;
}

Json load_object(const fs::path& file) {
  Json json = load_json(file);
  if (!json.is_object()) fail(ErrorKind::corrupt, "{}: expected an object", file.string());
  return json;
}

// pome's own config file; an empty object where there is none.
Json load_config(const store::Paths& paths) {
  const fs::path file = paths.config / "config.json";
  std::error_code none;
  if (!fs::exists(file, none)) return Json::object();
  Json json = load_object(file);
  for (const auto& [key, value] : json.items()) {
    if (key != "default_model" && key != "defaults" && key != "models") {
      throw error(ErrorKind::corrupt, "{}: there is no key \"{}\"", file.string(), key)
          .with_hint("the keys are default_model, defaults and models");
    }
  }
  return json;
}

}  // namespace

void Settings::set(std::string_view key, const Json& value) {
  try {
    Settings changed = *this;
    set_field(changed, key, value);
    *this = std::move(changed);
  } catch (const Error& error) {
    throw Error(ErrorKind::usage, error.message()).with_hint(error.hint());
  }
}

Settings Settings::over(const Settings& lower) const {
  Settings result = *this;
  each_field(
      [](std::string_view, auto& field, const auto& below) {
        if (!field) field = below;
      },
      result, lower);
  return result;
}

Json Settings::to_json() const {
  Json json = Json::object();
  each_field(
      [&](std::string_view name, const auto& field) {
        if (field) json[name] = written(*field);
      },
      *this);
  return json;
}

engine::SamplingParams Settings::sampling() const {
  engine::SamplingParams params;
  const auto take = [](auto& target, const auto& field) {
    if (field) target = *field;
  };
  take(params.temperature, temperature);
  take(params.top_k, top_k);
  take(params.top_p, top_p);
  take(params.min_p, min_p);
  take(params.typical_p, typical_p);
  take(params.top_n_sigma, top_n_sigma);
  take(params.xtc_probability, xtc_probability);
  take(params.xtc_threshold, xtc_threshold);
  take(params.min_tokens_to_keep, min_tokens_to_keep);
  take(params.repetition_penalty, repetition_penalty);
  take(params.repetition_context_size, repetition_context_size);
  take(params.presence_penalty, presence_penalty);
  take(params.presence_context_size, presence_context_size);
  take(params.frequency_penalty, frequency_penalty);
  take(params.frequency_context_size, frequency_context_size);
  take(params.dry_multiplier, dry_multiplier);
  take(params.dry_base, dry_base);
  take(params.dry_allowed_length, dry_allowed_length);
  take(params.dry_penalty_last_n, dry_penalty_last_n);
  take(params.dry_sequence_breakers, dry_sequence_breakers);
  take(params.mirostat, mirostat);
  take(params.mirostat_tau, mirostat_tau);
  take(params.mirostat_eta, mirostat_eta);
  take(params.logit_bias, logit_bias);
  params.seed = seed;
  params.validate();
  return params;
}

graph::CacheOptions Settings::cache() const {
  graph::CacheOptions options;
  if (kv_bits) options.kv_bits = *kv_bits;
  if (kv_group_size) options.kv_group_size = *kv_group_size;
  if (max_kv_size) options.max_kv_size = *max_kv_size;
  return options;
}

std::vector<std::string_view> settings_keys() {
  std::vector<std::string_view> keys;
  const Settings any;
  each_field([&](std::string_view name, const auto&) { keys.push_back(name); }, any);
  return keys;
}

Settings settings_from_json(const Json& object, std::string_view subject) {
  if (!object.is_object()) fail(ErrorKind::corrupt, "{}: expected an object of settings", subject);
  Settings settings;
  for (const auto& [key, value] : object.items()) {
    try {
      set_field(settings, key, value);
    } catch (Error& error) {
      throw std::move(error).in(std::string(subject));
    }
  }
  return settings;
}

Settings generation_config_settings(const fs::path& model_folder) {
  const fs::path file = model_folder / "generation_config.json";
  std::error_code none;
  Settings settings;
  if (!fs::exists(file, none)) return settings;
  const Json json = load_object(file);
  try {
    const auto take = [&]<class T>(std::optional<T>& field, std::string_view key, T neutral) {
      const T value = json_value<T>(json, key, neutral);
      if (value != neutral) field = value;
    };
    // Counts in greedy decoding too, over everything so far.
    take(settings.repetition_penalty, "repetition_penalty", 1.0f);
    if (settings.repetition_penalty) settings.repetition_context_size = -1;
    if (!json_value<bool>(json, "do_sample", false)) return settings;
    // With do_sample, what the file leaves out has transformers' defaults: temperature 1, top_k 50.
    settings.temperature = json_value<float>(json, "temperature", 1.0f);
    settings.top_k = json_value<int>(json, "top_k", 50);
    take(settings.top_p, "top_p", 1.0f);
    take(settings.min_p, "min_p", 0.0f);
    take(settings.typical_p, "typical_p", 1.0f);
  } catch (Error& error) {
    throw std::move(error).in(file.string());
  }
  return settings;
}

Settings config_settings(const store::Paths& paths, std::string_view model_name) {
  const Json config = load_config(paths);
  const std::string file = (paths.config / "config.json").string();
  Settings general;
  if (const auto defaults = config.find("defaults"); defaults != config.end()) {
    general = settings_from_json(*defaults, file + ": defaults");
  }
  const auto models = config.find("models");
  if (models == config.end()) return general;
  if (!models->is_object()) fail(ErrorKind::corrupt, "{}: models: expected an object", file);
  const auto own = models->find(model_name);
  if (own == models->end()) return general;
  return settings_from_json(*own, fmt::format("{}: models: {}", file, model_name)).over(general);
}

std::string default_model(const store::Paths& paths) {
  try {
    return json_value<std::string>(load_config(paths), "default_model", "demo");
  } catch (Error& error) {
    if (error.message().find("config.json") != std::string::npos) throw;
    throw std::move(error).in((paths.config / "config.json").string());
  }
}

}  // namespace pome::services
