#include "nn/rope.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace pome::nn {
namespace {

constexpr std::array<std::string_view, 4> known_types{"default", "linear", "dynamic", "llama3"};
constexpr std::array<std::string_view, 8> known_keys{"rope_theta",
                                                     "rope_type",
                                                     "type",
                                                     "factor",
                                                     "low_freq_factor",
                                                     "high_freq_factor",
                                                     "partial_rotary_factor",
                                                     "original_max_position_embeddings"};

void parse_scaling(const Json& scaling, const std::string& where, RopeSettings& settings) {
  if (!scaling.is_object()) fail(ErrorKind::corrupt, "{} is no object", where);
  const bool new_name = scaling.contains("rope_type");
  settings.type = json_value<std::string>(scaling, new_name ? "rope_type" : "type", "default");
  if (std::find(known_types.begin(), known_types.end(), settings.type) == known_types.end()) {
    throw error(ErrorKind::unsupported,
                "{}.{} \"{}\" is not implemented; ignoring it would garble the text, so nothing was loaded",
                where, new_name ? "rope_type" : "type", settings.type)
        .with_hint("implemented are default, linear, dynamic and llama3");
  }
  for (const auto& [key, value] : scaling.items()) {
    if (!value.is_null() && std::find(known_keys.begin(), known_keys.end(), key) == known_keys.end()) {
      fail(ErrorKind::unsupported,
           "{}.{} is {}, which is not implemented for type \"{}\"; nothing was loaded", where, key,
           value.dump(), settings.type);
    }
  }
  settings.theta = json_value(scaling, "rope_theta", settings.theta);
  settings.factor = json_value(scaling, "factor", settings.factor);
  settings.low_freq_factor = json_value(scaling, "low_freq_factor", settings.low_freq_factor);
  settings.high_freq_factor = json_value(scaling, "high_freq_factor", settings.high_freq_factor);
  settings.original_max_position_embeddings = json_value(scaling, "original_max_position_embeddings", 0);
  settings.partial_rotary_factor =
      json_value(scaling, "partial_rotary_factor", settings.partial_rotary_factor);
  const bool scaled = settings.type != "default";
  if (scaled && !(settings.factor > 0 && std::isfinite(settings.factor))) {
    fail(ErrorKind::corrupt, "{}.factor is {}, expected more than 0", where, settings.factor);
  }
  if (settings.type == "llama3" &&
      (settings.original_max_position_embeddings <= 0 ||
       !(settings.high_freq_factor > settings.low_freq_factor) || !(settings.low_freq_factor > 0))) {
    fail(ErrorKind::corrupt,
         "{}: llama3 needs original_max_position_embeddings above 0 (found {}) and high_freq_factor {} above "
         "low_freq_factor {}",
         where, settings.original_max_position_embeddings, settings.high_freq_factor,
         settings.low_freq_factor);
  }
}

std::vector<float> frequencies(double theta, int dims) {
  std::vector<float> inv_freq;
  for (int i = 0; i < dims; i += 2) {
    const float exponent = static_cast<float>(i) / static_cast<float>(dims);
    inv_freq.push_back(1.0F / std::pow(static_cast<float>(theta), exponent));
  }
  return inv_freq;
}

// Llama 3.1: long wavelengths are stretched by `factor`, short ones kept, those between blended.
float stretched(float inv_freq, const RopeSettings& settings) {
  const auto context = static_cast<float>(settings.original_max_position_embeddings);
  const auto low = static_cast<float>(settings.low_freq_factor);
  const auto high = static_cast<float>(settings.high_freq_factor);
  const auto factor = static_cast<float>(settings.factor);
  const float wavelength = 2 * std::numbers::pi_v<float> / inv_freq;
  if (wavelength < context / high) return inv_freq;
  if (wavelength > context / low) return inv_freq / factor;
  const float smooth = (context / wavelength - low) / (high - low);
  return (1 - smooth) * inv_freq / factor + smooth * inv_freq;
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

graph::Rope make_rope(const RopeSettings& settings, int head_dim, int dims, int max_position_embeddings) {
  graph::Rope rope;
  rope.head_dim = head_dim;
  rope.dims = dims;
  rope.inv_freq = frequencies(settings.theta, dims);
  if (settings.type == "linear") {
    for (float& f : rope.inv_freq) f /= static_cast<float>(settings.factor);
  } else if (settings.type == "llama3") {
    for (float& f : rope.inv_freq) f = stretched(f, settings);
  } else if (settings.type == "dynamic" && dims > 2) {
    rope.inv_freq_for = [theta = settings.theta, factor = settings.factor, dims,
                         context = max_position_embeddings](int planned_length) {
      const double longest = std::max(planned_length, context);
      const double growth = factor * longest / context - (factor - 1);
      return frequencies(theta * std::pow(growth, static_cast<double>(dims) / (dims - 2)), dims);
    };
  }
  return rope;
}

}  // namespace pome::nn
