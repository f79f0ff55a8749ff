// Mamba-2: x + mixer(norm(x)), no attention and no feed-forward. Follows transformers'
// models/mamba2/modeling_mamba2.py: the gated norm is of each group by itself (mlx-lm's is of all at once,
// and its block norms ignore layer_norm_epsilon).
#include "models/recurrent.h"
#include "models/registry.h"

namespace pome::models {
namespace {

DecoderConfig read_config(Config& config) {
  DecoderConfig c;
  c.model_type = config.get<std::string>("model_type");
  c.vocab_size = config.positive("vocab_size", 32768);
  c.hidden_size = config.positive("hidden_size", 4096);
  c.num_hidden_layers = config.positive("num_hidden_layers", 64);
  c.norm_eps = static_cast<float>(config.get<double>("layer_norm_epsilon", 1e-5));
  c.tie_word_embeddings = config.get<bool>("tie_word_embeddings", false);
  const auto act = config.get<std::string>("hidden_act", "silu");
  const auto activation = nn::activation_from_name(act);
  if (!activation) {
    fail(ErrorKind::unsupported, "{}: hidden_act \"{}\" is not implemented; nothing was loaded",
         config.subject(), act);
  }
  c.hidden_act = *activation;
  // A state has no end; what the model was trained on is not in its config.
  c.context_length = config.positive("max_position_embeddings", 1 << 20);
  // For training, or said by other fields.
  for (const char* key :
       {"chunk_size", "expand", "intermediate_size", "norm_before_gate", "rescale_prenorm_residual",
        "residual_in_fp32", "rms_norm", "time_step_floor", "time_step_init_scheme", "time_step_max",
        "time_step_min", "time_step_rank", "use_mambapy"}) {
    config.mark_read(key);
  }
  return c;
}

struct Layer {
  Tensor norm;
  nn::Mamba2 mixer;
};

class Mamba2 final : public Decoder {
 public:
  Mamba2(Config& config, Weights& weights)
      : Decoder(read_config(config), weights, {.embedding = "backbone.embeddings"}) {
    const bool bias = config.get<bool>("use_bias", false);
    const Mamba2Config sizes = {
        .num_heads = config.positive("num_heads", 128),
        .head_dim = config.positive("head_dim", 64),
        .n_groups = config.positive("n_groups", 8),
        .state_size =
            config.positive(config.find("ssm_state_size") == nullptr ? "state_size" : "ssm_state_size", 128),
        .conv_kernel = config.positive("conv_kernel", 4),
        .conv_bias = config.get<bool>("use_conv_bias", true),
        .in_bias = bias,
        .out_bias = bias,
    };
    config.mark_read("state_size");
    plan_.clear();
    for (std::size_t i = 0; i < layer_count(); ++i) {
      const std::string at = fmt::format("backbone.layers.{}.", i);
      Layer& layer = layers_.emplace_back();
      layer.norm = weights.take(at + "norm.weight", {c_.hidden_size});
      layer.mixer = take_mamba2(weights, at + "mixer", c_.hidden_size, sizes, plan_);
      layer.mixer.norm_eps = c_.norm_eps;
      layer.mixer.activation = c_.hidden_act;
      read_time_step_limit(config, layer.mixer);
    }
    norm_ = weights.take("backbone.norm_f.weight", {c_.hidden_size});
  }

 private:
  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    return g.add(x, nn::mamba2(g, layer.mixer, g.rms_norm(x, layer.norm, c_.norm_eps)));
  }

  Value norm(Graph& g, Value x) const override { return g.rms_norm(x, norm_, c_.norm_eps); }

  std::vector<Layer> layers_;
  Tensor norm_;
};

constexpr std::string_view model_types[] = {"mamba2"};

constexpr formats::Rename renames[] = {
    {.kind = formats::Rename::Kind::prefix, .pattern = "backbone.embedding.", .to = "backbone.embeddings."},
    {.kind = formats::Rename::Kind::taps, .pattern = ".conv1d.weight"},
};

}  // namespace

const Arch mamba2_arch{
    .name = "mamba2",
    .model_types = model_types,
    .summary = "Mamba-2: states instead of attention",
    .caches = {.state = true},
    .renames = renames,
    .build = build<Mamba2>,
};

}  // namespace pome::models
