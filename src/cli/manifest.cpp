#include "services/manifest.h"
#include "base/units.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "store/manifest_file.h"

namespace pome::cli {
namespace {

constexpr Example examples[]{
    {"pome manifest sync", "a manifest for every model of the cache and every imported folder"},
    {"pome manifest sync --root mlx-models --models flux-schnell flux-dev --fast",
     "of a project's own folder"},
    {"pome manifest sync --override source_id=org/name --models me/mine", "what the files do not tell"},
    {"pome manifest show --as-json", ""},
};

struct Manifest {
  std::vector<std::string> words;
  services::ManifestOptions options;
  bool json = false;
};

void sync(const Manifest& o) {
  const auto all = services::sync_manifests(o.options, store::Paths::from_environment());
  for (const auto& synced : all) {
    if (o.json) {
      print_json({{"model", synced.model},
                  {"file", synced.file.string()},
                  {"change", synced.change},
                  {"manifest", synced.manifest}});
    } else {
      print(fmt::format("{}  {}  {}\n", synced.change, synced.model, synced.file.string()));
    }
  }
  if (all.empty()) {
    talk(o.options.root.empty()
             ? "there are no models\n"
             : "no model is registered: --include-unregistered takes those that are there\n");
  }
  if (o.options.dry_run && !o.json) talk("nothing was written\n");
}

std::string cell(const Json& manifest, std::string_view key) {
  const auto value = manifest.find(key);
  return value != manifest.end() && value->is_string() ? value->get<std::string>() : "-";
}

void show(const Manifest& o) {
  std::vector<std::vector<std::string>> rows;
  std::size_t shown = 0;
  const auto is_asked = [&](const Json& manifest) {
    const auto& names = o.options.models;
    return names.empty() || std::find(names.begin(), names.end(), cell(manifest, "model")) != names.end();
  };
  const fs::path folder = store::manifests_folder(o.options.root, store::Paths::from_environment());
  for (const Json& manifest : store::read_manifests(folder)) {
    if (!is_asked(manifest)) continue;
    ++shown;
    if (o.json) {
      print_json(manifest);
      continue;
    }
    const auto storage = manifest.find("storage");
    std::string size = "-", present = "-";
    if (storage != manifest.end() && storage->is_object()) {
      const auto bytes = storage->find("size_bytes");
      if (bytes != storage->end() && bytes->is_number_unsigned())
        size = size_text(bytes->get<std::uint64_t>());
      const auto there = storage->find("present");
      if (there != storage->end() && there->is_boolean()) present = there->get<bool>() ? "here" : "missing";
    }
    rows.push_back({cell(manifest, "model"), cell(manifest, "source_id"), cell(manifest, "quantization"),
                    cell(manifest, "precision"), size, present});
  }
  if (!rows.empty()) rows.insert(rows.begin(), {"model", "source", "quantization", "precision", "size", ""});
  print(table(rows));
  if (shown == 0) talk("there are no manifests: pome manifest sync makes them\n");
}

Action declare(Options& options) {
  auto o = std::make_shared<Manifest>();
  options.words({"sync|show", "MODEL…"}, o->words, 1, 1000, {"sync", "show"});
  options.option("--root", o->options.root, "FOLDER",
                 "of model folders, with manifests in FOLDER/manifests (default: pome's own)");
  options.option("--models", o->options.models, "MODEL",
                 "only these, also as further words (default: all that are registered)");
  options.flag("--fast", o->options.fast, "sync: does not look at files; sizes stay as they were");
  options.option("--override", o->options.overrides, "KEY=VALUE",
                 "sync: holds against what files say; an empty value takes it back");
  options.flag("--include-unregistered", o->options.include_unregistered,
               "sync: also models of FOLDER that its registry does not know");
  options.option("--notes", o->options.notes, "TEXT", "sync: puts TEXT in");
  options.flag("--dry-run", o->options.dry_run, "sync: says what would change");
  options.flag("--json,--as-json", o->json, "one object per line");
  return [o] {
    o->options.models.insert(o->options.models.end(), o->words.begin() + 1, o->words.end());
    if (o->words.front() == "sync") {
      sync(*o);
    } else if (o->words.front() == "show") {
      show(*o);
    } else {
      throw error(ErrorKind::usage, "manifest {}: expected sync or show", o->words.front())
          .with_hint("pome help manifest");
    }
  };
}

}  // namespace

extern constexpr Verb manifest_verb{"manifest", Group::get_and_keep,
                                    "provenance, precision and size of models as files, for other tools",
                                    examples, declare};

}  // namespace pome::cli
