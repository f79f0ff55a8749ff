#include "services/cleanup.h"

#include <gtest/gtest.h>

#include "services/import.h"
#include "services/tiny_model.h"
#include "store/folders.h"
#include "store/hf_cache.h"

namespace pome::services {
namespace {

using Kind = CleanItem::Kind;
const std::string commit_a(40, 'a'), commit_b(40, 'b');

struct Cache : TinyLibrary {
  // A revision of a repository out of the sound model's files.
  void put_revision(std::string_view id, const std::string& commit, std::string_view card) const {
    const store::CachedRepo repo(paths.hf_cache, id);
    repo.create();
    char digit = '1';
    for (const char* name : {"config.json", "model.safetensors", "tokenizer.json"}) {
      const std::string etag(40, digit++);
      if (!fs::exists(repo.blob(etag))) fs::copy_file(fs::path(sound_model()) / name, repo.blob(etag));
      repo.link(commit, name, etag);
    }
    const std::string etag = commit.substr(0, 39) + "0";
    write_file_atomic(repo.blob(etag), card);
    repo.link(commit, "README.md", etag);
  }
  store::CachedRepo repo(std::string_view id) const { return {paths.hf_cache, id}; }

  Cache() {
    put_revision("org/chat", commit_a, "---\ntags: [old]\n---\n");
    put_revision("org/chat", commit_b, "---\ntags: [small]\n---\n");
    repo("org/chat").write_ref("main", commit_b);
    put_revision("mzbac/flux1.schnell.4bit.mlx", commit_a, "");
    repo("mzbac/flux1.schnell.4bit.mlx").write_ref("main", commit_a);
  }

