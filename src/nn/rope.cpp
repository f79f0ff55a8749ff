#include "nn/rope.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace pome::nn {
namespace {

constexpr std::array<std::string_view, 7> known_types{"default", "linear",   "dynamic",     "llama3",
                                                      "yarn",    "longrope", "proportional"};
constexpr std::string_view known_keys[]{"rope_theta",
                                        "rope_type",
                                        "type",
                                        "factor",
                                        "low_freq_factor",
                                        "high_freq_factor",
                                        "partial_rotary_factor",
                                        "original_max_position_embeddings",
                                        "beta_fast",
                                        "beta_slow",
                                        "truncate",
                                        "mscale",
                                        "mscale_all_dim",
                                        "attention_factor",
                                        "short_factor",
                                        "long_factor",
                                        "short_mscale",
                                        "long_mscale",
                                        "mrope_section",
                                        "mrope_interleaved",
                                        "max_position_embeddings",
                                        "alpha",
                                        "llama_4_scaling_beta"};

std::string known_type(const std::string& name) {
  if (name == "su") return "longrope";
  if (name == "deepseek_yarn") return "yarn";
  return name == "mrope" ? "default" : name;
}

std::vector<double> read_factors(const Json& scaling, const char* key, const std::string& where) {
  std::vector<double> factors;
  const auto member = scaling.find(key);
  if (member == scaling.end() || member->is_null()) return factors;
  if (!member->is_array()) fail(ErrorKind::corrupt, "{}.{} is no list", where, key);
  for (const Json& value : *member) {
    factors.push_back(json_as<double>(value, key));
    if (!(factors.back() > 0)) fail(ErrorKind::corrupt, "{}.{} has {} in it", where, key, factors.back());
  }
  return factors;
}

void read_number(const Json& scaling, const char* key, std::optional<double>& value) {
  const auto member = scaling.find(key);
  if (member != scaling.end() && !member->is_null()) value = json_as<double>(*member, key);
}

void check_scaling(const RopeSettings& s, const std::string& where) {
  const bool own_factor = s.type == "linear" || s.type == "dynamic" || s.type == "llama3";
  if (own_factor || s.factor) {
    const double factor = s.factor.value_or(0);
    if (!(factor > 0 && std::isfinite(factor))) {
      fail(ErrorKind::corrupt, "{}.factor is {}, expected more than 0", where, factor);
    }
  }
  if (s.type == "llama3" && (s.original_max_position_embeddings <= 0 ||
                             !(s.high_freq_factor > s.low_freq_factor) || !(s.low_freq_factor > 0))) {
    fail(ErrorKind::corrupt,
         "{}: llama3 needs original_max_position_embeddings above 0 (found {}) and high_freq_factor {} above "
         "low_freq_factor {}",
         where, s.original_max_position_embeddings, s.high_freq_factor, s.low_freq_factor);
  }
  if (s.alpha && !(*s.alpha > 0))
    fail(ErrorKind::corrupt, "{}.alpha is {}, expected more than 0", where, *s.alpha);
  if (s.type == "yarn" && (!(s.beta_fast > 0) || !(s.beta_slow > 0))) {
    fail(ErrorKind::corrupt, "{}: beta_fast {} and beta_slow {} should be above 0", where, s.beta_fast,
         s.beta_slow);
  }
  if (s.original_max_position_embeddings < 0) {
    fail(ErrorKind::corrupt, "{}.original_max_position_embeddings is {}", where,
         s.original_max_position_embeddings);
  }
}

void parse_scaling(const Json& scaling, const std::string& where, RopeSettings& settings) {
  if (!scaling.is_object()) fail(ErrorKind::corrupt, "{} is no object", where);
  const bool new_name = scaling.contains("rope_type");
  const auto told = json_value<std::string>(scaling, new_name ? "rope_type" : "type", "default");
  settings.type = known_type(told);
  if (std::find(known_types.begin(), known_types.end(), settings.type) == known_types.end()) {
    throw error(ErrorKind::unsupported,
                "{}.{} \"{}\" is not implemented; ignoring it would garble the text, so nothing was loaded",
                where, new_name ? "rope_type" : "type", told)
        .with_hint("implemented are default, linear, dynamic, llama3, yarn, longrope and proportional");
  }
  for (const auto& [key, value] : scaling.items()) {
    if (!value.is_null() &&
        std::find(std::begin(known_keys), std::end(known_keys), key) == std::end(known_keys)) {
      fail(ErrorKind::unsupported,
           "{}.{} is {}, which is not implemented for type \"{}\"; nothing was loaded", where, key,
           value.dump(), settings.type);
    }
  }
  const auto number = [&](const char* key, double fallback) { return json_value(scaling, key, fallback); };
  settings.theta = number("rope_theta", settings.theta);
  settings.partial_rotary_factor = number("partial_rotary_factor", settings.partial_rotary_factor);
  settings.original_max_position_embeddings =
      json_value(scaling, "original_max_position_embeddings", settings.original_max_position_embeddings);
  settings.low_freq_factor = number("low_freq_factor", settings.low_freq_factor);
  settings.high_freq_factor = number("high_freq_factor", settings.high_freq_factor);
  settings.beta_fast = number("beta_fast", settings.beta_fast);
  settings.beta_slow = number("beta_slow", settings.beta_slow);
  settings.truncate = json_value(scaling, "truncate", settings.truncate);
  read_number(scaling, "factor", settings.factor);
  read_number(scaling, "alpha", settings.alpha);
  settings.llama_4_scaling_beta = number("llama_4_scaling_beta", 0);
  read_number(scaling, "mscale", settings.mscale);
  read_number(scaling, "mscale_all_dim", settings.mscale_all_dim);
  read_number(scaling, "attention_factor", settings.attention_factor);
  read_number(scaling, "short_mscale", settings.short_mscale);
  read_number(scaling, "long_mscale", settings.long_mscale);
  settings.short_factor = read_factors(scaling, "short_factor", where);
  settings.long_factor = read_factors(scaling, "long_factor", where);
  if (settings.type == "yarn" && !settings.short_factor.empty()) settings.type = "longrope";  // early Phi 3
  check_scaling(settings, where);
}

// theta^(i / dims) for i = 0, 2, … below `rotated`.
std::vector<float> wavelengths(double theta, int dims, int rotated) {
  std::vector<float> waves;
  for (int i = 0; i < rotated; i += 2) {
    waves.push_back(std::pow(static_cast<float>(theta), static_cast<float>(i) / static_cast<float>(dims)));
  }
  return waves;
}

std::vector<float> frequencies(double theta, int dims) {
  std::vector<float> inv_freq = wavelengths(theta, dims, dims);
  for (float& f : inv_freq) f = 1.0F / f;
  return inv_freq;
}

// Llama 3.1: long wavelengths are stretched by `factor`, short ones kept, those between blended.
float stretched(float inv_freq, const RopeSettings& settings) {
  const auto context = static_cast<float>(settings.original_max_position_embeddings);
  const auto low = static_cast<float>(settings.low_freq_factor);
  const auto high = static_cast<float>(settings.high_freq_factor);
  const auto factor = static_cast<float>(*settings.factor);
  const float wavelength = 2 * std::numbers::pi_v<float> / inv_freq;
  if (wavelength < context / high) return inv_freq;
  if (wavelength > context / low) return inv_freq / factor;
  const float smooth = (context / wavelength - low) / (high - low);
  return (1 - smooth) * inv_freq / factor + smooth * inv_freq;
}

// YaRN (arXiv 2309.00071): pairs that turn often within the original context are kept, those that turn seldom
// are stretched by `factor`, with a ramp between; attention is sharpened by attention_factor.
void apply_yarn(const RopeSettings& s, int dims, double factor, int original, graph::Rope& rope) {
  const auto pair_that_turns = [&](double times) {
    return dims * std::log(original / (times * 2 * std::numbers::pi)) / (2 * std::log(s.theta));
  };
  double low = pair_that_turns(s.beta_fast);
  double high = pair_that_turns(s.beta_slow);
  if (s.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dims - 1.0);
  if (low == high) high += 0.001;
  const std::vector<float> waves = wavelengths(s.theta, dims, dims);
  for (std::size_t i = 0; i < waves.size(); ++i) {
    const float ramp = std::clamp(
        (static_cast<float>(i) - static_cast<float>(low)) / static_cast<float>(high - low), 0.0F, 1.0F);
    const float kept = 1 - ramp;
    const float stretched = 1.0F / (static_cast<float>(factor) * waves[i]);
    rope.inv_freq[i] = stretched * (1 - kept) + 1.0F / waves[i] * kept;
  }
  double sharpened = yarn_mscale(factor, 1);
  if (s.mscale.value_or(0) != 0 && s.mscale_all_dim.value_or(0) != 0) {
    sharpened = yarn_mscale(factor, *s.mscale) / yarn_mscale(factor, *s.mscale_all_dim);
  }
  rope.attention_factor = static_cast<float>(s.attention_factor.value_or(sharpened));
}

// LongRoPE (arXiv 2402.13753): one set of factors up to the original context, another beyond.
void apply_longrope(const RopeSettings& s, int dims, double factor, int original, graph::Rope& rope,
                    std::string_view subject) {
  const auto scaled = [&](const std::vector<double>& factors, const char* key) {
    std::vector<float> inv_freq = wavelengths(s.theta, dims, dims);
    if (factors.size() != inv_freq.size()) {
      fail(ErrorKind::corrupt, "{}: {} has {} factors, expected {}", subject, key, factors.size(),
           inv_freq.size());
    }
    for (std::size_t i = 0; i < inv_freq.size(); ++i) {
      inv_freq[i] = 1.0F / (static_cast<float>(factors[i]) * inv_freq[i]);
    }
    return inv_freq;
  };
  rope.inv_freq = scaled(s.short_factor, "short_factor");
  rope.inv_freq_for = [original, short_freq = rope.inv_freq,
                       long_freq = scaled(s.long_factor, "long_factor")](int planned_length) {
    return planned_length > original ? long_freq : short_freq;
  };
  const double sharpened = factor > 1 ? std::sqrt(1 + std::log(factor) / std::log(original)) : 1.0;
  rope.attention_factor = static_cast<float>(s.attention_factor.value_or(sharpened));
  if (s.short_mscale && s.long_mscale) {
    rope.attention_factor_for = [original, near = static_cast<float>(*s.short_mscale),
                                 far = static_cast<float>(*s.long_mscale)](int planned_length) {
      return planned_length > original ? far : near;
    };
  }
}

}  // namespace

