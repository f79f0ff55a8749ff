#include "base/units.h"
#include "cli/fetching.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "services/repair.h"

namespace pome::cli {
namespace {

constexpr Example examples[]{
    {"pome verify", "every model: digests, sizes, how the files fit together"},
    {"pome verify mlx-community/Qwen3-0.6B-4bit --json", ""},
    {"pome verify --quick", "without reading the weights"},
    {"pome verify --repair", "and fetch what is damaged, of large files only the bad stretches"},
};

struct Verify {
  std::vector<std::string> words;
  bool quick = false, json = false, repair = false;
};

void print_result(const services::Verified& result) {
  std::string line =
      fmt::format("{}  {}  {} files", result.name, result.ok() ? "ok" : "DAMAGED", result.files);
  if (result.files_hashed > 0)
    line += fmt::format(", {} of them hashed ({})", result.files_hashed, size_text(result.bytes_hashed));
  print(line + "\n");
  for (const services::Finding& finding : result.findings) {
    constexpr std::string_view grades[]{"error", "warning", "note"};
    print(fmt::format("  {}: {}{}{}\n", grades[static_cast<std::size_t>(finding.grade)], finding.file,
                      finding.file.empty() ? "" : ": ", finding.message));
    if (!finding.hint.empty() && finding.grade == services::Finding::Grade::error) {
      print(fmt::format("    hint: {}\n", finding.hint));
    }
  }
}

// The same model after what is damaged has been fetched.
services::Verified repaired(const services::Verified& found, const services::VerifyOptions& options,
                            const store::Paths& paths) {
  services::PullOptions pull;
  pull.paths = paths;
  fetch(services::plan_repair(found, pull), pull, FetchTalk::lines);
  return services::verify(found.name, options, paths);
}

void run(const Verify& o) {
  const store::Paths paths = store::Paths::from_environment();
  services::VerifyOptions options;
  options.digests = !o.quick;
  std::size_t all = 0, bad = 0;
  const auto show = [&](const services::Verified& found) {
    ++all;
    const bool mend = o.repair && !found.damaged.empty();
    if (mend && !o.json) print_result(found);
    const services::Verified result = mend ? repaired(found, options, paths) : found;
    bad += result.ok() ? 0 : 1;
    o.json ? print_json(result.to_json()) : print_result(result);
    flush_output();
  };
  for (const std::string& model : o.words) show(services::verify(model, options, paths));
  if (o.words.empty()) services::verify_all(options, paths, show);
  if (all == 0) talk("there is nothing to verify\n");
  if (bad > 0) fail(ErrorKind::corrupt, "{} of {} model{} damaged", bad, all, all == 1 ? " is" : "s are");
}

Action declare(Options& options) {
  auto verify = std::make_shared<Verify>();
  options.words({"MODEL…"}, verify->words, 0, 1000);
  options.flag("--quick", verify->quick, "no digests: sizes, headers and how the files fit together");
  options.flag("--repair", verify->repair, "fetch damaged files again, of large ones the bad stretches");
  options.flag("--json", verify->json, "one object per model");
  return [verify] { run(*verify); };
}

}  // namespace

extern constexpr Verb verify_verb{"verify", Group::get_and_keep, "whether models are whole and unchanged",
                                  examples, declare};

}  // namespace pome::cli
