// DeepSeek V2 and V3, Kimi K2: multi-head latent attention, and experts behind the first layers, chosen by a
// softmax (V2) or by corrected sigmoids among groups (V3). Follows transformers' models/deepseek_v2 and
// deepseek_v3. kv_b_proj is split by the table of the third; where it stays whole, here.
#include <cmath>

#include "models/decoder.h"
#include "models/mixture.h"
#include "models/registry.h"
#include "nn/latent_attention.h"

namespace pome::models {
namespace {

struct Layer {
  Tensor input_norm;
  nn::LatentAttention attention;
  Tensor post_attention_norm;
  nn::FeedForward mlp;
};

// What is rotated is a head of its own; a head_dim in the config says the same or is of no use.
DecoderConfig read_config(Config& config, bool third) {
  const int rotated = config.positive("qk_rope_head_dim", 64);
  DecoderConfig c =
      read_decoder_config(config, {.head_dim = rotated, .max_position_embeddings = third ? 4096 : 2048});
  c.head_dim = rotated;
  c.rope = read_rope(config, c, {.theta = 10000});
  c.rope.interleaved = third ? config.get<bool>("rope_interleave", true) : true;
  return c;
}

class DeepSeek final : public Decoder {
 public:
  DeepSeek(Config& config, Weights& weights, bool third) : Decoder(read_config(config, third), weights) {
    const nn::LatentAttention sizes = read_attention(config);
    const bool bias = config.get<bool>("attention_bias", false);
    const TakeFeedForward take = feed_forward(read_grouped_mixture(config, c_, !third), c_);
    config.mark_read("qk_head_dim");
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const std::string at = layer_path(i);
      Layer& layer = layers_.emplace_back();
      layer.input_norm = weights.take(at + "input_layernorm.weight", {c_.hidden_size});
      layer.attention = take_latent_attention(weights, at + "self_attn.", sizes, bias);
      plan_[i] = nn::latent_cache(layer.attention);
      layer.post_attention_norm = weights.take(at + "post_attention_layernorm.weight", {c_.hidden_size});
      layer.mlp = take(weights, at, i);
    }
    norm_ = weights.take("model.norm.weight", {c_.hidden_size});
    drop_next_token_layers(config, weights, c_.num_hidden_layers);
  }

 private:
  nn::LatentAttention read_attention(Config& config) {
    nn::LatentAttention a;
    a.heads = c_.num_attention_heads;
    a.latent_dim = config.positive("kv_lora_rank", 512);
    a.plain_dim = config.positive("qk_nope_head_dim", 128);
    a.rotated_dim = c_.head_dim;
    a.value_dim = config.positive("v_head_dim", 128);
    a.norm_eps = 1e-6F;  // of the inner norms, whatever the config says of the others
    q_rank_ = config.find("q_lora_rank") == nullptr ? 0 : config.positive("q_lora_rank");
    const nn::RopeSettings rope = nn::parse_rope(config.json(), {}, config.subject());
    double scale = 1 / std::sqrt(static_cast<double>(a.plain_dim + a.rotated_dim));
    if (rope.type != "default" && rope.mscale_all_dim.value_or(0) != 0) {
      scale *= std::pow(nn::yarn_mscale(rope.factor.value_or(1), *rope.mscale_all_dim), 2);
    }
    a.scale = static_cast<float>(scale);
    return a;
  }

  nn::LatentAttention take_latent_attention(Weights& weights, const std::string& at,
                                            const nn::LatentAttention& sizes, bool bias) const {
    nn::LatentAttention a = sizes;
    const int width = c_.hidden_size, q_width = a.heads * (a.plain_dim + a.rotated_dim);
    if (q_rank_ == 0) {
      a.q = weights.linear(at + "q_proj", q_width, width, false);
    } else {
      a.q_down = weights.linear(at + "q_a_proj", q_rank_, width, bias);
      a.q_norm = weights.take(at + "q_a_layernorm.weight", {q_rank_});
      a.q_up = weights.linear(at + "q_b_proj", q_width, q_rank_, false);
    }
    a.kv_down = weights.linear(at + "kv_a_proj_with_mqa", a.latent_dim + a.rotated_dim, width, bias);
    a.kv_norm = weights.take(at + "kv_a_layernorm.weight", {a.latent_dim});
    if (weights.contains(at + "embed_q.weight")) {
      a.embed_q = {.name = at + "embed_q",
                   .weight = weights.weight(at + "embed_q", {a.heads, a.latent_dim, a.plain_dim})};
      a.unembed = {.name = at + "unembed_out",
                   .weight = weights.weight(at + "unembed_out", {a.heads, a.value_dim, a.latent_dim})};
    } else {
      nn::split_heads(weights.weight(at + "kv_b_proj", a.heads * (a.plain_dim + a.value_dim), a.latent_dim),
                      a);
    }
    a.o = weights.linear(at + "o_proj", width, a.heads * a.value_dim, bias);
    return a;
  }

  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    const Value h = g.rms_norm(x, layer.input_norm, c_.norm_eps);
    x = g.add(x, nn::latent_attention(g, layer.attention, c_.rope, static_cast<int>(i), h));
    return g.add(x, nn::feed_forward(g, layer.mlp, g.rms_norm(x, layer.post_attention_norm, c_.norm_eps)));
  }

  Value norm(Graph& g, Value x) const override { return g.rms_norm(x, norm_, c_.norm_eps); }

  int q_rank_ = 0;  // 0: queries are made of x directly
  std::vector<Layer> layers_;
  Tensor norm_;
};

constexpr std::string_view second_types[] = {"deepseek_v2"};
constexpr std::string_view third_types[] = {"deepseek_v3", "kimi_k2"};

constexpr auto second_renames = formats::joined(
    std::array{formats::Rename{.kind = formats::Rename::Kind::drop, .pattern = "*.rotary_emb.inv_freq"}},
    mlp_experts);

// MLX has the third version's kv_b_proj as one matrix per head and purpose, that of keys transposed.
constexpr auto third_renames =
    formats::joined(std::array{formats::Rename{.kind = formats::Rename::Kind::heads,
                                               .pattern = ".kv_b_proj.weight",
                                               .to = ".kv_b_proj.heads",
                                               .key = "num_attention_heads"},
                               formats::Rename{.kind = formats::Rename::Kind::split,
                                               .pattern = ".kv_b_proj.heads",
                                               .to = ".embed_q.rows",
                                               .second = ".unembed_out.weight",
                                               .key = "qk_nope_head_dim",
                                               .otherwise = 128},
                               formats::Rename{.kind = formats::Rename::Kind::transpose,
                                               .pattern = ".embed_q.rows",
                                               .to = ".embed_q.weight"}},
                    second_renames);

}  // namespace

const Arch deepseek_v2_arch{
    .name = "deepseek_v2",
    .model_types = second_types,
    .summary = "DeepSeek V2 and V2-Lite",
    .caches = {.latent = true},
    .renames = second_renames,
    .build = [](Config& config, Weights& weights) -> std::unique_ptr<Model> {
      return std::make_unique<DeepSeek>(config, weights, false);
    },
};

const Arch deepseek_v3_arch{
    .name = "deepseek_v3",
    .model_types = third_types,
    .summary = "DeepSeek V3 and R1, Kimi K2, Moonlight",
    .caches = {.latent = true},
    .renames = third_renames,
    .build = [](Config& config, Weights& weights) -> std::unique_ptr<Model> {
      return std::make_unique<DeepSeek>(config, weights, true);
    },
};

}  // namespace pome::models
