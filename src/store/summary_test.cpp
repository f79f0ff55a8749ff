#include "store/summary.h"

#include <gtest/gtest.h>

#include "store/fake_store.h"
#include "store/wanted.h"

namespace pome::store {
namespace {

TEST(ModelCard, ReadsFrontMatter) {
  const ModelCard card = parse_model_card(
      "---\nlicense: other\nlicense_name: \"qwen\"\nbase_model:\n- Qwen/Qwen3\n- Qwen/Other\n"
      "tags: [mlx, 'chat']\nmodel-index:\n- name: x\n  results: []\npipeline_tag: text-generation\n"
      "library_name: mlx\n---\nlicense: mit\n");
  EXPECT_EQ(card.licence, "qwen");
  EXPECT_EQ(card.base_models, (std::vector<std::string>{"Qwen/Qwen3", "Qwen/Other"}));
  EXPECT_EQ(card.tags, (std::vector<std::string>{"mlx", "chat"}));
  EXPECT_EQ(card.pipeline_tag, "text-generation");
  EXPECT_EQ(card.library, "mlx");
  EXPECT_TRUE(parse_model_card("# no front matter\nlicense: mit").licence.empty());
  EXPECT_TRUE(parse_model_card("---").licence.empty());
}

TEST(Wanted, FindsNamesInAnyDocument) {
  EXPECT_EQ(
      parse_wanted(
          "- ✅ `Qwen/Qwen3-Embedding-0.6B` (standard)\n"
          "see `scripts/clean_models.py`, and/or nothing\n"
          "huggingface-cli download mlx-community/bge-small-en-v1.5-bf16\n"
          "org/plain   # a comment\n  - org/item\n{\"repo\": \"org/json\"}\n`Qwen/Qwen3-Embedding-0.6B`"),
      (std::vector<std::string>{"Qwen/Qwen3-Embedding-0.6B", "mlx-community/bge-small-en-v1.5-bf16",
                                "org/plain", "org/item", "org/json"}));
  EXPECT_TRUE(parse_wanted("").empty());
}

struct Case {
  const char* config;
  const char* name;
  const char* task;
  const char* quantization;
  const char* precision;
  int bits;
};

TEST(Summary, TellsTaskAndBits) {
  for (const Case& c : {
           Case{R"({"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"], "torch_dtype": "bfloat16",
                    "quantization": {"bits": 4, "group_size": 64}})",
                "org/Qwen3-0.6B-4bit", "generate", "4bit", "bf16", 4},
           Case{R"({"architectures": ["Qwen3ForCausalLM"], "dtype": "float16"})", "org/Qwen3-Embedding-0.6B",
                "embed", "", "fp16", 16},
           Case{R"({"architectures": ["Qwen3ForCausalLM"], "quantization": {"bits": 8, "mode": "mxfp8"}})",
                "org/Qwen3-Reranker-4B", "rerank", "mxfp8", "", 8},
           Case{R"({"architectures": ["BertModel"], "torch_dtype": "float32"})", "org/bge-small", "embed", "",
                "fp32", 32},
           Case{R"({"architectures": ["X"], "quantization_config": {"quant_method": "gptq", "bits": 4}})",
                "org/x", "", "gptq 4bit", "", 4},
           Case{R"({"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": true}})",
                "org/bnb", "", "bitsandbytes 4bit", "", 4},
           Case{R"({"quantization_config": {"quant_method": "compressed-tensors", "config_groups":
                {"group_0": {"weights": {"num_bits": 4}}}}})",
                "org/ct", "", "compressed-tensors 4bit", "", 4},
           Case{R"({"quantization_config": {"quant_method": "bitnet"}})", "org/bn", "", "bitnet 2bit", "", 2},
           Case{R"({"dtype": "bfloat16", "time_step_limit": [0.0, Infinity]})", "org/mamba", "", "", "bf16",
                16},
           Case{R"({"architectures": "wrong", "quantization": 4})", "org/x", "", "", "", 0},
       }) {
    const FakeStore store;
    const fs::path folder = store.scratch.path() / "model";
    FakeStore::put(folder / "config.json", c.config);
    FakeStore::put(folder / "model.safetensors", "");
    const Summary s = summarise(folder, folder_files(folder), c.name);
    EXPECT_EQ(s.task, c.task) << c.name;
    EXPECT_EQ(s.quantization, c.quantization) << c.name;
    EXPECT_EQ(s.precision, c.precision) << c.name;
    EXPECT_EQ(s.bits, c.bits) << c.name;
    EXPECT_TRUE(s.missing.empty()) << c.name;
  }
}

TEST(Summary, TheHeaderTellsWhatTheConfigDoesNot) {
  const fs::path folder = fs::path(POME_SOURCE_DIR) / "tests/golden/qwen3/plain";
  const Summary s = summarise(folder, folder_files(folder), "org/plain");
  EXPECT_EQ(s.family, "qwen3");
  EXPECT_GT(s.bits, 0);
}

TEST(Summary, NamesWhatIsMissing) {
  const FakeStore store;
  const fs::path folder = store.scratch.path() / "model";
  FakeStore::put(folder / "model-00001-of-00003.safetensors", "");
  EXPECT_EQ(summarise(folder, folder_files(folder), "m").missing,
            (std::vector<std::string>{"config.json", "2 of 3 shards of model"}));
  FakeStore::put(folder / "config.json", "{");
  EXPECT_EQ(summarise(folder, folder_files(folder), "m").missing.front(), "config.json (unreadable)");
  const fs::path other = store.scratch.path() / "gguf";
  FakeStore::put(other / "model.gguf", "GGUF");
  EXPECT_EQ(summarise(other, folder_files(other), "m").format, "gguf");
  fs::create_symlink("nowhere", other / "config.json");
  EXPECT_EQ(summarise(other, folder_files(other), "m").missing.front(), "config.json");
}

}  // namespace
}  // namespace pome::store
