#include "services/archs.h"

#include "cli/output.h"
#include "cli/verb.h"

namespace pome::cli {
namespace {

constexpr Example examples[]{{"pome archs", ""}, {"pome archs --json", "one object per family"}};

Action declare(Options& options) {
  auto json = std::make_shared<bool>(false);
  options.flag("--json", *json, "one object per line");
  return [json] {
    std::vector<std::vector<std::string>> rows{{"family", "caches", "model_type", ""}};
    for (const services::ArchFacts& arch : services::archs()) {
      if (*json) print_json(arch.to_json());
      rows.push_back({arch.name, fmt::format("{}", fmt::join(arch.caches, " ")),
                      fmt::format("{}", fmt::join(arch.model_types, " ")), arch.summary});
    }
    if (*json) return;
    print(table(rows));
    std::string modes;
    for (const services::QuantizationFacts& mode : services::quantizations()) {
      modes += fmt::format("{}{} ({} bits, groups of {})", modes.empty() ? "" : ", ", mode.mode,
                           fmt::join(mode.bits, " "), fmt::join(mode.group_sizes, " "));
    }
    print(
        fmt::format("\nEvery family reads Hugging Face's names of tensors and those of MLX conversions, "
                    "llama also Meta's, in\n"
                    "float32, float16 and bfloat16, and quantized: {}.\n",
                    modes));
  };
}

}  // namespace

extern constexpr Verb archs_verb{"archs", Group::look_inside, "the model families that run here", examples,
                                 declare};

}  // namespace pome::cli
