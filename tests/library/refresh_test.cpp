// `recommend --refresh`: the catalogue against what the Hub has.
#include "library/hub_library.h"
#include "services/recommend.h"

namespace pome::services {
namespace {

struct Refreshing : HubLibrary {
  Refreshing() {
    options.paths.catalogue = scratch.path() / "bundled.json";
    write_file_atomic(options.paths.catalogue,
                      R"({"as_of":"2025-01-02","groups":{"all":["one","two"]},"models":[
      {"name":"one","tasks":["chat"],"parameters":6496,"repos":[
        {"repo":"org/one","bits":16,"bytes":1,"kept":true},{"repo":"org/gone","bits":4,"bytes":2}]},
      {"name":"two","tasks":["image"],"repos":[{"repo":"org/pipeline","bits":16,"bytes":3,"include":["*"]}]},
      {"name":"three","tasks":["chat"],"repos":[{"repo":"org/lost","bits":4,"bytes":4}]},
      {"name":"four","tasks":["chat"],"repos":[{"repo":"org/old","bits":4,"bytes":5}]}]})");
    fake.add_folder("org/one", golden("broken/sound"));
    fake.add_folder("org/pipeline", golden("broken/sound"));
    fake.add_folder("org/new", golden("broken/sound"));
    fakehub::Model renamed;
    renamed.renamed_to = "org/new";
    fake.add("org/old", std::move(renamed));
  }

  std::vector<std::string> refresh() {
    hub::Hub hub(options.hub);
    return refresh_catalogue(hub, options.paths);
  }

  fs::path file() const { return store::Catalogue::refreshed_file(options.paths); }
};

TEST_F(Refreshing, TakesSizesAndNamesAndLeavesOutWhatIsGone) {
  EXPECT_EQ(refresh(), (std::vector<std::string>{"org/gone", "org/lost"}));
  const store::Catalogue now = store::Catalogue::load(options.paths);
  EXPECT_GT(now.as_of(), "2025-01-02");
  ASSERT_EQ(now.models().size(), 3u);
  EXPECT_EQ(now.find("one")->repos.size(), 1u);
  EXPECT_EQ(now.find("one")->repos[0].bytes, 12992u);  // as the headers have it
  EXPECT_EQ(now.find("two")->repos[0].bytes, 3u);      // a pipeline's files are not added up by the Hub
  EXPECT_EQ(now.find("four")->repos[0].repo, "org/new");
  EXPECT_EQ(now.find("three"), nullptr);
  EXPECT_EQ(now.preset("all").size(), 2u);
  EXPECT_TRUE(load_json(file())["models"][0]["repos"][0]["kept"].get<bool>()) << "what is not ours survives";
  for (const fakehub::Seen& seen : fake.seen()) EXPECT_EQ(seen.path.find("/resolve/"), std::string::npos);
}

TEST_F(Refreshing, AMirrorOfAFewModelsIsNoReasonToForgetTheOthers) {
  for (const char* name : {"org/pipeline", "org/old"}) {
    fake.change(name, [](fakehub::Model& model) { model.renamed_to.clear(), model.is_private = true; });
  }
  const Error few = error_of([&] { refresh(); });
  EXPECT_EQ(few.kind(), ErrorKind::not_found);
  EXPECT_NE(std::string(few.what()).find("only 1 of the catalogue's 5"), std::string::npos) << few.what();
  EXPECT_FALSE(fs::exists(file()));
}

TEST_F(Refreshing, CountsOnTheDayOfTheBundledOneToo) {
  refresh();
  Json bundled = load_json(options.paths.catalogue);
  bundled["as_of"] = store::Catalogue::load(options.paths).as_of();
  write_file_atomic(options.paths.catalogue, bundled.dump());
  EXPECT_EQ(store::Catalogue::load(options.paths).models().size(), 3u);
}

TEST_F(Refreshing, WhateverGoesWrongTheCatalogueStaysAsItWas) {
  const auto refused = [&](ErrorKind kind) {
    const bool there = fs::exists(file());
    const std::string before = there ? read_file(file()) : "";
    EXPECT_EQ(error_of([&] { refresh(); }).kind(), kind);
    EXPECT_EQ(fs::exists(file()), there);
    if (there) EXPECT_EQ(read_file(file()), before);
    EXPECT_FALSE(store::Catalogue::load(options.paths).models().empty());
  };
  for (int round = 0; round < 2; ++round) {  // with the bundled table alone, then with a refreshed one
    options.hub.offline = true;
    refused(ErrorKind::not_found);
    options.hub.offline = false;

    fake.add({.kind = "status", .value = 500, .path = "/api/models/org/pipeline", .times = -1});
    refused(ErrorKind::network);
    fake.clear_faults();
    fake.add({.kind = "cut", .value = 20, .path = "/api/models/org/pipeline", .times = -1});
    refused(ErrorKind::network);
    fake.clear_faults();

    // JSON, and no answer.
    fake.change("org/pipeline", [](fakehub::Model& model) { model.info["sha"] = "../../etc"; });
    refused(ErrorKind::corrupt);
    fake.change("org/pipeline", [](fakehub::Model& model) { model.info.erase("sha"); });
    if (round == 0) refresh();
  }

  // Numbers that no file has count as none.
  fake.change("org/one", [](fakehub::Model& model) {
    model.info["safetensors"] = {{"parameters", {{"F16", ~std::uint64_t{0}}, {"BF16", -4}, {"X", 1}}}};
  });
  refresh();
  EXPECT_EQ(store::Catalogue::load(options.paths).find("one")->repos[0].bytes, 1u);

  const std::string endpoint = std::exchange(options.hub.endpoint, "http://127.0.0.1:1");
  refused(ErrorKind::network);
  options.hub.endpoint = endpoint;
}

}  // namespace
}  // namespace pome::services
