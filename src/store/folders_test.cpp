#include "store/folders.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "store/fake_store.h"
#include "store/resolve.h"

namespace pome::store {
namespace {

void put_model(const fs::path& folder) {
  FakeStore::put(folder / "config.json");
  FakeStore::put(folder / "model.safetensors");
}

TEST(ModelTree, ReadsAnAppsFolderAndItsMarkers) {
  const FakeStore store;
  const fs::path root = store.scratch.path() / "Models";
  put_model(root / "models/mlx-community/SmolLM2-135M-Instruct-4bit");
  put_model(root / "models/mlx-community/Qwen2.5-0.5B-Instruct-4bit");
  FakeStore::put(root / "mlx-community--Qwen2.5-0.5B-Instruct-4bit", "");
  FakeStore::put(root / "Llama-3.2-1B-Instruct-4bit", "");
  FakeStore::put(root / "settings.json", "{}");
  const ModelTree tree = scan_model_tree(root);
  ASSERT_EQ(tree.models.size(), 2u);
  EXPECT_TRUE(tree.uses_markers);
  EXPECT_EQ(tree.models[0].name, "mlx-community/Qwen2.5-0.5B-Instruct-4bit");
  EXPECT_TRUE(tree.models[0].marked);
  EXPECT_FALSE(tree.models[1].marked);
  EXPECT_EQ(tree.stale_markers, (std::vector<fs::path>{root / "Llama-3.2-1B-Instruct-4bit"}));

  repair_markers(tree);
  const ModelTree repaired = scan_model_tree(root);
  EXPECT_TRUE(repaired.models[0].marked && repaired.models[1].marked);
  EXPECT_TRUE(repaired.stale_markers.empty());
  EXPECT_TRUE(fs::exists(root / "SmolLM2-135M-Instruct-4bit"));
  EXPECT_TRUE(fs::exists(root / "settings.json"));
}

TEST(ModelTree, ReadsFoldersWithAndWithoutOrganization) {
  const FakeStore store;
  const fs::path root = store.scratch.path() / "mlx-models";
  put_model(root / "gpt-oss-20b-mxfp4");
  put_model(root / "org/name");
  put_model(root / ".hidden");
  FakeStore::put(root / "manifests/x.manifest.json");
  FakeStore::put(root / "flux-schnell/model_index.json");
  const ModelTree tree = scan_model_tree(root);
  ASSERT_EQ(tree.models.size(), 3u);
  EXPECT_FALSE(tree.uses_markers);
  EXPECT_EQ(tree.models[0].name, "flux-schnell");
  EXPECT_EQ(tree.models[1].name, "gpt-oss-20b-mxfp4");
  EXPECT_EQ(tree.models[2].name, "org/name");
}

TEST(Folders, GiveNamesThatResolve) {
  const FakeStore store;
  const fs::path single = store.scratch.path() / "somewhere", root = store.scratch.path() / "tree";
  put_model(single);
  put_model(root / "org/inside");
  Folders folders(store.paths);
  EXPECT_TRUE(folders.all().empty());
  folders.add("me/mine", single);
  folders.add_tree(root / "");
  folders.add_tree(root);
  EXPECT_EQ(folders.trees().size(), 1u);
  ASSERT_EQ(folders.all().size(), 2u);
  EXPECT_EQ(resolve("me/mine", store.paths).folder, single);
  EXPECT_EQ(resolve("org/inside", store.paths).folder, root / "org/inside");
  put_model(root / "org/later");
  EXPECT_EQ(resolve("org/later", store.paths).name, "org/later");
  EXPECT_EQ(local_names(store.paths), (std::vector<std::string>{"me/mine", "org/inside", "org/later"}));
  EXPECT_TRUE(folders.remove("me/mine"));
  EXPECT_TRUE(folders.remove(root.string()));
  EXPECT_FALSE(folders.remove("me/mine"));
  EXPECT_TRUE(folders.all().empty());
}

TEST(Folders, RefuseNamesAndFilesThatAreNone) {
  const FakeStore store;
  for (const char* name : {"demo", "", "a/b/c", "../x", "a b", "org/name@main"}) {
    EXPECT_THROW(Folders(store.paths).add(name, "/tmp"), Error) << name;
  }
  for (const char* content :
       {"[]", R"({"models": []})", R"({"models": {"a": 1}})", R"({"trees": {}})", R"({"trees": [1]})"}) {
    FakeStore::put(store.paths.data / "folders.json", content);
    EXPECT_THROW(Folders(store.paths).all(), Error) << content;
  }
}

}  // namespace
}  // namespace pome::store
