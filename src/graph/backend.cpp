#include "graph/backend.h"

#include <atomic>
#include <cstdlib>

#include "base/error.h"
#include "graph/cpu/backend.h"
#include "graph/mlx/backend.h"

namespace pome::graph {
namespace {

struct Row {
  std::string_view name;
  std::unique_ptr<Backend> (*make)(const BackendOptions&);  // null where this machine lacks what it needs
};

// Best first.
constexpr Row backends[] = {
    {"mlx", [](const BackendOptions&) { return make_mlx_gpu_backend(); }},
    {"cpu", make_cpu_backend},
    {"reference", [](const BackendOptions&) { return make_reference_backend(); }},
};

constexpr std::pair<std::string_view, Precision> precisions[] = {
    {"default", Precision::standard},
    {"exact", Precision::exact},
    {"fast", Precision::fast},
};

constexpr int none_asked_for = -1;
std::atomic<int> asked_for{none_asked_for};

}  // namespace

Precision preferred_precision(Precision otherwise) {
  if (const int asked = asked_for; asked != none_asked_for) return static_cast<Precision>(asked);
  const char* wanted = std::getenv("POME_PRECISION");
  return wanted == nullptr ? otherwise : precision_from_name(wanted);
}

void set_precision(Precision precision) { asked_for = static_cast<int>(precision); }

Precision precision_from_name(std::string_view name) {
  for (const auto& [known, precision] : precisions) {
    if (known == name) return precision;
  }
  fail(ErrorKind::usage, "precision \"{}\" is unknown, expected default, exact or fast", name);
}

std::string_view precision_name(Precision precision) {
  for (const auto& [name, known] : precisions) {
    if (known == precision) return name;
  }
  fail(ErrorKind::internal, "precision {} has no name", static_cast<int>(precision));
}

std::unique_ptr<Backend> make_backend(std::string_view name, const BackendOptions& given) {
  BackendOptions options = given;
  if (!options.precision) options.precision = preferred_precision(Precision::standard);
  if (name.empty()) {
    if (const char* wanted = std::getenv("POME_BACKEND"); wanted != nullptr) name = wanted;
  }
  std::string known;
  for (const Row& row : backends) {
    if (!name.empty() && row.name != name) {
      known += fmt::format("{}{}", known.empty() ? "" : ", ", row.name);
      continue;
    }
    if (auto backend = row.make(options)) return backend;
    if (!name.empty()) fail(ErrorKind::usage, "backend \"{}\": this machine has no device for it", name);
  }
  fail(ErrorKind::usage, "backend \"{}\" is unknown, expected one of {}", name, known);
}

}  // namespace pome::graph
