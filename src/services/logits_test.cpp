#include "services/logits.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "formats/safetensors.h"
#include "services/tiny_model.h"

namespace pome::services {
namespace {

template <class T>
std::vector<T> values(const formats::Tensor& tensor) {
  std::vector<T> result(tensor.size_bytes / sizeof(T));
  std::memcpy(result.data(), tensor.data, tensor.size_bytes);
  return result;
}

// Largest difference in units of the expected values' standard deviation.
double difference(const std::vector<float>& found, const std::vector<float>& expected) {
  if (found.size() != expected.size()) return INFINITY;
  double mean = 0, squares = 0, most = 0;
  for (const float v : expected) mean += v / static_cast<double>(expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    squares += (expected[i] - mean) * (expected[i] - mean);
    most = std::max(most, std::fabs(double(found[i]) - expected[i]));
  }
  return most / std::sqrt(squares / static_cast<double>(expected.size()));
}

class LogitsOf : public testing::Test {
 protected:
  // A golden has no tokenizer, and ids need none.
  std::shared_ptr<const OpenModel> open_golden(const char* name) {
    const fs::path folder = tiny.copy_of(golden(name), "golden");
    fs::remove(folder / "golden.safetensors");
    return tiny.library.open(folder.string(), 0, {}, Needs::token_ids);
  }

  TinyLibrary tiny;
};

TEST_F(LogitsOf, NeedNoTokenizerAndTextStillDoes) {
  const auto folder = tiny.copy_of(golden("broken/sound"), "later");
  EXPECT_EQ(tiny.library.open(folder.string(), 0, {}, Needs::token_ids)->text, nullptr);
  EXPECT_NE(tiny.library.open(folder.string())->text, nullptr);
  const auto bare = tiny.copy_of(golden("llama/plain"), "bare");
  fs::remove(bare / "golden.safetensors");
  const auto model = tiny.library.open(bare.string(), 0, {}, Needs::token_ids);
  EXPECT_EQ(error_of([&] { tiny.library.open(bare.string()); }).kind(), ErrorKind::not_found);
}

TEST_F(LogitsOf, EqualTheGoldenInOneChunkOrMany) {
  const formats::SafetensorsFile expected =
      formats::open_safetensors(golden("llama/plain/golden.safetensors"));
  const auto model = open_golden("llama/plain");
  const auto tokens = values<std::int32_t>(expected.tensors.at("tokens"));
  for (const int chunk : {7, 256}) {
    const Logits found =
        compute_logits(tiny.library, *model, tokens, {.layers = true, .chunk = chunk, .adapter = {}});
    EXPECT_EQ(found.logits.rows, static_cast<int>(tokens.size()));
    EXPECT_LT(difference(found.logits.values, values<float>(expected.tensors.at("logits"))), 1e-3);
    std::vector<float> layers;
    for (const graph::Matrix& layer : found.layers) {
      layers.insert(layers.end(), layer.values.begin(), layer.values.end());
    }
    EXPECT_LT(difference(layers, values<float>(expected.tensors.at("layers"))), 1e-3);
  }
}

TEST_F(LogitsOf, FollowTheAdapterThatIsAskedFor) {
  const auto model = open_golden("llama/adapters");
  for (const char* adapter : {"lora", "", "dora", "lora"}) {
    const fs::path folder = golden("llama/adapters") / adapter;
    const formats::SafetensorsFile expected = formats::open_safetensors(folder / "golden.safetensors");
    const auto tokens = values<std::int32_t>(expected.tensors.at("tokens"));
    LogitsOptions options;
    if (*adapter != '\0') options.adapter = folder;
    const Logits found = compute_logits(tiny.library, *model, tokens, options);
    EXPECT_LT(difference(found.logits.values, values<float>(expected.tensors.at("logits"))), 1e-3) << adapter;
  }
  EXPECT_EQ(error_of([&] { tiny.library.adapter(*model, tiny.scratch.path() / "none"); }).kind(),
            ErrorKind::not_found);
}

TEST_F(LogitsOf, AreWrittenAsSafetensors) {
  const auto model = tiny.library.open("demo");
  const std::vector<std::int32_t> tokens{5, 6, 7};
  const Logits logits =
      compute_logits(tiny.library, *model, tokens, {.layers = true, .chunk = 2, .adapter = {}});
  const fs::path file = tiny.scratch.path() / "logits.safetensors";
  write_logits(file, tokens, logits);
  const formats::SafetensorsFile written = formats::open_safetensors(file);
  EXPECT_EQ(values<std::int32_t>(written.tensors.at("tokens")), tokens);
  EXPECT_EQ(written.tensors.at("logits").shape, (std::vector<std::int64_t>{3, 32}));
  EXPECT_EQ(values<float>(written.tensors.at("logits")), logits.logits.values);
  EXPECT_EQ(written.tensors.at("layers").shape, (std::vector<std::int64_t>{1, 3, 32}));
}

TEST_F(LogitsOf, ADynamicRopeScalingTakesMoreThanTheContextItWasTrainedOn) {
  const formats::SafetensorsFile expected =
      formats::open_safetensors(golden("llama/rope_dynamic/golden.safetensors"));
  const auto model = open_golden("llama/rope_dynamic");
  const auto tokens = values<std::int32_t>(expected.tensors.at("tokens"));
  EXPECT_EQ(model->info().unscaled_length, 16);
  EXPECT_EQ(model->info().context_length, 64);
  EXPECT_GT(tokens.size(), 16u);
  const Logits found = compute_logits(tiny.library, *model, tokens);
  EXPECT_LT(difference(found.logits.values, values<float>(expected.tensors.at("logits"))), 1e-3);
}

TEST_F(LogitsOf, GoBeyondTheContextAsTheReferencesDo) {
  const auto model = tiny.library.open("demo");
  const std::vector<std::int32_t> tokens(std::size_t(model->info().context_length) + 9, 3);
  EXPECT_EQ(compute_logits(tiny.library, *model, tokens).logits.rows, int(tokens.size()));
}

TEST_F(LogitsOf, RefuseWhatCannotBeComputed) {
  const auto model = tiny.library.open("demo");
  const auto kind = [&](const std::vector<std::int32_t>& tokens) {
    return error_of([&] { compute_logits(tiny.library, *model, tokens); }).kind();
  };
  EXPECT_EQ(kind({}), ErrorKind::usage);
  EXPECT_EQ(kind({32}), ErrorKind::usage);
  EXPECT_EQ(kind({-1}), ErrorKind::usage);
  tiny.available = 1000;
  EXPECT_EQ(kind(std::vector<std::int32_t>(60, 1)), ErrorKind::resource);
}

TEST_F(LogitsOf, TokenFilesAreListsOrObjects) {
  const fs::path file = tiny.scratch.path() / "ids.json";
  write_file_atomic(file, "[1, 2]");
  EXPECT_EQ(load_token_ids(file), (std::vector<std::int32_t>{1, 2}));
  write_file_atomic(file, R"({"tokens": [3]})");
  EXPECT_EQ(load_token_ids(file), std::vector<std::int32_t>{3});
  for (const char* broken : {"{}", "[1.5]", "[99999999999]", "\"1\""}) {
    write_file_atomic(file, broken);
    EXPECT_EQ(error_of([&] { load_token_ids(file); }).kind(), ErrorKind::corrupt) << broken;
  }
}

}  // namespace
}  // namespace pome::services
