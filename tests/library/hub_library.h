// A Hub with models, and a machine that has none yet.
#pragma once

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/scratch_folder.h"
#include "fakehub/fake_hub.h"
#include "services/pull.h"

namespace pome::services {

struct HubLibrary : testing::Test {
  fakehub::FakeHub fake;
  ScratchFolder scratch;
  PullOptions options{.hub = {},
                      .paths = {.data = scratch.path() / "data",
                                .state = scratch.path() / "state",
                                .cache = scratch.path() / "cache",
                                .config = scratch.path() / "config",
                                .hf_cache = scratch.path() / "hub",
                                .demo = golden("broken/sound"),
                                .catalogue = fs::path(POME_SOURCE_DIR) / "assets/catalogue.json"}};

  HubLibrary() {
    options.hub.endpoint = fake.endpoint();
    options.hub.first_wait = std::chrono::milliseconds(1);
    options.hub.stall_timeout = std::chrono::milliseconds(500);
  }

  static fs::path golden(std::string_view name) { return fs::path(POME_SOURCE_DIR) / "tests/golden" / name; }

  // A folder of its own with the files of a model, to change some of them.
  fs::path copy_of(const fs::path& model, std::string_view name) const {
    const fs::path folder = scratch.path() / name;
    fs::create_directories(folder);
    for (const auto& entry : fs::directory_iterator(model)) {
      if (entry.is_regular_file()) fs::copy_file(entry.path(), folder / entry.path().filename());
    }
    return folder;
  }

  // What is here and cannot be had by asking for it again.
  fs::path pull_model(const std::string& id, const std::string& revision = "") const {
    PullWatcher watcher;
    return pull(plan_pull({.id = id, .revision = revision, .files = {}, .local_dir = {}}, options), options,
                watcher);
  }

  template <class Function>
  static Error error_of(Function function) {
    try {
      function();
    } catch (const Error& error) {
      return error;
    }
    return {ErrorKind::internal, "nothing was thrown"};
  }
};

}  // namespace pome::services
