// Llama 1 to 3.x and what shares its block: Mistral 7B, TinyLlama, CodeLlama, SmolLM2, Yi, …
//
// h = x + attention(norm(x)); y = h + down(silu(gate(norm(h))) · up(norm(h))). Follows transformers'
// models/llama/modeling_llama.py, and models/mistral for the sliding window.
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

// Mistral's attention slides unless the config says null, as MistralConfig has it.
int mistral_window(Config& config) {
  const bool null = config.json().contains("sliding_window") && config.find("sliding_window") == nullptr;
  return null ? 0 : config.positive("sliding_window", 4096);
}

class Llama final : public Decoder {
 public:
  Llama(Config& config, Weights& weights) : Decoder(read_decoder_config(config), weights) {
    const bool attention_bias = config.get<bool>("attention_bias", false);
    const bool mlp_bias = config.get<bool>("mlp_bias", false);
    const int window = c_.model_type == "mistral" ? mistral_window(config) : 0;
    for (graph::CacheLayer& cached : plan_) cached.window = window;
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const std::string at = layer_path(i);
      Layer& layer = layers_.emplace_back();
      layer.input_norm = weights.take(at + "input_layernorm.weight", {c_.hidden_size});
      layer.attention =
          take_attention(weights, at + "self_attn", c_, {.qkv = attention_bias, .o = attention_bias});
      layer.post_attention_norm = weights.take(at + "post_attention_layernorm.weight", {c_.hidden_size});
      layer.mlp = take_gated_mlp(weights, at + "mlp", c_, mlp_bias);
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

constexpr std::string_view model_types[] = {"llama", "mistral"};

constexpr formats::Rename renames[] = {
    {.kind = formats::Rename::Kind::drop, .pattern = "*.rotary_emb.inv_freq"},  // buffers of old checkpoints
};

}  // namespace

const Arch llama_arch{
    .name = "llama",
    .model_types = model_types,
    .summary = "Llama 1 to 3.x, Mistral 7B, TinyLlama, CodeLlama, SmolLM2",
    .caches = {.full = true, .sliding = true},
    .meta_form = true,
    .renames = renames,
    .build = build<Llama>,
};

}  // namespace pome::models
