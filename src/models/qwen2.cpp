// Qwen2 and Qwen2.5: Llama's block with biases on q, k and v alone, and some layers' attention in a sliding
// window. Follows transformers' models/qwen2/modeling_qwen2.py.
#include "models/decoder.h"
#include "models/registry.h"
#include "models/weights.h"
#include "nn/attention.h"
#include "nn/mlp.h"

namespace pome::models {
namespace {

using graph::Graph;
using graph::Value;

struct Layer {
  formats::Tensor input_norm;
  nn::AttentionProjections attention;
  formats::Tensor post_attention_norm;
  nn::GatedMlp mlp;
};

class Qwen2 final : public Model {
 public:
  Qwen2(Config& config, Weights& weights) : c_(read_decoder_config(config)), info_(c_.info("qwen2")) {
    windows_ = read_layer_windows(config, c_.num_hidden_layers);

    const int width = c_.hidden_size;
    const int q_width = c_.num_attention_heads * c_.head_dim;
    const int kv_width = c_.num_key_value_heads * c_.head_dim;
    embedding_ = weights.weight("model.embed_tokens", c_.vocab_size, width);
    for (int i = 0; i < c_.num_hidden_layers; ++i) {
      const std::string at = fmt::format("model.layers.{}.", i);
      Layer& layer = layers_.emplace_back();
      layer.input_norm = weights.take(at + "input_layernorm.weight", {width});
      layer.attention.q = weights.linear(at + "self_attn.q_proj", q_width, width, true);
      layer.attention.k = weights.linear(at + "self_attn.k_proj", kv_width, width, true);
      layer.attention.v = weights.linear(at + "self_attn.v_proj", kv_width, width, true);
      layer.attention.o = weights.linear(at + "self_attn.o_proj", width, q_width, false);
      layer.post_attention_norm = weights.take(at + "post_attention_layernorm.weight", {width});
      layer.mlp.activation = c_.hidden_act;
      layer.mlp.gate = weights.linear(at + "mlp.gate_proj", c_.intermediate_size, width, false);
      layer.mlp.up = weights.linear(at + "mlp.up_proj", c_.intermediate_size, width, false);
      layer.mlp.down = weights.linear(at + "mlp.down_proj", width, c_.intermediate_size, false);
    }
    norm_ = weights.take("model.norm.weight", {width});
    if (c_.tie_word_embeddings) {
      head_ = {.name = "model.embed_tokens", .weight = embedding_, .bias = {}, .adapters = {}};
      weights.drop("lm_head.*");
    } else {
      head_ = weights.linear("lm_head", c_.vocab_size, width, false);
    }
  }

  void forward(Graph& g) const override {
    Value x = g.embedding(embedding_);
    for (int i = 0; i < c_.num_hidden_layers; ++i) {
      x = block(g, x, i);
      g.output(fmt::format("layers.{}", i), x);
    }
    x = g.rms_norm(g.out_rows(x), norm_, c_.rms_norm_eps);
    g.output("logits", g.linear(head_, x));
  }

  const Info& info() const override { return info_; }

  graph::CachePlan cache_plan() const override {
    graph::CachePlan plan;
    for (const int window : windows_) plan.push_back({c_.num_key_value_heads, c_.head_dim, window});
    return plan;
  }

  std::vector<graph::Linear*> linears() override {
    std::vector<graph::Linear*> all;
    for (Layer& layer : layers_) {
      auto& [q, k, v, o] = layer.attention;
      all.insert(all.end(), {&q, &k, &v, &o, &layer.mlp.gate, &layer.mlp.up, &layer.mlp.down});
    }
    if (!c_.tie_word_embeddings) all.push_back(&head_);
    return all;
  }

 private:
  Value block(Graph& g, Value x, int index) const {
    const Layer& layer = layers_[static_cast<std::size_t>(index)];
    const Value h = g.rms_norm(x, layer.input_norm, c_.rms_norm_eps);
    const Value q = g.rope(g.linear(layer.attention.q, h), c_.rope);
    const Value k = g.rope(g.linear(layer.attention.k, h), c_.rope);
    const Value v = g.linear(layer.attention.v, h);
    const Value a = g.attention({.layer = index,
                                 .heads = c_.num_attention_heads,
                                 .kv_heads = c_.num_key_value_heads,
                                 .head_dim = c_.head_dim,
                                 .scale = c_.attention_scale(),
                                 .window = windows_[static_cast<std::size_t>(index)]},
                                q, k, v);
    x = g.add(x, g.linear(layer.attention.o, a));
    return g.add(x, nn::gated_mlp(g, layer.mlp, g.rms_norm(x, layer.post_attention_norm, c_.rms_norm_eps)));
  }

  DecoderConfig c_;
  Info info_;
  std::vector<int> windows_;  // by layer; 0: none
  graph::Weight embedding_;
  std::vector<Layer> layers_;
  formats::Tensor norm_;
  graph::Linear head_;
};

constexpr std::string_view model_types[] = {"qwen2"};

}  // namespace

const Arch qwen2_arch{
    .name = "qwen2",
    .model_types = model_types,
    .summary = "Qwen2, Qwen2.5 and models distilled into them",
    .renames = {},
    .build = [](Config& config, Weights& weights) -> std::unique_ptr<Model> {
      return std::make_unique<Qwen2>(config, weights);
    },
};

}  // namespace pome::models
