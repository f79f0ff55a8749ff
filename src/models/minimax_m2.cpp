// MiniMax M2: q and k normalized over all heads at once, half of each head rotated, and experts chosen by
// corrected sigmoids. Follows transformers' models/minimax_m2/modeling_minimax_m2.py.
#include "models/decoder.h"
#include "models/mixture.h"
#include "models/registry.h"

namespace pome::models {
namespace {

struct Layer {
  Tensor input_norm;
  nn::AttentionProjections attention;
  Tensor q_norm;  // [H·C]
  Tensor k_norm;  // [K·C]
  Tensor post_attention_norm;
  nn::Mixture mlp;
};

// Published configs say how many elements are rotated, not which part of a head.
DecoderConfig read_config(Config& config) {
  DecoderConfig defaults{.head_dim = 128, .max_position_embeddings = 196608, .rope_theta = 5e6};
  if (config.find("rotary_dim") != nullptr) {
    defaults.partial_rotary_factor =
        static_cast<double>(config.positive("rotary_dim")) / config.positive("head_dim", defaults.head_dim);
  }
  return read_decoder_config(config, defaults);
}

class MiniMaxM2 final : public Decoder {
 public:
  MiniMaxM2(Config& config, Weights& weights) : Decoder(read_config(config), weights) {
    const MixtureSizes sizes{.experts = read_expert_count(config, "num_local_experts", "num_experts"),
                             .chosen = config.positive("num_experts_per_tok", 8),
                             .width = c_.hidden_size,
                             .inner = c_.intermediate_size};
    check_variants(config);
    mark_router_losses(config);
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const std::string at = layer_path(i);
      Layer& layer = layers_.emplace_back();
      layer.input_norm = weights.take(at + "input_layernorm.weight", {c_.hidden_size});
      layer.attention = take_attention(weights, at + "self_attn", c_, {});
      layer.q_norm = weights.take(at + "self_attn.q_norm.weight", {c_.q_width()});
      layer.k_norm = weights.take(at + "self_attn.k_norm.weight", {c_.kv_width()});
      layer.post_attention_norm = weights.take(at + "post_attention_layernorm.weight", {c_.hidden_size});
      layer.mlp = take_mixture(weights, at + "mlp", sizes, c_.hidden_act,
                               {.scores = graph::Routing::Scores::sigmoid, .normalize = true});
      layer.mlp.correction = weights.take(at + "mlp.e_score_correction_bias", {sizes.experts});
    }
    norm_ = weights.take("model.norm.weight", {c_.hidden_size});
    weights.drop("model.mtp.*");
  }

 private:
  // Keys that published configs carry with the one value that this is.
  static void check_variants(Config& config) {
    const auto expect = [&](const char* key, const Json& value) {
      const Json* found = config.find(key);
      if (found == nullptr || *found == value) return;
      fail(ErrorKind::unsupported, "{}: {} is {}, only {} is implemented; nothing was loaded",
           config.subject(), key, found->dump(), value.dump());
    };
    expect("scoring_func", "sigmoid");
    expect("use_qk_norm", true);
    expect("qk_norm_type", "per_layer");
    expect("use_routing_bias", true);
    expect("shared_intermediate_size", 0);
    for (const char* key : {"attn_type_list", "layernorm_full_attention_beta",
                            "layernorm_linear_attention_beta", "layernorm_mlp_beta", "shared_moe_mode",
                            "use_mtp", "num_mtp_modules", "mtp_transformer_layers", "postnorm"}) {
      config.mark_read(key);
    }
  }

  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    const Value h = g.rms_norm(x, layer.input_norm, c_.norm_eps);
    auto [q, k, v] = nn::project_qkv(g, layer.attention, h);
    q = g.rope(g.rms_norm(q, layer.q_norm, c_.norm_eps), c_.rope);
    k = g.rope(g.rms_norm(k, layer.k_norm, c_.norm_eps), c_.rope);
    x = g.add(x, g.linear(*layer.attention.o, attend(g, i, q, k, v)));
    return g.add(x, nn::mixture(g, layer.mlp, g.rms_norm(x, layer.post_attention_norm, c_.norm_eps)));
  }

  Value norm(Graph& g, Value x) const override { return g.rms_norm(x, norm_, c_.norm_eps); }

  std::vector<Layer> layers_;
  Tensor norm_;
};

constexpr std::string_view model_types[] = {"minimax_m2", "minimax"};

constexpr formats::Rename renames[] = {
    {.kind = formats::Rename::Kind::replace, .pattern = ".block_sparse_moe.", .to = ".mlp."},
    {.kind = formats::Rename::Kind::replace, .pattern = ".w1.", .to = ".gate_proj."},
    {.kind = formats::Rename::Kind::replace, .pattern = ".w2.", .to = ".down_proj."},
    {.kind = formats::Rename::Kind::replace, .pattern = ".w3.", .to = ".up_proj."},
};

}  // namespace

const Arch minimax_m2_arch{
    .name = "minimax_m2",
    .model_types = model_types,
    .summary = "MiniMax M2",
    .caches = {.full = true},
    .renames = renames,
    .build = build<MiniMaxM2>,
};

}  // namespace pome::models
