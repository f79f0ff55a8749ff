// What a user can set for generating text, and who wins where several say it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "engine/sampling.h"
#include "graph/cache.h"
#include "store/paths.h"

namespace pome::services {

// Every field is optional; its JSON key (config.json, aliases, /set) is its name.
struct Settings {
  // text around the prompt
  std::optional<std::string> system_prompt;
  std::optional<std::string> prefill_response;  // the answer begins with this
  std::optional<Json> chat_template_config;  // object: variables for the template ("enable_thinking": false)
  std::optional<std::string> chat_template;  // Jinja source, instead of the model's own
  std::optional<bool> ignore_chat_template;  // encode the text of the messages as it is
  // when to end
  std::optional<int> max_tokens;  // -1: until an end token or the end of the context
  std::optional<std::vector<std::string>> stop;
  std::optional<std::vector<std::string>> extra_eos_tokens;  // each one token of the vocabulary
  // sampling: see engine::SamplingParams
  std::optional<float> temperature;
  std::optional<int> top_k;
  std::optional<float> top_p;
  std::optional<float> min_p;
  std::optional<float> typical_p;
  std::optional<float> top_n_sigma;
  std::optional<float> xtc_probability;
  std::optional<float> xtc_threshold;
  std::optional<int> min_tokens_to_keep;
  std::optional<float> repetition_penalty;
  std::optional<int> repetition_context_size;
  std::optional<float> presence_penalty;
  std::optional<int> presence_context_size;
  std::optional<float> frequency_penalty;
  std::optional<int> frequency_context_size;
  std::optional<float> dry_multiplier;
  std::optional<float> dry_base;
  std::optional<int> dry_allowed_length;
  std::optional<int> dry_penalty_last_n;
  std::optional<std::vector<std::string>> dry_sequence_breakers;
  std::optional<int> mirostat;
  std::optional<float> mirostat_tau;
  std::optional<float> mirostat_eta;
  std::optional<std::map<std::int32_t, float>> logit_bias;
  std::optional<std::uint64_t> seed;
  // memory
  std::optional<int> kv_bits;
  std::optional<int> kv_group_size;
  std::optional<int> max_kv_size;

  // Sets one field by its key; "temp" is also temperature. Throws Error(usage, unknown key or wrong type).
  void set(std::string_view key, const Json& value);

  // Fields of `lower` where this has none.
  Settings over(const Settings& lower) const;

  Json to_json() const;  // the fields that are set

  engine::SamplingParams sampling() const;  // neutral values where nothing is set; validated
  graph::CacheOptions cache() const;
};

// The keys of Settings, in order.
std::vector<std::string_view> settings_keys();

// An object of keys. subject names it in errors. Throws Error(corrupt): unknown key, wrong type.
Settings settings_from_json(const Json& object, std::string_view subject);

// What generation_config.json of a model folder asks for (nothing where it is absent). Its sampling values
// count only with "do_sample": true, as in transformers.
Settings generation_config_settings(const fs::path& model_folder);

// `$XDG_CONFIG_HOME/pome/config.json`: {"defaults": {…}, "models": {"org/name": {…}}}; a model's own values
// win. Nothing where the file is absent. Throws Error(corrupt).
Settings config_settings(const store::Paths& paths, std::string_view model_name);

// "default_model" of the same file; `demo` where it says nothing.
std::string default_model(const store::Paths& paths);

}  // namespace pome::services
