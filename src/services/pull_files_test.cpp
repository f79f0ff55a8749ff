#include "services/pull_files.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace pome::services {
namespace {

std::string chosen(std::initializer_list<const char*> names, const FileChoice& choice = {}) {
  std::vector<hub::RepoFile> files;
  for (const char* name : names)
    files.push_back({.name = name, .size_bytes = 1, .git_sha1 = {}, .sha256 = {}, .xet_hash = {}});
  std::string text;
  for (const hub::RepoFile& file : choose_files(files, choice, "org/name")) {
    text += (text.empty() ? "" : " ") + file.name;
  }
  return text;
}

TEST(PullFiles, PatternsAreThoseOfFnmatch) {
  EXPECT_TRUE(matches_pattern("config.json", "*.json"));
  EXPECT_TRUE(matches_pattern("a/b/config.json", "*.json"));
  EXPECT_TRUE(matches_pattern("model-00001-of-00002.safetensors", "model-0000[1-3]-of-?????.safetensors"));
  EXPECT_FALSE(matches_pattern("model-00004.safetensors", "model-0000[!4]*"));
  EXPECT_TRUE(matches_pattern("a]", "a[]]"));
  EXPECT_FALSE(matches_pattern("config.json", "*.jso"));
  EXPECT_FALSE(matches_pattern("config.json", ""));
  EXPECT_TRUE(matches_pattern("", "**"));
  EXPECT_TRUE(matches_pattern("[x", "[x"));
  EXPECT_FALSE(matches_pattern(std::string(2000, 'a'), "*a*a*a*a*a*a*a*b"));
}

TEST(PullFiles, ALanguageModelNeedsNoCodeAndItsWeightsOnce) {
  EXPECT_EQ(chosen({".gitattributes", "README.md", "LICENSE", "config.json", "modeling_x.py",
                    "model.safetensors", "consolidated.safetensors", "pytorch_model.bin",
                    "pytorch_model.bin.index.json", "tokenizer.model", "onnx/model.onnx",
                    "original/config.json", "chat_template.jinja", "figure.png"}),
            "README.md LICENSE config.json model.safetensors tokenizer.model chat_template.jinja");
  EXPECT_EQ(chosen({"config.json", "pytorch_model.bin", "x.py"}), "config.json pytorch_model.bin");
  EXPECT_EQ(chosen({"config.json", "consolidated.safetensors"}), "config.json consolidated.safetensors");
}

TEST(PullFiles, PipelinesHaveFoldersAndEncodersModules) {
  EXPECT_EQ(chosen({"model_index.json", "flux1-schnell.safetensors", "ae.safetensors", "vae/config.json",
                    "vae/diffusion_pytorch_model.safetensors", "transformer/model.fp16.safetensors",
                    "text_encoder/pytorch_model.bin", "tokenizer/vocab.json", "tokenizer/merges.txt"}),
            "model_index.json vae/config.json vae/diffusion_pytorch_model.safetensors tokenizer/vocab.json "
            "tokenizer/merges.txt");
  EXPECT_EQ(chosen({"modules.json", "config.json", "model.safetensors", "1_Pooling/config.json",
                    "2_Dense/model.safetensors", "openvino/config.json"}),
            "modules.json config.json model.safetensors 1_Pooling/config.json 2_Dense/model.safetensors");
}

TEST(PullFiles, IncludeAndExcludeDecideAlone) {
  EXPECT_EQ(chosen({"a.py", "b.json", "c/d.json"}, {.include = {"*.py", "c/"}, .exclude = {}}),
            "a.py c/d.json");
  EXPECT_EQ(chosen({"a.py", "b.json", "c.json"}, {.include = {}, .exclude = {"c*"}}), "b.json");
  EXPECT_THROW(chosen({"a.py"}, {.include = {"*.json"}, .exclude = {}}), Error);
}

TEST(PullFiles, OfManyGgufFilesSomebodyHasToChoose) {
  EXPECT_THROW(chosen({"README.md", "x-Q4_K_M.gguf", "x-Q8_0.gguf"}), Error);
  EXPECT_EQ(chosen({"README.md", "x-Q4_K_M.gguf"}, {.include = {"*Q4_K_M*"}, .exclude = {}}),
            "x-Q4_K_M.gguf");
}

}  // namespace
}  // namespace pome::services
