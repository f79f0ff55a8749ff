#include "services/archs.h"

#include "models/model.h"
#include "quant/mode.h"

namespace pome::services {
namespace {

std::vector<std::string> names(const models::CacheKinds& kinds) {
  std::vector<std::string> result;
  for (const auto& [has, name] : {std::pair{kinds.full, "full"},
                                  {kinds.sliding, "sliding"},
                                  {kinds.latent, "latent"},
                                  {kinds.state, "state"}}) {
    if (has) result.emplace_back(name);
  }
  return result;
}

}  // namespace

Json ArchFacts::to_json() const {
  Json modes = Json::array();
  for (const QuantizationFacts& quantization : quantizations()) modes.push_back(quantization.to_json());
  return {{"name", name},     {"model_types", model_types}, {"summary", summary},
          {"caches", caches}, {"layouts", layouts},         {"quantization", std::move(modes)}};
}

Json QuantizationFacts::to_json() const {
  return {{"mode", mode}, {"bits", bits}, {"group_sizes", group_sizes}};
}

std::vector<ArchFacts> archs() {
  std::vector<ArchFacts> result;
  for (const models::Arch* arch : models::registry()) {
    ArchFacts facts{std::string(arch->name),
                    {arch->model_types.begin(), arch->model_types.end()},
                    std::string(arch->summary),
                    names(arch->caches),
                    {"huggingface", "mlx"}};
    if (arch->meta_form) facts.layouts.emplace_back("meta");
    result.push_back(std::move(facts));
  }
  return result;
}

std::vector<QuantizationFacts> quantizations() {
  std::vector<QuantizationFacts> result;
  for (const quant::Mode* mode : quant::modes()) {
    result.push_back({std::string(mode->name),
                      {mode->bits.begin(), mode->bits.end()},
                      {mode->group_sizes.begin(), mode->group_sizes.end()}});
  }
  return result;
}

}  // namespace pome::services
