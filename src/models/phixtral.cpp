// Phixtral: Phi-2's block, attention and experts side by side behind one layer norm, under the names of its
// first upload. There is no such class in transformers; follows mlx-lm's models/phixtral.py.
#include <cmath>

#include "models/decoder.h"
#include "models/mixture.h"
#include "models/registry.h"

namespace pome::models {
namespace {

struct Layer {
  nn::Norm norm;
  nn::AttentionProjections attention;
  nn::Mixture moe;
};

// MLX's names for sizes, or those of the upload; both left to Phi-2's where they are missing.
DecoderConfig read_config(Config& config) {
  const auto size = [&](const char* key, const char* other, int fallback) {
    const int found = config.positive(other, fallback);
    return config.positive(key, found);
  };
  DecoderConfig c;
  c.model_type = config.get<std::string>("model_type");
  c.vocab_size = size("num_vocab", "vocab_size", 51200);
  c.hidden_size = size("model_dim", "n_embd", 2560);
  c.intermediate_size = config.positive("n_inner", 4 * c.hidden_size);
  c.num_hidden_layers = size("num_layers", "n_layer", 32);
  c.num_attention_heads = c.num_key_value_heads = size("num_heads", "n_head", 32);
  c.head_dim = c.hidden_size / c.num_attention_heads;
  c.norm_eps = config.get<float>("layer_norm_epsilon", 1e-5F);
  c.max_position_embeddings = c.context_length = config.positive("n_positions", 2048);
  const int rotated = config.positive("rotary_dim", 32);
  if (c.head_dim * c.num_attention_heads != c.hidden_size || rotated > c.head_dim || rotated % 2 != 0) {
    fail(ErrorKind::corrupt, "{}: {} of the elements of {} heads in {} cannot be rotated", config.subject(),
         rotated, c.num_attention_heads, c.hidden_size);
  }
  c.rope = nn::make_rope({.partial_rotary_factor = static_cast<double>(rotated) / c.head_dim}, c.head_dim,
                         c.max_position_embeddings, config.subject());
  c.attention_scale = 1 / std::sqrt(static_cast<float>(c.head_dim));
  for (const char* key : {"activation_function", "attn_pdrop", "flash_attn", "flash_rotary", "fused_dense",
                          "n_head_kv", "img_processor"}) {
    config.mark_read(key);
  }
  return c;
}

class Phixtral final : public Decoder {
 public:
  Phixtral(Config& config, Weights& weights)
      : Decoder(read_config(config), weights,
                {.embedding = "transformer.embd.wte", .head = "lm_head.linear", .head_bias = true}) {
    const int experts = config.positive("num_local_experts", 4);
    const int chosen = std::min(config.positive("num_experts_per_tok", 2), experts);
    const int width = c_.hidden_size, inner = c_.intermediate_size;
    mark_router_losses(config);
    for (int i = 0; i < c_.num_hidden_layers; ++i) {
      const std::string at = fmt::format("transformer.h.{}.", i);
      Layer& layer = layers_.emplace_back();
      layer.norm = take_norm(weights, at + "ln", c_, biased_layer_norm);
      layer.attention.q_width = layer.attention.kv_width = width;
      layer.attention.qkv = weights.linear(at + "mixer.Wqkv", 3 * width, width, true);
      layer.attention.o = weights.linear(at + "mixer.out_proj", width, width, true);
      layer.moe.router = weights.linear(at + "moe.gate", experts, width, false);
      layer.moe.routing = {
          .experts = experts, .chosen = chosen, .scores = graph::Routing::Scores::softmax_of_chosen};
      layer.moe.experts.name = at + "moe";
      layer.moe.experts.count = experts;
      layer.moe.experts.gating.activation = graph::Activation::gelu_tanh;
      layer.moe.experts.gate = weights.stack(at + "moe.switch_mlp.fc1", experts, inner, width);
      layer.moe.experts.down = weights.stack(at + "moe.switch_mlp.fc2", experts, width, inner);
    }
    norm_ = take_norm(weights, "lm_head.ln", c_, biased_layer_norm);
  }

 private:
  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    const Value h = nn::norm(g, layer.norm, x);
    const auto [q, k, v] = nn::project_qkv(g, layer.attention, h);
    const Value a = attend(g, i, g.rope(q, c_.rope), g.rope(k, c_.rope), v);
    return g.add(g.add(g.linear(*layer.attention.o, a), nn::mixture(g, layer.moe, h)), x);
  }

  Value norm(Graph& g, Value x) const override { return nn::norm(g, norm_, x); }

  std::vector<Layer> layers_;
  nn::Norm norm_;
};

constexpr std::string_view model_types[] = {"phixtral", "phi-msft"};

constexpr formats::Rename renames[] = {
    {.kind = formats::Rename::Kind::stack, .pattern = ".moe.mlp.#.", .to = ".moe.switch_mlp."},
};

}  // namespace

const Arch phixtral_arch{
    .name = "phixtral",
    .model_types = model_types,
    .summary = "Phixtral",
    .caches = {.full = true},
    .renames = renames,
    .build = build<Phixtral>,
};

}  // namespace pome::models
