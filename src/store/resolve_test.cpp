#include "store/resolve.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "store/fake_store.h"

namespace pome::store {
namespace {

const std::string commit_a(40, 'a');
const std::string commit_b = "b1" + std::string(38, '0');

Error error_of(std::string_view model, const Paths& paths) {
  try {
    resolve(model, paths);
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << model << ": no error was thrown";
  return {ErrorKind::internal, "no error"};
}

void put_model(const fs::path& folder) {
  FakeStore::put(folder / "config.json");
  FakeStore::put(folder / "model.safetensors");
}

// org/tiny with two revisions, main at the first.
void put_tiny(const FakeStore& store) {
  for (const std::string& commit : {commit_a, commit_b}) {
    for (const char* name : {"config.json", "model.safetensors", "README.md"}) {
      store.put_snapshot("org--tiny", commit, name);
    }
  }
  FakeStore::put(store.repository("org--tiny") / "refs" / "main", commit_a);
  FakeStore::put(store.repository("org--tiny") / "refs" / "refs" / "pr" / "1", commit_b);
}

TEST(Resolve, FindsTheDemo) {
  const FakeStore store;
  EXPECT_EQ(error_of("demo", store.paths).kind(), ErrorKind::not_found);
  put_model(store.paths.demo);
  const Place place = resolve("demo", store.paths);
  EXPECT_EQ(place.kind, Place::Kind::demo);
  EXPECT_EQ(place.folder, store.paths.demo);
}

TEST(Resolve, FindsAFolder) {
  const FakeStore store;
  const fs::path folder = store.scratch.path() / "model";
  put_model(folder);
  const Place place = resolve(folder.string(), store.paths);
  EXPECT_EQ(place.kind, Place::Kind::folder);
  EXPECT_EQ(place.folder, folder);
  EXPECT_EQ(place.name, folder.string());
}

TEST(Resolve, AFolderThatIsNoModelSaysWhatItLacks) {
  const FakeStore store;
  const fs::path empty = store.scratch.path() / "empty", bare = store.scratch.path() / "bare";
  fs::create_directories(empty);
  FakeStore::put(bare / "config.json");
  EXPECT_EQ(error_of(empty.string(), store.paths).kind(), ErrorKind::not_found);
  EXPECT_NE(error_of(empty.string(), store.paths).message().find("config.json"), std::string::npos);
  EXPECT_NE(error_of(bare.string(), store.paths).message().find("safetensors"), std::string::npos);
}

TEST(Resolve, FindsRevisionsInTheCache) {
  const FakeStore store;
  put_tiny(store);
  const fs::path snapshots = store.repository("org--tiny") / "snapshots";
  const Place main = resolve("org/tiny", store.paths);
  EXPECT_EQ(main.kind, Place::Kind::hub);
  EXPECT_EQ(main.folder, snapshots / commit_a);
  EXPECT_EQ(main.commit, commit_a);
  EXPECT_EQ(main.name, "org/tiny");
  EXPECT_EQ(resolve("org/tiny@refs/pr/1", store.paths).commit, commit_b);
  EXPECT_EQ(resolve("org/tiny@" + commit_b, store.paths).commit, commit_b);
  EXPECT_EQ(resolve("org/tiny@b100000", store.paths).name, "org/tiny@b100000");
  const Error unknown = error_of("org/tiny@v2", store.paths);
  EXPECT_EQ(unknown.kind(), ErrorKind::not_found);
  EXPECT_EQ(unknown.hint(), "org/tiny@main is there");
  EXPECT_EQ(error_of("org/tiny@b1", store.paths).kind(), ErrorKind::not_found);
}

TEST(Resolve, ARevisionStaysInsideTheCache) {
  const FakeStore store;
  put_tiny(store);
  FakeStore::put(store.repository("org--tiny") / "outside", commit_a);
  for (const char* model : {"org/tiny@../outside", "org/tiny@/etc/passwd", "org/tiny@a/../../outside"}) {
    EXPECT_EQ(error_of(model, store.paths).kind(), ErrorKind::usage) << model;
  }
}

TEST(Resolve, ARefThatIsNoCommitIsCorrupt) {
  const FakeStore store;
  put_tiny(store);
  FakeStore::put(store.repository("org--tiny") / "refs" / "main", "../../elsewhere");
  EXPECT_EQ(error_of("org/tiny", store.paths).kind(), ErrorKind::corrupt);
  FakeStore::put(store.repository("org--tiny") / "refs" / "main", std::string(40, 'c'));
  EXPECT_EQ(error_of("org/tiny", store.paths).kind(), ErrorKind::corrupt);
}

TEST(Resolve, AnIncompleteSnapshotNamesWhatIsMissing) {
  const FakeStore store;
  put_tiny(store);
  fs::remove(store.repository("org--tiny") / "blobs" / "aaaaaaaamodel.safetensors");
  const Error dangling = error_of("org/tiny", store.paths);
  EXPECT_EQ(dangling.kind(), ErrorKind::corrupt);
  EXPECT_NE(dangling.message().find("model.safetensors"), std::string::npos);

  store.put_snapshot("org--sharded", commit_a, "config.json");
  store.put_snapshot("org--sharded", commit_a, "model-00001-of-00002.safetensors");
  store.put_snapshot("org--sharded", commit_a, "model.safetensors.index.json",
                     R"({"weight_map": {"a": "model-00001-of-00002.safetensors",
                                        "b": "model-00002-of-00002.safetensors"}})");
  FakeStore::put(store.repository("org--sharded") / "refs" / "main", commit_a);
  const Error shard = error_of("org/sharded", store.paths);
  EXPECT_EQ(shard.kind(), ErrorKind::corrupt);
  EXPECT_NE(shard.message().find("model-00002-of-00002.safetensors"), std::string::npos);
  EXPECT_EQ(shard.message().find("model-00001-of-00002.safetensors"), std::string::npos);
}

TEST(Resolve, OtherFormatsAreRefusedWithTheConvertLine) {
  const FakeStore store;
  for (const char* name :
       {"model.gguf", "pytorch_model.bin", "weights.pt", "weights.npz", "lone.safetensors"}) {
    const fs::path file = store.scratch.path() / "it's" / name;
    FakeStore::put(file, "x");
    for (const fs::path& model : {file, file.parent_path()}) {
      const Error refused = error_of(model.string(), store.paths);
      EXPECT_EQ(refused.kind(), ErrorKind::unsupported);
      EXPECT_TRUE(refused.hint().starts_with("pome convert '")) << refused.hint();
      EXPECT_TRUE(refused.hint().ends_with(fmt::format("it'\\''s/{}'", name))) << refused.hint();
    }
    fs::remove(file);
  }
  put_model(store.scratch.path() / "whole");
  const Error inside = error_of((store.scratch.path() / "whole/model.safetensors").string(), store.paths);
  EXPECT_EQ(inside.kind(), ErrorKind::unsupported);
  EXPECT_EQ(inside.hint(), "pome run " + (store.scratch.path() / "whole").string());
}

TEST(Resolve, AnAliasLeadsToItsModelAndCarriesSettings) {
  const FakeStore store;
  put_tiny(store);
  Aliases(store.paths).set({"poet", "org/tiny", {{"temperature", 0.5}}});
  const Place place = resolve("poet", store.paths);
  EXPECT_EQ(place.name, "org/tiny");
  ASSERT_TRUE(place.alias);
  EXPECT_EQ(place.alias->settings["temperature"], 0.5);
  Aliases(store.paths).set({"lost", "org/gone", Json::object()});
  EXPECT_EQ(error_of("lost", store.paths).kind(), ErrorKind::not_found);
  EXPECT_NE(std::string(error_of("lost", store.paths).what()).find("alias lost"), std::string::npos);
}

TEST(Resolve, AnUnknownNameSuggestsTheNearest) {
  const FakeStore store;
  put_tiny(store);
  put_model(store.paths.demo);
  EXPECT_EQ(error_of("org/tyni", store.paths).hint(), "did you mean org/tiny?");
  EXPECT_EQ(error_of("TINY", store.paths).hint(), "did you mean org/tiny?");
  EXPECT_EQ(error_of("dmeo", store.paths).hint(), "did you mean demo?");
  EXPECT_EQ(error_of("someone/something-else", store.paths).hint(), "pome pull someone/something-else");
  EXPECT_EQ(error_of("entirely-different", store.paths).hint(), "these are here: demo, org/tiny");
  EXPECT_EQ(error_of("", store.paths).kind(), ErrorKind::usage);
  EXPECT_EQ(local_names(store.paths), (std::vector<std::string>{"demo", "org/tiny"}));
}

TEST(Resolve, KnowsWhichFirstWordIsAModel) {
  const FakeStore store;
  put_model(store.scratch.path() / "model");
  fs::create_directories(store.scratch.path() / "empty");
  Aliases(store.paths).set({"poet", "org/tiny", Json::object()});
  for (const std::string& word :
       {std::string("demo"), std::string("poet"), std::string("org/name"), std::string("org/name@v1"),
        std::string("model.gguf"), std::string("./missing"), std::string("../missing"),
        (store.scratch.path() / "model").string(), (store.scratch.path() / "model/config.json").string()}) {
    EXPECT_TRUE(names_a_model(word, store.paths)) << word;
  }
  for (const char* word : {"", "how do I convert?", "hello", "a/b/c", "What is 1/2", "and/or?", ".gguf",
                           "./configure fails, why?"}) {
    EXPECT_FALSE(names_a_model(word, store.paths)) << word;
  }
}

}  // namespace
}  // namespace pome::store
