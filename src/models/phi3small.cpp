// Phi-3-small: layer norms, muP's constants, a clamped gate whose two halves lie interleaved, and every other
// layer's attention sparse by blocks. Follows modeling_phi3_small.py, positional_embedding.py and
// triton_flash_blocksparse_attn.py of microsoft/Phi-3-small-128k-instruct, which transformers has no class
// for. mlx-lm differs: its dense layers are others unless they are every second one, it always
// shifts stripes by one block per head, lets rows of a prompt see what follows them, and reads no
// rope_scaling; token by token it agrees.
#include <cmath>
#include <limits>

#include "models/decoder.h"
#include "models/registry.h"
#include "nn/dense.h"

namespace pome::models {
namespace {

struct Layer {
  nn::Norm input_norm;
  nn::LinearPtr query_key_value;  // [D → K·(H/K + 2)·C]: of each kv head its queries, its key, its value
  nn::LinearPtr dense;
  nn::Norm post_attention_norm;
  nn::LinearPtr up;  // [D → 2·inner]: gate and linear part side by side, element for element
  nn::LinearPtr down;
  graph::BlockSparse sparse;
};

// The tokens of cl100k that nothing uses; they are never to be chosen.
bool is_dummy(int id) {
  return id == 100256 || (id >= 100258 && id <= 100260) || id == 100264 || id == 100265 || id >= 100267;
}

// A factor that stays away where the config says null or 0.
double optional_factor(Config& config, std::string_view key, double otherwise, double none) {
  if (!config.json().contains(key)) return otherwise;
  const double value = config.get<double>(key, 0);
  return value > 0 ? value : none;
}

int read_inner(Config& config, int hidden_size) {
  const bool padded = config.get<bool>("gegelu_pad_to_256", true);
  const int multiplier = config.positive_or_none("ff_dim_multiplier");
  const int size = config.positive("ff_intermediate_size", 14336);
  if (multiplier == 0 || config.find("ff_intermediate_size") != nullptr) return size;
  const std::int64_t inner = std::int64_t{multiplier} * (hidden_size / 3) * 2;
  if (inner > 1 << 24) fail(ErrorKind::corrupt, "{}: ff_dim_multiplier is {}", config.subject(), multiplier);
  return static_cast<int>(padded ? (inner + 255) / 256 * 256 : inner);
}

// Unlike Phi 3's longrope, only long sequences are scaled up, by long_mscale where that is given.
graph::Rope read_small_rope(Config& config, const DecoderConfig& c) {
  nn::RopeSettings settings = nn::parse_rope(config.json(), {.theta = c.rope_theta}, config.subject());
  const auto scale = config.get<float>("rope_position_scale", 1);
  if (settings.type == "longrope") {
    const double original = settings.original_max_position_embeddings;
    const double factor = c.max_position_embeddings / original;
    if (!(original > 1)) {
      fail(ErrorKind::corrupt, "{}: rope_scaling.original_max_position_embeddings is {}", config.subject(),
           original);
    }
    const auto positive = [](std::optional<double> given, double otherwise) {
      return given.value_or(-1) > 0 ? *given : otherwise;
    };
    settings.short_mscale = positive(settings.short_mscale, 1);
    settings.long_mscale =
        positive(settings.long_mscale, factor > 1 ? std::sqrt(1 + std::log(factor) / std::log(original)) : 1);
  } else if (settings.type != "default") {
    fail(ErrorKind::unsupported, "{}: rope_scaling of type \"{}\" is not implemented for {}",
         config.subject(), settings.type, c.model_type);
  }
  graph::Rope rope = nn::make_rope(settings, c.head_dim, c.max_position_embeddings, config.subject());
  if (settings.type == "default") {
    for (float& f : rope.inv_freq) f *= scale;
  }
  return rope;
}

DecoderConfig read_config(Config& config) {
  DecoderConfig c = read_decoder_config(config, {.intermediate_size = read_elsewhere,
                                                 .max_position_embeddings = 8192,
                                                 .rope_theta = config.get<double>("rope_embedding_base", 1e6),
                                                 .norm_eps_key = "layer_norm_epsilon",
                                                 .norm_eps = 1e-5F,
                                                 .tie_word_embeddings = true,
                                                 .hidden_act_key = {}});
  if (const auto act = config.get<std::string>("hidden_act", "gegelu"); act != "gegelu") {
    fail(ErrorKind::unsupported, "{}: hidden_act \"{}\" is not implemented for {}; nothing was loaded",
         config.subject(), act, c.model_type);
  }
  c.intermediate_size = read_inner(config, c.hidden_size);
  c.rope = read_small_rope(config, c);
  const auto head_dim = static_cast<float>(c.head_dim);
  const auto multiplier = config.get<float>("mup_attn_multiplier", 1);
  if (config.get<bool>("mup_use_scaling", true)) c.attention_scale = multiplier / head_dim;
  return c;
}

graph::BlockSparse read_blocks(Config& config, int heads) {
  const graph::BlockSparse blocks{
      .block = config.positive("blocksparse_block_size", 64),
      .local = config.positive("blocksparse_num_local_blocks", 16),
      .stride = config.positive("blocksparse_vert_stride", 8),
      // Heads see different stripes, further apart where there are fewer heads than a stride has places.
      .head_step = config.get<bool>("blocksparse_homo_head_pattern", false)
                       ? 0
                       : std::max(1, config.positive("blocksparse_vert_stride", 8) / heads)};
  if (blocks.local > (1 << 30) / blocks.block) {
    fail(ErrorKind::corrupt, "{}: blocksparse_num_local_blocks is {} of blocksparse_block_size {}",
         config.subject(), blocks.local, blocks.block);
  }
  return blocks;
}

class Phi3Small final : public Decoder {
 public:
  Phi3Small(Config& config, Weights& weights) : Decoder(read_config(config), weights) {
    for (const char* key :
         {"attention_bias", "attention_dropout_prob", "blocksparse_triton_kernel_block_size",
          "embedding_dropout_prob", "ffn_dropout_prob", "pad_sequence_to_multiple_of_64",
          "reorder_and_upcast_attn"}) {
      config.mark_read(key);  // the file's tensors say what has biases
    }
    const double unlimited = std::numeric_limits<float>::max();
    gating_.limit = static_cast<float>(optional_factor(config, "gegelu_limit", 20, unlimited));
    c_.embedding_scale = static_cast<float>(optional_factor(config, "mup_embedding_multiplier", 10, 1));
    c_.logits_scale = static_cast<float>(1 / optional_factor(config, "mup_width_multiplier", 8, 1));
    const graph::BlockSparse blocks = read_blocks(config, c_.num_attention_heads);
    const char* every = "dense_attention_every_n_layers";  // null or 0: never
    const int dense_every = config.json().contains(every) ? config.get<int>(every, 0) : 2;
    const int q = c_.q_width(), kv = c_.kv_width(), inner = c_.intermediate_size;
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const std::string at = layer_path(i);
      Layer& layer = layers_.emplace_back();
      layer.input_norm = take_norm(weights, at + "input_layernorm", c_, biased_layer_norm);
      layer.query_key_value =
          weights.linear(at + "self_attn.query_key_value", q + 2 * kv, c_.hidden_size, true);
      layer.dense = weights.linear(at + "self_attn.dense", c_.hidden_size, q, true);
      layer.post_attention_norm = take_norm(weights, at + "post_attention_layernorm", c_, biased_layer_norm);
      layer.up = weights.linear(at + "mlp.up_proj", 2 * inner, c_.hidden_size, true);
      layer.down = weights.linear(at + "mlp.down_proj", c_.hidden_size, inner, true);
      if (dense_every <= 0 || (static_cast<int>(i) + 1) % dense_every != 0) layer.sparse = blocks;
    }
    norm_ = take_norm(weights, "model.final_layernorm", c_, biased_layer_norm);
    if (c_.vocab_size > 100256) {
      std::vector<float> unused(static_cast<std::size_t>(c_.vocab_size), 0.0F);
      for (int id = 0; id < c_.vocab_size; ++id) {
        if (is_dummy(id)) unused[static_cast<std::size_t>(id)] = std::numeric_limits<float>::lowest();
      }
      unused_ = nn::float_tensor(norm_.weight, {c_.vocab_size}, std::move(unused));
    }
  }

