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
    std::vector<std::vector<std::string>> rows;
    for (const services::ArchFacts& arch : services::archs()) {
      if (*json) print_json(arch.to_json());
      rows.push_back({arch.name, fmt::format("{}", fmt::join(arch.model_types, " ")), arch.summary});
    }
    if (!*json) print(table(rows));
  };
}

}  // namespace

extern constexpr Verb archs_verb{"archs", Group::look_inside, "the model families that run here", examples,
                                 declare};

}  // namespace pome::cli
