#include "services/library.h"

#include <gtest/gtest.h>

#include "services/generate.h"
#include "services/tiny_model.h"

namespace pome::services {
namespace {

TEST(Library, SharesWhatIsOpen) {
  TinyLibrary tiny;
  const auto first = tiny.library.open("demo");
  const auto second = tiny.library.open(sound_model());
  EXPECT_EQ(first->instance, second->instance);
  EXPECT_EQ(first->place.name, "demo");
  EXPECT_GT(first->weight_bytes, 10000u);
  EXPECT_EQ(first->info().context_length, 64);
}

TEST(Library, RefusesBeforeLoadingWhatDoesNotFit) {
  TinyLibrary tiny;
  tiny.available = 1000;
  const Error refused = error_of([&] { tiny.library.open("demo"); });
  EXPECT_EQ(refused.kind(), ErrorKind::resource);
  EXPECT_NE(refused.message().find("1000 B available"), std::string::npos) << refused.message();
  EXPECT_NE(refused.message().find("at 64 tokens"), std::string::npos) << refused.message();
  tiny.available = std::uint64_t{1} << 40;
  const auto model = tiny.library.open("demo");
  // Its mapped weights look available to the system, but they are in use: another model cannot have them.
  tiny.available = model->weight_bytes + 1000;
  EXPECT_EQ(error_of([&] { tiny.library.open(tiny.chat_model().string()); }).kind(), ErrorKind::resource);
}

TEST(Library, RefusesAConversationThatDoesNotFit) {
  TinyLibrary tiny;
  const auto model = tiny.library.open("demo");
  tiny.available = 100;
  GenerateRequest request;
  request.prompt = "hello";
  EXPECT_EQ(error_of([&] { generate(tiny.library, *model, request); }).kind(), ErrorKind::resource);
  EXPECT_EQ(error_of([&] { tiny.library.open("demo", 64); }).kind(), ErrorKind::resource);
}

TEST(Library, DefaultsMergeByRank) {
  TinyLibrary tiny;
  const fs::path folder = tiny.copy_of(sound_model(), "ranked");
  write_file_atomic(folder / "generation_config.json",
                    R"({"do_sample": true, "temperature": 0.1, "top_k": 1, "top_p": 0.1, "min_p": 0.1})");
  tiny.put("config/config.json", fmt::format(R"({{"defaults": {{"top_k": 2, "top_p": 0.2, "min_p": 0.2}},
                                                 "models": {{"{}": {{"top_p": 0.3, "min_p": 0.3}}}}}})",
                                             folder.string()));
  store::Aliases(tiny.paths).set({"poet", folder.string(), {{"min_p", 0.4}, {"system_prompt", "rhyme"}}});
  const Settings defaults = tiny.library.open("poet")->defaults;
  EXPECT_EQ(defaults.temperature, 0.1f);
  EXPECT_EQ(defaults.top_k, 2);
  EXPECT_EQ(defaults.top_p, 0.3f);
  EXPECT_EQ(defaults.min_p, 0.4f);
  EXPECT_EQ(defaults.system_prompt, "rhyme");
  EXPECT_EQ(tiny.library.open(folder.string())->defaults.min_p, 0.3f);
  EXPECT_EQ(tiny.library.open("demo")->defaults.top_k, 2);
}

TEST(Library, AnAliasWithAWrongSettingIsNamed) {
  TinyLibrary tiny;
  store::Aliases(tiny.paths).set({"poet", "demo", {{"tmp", 1}}});
  const Error error = error_of([&] { tiny.library.open("poet"); });
  EXPECT_EQ(error.kind(), ErrorKind::corrupt);
  EXPECT_NE(std::string(error.what()).find("alias poet"), std::string::npos);
}

TEST(Library, BrokenFoldersSayWhy) {
  TinyLibrary tiny;
  const auto kind = [&](const char* name) {
    return error_of([&] { tiny.library.open(golden(name).string()); }).kind();
  };
  EXPECT_EQ(kind("broken/gguf"), ErrorKind::unsupported);
  EXPECT_EQ(kind("broken/pytorch_bin"), ErrorKind::unsupported);
  EXPECT_EQ(kind("broken/unknown_architecture"), ErrorKind::unsupported);
  EXPECT_EQ(kind("broken/unknown_rope_scaling"), ErrorKind::unsupported);
  EXPECT_EQ(kind("broken/no_tokenizer"), ErrorKind::not_found);
  EXPECT_EQ(kind("broken/missing_shard"), ErrorKind::not_found);
  EXPECT_EQ(kind("broken/truncated_shard"), ErrorKind::corrupt);
  EXPECT_EQ(kind("broken/wrong_shape"), ErrorKind::corrupt);
  EXPECT_EQ(kind("broken/invalid_json"), ErrorKind::corrupt);
}

}  // namespace
}  // namespace pome::services
