// Models that move on while they are here.
#include "services/update.h"

#include "library/hub_library.h"
#include "store/hf_cache.h"
#include "store/resolve.h"

namespace pome::services {
namespace {

struct Updating : HubLibrary {
  store::CachedRepo repo{options.paths.hf_cache, "org/name"};
  std::string first, second;
  int fetches = 0;

  // The first revision is here, the Hub has a second one with another config and other weights.
  void move_on() {
    fake.add_folder("org/name", golden("broken/sound"));
    pull_model("org/name");
    first = *repo.commit("main");
    fake.add_folder("org/name", golden("llama/plain"));
    second = plan_pull({.id = "org/name", .revision = {}, .files = {}, .local_dir = {}}, options).commit;
  }

  std::string update_it(const std::string& name = "org/name") {
    return update(name, options, [&](const PullPlan& plan) {
      ++fetches;
      PullWatcher watcher;
      pull(plan, options, watcher);
    });
  }

  std::string weights(const std::string& commit) const {
    return read_file(repo.snapshot(commit) / "model.safetensors");
  }
};

TEST_F(Updating, ANewRevisionComesBesideTheOldOne) {
  move_on();
  ASSERT_NE(first, second);
  const auto rows = outdated({}, options);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].name, "org/name");
  EXPECT_EQ(rows[0].here, first);
  EXPECT_EQ(rows[0].newest, second);
  EXPECT_EQ(update_it(), second);
  EXPECT_EQ(repo.commit("main"), second);
  EXPECT_EQ(weights(first), read_file(golden("broken/sound/model.safetensors")));
  EXPECT_EQ(weights(second), read_file(golden("llama/plain/model.safetensors")));
  EXPECT_TRUE(outdated({}, options).empty());
}

TEST_F(Updating, NothingToDoFetchesNothing) {
  move_on();
  update_it();
  fake.forget();
  EXPECT_EQ(update_it(), second);
  EXPECT_EQ(fetches, 1);
  for (const fakehub::Seen& seen : fake.seen()) EXPECT_EQ(seen.path.find("/resolve/"), std::string::npos);
  EXPECT_TRUE(outdated({"org/name"}, options).empty());
}

TEST_F(Updating, WrongBytesLeaveTheOldRevisionInPlace) {
  move_on();
  fake.add({.kind = "corrupt", .value = 100, .path = "/cdn/", .times = -1});
  EXPECT_EQ(error_of([&] { update_it(); }).kind(), ErrorKind::corrupt);
  EXPECT_EQ(repo.commit("main"), first);
  EXPECT_FALSE(fs::exists(repo.snapshot(second) / "model.safetensors"));
  EXPECT_EQ(store::resolve("org/name", options.paths).commit, first);
  EXPECT_EQ(error_of([&] { roll_back("org/name", options.paths); }).kind(), ErrorKind::not_found);
  EXPECT_EQ(outdated({}, options).size(), 1u);
  fake.clear_faults();
  EXPECT_EQ(update_it(), second);
  EXPECT_EQ(weights(second), read_file(golden("llama/plain/model.safetensors")));
}

TEST_F(Updating, ACutLineLeavesItTooAndTheNextUpdateGoesOn) {
  move_on();
  fake.add({.kind = "status", .value = 503, .path = "/cdn/", .times = -1});
  EXPECT_EQ(error_of([&] { update_it(); }).kind(), ErrorKind::network);
  EXPECT_EQ(store::resolve("org/name", options.paths).commit, first);
  fake.clear_faults();
  EXPECT_EQ(update_it(), second);
}

TEST_F(Updating, BackAndForth) {
  move_on();
  EXPECT_EQ(error_of([&] { roll_back("org/name", options.paths); }).kind(), ErrorKind::not_found);
  update_it();
  options.hub.offline = true;  // nobody has to be asked
  EXPECT_EQ(roll_back("org/name", options.paths), first);
  EXPECT_EQ(store::resolve("org/name", options.paths).commit, first);
  EXPECT_EQ(roll_back("org/name", options.paths), second);
  EXPECT_EQ(roll_back("org/name", options.paths), first);
  fs::remove_all(repo.snapshot(second));
  const Error gone = error_of([&] { roll_back("org/name", options.paths); });
  EXPECT_EQ(gone.kind(), ErrorKind::not_found);
  EXPECT_EQ(gone.hint(), "pome pull org/name@" + second);
  EXPECT_EQ(repo.commit("main"), first);
}

TEST_F(Updating, ARepositoryThatIsGoneStaysHere) {
  move_on();
  fake.change("org/name", [](fakehub::Model& model) { model.is_private = true; });
  const auto rows = outdated({}, options);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].newest, "");
  EXPECT_EQ(error_of([&] { update_it(); }).kind(), ErrorKind::not_found);
  EXPECT_EQ(fetches, 0);
  EXPECT_EQ(store::resolve("org/name", options.paths).commit, first);
}

TEST_F(Updating, APinnedRevisionDoesNotMove) {
  fake.add_folder("org/name", golden("broken/sound"));
  fake.change("org/name", [](fakehub::Model& model) { model.revisions["v1"] = std::string(40, '1'); });
  pull_model("org/name", "v1");
  EXPECT_TRUE(outdated({}, options).empty());
  const Error pinned = error_of([&] { update_it(); });
  EXPECT_EQ(pinned.kind(), ErrorKind::not_found);
  EXPECT_NE(std::string(pinned.what()).find("its main branch is not here"), std::string::npos)
      << pinned.what();

  // Beside main it stays where it is.
  pull_model("org/name");
  first = *repo.commit("main");
  fake.change("org/name", [](fakehub::Model& model) { model.commit = std::string(40, '2'); });
  EXPECT_EQ(update_it(), std::string(40, '2'));
  EXPECT_EQ(repo.commit("v1"), std::string(40, '1'));
  EXPECT_EQ(store::resolve("org/name@v1", options.paths).commit, std::string(40, '1'));
}

TEST_F(Updating, WithoutTheHubNothingIsSaidToBeNew) {
  move_on();
  options.hub.offline = true;
  EXPECT_EQ(error_of([&] { outdated({}, options); }).kind(), ErrorKind::not_found);
  options.hub.offline = false;
  options.hub.endpoint = "http://127.0.0.1:1";
  EXPECT_EQ(error_of([&] { outdated({}, options); }).kind(), ErrorKind::network);
  EXPECT_EQ(error_of([&] { outdated({"org/none"}, options); }).kind(), ErrorKind::not_found);
}

}  // namespace
}  // namespace pome::services