  std::uint64_t apply_plan(const std::function<CleanPlan()>& make) const {
    return apply(make(), make, paths, {});
  }
};

std::vector<std::string> names(const CleanPlan& plan) {
  std::vector<std::string> result;
  for (const CleanItem& item : plan.items) result.push_back(item.name);
  return result;
}

TEST(Cleanup, RemovesAModelOrOneRevision) {
  const Cache cache;
  const auto revision = [&] { return plan_removal({"org/chat@aaaaaaa"}, false, cache.paths); };
  ASSERT_EQ(revision().items.size(), 1u);
  EXPECT_EQ(revision().items[0].reason, "detached revision");
  // The weights are shared with the other revision.
  EXPECT_LT(revision().bytes, 100u);
  EXPECT_EQ(cache.apply_plan(revision), 20u);
  EXPECT_TRUE(fs::exists(cache.repo("org/chat").file(commit_b, "model.safetensors")));
  const auto all = [&] { return plan_removal({"org/chat"}, false, cache.paths); };
  EXPECT_GT(cache.apply_plan(all), 10000u);
  EXPECT_FALSE(fs::exists(cache.repo("org/chat").folder()));
}

TEST(Cleanup, ChoosesModelsThatFitAllThatIsAsked) {
  const Cache cache;
  EXPECT_EQ(names(plan_clean({.tags = {"flux"}}, cache.paths)),
            (std::vector<std::string>{"mzbac/flux1.schnell.4bit.mlx"}));
  EXPECT_EQ(names(plan_clean({.tags = {"SMALL", "llama"}}, cache.paths)),
            (std::vector<std::string>{"org/chat"}));
  EXPECT_TRUE(plan_clean({.tags = {"small", "flux"}}, cache.paths).items.empty());
  EXPECT_TRUE(plan_clean({.tags = {"old"}}, cache.paths).items.empty());  // of a revision that is not main
  EXPECT_EQ(plan_clean({.quantization = "fp16"}, cache.paths).items.size(), 2u);
  EXPECT_TRUE(plan_clean({.quantization = "4bit"}, cache.paths).items.empty());
  EXPECT_TRUE(plan_clean({.older_than = std::chrono::hours(1)}, cache.paths).items.empty());
  EXPECT_EQ(plan_clean({.unused = std::chrono::seconds(-10)}, cache.paths).items.size(), 2u);
  EXPECT_TRUE(plan_clean({}, cache.paths).items.empty());
}

TEST(Cleanup, FindsWhatLiesAbout) {
  const Cache cache;
  cache.put("hub/models--org--chat/blobs/" + std::string(64, '9'), "12345");
  cache.put("hub/models--org--chat/blobs/x.incomplete", "123");
  const auto plan = [&] {
    return plan_clean({.revisions = true, .partials = true, .orphans = true}, cache.paths);
  };
  const CleanPlan all = plan();
  ASSERT_EQ(all.items.size(), 3u);
  EXPECT_EQ(all.items[0].kind, Kind::revision);
  EXPECT_EQ(all.items[1].kind, Kind::partial);
  EXPECT_EQ(all.items[2].kind, Kind::orphan);
  EXPECT_EQ(all.bytes, 20u + 3 + 5);
  EXPECT_EQ(cache.apply_plan(plan), all.bytes);
  EXPECT_TRUE(plan().items.empty());
}

TEST(Cleanup, KeepsWhatIsInUse) {
  Cache cache;
  const auto plan = [&] { return plan_removal({"org/chat"}, false, cache.paths); };
  {
    const auto open = cache.library.open("org/chat");
    ASSERT_EQ(plan().items.size(), 1u);
    EXPECT_NE(plan().items[0].kept.find("in use by"), std::string::npos);
    EXPECT_EQ(plan().bytes, 0u);
    EXPECT_EQ(cache.apply_plan(plan), 0u);
    EXPECT_TRUE(fs::exists(cache.repo("org/chat").folder()));
    // The revision that nobody uses may go.
    EXPECT_TRUE(plan_removal({"org/chat@" + commit_a}, false, cache.paths).items[0].kept.empty());
  }
  const CleanPlan before = plan();
  EXPECT_TRUE(before.items[0].kept.empty());
  // Opened between the question and the answer.
  const auto open = cache.library.open("org/chat");
  EXPECT_EQ(apply(before, plan, cache.paths, {}), 0u);
  EXPECT_TRUE(fs::exists(cache.repo("org/chat").folder()));
}

TEST(Cleanup, OfImportedFoldersOnlyTheNameGoes) {
  const Cache cache;
  const fs::path mine = cache.copy_of(sound_model(), "mine");
  import_models({.source = mine.string(), .name = "me/mine"}, cache.paths);
  import_models({.source = mine.string(), .name = "me/copy", .how = ImportOptions::How::copy}, cache.paths);
  const auto name = [&] { return plan_removal({"me/mine"}, false, cache.paths); };
  EXPECT_EQ(name().bytes, 0u);
  cache.apply_plan(name);
  EXPECT_TRUE(fs::exists(mine / "config.json"));
  EXPECT_FALSE(store::Folders(cache.paths).find("me/mine"));
  const auto copy = [&] { return plan_removal({"me/copy"}, false, cache.paths); };
  EXPECT_GT(cache.apply_plan(copy), 10000u);
  EXPECT_FALSE(fs::exists(cache.paths.data / "models/me/copy"));

  import_models({.source = mine.string(), .name = "me/mine"}, cache.paths);
  fs::remove_all(mine);
  EXPECT_EQ(names(plan_clean({.missing_only = true}, cache.paths)), (std::vector<std::string>{"me/mine"}));
}

TEST(Cleanup, OfAProjectsFolderModelsGoThere) {
  const Cache cache;
  const fs::path root = cache.scratch.path() / "mlx-models";
  fs::create_directories(root);
  fs::rename(cache.copy_of(golden("qwen3/quantized_4bit"), "x"), root / "flux-schnell");
  fs::rename(cache.copy_of(sound_model(), "y"), root / "musicgen-small");
  cache.put("mlx-models/manifests/musicgen-small.manifest.json",
            R"({"model": "musicgen-small", "model_path": "musicgen-small", "tags": ["Audio"]})");
  cache.put("mlx-models/manifests/gone.manifest.json", R"({"model": "gone", "model_path": "gone"})");
  EXPECT_EQ(names(plan_clean({.root = root, .tags = {"audio"}}, cache.paths)),
            (std::vector<std::string>{"musicgen-small"}));
  EXPECT_EQ(names(plan_clean({.root = root, .missing_only = true}, cache.paths)),
            (std::vector<std::string>{"gone.manifest.json"}));
  const auto plan = [&] {
    return plan_clean({.root = root, .tags = {"flux"}, .quantization = "4bit"}, cache.paths);
  };
  EXPECT_GT(cache.apply_plan(plan), 50000u);
  EXPECT_FALSE(fs::exists(root / "flux-schnell"));
  EXPECT_TRUE(fs::exists(root / "musicgen-small/config.json"));
}

TEST(Cleanup, RefusesWhatItDoesNotKeep) {
  const Cache cache;
  const auto kind = [&](const std::string& model) {
    return error_of([&] { plan_removal({model}, false, cache.paths); }).kind();
  };
  EXPECT_EQ(kind("demo"), ErrorKind::usage);
  EXPECT_EQ(kind(cache.scratch.path().string()), ErrorKind::usage);
  EXPECT_EQ(kind("org/caht"), ErrorKind::not_found);
  EXPECT_EQ(error_of([&] { plan_removal({"org/caht"}, false, cache.paths); }).hint(),
            "did you mean org/chat?");
  EXPECT_EQ(kind("org/chat@v9"), ErrorKind::not_found);
  EXPECT_EQ(kind("../../not-there"), ErrorKind::not_found);
}

}  // namespace
}  // namespace pome::services