RopeSettings parse_rope(const Json& config, const RopeSettings& defaults, std::string_view subject,
                        std::string_view layer_type) {
  RopeSettings settings = defaults;
  settings.theta = json_value(config, "rope_theta", settings.theta);
  settings.partial_rotary_factor =
      json_value(config, "partial_rotary_factor", settings.partial_rotary_factor);
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    const auto member = config.find(key);
    if (member == config.end() || member->is_null()) continue;
    const std::string where = fmt::format("{}: {}", subject, key);
    const auto nested = member->is_object() ? member->find(layer_type) : member->end();
    if (!layer_type.empty() && nested != member->end()) {
      parse_scaling(*nested, fmt::format("{}.{}", where, layer_type), settings);
    } else {
      parse_scaling(*member, where, settings);
    }
    break;
  }
  // Phi3 keeps it beside the scaling, and there it counts.
  settings.original_max_position_embeddings =
      json_value(config, "original_max_position_embeddings", settings.original_max_position_embeddings);
  if (!(settings.theta > 0) || !std::isfinite(settings.theta)) {
    fail(ErrorKind::corrupt, "{}: rope_theta is {}, expected more than 0", subject, settings.theta);
  }
  if (!(settings.partial_rotary_factor > 0) || settings.partial_rotary_factor > 1) {
    fail(ErrorKind::corrupt, "{}: partial_rotary_factor is {}, expected a part of 1", subject,
         settings.partial_rotary_factor);
  }
  return settings;
}