 private:
  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    const int group = c_.num_attention_heads / c_.num_key_value_heads;
    const int size = c_.head_dim, run = (group + 2) * size;
    const Value all = g.linear(*layer.query_key_value, nn::norm(g, layer.input_norm, x));
    const Value q = g.columns(all, 0, group * size, run);
    const Value k = g.columns(all, group * size, size, run);
    const Value v = g.columns(all, (group + 1) * size, size, run);
    graph::Attention attention = attention_of(i);
    attention.sparse = layer.sparse;
    const Value a = g.attention(attention, g.rope(q, c_.rope), g.rope(k, c_.rope), v);
    x = g.add(x, g.linear(*layer.dense, a));
    const Value both = g.linear(*layer.up, nn::norm(g, layer.post_attention_norm, x));
    const Value gated = g.gated(gating_, g.columns(both, 0, 1, 2), g.columns(both, 1, 1, 2));
    return g.add(x, g.linear(*layer.down, gated));
  }

  Value norm(Graph& g, Value x) const override { return nn::norm(g, norm_, x); }

  Value head(Graph& g, Value x) const override {
    const Value logits = Decoder::head(g, x);
    return unused_ ? g.add(logits, *unused_) : logits;
  }

  std::vector<Layer> layers_;
  nn::Norm norm_;
  graph::Gating gating_;
  std::optional<Tensor> unused_;  // [V]: 0, or what takes a token out of the choice
};

constexpr std::string_view model_types[] = {"phi3small"};

constexpr formats::Rename renames[] = {
    {.kind = formats::Rename::Kind::drop, .pattern = "*.rotary_emb.inv_freq"},
};

}  // namespace

const Arch phi3small_arch{
    .name = "phi3small",
    .model_types = model_types,
    .summary = "Phi-3-small",
    .caches = {.full = true},
    .renames = renames,
    .build = build<Phi3Small>,
};

}  // namespace pome::models
