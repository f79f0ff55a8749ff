// A Hub with models, and a machine that has none yet.
#pragma once

#include <gtest/gtest.h>

#include "fakehub/fake_hub.h"
#include "services/pull.h"
#include "services/tiny_model.h"

namespace pome::services {

struct HubLibrary : testing::Test, TinyMachine {
  fakehub::FakeHub fake;
  PullOptions options{.hub = {}, .paths = paths};

  HubLibrary() {
    options.hub.endpoint = fake.endpoint();
    options.hub.first_wait = std::chrono::milliseconds(1);
    options.hub.stall_timeout = std::chrono::milliseconds(500);
  }

  // The folder of a model that is here then.
  fs::path pull_model(const std::string& id, const std::string& revision = "") const {
    PullWatcher watcher;
    return pull(plan_pull({.id = id, .revision = revision, .files = {}, .local_dir = {}}, options), options,
                watcher);
  }
};

}  // namespace pome::services
