// A home of its own for tests: empty folders, and a Hugging Face cache to fill.
#pragma once

#include <string>
#include <string_view>

#include "base/scratch_folder.h"
#include "store/paths.h"

namespace pome::store {

struct FakeStore {
  ScratchFolder scratch;
  Paths paths{.data = scratch.path() / "data",
              .state = scratch.path() / "state",
              .cache = scratch.path() / "cache",
              .config = scratch.path() / "config",
              .hf_cache = scratch.path() / "hub",
              .demo = scratch.path() / "demo",
              .catalogue = scratch.path() / "catalogue.json"};

  static void put(const fs::path& file, std::string_view content = "{}") {
    fs::create_directories(file.parent_path());
    write_file_atomic(file, content);
  }

  fs::path repository(const std::string& folder) const { return paths.hf_cache / ("models--" + folder); }

  // A file of a snapshot as the cache keeps it: a blob, and a relative link to it.
  void put_snapshot(const std::string& folder, const std::string& commit, const std::string& name,
                    std::string_view content = "{}") const {
    const std::string blob = commit.substr(0, 8) + name;
    put(repository(folder) / "blobs" / blob, content);
    const fs::path snapshot = repository(folder) / "snapshots" / commit;
    fs::create_directories(snapshot);
    fs::create_symlink(fs::path("../../blobs") / blob, snapshot / name);
  }
};

}  // namespace pome::store