bool has_ropes_by_layer_type(const Json& config) {
  const auto member = config.find("rope_parameters");
  return member != config.end() && member->is_object() && member->contains("full_attention");
}

double yarn_mscale(double factor, double mscale) {
  return factor <= 1 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
}

graph::Rope make_rope(const RopeSettings& settings, int head_dim, int max_position_embeddings,
                      std::string_view subject) {
  const bool proportional = settings.type == "proportional";
  const int rotated = static_cast<int>(head_dim * settings.partial_rotary_factor);
  const int dims = proportional ? head_dim : (rotated + 1) / 2 * 2;
  if (dims < 2 || dims > head_dim || head_dim % 2 != 0) {
    fail(ErrorKind::corrupt, "{}: {} of {} elements of a head cannot be rotated in pairs", subject, dims,
         head_dim);
  }
  graph::Rope rope;
  rope.head_dim = head_dim;
  rope.dims = dims;
  rope.inv_freq = frequencies(settings.theta, dims);
  const int original = settings.original_max_position_embeddings > 0
                           ? settings.original_max_position_embeddings
                           : max_position_embeddings;
  const double factor = settings.factor.value_or(static_cast<double>(max_position_embeddings) / original);
  if (settings.type == "linear") {
    for (float& f : rope.inv_freq) f /= static_cast<float>(factor);
  } else if (settings.type == "llama3") {
    for (float& f : rope.inv_freq) f = stretched(f, settings);
  } else if (settings.type == "yarn") {
    apply_yarn(settings, dims, factor, original, rope);
  } else if (settings.type == "longrope") {
    apply_longrope(settings, dims, factor, original, rope, subject);
  } else if (proportional) {  // pairs beyond the rotated part stand still
    for (std::size_t i = 0; i < rope.inv_freq.size(); ++i) {
      rope.inv_freq[i] = static_cast<int>(i) < rotated / 2
                             ? rope.inv_freq[i] / static_cast<float>(settings.factor.value_or(1))
                             : 0.0F;
    }
  } else if (settings.type == "dynamic" && settings.alpha && dims > 2) {
    const double growth = std::pow(*settings.alpha, static_cast<double>(dims) / (dims - 2));
    rope.inv_freq = frequencies(settings.theta * growth, dims);
  } else if (settings.type == "dynamic" && dims > 2) {
    rope.inv_freq_for = [theta = settings.theta, factor, dims,
                         context = max_position_embeddings](int planned_length) {
      const double longest = std::max(planned_length, context);
      const double growth = factor * longest / context - (factor - 1);
      return frequencies(theta * std::pow(growth, static_cast<double>(dims) / (dims - 2)), dims);
    };
  }
  return rope;
}

}  // namespace pome::nn
