// What a golden's small vocabulary cannot show: tokens of cl100k that nothing uses are never chosen.
#include <gtest/gtest.h>

#include "base/scratch_folder.h"
#include "formats/safetensors.h"
#include "models/model.h"

namespace pome::models {
namespace {

constexpr int vocab = 100352, width = 4;

formats::Tensor tensor(const std::string& name, std::vector<std::int64_t> shape, std::vector<float>& values) {
  formats::Tensor made;
  made.name = name;
  made.dtype = Dtype::f32;
  made.shape = std::move(shape);
  values.resize(static_cast<std::size_t>(made.elements()), 0.5F);
  made.size_bytes = values.size() * sizeof(float);
  made.data = reinterpret_cast<const std::byte*>(values.data());
  return made;
}

TEST(Phi3Small, NeverChoosesATokenThatNothingUses) {
  const ScratchFolder scratch;
  write_file_atomic(scratch.path() / "config.json",
                    R"({"model_type": "phi3small", "vocab_size": 100352, "hidden_size": 4,
                        "num_hidden_layers": 1, "num_attention_heads": 1, "num_key_value_heads": 1,
                        "ff_intermediate_size": 2})");
  const std::pair<const char*, std::vector<std::int64_t>> parameters[]{
      {"model.embed_tokens.weight", {vocab, width}},
      {"model.final_layernorm.weight", {width}},
      {"model.final_layernorm.bias", {width}},
      {"model.layers.0.input_layernorm.weight", {width}},
      {"model.layers.0.input_layernorm.bias", {width}},
      {"model.layers.0.post_attention_layernorm.weight", {width}},
      {"model.layers.0.post_attention_layernorm.bias", {width}},
      {"model.layers.0.self_attn.query_key_value.weight", {12, width}},
      {"model.layers.0.self_attn.query_key_value.bias", {12}},
      {"model.layers.0.self_attn.dense.weight", {width, width}},
      {"model.layers.0.self_attn.dense.bias", {width}},
      {"model.layers.0.mlp.up_proj.weight", {4, width}},
      {"model.layers.0.mlp.up_proj.bias", {4}},
      {"model.layers.0.mlp.down_proj.weight", {width, 2}},
      {"model.layers.0.mlp.down_proj.bias", {width}}};
  std::vector<std::vector<float>> values(std::size(parameters));
  std::vector<formats::Tensor> tensors;
  for (std::size_t i = 0; i < values.size(); ++i) {
    tensors.push_back(tensor(parameters[i].first, parameters[i].second, values[i]));
  }
  formats::write_safetensors(scratch.path() / "model.safetensors", tensors);

  const auto loaded = load_model(scratch.path());
  const auto backend = graph::make_backend("cpu", {.precision = graph::Precision::exact, .threads = 1});
  const auto runner =
      backend->load([&](graph::Graph& g) { loaded->model->forward(g); }, loaded->model->cache_plan());
  graph::Step step;
  step.tokens = {3};
  step.segments = {{.begin = 0, .length = 1, .cache = nullptr, .adapter = 0, .planned_length = 1}};
  step.out_rows = {0};
  graph::Outputs outputs;
  runner->run(step, outputs);
  const std::span<const float> logits = outputs.at("logits").row(0);
  for (const int used : {0, 100255, 100257, 100261, 100262, 100263, 100266}) {
    EXPECT_LT(std::abs(logits[static_cast<std::size_t>(used)]), 10) << used;
  }
  for (const int unused : {100256, 100258, 100260, 100264, 100265, 100267, 100300, 100351}) {
    EXPECT_LT(logits[static_cast<std::size_t>(unused)], -1e38F) << unused;
  }
}

}  // namespace
}  // namespace pome::models
