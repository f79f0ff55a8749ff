#include "services/search.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace pome::services {
namespace {

std::vector<FoundModel> parse(const std::string& text) {
  return parse_found(parse_json(text, "test"), "test");
}

TEST(Search, ReadsWhatTheHubSaysOfAModel) {
  const auto models =
      parse(R"([{"id":"org/name-4bit","pipeline_tag":"text-generation","downloads":12,"likes":3,
    "lastModified":"2026-11-20T00:00:00.000Z","gated":"manual","tags":["mlx","license:mit","base_model:maker/name",
    "base_model:quantized:maker/name"],"config":{"model_type":"llama","quantization_config":{"bits":6}},
    "safetensors":{"parameters":{"U32":1000,"BF16":100}}}])");
  ASSERT_EQ(models.size(), 1u);
  const FoundModel& model = models.front();
  EXPECT_EQ(model.name, "org/name-4bit");
  EXPECT_EQ(model.task, "generate");
  EXPECT_EQ(model.bits, 6);  // what the config says, not the name
  EXPECT_EQ(model.bytes, 4200u);
  EXPECT_EQ(model.licence, "mit");
  EXPECT_EQ(model.base_models, std::vector<std::string>{"maker/name"});
  EXPECT_TRUE(model.gated);
  EXPECT_TRUE(model.runs);
}

TEST(Search, WidthsOfNamesAndTypes) {
  const auto bits = [](const std::string& name, const std::string& more) {
    return parse("[{\"id\":\"org/" + name + "\"" + more + "}]").at(0).bits;
  };
  EXPECT_EQ(bits("a-8bit", ""), 8);
  EXPECT_EQ(bits("a-bf16", ""), 16);
  EXPECT_EQ(bits("a-14bit", ""), 0);
  EXPECT_EQ(bits("a-orbit", ""), 0);
  EXPECT_EQ(bits("a", R"(,"tags":["3-bit"])"), 3);
  EXPECT_EQ(bits("a", R"(,"safetensors":{"parameters":{"F32":10,"BF16":100}})"), 16);
}

TEST(Search, OddRowsAreNoFailure) {
  EXPECT_TRUE(parse(R"([{"id":"../../etc"},{"id":7},"x",null,{}])").empty());
  const auto models = parse(R"([{"id":"org/name","tags":7,"downloads":-1,"likes":"x","config":[],
    "safetensors":{"parameters":{"BF16":18446744073709551615,"X":1}},"gated":{},"baseModels":[]}])");
  ASSERT_EQ(models.size(), 1u);
  EXPECT_EQ(models.front().bytes, 0u);
  EXPECT_THROW(parse("{}"), Error);
}

}  // namespace
}  // namespace pome::services
