#include "services/archs.h"

#include "models/model.h"

namespace pome::services {

Json ArchFacts::to_json() const {
  return {{"name", name}, {"model_types", model_types}, {"summary", summary}};
}

std::vector<ArchFacts> archs() {
  std::vector<ArchFacts> result;
  for (const models::Arch* arch : models::registry()) {
    result.push_back({std::string(arch->name),
                      {arch->model_types.begin(), arch->model_types.end()},
                      std::string(arch->summary)});
  }
  return result;
}

}  // namespace pome::services
