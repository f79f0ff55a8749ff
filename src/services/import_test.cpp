#include "services/import.h"

#include <gtest/gtest.h>

#include "services/local_models.h"
#include "services/tiny_model.h"
#include "store/folders.h"
#include "store/leases.h"

namespace pome::services {
namespace {

const LocalModel* find(const std::vector<LocalModel>& models, std::string_view name) {
  for (const LocalModel& model : models) {
    if (model.name == name) return &model;
  }
  return nullptr;
}

TEST(Import, NamesAFolderWhereItIs) {
  const TinyLibrary tiny;
  const fs::path folder = tiny.copy_of(sound_model(), "mine");
  import_models({.source = folder.string(), .name = "me/mine"}, tiny.paths);
  const auto models = local_models(tiny.paths);
  const LocalModel* mine = find(models, "me/mine");
  ASSERT_NE(mine, nullptr);
  EXPECT_EQ(mine->source, "folder");
  EXPECT_TRUE(mine->complete());
  EXPECT_EQ(mine->summary.family, "llama");
  fs::remove_all(folder);
  EXPECT_FALSE(find(local_models(tiny.paths), "me/mine")->complete());
}

TEST(Import, CopiesAndLinksAppearWhole) {
  const TinyLibrary tiny;
  const fs::path folder = tiny.copy_of(sound_model(), "mine"),
                 apps = tiny.scratch.path() / "Documents/Models";
  const auto copied = import_models(
      {.source = folder.string(), .name = "me/copy", .how = ImportOptions::How::copy}, tiny.paths);
  EXPECT_EQ(copied.models.at(0).folder, tiny.paths.data / "models/me/copy");
  EXPECT_EQ(store::resolve("me/copy", tiny.paths).folder, tiny.paths.data / "models/me/copy");
  // The same name again is refused, and changes nothing.
  EXPECT_EQ(error_of([&] {
              import_models({.source = folder.string(), .name = "me/copy", .how = ImportOptions::How::copy},
                            tiny.paths);
            }).kind(),
            ErrorKind::refused);
  // An interrupted copy is begun anew.
  tiny.put("Documents/Models/models/me/.linked.importing/half", "x");
  import_models({.source = "me/copy", .name = "me/linked", .how = ImportOptions::How::link, .into = apps},
                tiny.paths);
  EXPECT_TRUE(fs::exists(apps / "linked"));
  EXPECT_EQ(fs::file_size(apps / "linked"), 0u);
  EXPECT_EQ(fs::hard_link_count(apps / "models/me/linked/model.safetensors"), 2u);
  EXPECT_FALSE(fs::exists(apps / "models/me/.linked.importing"));
  EXPECT_EQ(find(local_models(tiny.paths), "me/linked")->source, "tree");
}

TEST(Import, TakesATreeAndRepairsItsMarkers) {
  const TinyLibrary tiny;
  const fs::path root = tiny.scratch.path() / "Documents/Models";
  fs::create_directories(root / "models/org");
  fs::rename(tiny.copy_of(sound_model(), "x"), root / "models/org/name");
  tiny.put("Documents/Models/stale", "");
  // The app's documents folder will do.
  const ImportReport found = import_models({.source = root.parent_path().string(), .name = ""}, tiny.paths);
  EXPECT_TRUE(found.is_tree);
  EXPECT_EQ(found.unmarked, (std::vector<std::string>{"org/name"}));
  EXPECT_EQ(found.stale_markers.size(), 1u);
  import_models({.source = root.string(), .name = "", .repair = true}, tiny.paths);
  EXPECT_TRUE(fs::exists(root / "name"));
  EXPECT_FALSE(fs::exists(root / "stale"));
  EXPECT_NE(find(local_models(tiny.paths), "org/name"), nullptr);
}

TEST(Import, RefusesWhatIsNoModel) {
  const TinyLibrary tiny;
  EXPECT_EQ(error_of([&] {
              import_models({.source = tiny.scratch.path().string(), .name = ""}, tiny.paths);
            }).kind(),
            ErrorKind::not_found);
  EXPECT_EQ(error_of([&] { import_models({.source = sound_model(), .name = "../up"}, tiny.paths); }).kind(),
            ErrorKind::usage);
  EXPECT_EQ(error_of([&] {
              import_models({.source = sound_model(), .name = "../up", .how = ImportOptions::How::copy},
                            tiny.paths);
            }).kind(),
            ErrorKind::usage);
  EXPECT_EQ(error_of([&] {
              import_models({.source = sound_model(), .name = "a/../b", .how = ImportOptions::How::copy},
                            tiny.paths);
            }).kind(),
            ErrorKind::usage);
  EXPECT_FALSE(fs::exists(tiny.paths.data / "models"));
  EXPECT_EQ(error_of([&] { import_models({.source = "demo", .name = ""}, tiny.paths); }).kind(),
            ErrorKind::usage);
}

TEST(LocalModels, KnowWhatIsOpen) {
  TinyLibrary tiny;
  EXPECT_FALSE(find(local_models(tiny.paths), "demo")->in_use);
  {
    const auto open = tiny.library.open("demo");
    EXPECT_TRUE(find(local_models(tiny.paths), "demo")->in_use);
  }
  EXPECT_FALSE(find(local_models(tiny.paths), "demo")->in_use);
  EXPECT_GT(store::last_opened(tiny.paths, tiny.paths.demo), store::Time{});
}

TEST(LocalModels, CompareWithWhatIsWanted) {
  const TinyLibrary tiny;
  import_models({.source = sound_model(), .name = "Qwen/Qwen3-Embedding-4B"}, tiny.paths);
  tiny.put("inventory.md",
           "- `Qwen/Qwen3-Embedding-4B`\n- `mlx-community/bge-small-en-v1.5-bf16` (missing)\n");
  const auto wanted = compare_with_wanted(local_models(tiny.paths),
                                          (tiny.scratch.path() / "inventory.md").string(), tiny.paths);
  ASSERT_EQ(wanted.size(), 2u);
  EXPECT_TRUE(wanted[0].present);
  EXPECT_FALSE(wanted[1].present);
  EXPECT_EQ(wanted[1].state, "missing");
}

}  // namespace
}  // namespace pome::services
