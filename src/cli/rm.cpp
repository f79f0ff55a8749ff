#include "cli/deletion.h"
#include "cli/verb.h"

namespace pome::cli {
namespace {

constexpr Example examples[]{
    {"pome rm mlx-community/Qwen3-0.6B-4bit", "what it would free"},
    {"pome rm mlx-community/Qwen3-0.6B-4bit@0123456 --apply", "one revision, after a question"},
    {"pome rm me/my-model --apply --yes", "no question"},
};

struct Rm {
  std::vector<std::string> words;
  bool files = false;
  Deletion deletion;
};

Action declare(Options& options) {
  auto rm = std::make_shared<Rm>();
  rm->deletion.named = true;
  options.words({"MODEL…"}, rm->words, 1, 1000);
  options.flag("--files", rm->files, "of an imported folder: deletes it too, not just its name");
  declare_deletion(options, rm->deletion);
  return [rm] {
    const store::Paths paths = store::Paths::from_environment();
    const auto plan = [&] { return services::plan_removal(rm->words, rm->files, paths); };
    carry_out(rm->deletion, plan, paths);
  };
}

}  // namespace

extern constexpr Verb rm_verb{"rm", Group::get_and_keep, "delete models; shows first what that frees",
                              examples, declare};

}  // namespace pome::cli
