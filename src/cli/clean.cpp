#include <charconv>

#include "cli/deletion.h"
#include "cli/verb.h"

namespace pome::cli {
namespace {

constexpr Example examples[]{
    {"pome clean", "detached revisions, interrupted downloads, orphans: what they would free"},
    {"pome clean --unused 90d --quantization bf16", "models that fit all that is asked for"},
    {"pome clean --tag flux --quantization 4bit --apply", "after a question"},
    {"pome clean --root mlx-models --tag flux --quantization 4bit", "of a project's folder of models"},
    {"pome clean --partials --orphans --apply --yes", ""},
};

struct Clean {
  services::CleanOptions options;
  std::string older_than, unused;
  Deletion deletion;
};

// "30d", "12h", "2w"; days where no unit is told.
std::optional<std::chrono::seconds> parse_age(std::string_view option, const std::string& text) {
  if (text.empty()) return std::nullopt;
  std::int64_t number = 0;
  const auto [stop, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(stop, static_cast<std::size_t>(text.data() + text.size() - stop));
  const std::int64_t hours = unit == "h" ? 1 : unit == "d" || unit.empty() ? 24 : unit == "w" ? 24 * 7 : 0;
  constexpr std::int64_t most = 100'000;  // a clock cannot go much further back
  if (code != std::errc{} || hours == 0 || number < 0 || number > most) {
    fail(ErrorKind::usage, "{}: \"{}\" is no age (expected 30d, 12h or 2w)", option, text);
  }
  return std::chrono::hours(number * hours);
}

Action declare(Options& options) {
  auto clean = std::make_shared<Clean>();
  services::CleanOptions& o = clean->options;
  options.group("models that fit all of");
  options.option("--tag", o.tags, "TAG", "a tag, task, family, format or word of the name; may be repeated");
  options.option("--quantization", o.quantization, "4bit|mxfp4|bf16|none", "how their weights are stored");
  options.flag("--fused-only", o.fused_only, "an adapter was merged into them");
  options.option("--older-than", clean->older_than, "30d|12h|2w",
                 "changed last before that; counts for what follows too");
  options.option("--unused", clean->unused, "30d|12h|2w", "used last before that");
  options.group("what lies about (all three where nothing is asked for)");
  options.flag("--revisions", o.revisions, "snapshots that no branch or tag leads to");
  options.flag("--partials", o.partials, "interrupted downloads");
  options.flag("--orphans", o.orphans, "blobs that nothing links");
  options.flag("--missing-only", o.missing_only, "names and manifests whose model is gone");
  options.group("options");
  options.option("--root", o.root, "FOLDER",
                 "looks at the models in FOLDER and its manifests instead of the cache");
  declare_deletion(options, clean->deletion);
  return [clean] {
    services::CleanOptions& o = clean->options;
    o.older_than = parse_age("--older-than", clean->older_than);
    o.unused = parse_age("--unused", clean->unused);
    const bool models = !o.tags.empty() || !o.quantization.empty() || o.fused_only || o.unused;
    if (!o.root.empty() && !models && !o.chooses_strays() && !o.older_than) {
      throw error(ErrorKind::usage, "--root without a word on which models")
          .with_hint("--tag, --quantization, --unused, …");
    }
    if (!models && !o.chooses_strays() && !o.older_than) o.revisions = o.partials = o.orphans = true;
    const store::Paths paths = store::Paths::from_environment();
    carry_out(clean->deletion, [&] { return services::plan_clean(o, paths); }, paths);
  };
}

}  // namespace

extern constexpr Verb clean_verb{"clean", Group::get_and_keep, "find what can go, and delete it when told to",
                                 examples, declare};

}  // namespace pome::cli
