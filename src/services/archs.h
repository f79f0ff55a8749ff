// The families that pome can run, and in which forms.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"

namespace pome::services {

struct ArchFacts {
  std::string name;
  std::vector<std::string> model_types;
  std::string summary;
  std::vector<std::string> caches;   // what layers remember: "full", "sliding", "latent", "state"
  std::vector<std::string> layouts;  // whose tensor names it reads: "huggingface", "mlx", "meta"

  Json to_json() const;
};

struct QuantizationFacts {  // for the linears and embeddings of every family
  std::string mode;
  std::vector<int> bits;
  std::vector<int> group_sizes;

  Json to_json() const;
};

std::vector<ArchFacts> archs();
std::vector<QuantizationFacts> quantizations();

}  // namespace pome::services
