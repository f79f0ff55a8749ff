// Phi 3, 3.5 and 4: Llama's block with fused projections, partly rotated heads and longrope. Follows
// transformers' models/phi3/modeling_phi3.py. Its long factors begin behind the original context (mlx-lm
// applies them always); a sequence is given those of its planned length from the first token on.
#include "models/decoder.h"
#include "models/registry.h"

namespace pome::models {
namespace {

struct Layer {
  Tensor input_norm;
  nn::AttentionProjections attention;
  Tensor post_attention_norm;
  nn::GatedMlp mlp;
};

DecoderConfig read_config(Config& config) {
  return read_decoder_config(
      config, {.max_position_embeddings = 4096, .original_max_position_embeddings = 4096, .norm_eps = 1e-5F});
}

class Phi3 final : public Decoder {
 public:
  Phi3(Config& config, Weights& weights) : Decoder(read_config(config), weights) {
    // Phi-3-vision's tower.
    for (const char* key : {"img_processor", "embd_layer", "num_img_tokens"}) config.mark_read(key);
    const int window = config.positive_or_none("sliding_window");
    for (graph::CacheLayer& cached : plan_) cached.window = window;
    // Phi-4-mini has them, its published code reads them nowhere.
    for (const char* key : {"full_attn_mod", "interpolate_factor"}) config.mark_read(key);
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const std::string at = layer_path(i);
      Layer& layer = layers_.emplace_back();
      layer.input_norm = weights.take(at + "input_layernorm.weight", {c_.hidden_size});
      layer.attention = take_attention(weights, at + "self_attn", c_, {});
      layer.post_attention_norm = weights.take(at + "post_attention_layernorm.weight", {c_.hidden_size});
      layer.mlp = take_gated_mlp(weights, at + "mlp", c_, false);
    }
    norm_ = weights.take("model.norm.weight", {c_.hidden_size});
  }

 private:
  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    const Value h = g.rms_norm(x, layer.input_norm, c_.norm_eps);
    const auto [q, k, v] = nn::project_qkv(g, layer.attention, h);
    const Value a = attend(g, i, g.rope(q, c_.rope), g.rope(k, c_.rope), v);
    x = g.add(x, g.linear(*layer.attention.o, a));
    return g.add(x, nn::gated_mlp(g, layer.mlp, g.rms_norm(x, layer.post_attention_norm, c_.norm_eps)));
  }

  Value norm(Graph& g, Value x) const override { return g.rms_norm(x, norm_, c_.norm_eps); }

  std::vector<Layer> layers_;
  Tensor norm_;
};

constexpr std::string_view model_types[] = {"phi3", "phi3_v"};

constexpr formats::Rename renames[] = {
    {.kind = formats::Rename::Kind::drop, .pattern = "model.vision_embed_tokens.*"},  // Phi-3-vision's tower
    {.kind = formats::Rename::Kind::drop, .pattern = "vision_embed_tokens.*"},
    {.kind = formats::Rename::Kind::drop, .pattern = "*.rotary_emb.inv_freq"},
};

}  // namespace

const Arch phi3_arch{
    .name = "phi3",
    .model_types = model_types,
    .summary = "Phi 3, 3.5, 4; Phi-3-vision, text",
    .caches = {.full = true, .sliding = true},
    .renames = renames,
    .build = build<Phi3>,
};

}  // namespace pome::models
