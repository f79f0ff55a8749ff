#include "graph/backend.h"

#include <cstdlib>

#include "base/error.h"
#include "graph/mlx/backend.h"

namespace pome::graph {
namespace {

struct Row {
  std::string_view name;
  std::unique_ptr<Backend> (*make)();  // null where this machine lacks what it needs
};

// Best first.
constexpr Row backends[] = {
    {"mlx", make_mlx_gpu_backend},
    {"reference", make_reference_backend},
};

}  // namespace

std::unique_ptr<Backend> make_backend(std::string_view name) {
  if (name.empty()) {
    if (const char* wanted = std::getenv("POME_BACKEND"); wanted != nullptr) name = wanted;
  }
  std::string known;
  for (const Row& row : backends) {
    if (!name.empty() && row.name != name) {
      known += fmt::format("{}{}", known.empty() ? "" : ", ", row.name);
      continue;
    }
    if (auto backend = row.make()) return backend;
    if (!name.empty()) fail(ErrorKind::usage, "backend \"{}\": this machine has no device for it", name);
  }
  fail(ErrorKind::usage, "backend \"{}\" is unknown, expected one of {}", name, known);
}

}  // namespace pome::graph
