#include "services/lock_file.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/scratch_folder.h"

namespace pome::services {
namespace {

const std::string commit(40, 'a');
const std::string digest(64, 'b');

PullPlan plan_of(const std::string& id, const std::string& file_digest = digest) {
  PullPlan plan;
  plan.request.id = id;
  plan.request.files.include = {"*.json"};
  plan.commit = commit;
  plan.files.push_back(
      {.file = {
           .name = "config.json", .size_bytes = 12, .git_sha1 = {}, .sha256 = file_digest, .xet_hash = {}}});
  return plan;
}

TEST(LockFile, GoesToDiskAndBack) {
  const ScratchFolder scratch;
  const fs::path file = scratch.path() / "pome.lock";
  EXPECT_TRUE(LockFile::load(file).models().empty());
  LockFile lock;
  lock.put(plan_of("org/b"));
  lock.put(plan_of("org/a"));
  lock.put(plan_of("org/a"));
  lock.save(file);
  const LockFile again = LockFile::load(file);
  ASSERT_EQ(again.models().size(), 2u);
  EXPECT_EQ(again.models()[0].model, "org/a");
  const LockedModel* model = again.find("org/b");
  ASSERT_NE(model, nullptr);
  EXPECT_EQ(model->commit, commit);
  ASSERT_EQ(model->files.size(), 1u);
  EXPECT_EQ(model->files[0].digest, digest);
  const PullRequest request = locked_request(*model, {});
  EXPECT_EQ(request.revision, commit);
  EXPECT_EQ(request.files.include, std::vector<std::string>{"*.json"});
}

TEST(LockFile, HoldsTheHubToItsDigests) {
  LockFile lock;
  lock.put(plan_of("org/a"));
  const LockedModel& model = lock.models()[0];
  EXPECT_NO_THROW(check_locked(plan_of("org/a"), model));
  EXPECT_THROW(check_locked(plan_of("org/a", std::string(64, 'c')), model), Error);
  PullPlan other = plan_of("org/a");
  other.commit = std::string(40, 'd');
  EXPECT_THROW(check_locked(other, model), Error);
  PullPlan fewer = plan_of("org/a");
  fewer.files[0].file.name = "other.json";
  EXPECT_THROW(check_locked(fewer, model), Error);
}

TEST(LockFile, TakesNothingThatHasNoDigests) {
  PullPlan plan = plan_of("org/a");
  plan.files.clear();
  LockFile lock;
  EXPECT_THROW(lock.put(plan), Error);
}

TEST(LockFile, RefusesWhatIsNone) {
  const std::string head =
      R"({"version": 1, "models": [{"model": "org/a", "commit": ")" + commit + R"(", "files": )";
  EXPECT_NO_THROW(LockFile::parse(head + "[]}]}", "pome.lock"));
  const std::string bad[] = {
      "[]",
      R"({"version": 2, "models": []})",
      R"({"version": 1})",
      R"({"version": 1, "models": [3]})",
      R"({"version": 1, "models": [{"model": "../a", "commit": ")" + commit + R"(", "files": []}]})",
      R"({"version": 1, "models": [{"model": "org/a", "commit": "main", "files": []}]})",
      head + R"([{"name": "x", "digest": "0"}]}]})",
      head + "{}}]}",
  };
  for (const std::string& text : bad) EXPECT_THROW(LockFile::parse(text, "pome.lock"), Error) << text;
}

}  // namespace
}  // namespace pome::services
