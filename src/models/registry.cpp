#include "models/registry.h"

#include <algorithm>

#include "base/error.h"
#include "base/nearest.h"
#include "models/meta_form.h"
#include "models/wrapped.h"

namespace pome::models {
namespace {

constexpr const Arch* families[] = {
#define POME_FAMILY(name) &name##_arch,
#include "models/families.def"
#undef POME_FAMILY
};

}  // namespace

std::span<const Arch* const> registry() { return families; }

CacheKinds cache_kinds(const graph::CachePlan& plan) {
  CacheKinds kinds;
  for (const graph::CacheLayer& layer : plan) {
    bool& kind = layer.is_state()                      ? kinds.state
                 : layer.window > 0 || layer.chunk > 0 ? kinds.sliding
                 : layer.own_values                    ? kinds.full
                                                       : kinds.latent;
    kind = true;
  }
  return kinds;
}

namespace {

const Arch* arch_of(std::string_view model_type) {
  for (const Arch* arch : families) {
    for (const std::string_view known : arch->model_types) {
      if (known == model_type) return arch;
    }
  }
  return nullptr;
}

}  // namespace

const Arch& find_arch(const Json& config) {
  const auto model_type = config.is_object() ? json_value<std::string>(config, "model_type", "") : "";
  if (model_type.empty() && is_meta_form(config)) return llama_arch;
  if (model_type.empty()) fail(ErrorKind::corrupt, "config.json: model_type is missing");
  if (const Arch* arch = arch_of(model_type)) {
    // A wrapper's text model may be of a family of its own.
    const Arch* text = is_wrapped(config) ? arch_of(text_model_type(config)) : nullptr;
    return text == nullptr ? *arch : *text;
  }
  std::string_view nearest;
  std::size_t least = 0;
  for (const Arch* arch : families) {
    for (const std::string_view known : arch->model_types) {
      const std::size_t distance = edit_distance(known, std::string_view(model_type).substr(0, 100));
      if (nearest.empty() || distance < least) {
        nearest = known;
        least = distance;
      }
    }
  }
  throw error(ErrorKind::unsupported, "config.json: model_type \"{}\" is not known, the nearest is \"{}\"",
              model_type, nearest)
      .with_hint("pome archs lists what is known");
}

}  // namespace pome::models
