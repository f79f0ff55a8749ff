#include "services/inspect.h"

#include <gtest/gtest.h>

#include "services/archs.h"
#include "services/tiny_model.h"
#include "services/tokenizer_kind.h"

namespace pome::services {
namespace {

ModelFacts facts_of(const fs::path& folder, int context = 0) {
  const store::Place place{
      .kind = store::Place::Kind::folder, .name = "tiny", .folder = folder, .commit = {}, .alias = {}};
  return inspect(local_source(place), context);
}

TEST(Inspect, CountsADenseModel) {
  const ModelFacts facts = facts_of(sound_model(), 32);
  // embeddings 32·32; q, o 32·32 and k, v 32·16; gate, up, down 3·24·32; three norms of 32
  EXPECT_EQ(facts.weights.parameters, 32u * 32 + 2 * 32 * 32 + 2 * 32 * 16 + 3 * 24 * 32 + 3 * 32);
  EXPECT_EQ(facts.architecture, "LlamaForCausalLM");
  EXPECT_EQ(facts.family, "llama");
  EXPECT_EQ(facts.weights.quantization, "none");
  EXPECT_EQ(facts.context_length, 64);
  EXPECT_EQ(facts.layers, 1);
  EXPECT_TRUE(facts.tied_embeddings);
  EXPECT_EQ(facts.tokenizer, "BPE, 32 tokens");
  EXPECT_FALSE(facts.chat_template);
  EXPECT_EQ(facts.memory_context, 32);
  EXPECT_EQ(facts.cache_bytes, graph::cache_block * facts.kv_bytes_per_token);  // whole blocks
  EXPECT_GT(facts.working_bytes, 0U);
  EXPECT_EQ(facts.memory_bytes, facts.weights.bytes + facts.cache_bytes + facts.working_bytes);
  ASSERT_EQ(facts.files.size(), 4u);
  EXPECT_EQ(facts.files[0].name, "config.json");
  EXPECT_EQ(facts.to_json()["parameters"], facts.weights.parameters);
  EXPECT_TRUE(facts.to_json()["licence"].is_null());
}

TEST(Inspect, QuantizedWeightsCountAsWhatTheyStandFor) {
  const ModelFacts dense = facts_of(golden("llama/plain"));
  const ModelFacts quantized = facts_of(golden("llama/quantized_4bit"));
  EXPECT_EQ(quantized.weights.bits, 4);
  EXPECT_GT(quantized.bits_per_weight, 4.0);
  EXPECT_LT(quantized.bits_per_weight, 8.0);
  EXPECT_DOUBLE_EQ(quantized.bits_per_weight, 8.0 * static_cast<double>(quantized.weights.bytes) /
                                                  static_cast<double>(quantized.weights.parameters));
  EXPECT_GT(dense.bits_per_weight, 15.9);
  EXPECT_EQ(dense.tokenizer, "");
  std::uint64_t parameters = 0;
  for (const LayerFacts& layer : quantized.weights.layers) {
    parameters += layer.parameters;
    if (layer.kind == "norms") EXPECT_GE(layer.bits(), 16.0);
    if (layer.kind == "attention") EXPECT_LT(layer.bits(), 6.0);
  }
  EXPECT_EQ(parameters, quantized.weights.parameters);
}

TEST(Inspect, WhatDoesNotRunIsDescribedAndSaysWhy) {
  const ModelFacts unknown = facts_of(golden("broken/unknown_architecture"));
  EXPECT_EQ(unknown.runs, false);
  EXPECT_EQ(unknown.why_not, "config.json: model_type \"lama\" is not known, the nearest is \"llama\"");
  EXPECT_EQ(unknown.weights.parameters, 6496u);
  EXPECT_EQ(unknown.context_length, 64);
  EXPECT_EQ(unknown.memory_bytes, 0u);
  const ModelFacts pickle = facts_of(golden("broken/pytorch_bin"));
  EXPECT_EQ(pickle.format, "pytorch");
  EXPECT_EQ(pickle.runs, false);
  EXPECT_EQ(pickle.weights.bytes, 0u);
  EXPECT_EQ(facts_of(golden("broken/missing_shard")).why_not, "incomplete");
  EXPECT_EQ(error_of([] { facts_of(golden("broken/truncated_shard")); }).kind(), ErrorKind::corrupt);
}

TEST(Inspect, ReadsLicenceTemplateAndDefaults) {
  const TinyLibrary tiny;
  const fs::path folder = tiny.chat_model();
  write_file_atomic(folder / "README.md", "---\ntags:\n- mlx\nlicense: \"apache-2.0\"\n---\nlicense: no\n");
  write_file_atomic(folder / "generation_config.json", R"({"do_sample": true, "temperature": 0.5})");
  const ModelFacts facts = facts_of(folder);
  EXPECT_EQ(facts.licence, "apache-2.0");
  EXPECT_TRUE(facts.chat_template);
  EXPECT_EQ(facts.generation_defaults.temperature, 0.5f);
  EXPECT_EQ(facts.memory_context, 64);
  write_file_atomic(folder / "README.md", "---\nlicense: other\nlicense_name: gemma\n---\n");
  EXPECT_EQ(facts_of(folder).licence, "gemma");
  write_file_atomic(folder / "README.md", "license: mit\n");
  EXPECT_EQ(facts_of(folder).licence, "");
}

TEST(Inspect, TheTokenizerKindIsReadWithoutTheVocabulary) {
  const TinyLibrary tiny;
  const fs::path file = tiny.scratch.path() / "tokenizer.json";
  EXPECT_EQ(tokenizer_kind(file), "");
  write_file_atomic(file, R"({"decoder": {"type": "Fuse"}, "model": {"type": "Unigram", "vocab": [[ broken)");
  EXPECT_EQ(tokenizer_kind(file), "Unigram");
  write_file_atomic(file, R"({"decoder": {"type": "Fuse"}, "model": {"vocab": {"type": 1}}})");
  EXPECT_EQ(tokenizer_kind(file), "");
  write_file_atomic(file, std::string(100000, '['));
  EXPECT_EQ(tokenizer_kind(file), "");
}

TEST(Inspect, TellsWhatGrowsWithTheContextFromWhatDoesNot) {
  const ModelFacts facts = facts_of(golden("mamba2/groups"), 1000);
  EXPECT_EQ(facts.kv_bytes_per_token, 0U);
  // Two layers of 8 heads of 16 by 24, and of 3 rows of 128 + 2·48 channels; one of each is read, one
  // written.
  EXPECT_EQ(facts.state_bytes, 2U * 4 * 2 * (8 * 16 * 24 + 3 * (128 + 2 * 48)));
  EXPECT_EQ(facts.cache_bytes, facts.state_bytes * 3 / 2);  // and one at the checkpoint of the prompt
}

TEST(Archs, ListsEveryFamily) {
  const std::vector<ArchFacts> all = archs();
  ASSERT_GE(all.size(), 3u);
  EXPECT_EQ(all[0].name, "llama");
  EXPECT_FALSE(all[0].to_json()["summary"].get<std::string>().empty());
}

}  // namespace
}  // namespace pome::services
