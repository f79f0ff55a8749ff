// The models that pome knows by name before it has any: assets/catalogue.json, one dated table that presets,
// recommendations, `list --missing` and name corrections read. tools/catalogue writes it; a refreshed copy in
// pome's cache folder takes its place until a newer one is bundled.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "store/paths.h"

namespace pome::store {

struct KnownRepo {
  std::string repo;  // org/name
  int bits = 0;      // of most weights: 16 and 32 are floating point
  std::uint64_t bytes = 0;
  std::vector<std::string> include;  // what a pipeline loads, as patterns; empty: what the file set of a
                                     // language model is
};

struct KnownCache {  // layers that remember alike
  int layers = 0;
  int kv_heads = 0;
  int head_dim = 0;
  int window = 0;  // 0: every position
};

struct KnownModel {
  std::string name;    // "qwen3-8b", a preset
  std::string family;  // empty: a pipeline of several models
  std::vector<std::string> tasks;
  std::string licence;
  std::string base;              // the repository it was made from
  std::vector<std::string> aka;  // other names that people use
  bool gated = false;
  int context = 0;
  std::uint64_t parameters = 0;
  std::uint64_t active_parameters = 0;  // that one token reads
  std::vector<KnownCache> cache;
  std::vector<KnownRepo> repos;  // the one to take first, first

  bool serves(std::string_view task) const;
};

// An immutable value. Names are compared without regard to case.
class Catalogue {
 public:
  // The newer of the bundled table and the refreshed one, which counts on the same day. Throws
  // Error(not_found, corrupt) naming the file.
  static Catalogue load(const Paths& paths);

  // Throws Error(corrupt).
  static Catalogue parse(std::string_view json, std::string_view subject);

  const std::string& as_of() const { return as_of_; }  // "2026-11-21"
  const std::vector<KnownModel>& models() const { return models_; }

  // By its name, one of its other names, its base or one of its repositories; nullptr where there is none.
  const KnownModel* find(std::string_view name) const;

  // `name` as a preset: its model's, or a group's ("flux") members in order. Empty where it is none.
  std::vector<const KnownModel*> preset(std::string_view name) const;

  // What was meant by a name that exists nowhere: what is written down for it, else the repositories whose
  // names say most of the same, best first, at most `most`. Only names that exist, never one made up.
  std::vector<std::string> corrections(std::string_view wrong, std::size_t most = 3) const;

  // Where the refreshed table lies.
  static fs::path refreshed_file(const Paths& paths) { return paths.cache / "catalogue.json"; }

 private:
  struct Named {
    std::string name;
    std::vector<std::string> others;
  };

  std::string as_of_;
  std::vector<KnownModel> models_;
  std::vector<Named> groups_;
  std::vector<Named> corrections_;
};

}  // namespace pome::store
