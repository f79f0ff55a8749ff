#include "services/import.h"
#include "cli/output.h"
#include "cli/verb.h"

namespace pome::cli {
namespace {

constexpr Example examples[]{
    {"pome import ./my-model --name me/my-model", "gives a folder a name, where it is"},
    {"pome import ~/Documents/Models --repair", "every model of an app's folder, and its marker files"},
    {"pome import mlx-community/Qwen3-0.6B-4bit --copy --into ~/Documents/Models",
     "lays it out for such an app"},
};

struct Import {
  std::vector<std::string> words;
  services::ImportOptions options;
  bool copy = false, link = false, json = false;
};

void run(Import& import) {
  using How = services::ImportOptions::How;
  if (import.copy && import.link) fail(ErrorKind::usage, "--copy and --link exclude each other");
  import.options.source = import.words.front();
  import.options.how = import.copy ? How::copy : import.link ? How::link : How::in_place;
  const auto report = services::import_models(import.options, store::Paths::from_environment());
  for (const services::Imported& model : report.models) {
    if (import.json) {
      print_json({{"name", model.name}, {"folder", model.folder.string()}, {"how", model.how}});
    } else {
      print(fmt::format("{}  {}\n", model.name, model.folder.string()));
    }
  }
  const std::string_view done = report.repaired ? "written" : "missing (--repair writes it)";
  for (const std::string& name : report.unmarked) talk(fmt::format("marker of {}: {}\n", name, done));
  for (const fs::path& marker : report.stale_markers) {
    talk(fmt::format("marker {}: no such model{}\n", marker.string(), report.repaired ? ", removed" : ""));
  }
}

Action declare(Options& options) {
  auto import = std::make_shared<Import>();
  options.words({"FOLDER|MODEL"}, import->words, 1, 1);
  options.option("--name", import->options.name, "NAME", "org/name or a word (default: the folder's)");
  options.flag("--copy", import->copy, "copies it to pome's own folder, or where --into says");
  options.flag("--link", import->link, "the same with hard links: no space, but one file system");
  options.option("--into", import->options.into, "FOLDER",
                 "puts it at FOLDER/models/<org>/<name>, with a marker file");
  options.flag("--repair", import->options.repair,
               "of a folder of models: writes missing marker files, removes stale ones");
  options.flag("--json", import->json, "one object per line");
  return [import] { run(*import); };
}

}  // namespace

extern constexpr Verb import_verb{"import", Group::get_and_keep, "names for models in folders of your own",
                                  examples, declare};

}  // namespace pome::cli
