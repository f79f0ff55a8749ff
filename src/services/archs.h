// The families that pome can run.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"

namespace pome::services {

struct ArchFacts {
  std::string name;
  std::vector<std::string> model_types;
  std::string summary;

  Json to_json() const;
};

std::vector<ArchFacts> archs();

}  // namespace pome::services
