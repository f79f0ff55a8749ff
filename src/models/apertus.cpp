// Apertus: Llama's block with q and k normalized per head and a plain MLP, whose activation xIELU learns two
// numbers per layer. Follows transformers' models/apertus/modeling_apertus.py.
#include <cmath>

#include "models/registry.h"
#include "models/transformer.h"
#include "nn/dense.h"

namespace pome::models {
namespace {

struct Mlp {
  nn::LinearPtr up;
  graph::Xielu xielu;
  nn::LinearPtr down;
};

// One element; absent: the default.
float take_scalar(Weights& weights, const std::string& name, float otherwise) {
  if (!weights.contains(name)) return otherwise;
  return nn::to_floats(weights.take_scalar(name))[0];
}

TransformerSpec describe(Config& config) {
  const auto act = config.get<std::string>("hidden_act", "xielu");
  if (act != "xielu") {
    fail(ErrorKind::unsupported, "{}: hidden_act \"{}\" is not implemented, xielu is; nothing was loaded",
         config.subject(), act);
  }
  TransformerSpec spec{
      .c = read_decoder_config(config, {.max_position_embeddings = 65536,
                                        .rope_theta = 12000000,
                                        .norm_eps = 1e-5F,
                                        .hidden_act_key = {}}),
      .attention_bias = read_attention_bias(config),
      .norms = {.before_attention = "attention_layernorm", .before_mlp = "feedforward_layernorm"},
      .qk_norm = {.kind = QkNorm::Kind::shared}};
  spec.feed_forward = [](Weights&, const std::string&, std::size_t) { return nn::FeedForward{}; };
  config.mark_all_read({"qk_norm", "post_norm"});
  return spec;
}

graph::Xielu take_xielu(Weights& weights, const std::string& at) {
  const auto softplus = [](float x) { return std::max(x, 0.0F) + std::log1p(std::exp(-std::fabs(x))); };
  graph::Xielu xielu;
  xielu.beta = take_scalar(weights, at + "beta", 0.5F);
  xielu.eps = take_scalar(weights, at + "eps", -1e-6F);
  xielu.positive = softplus(take_scalar(weights, at + "alpha_p", 0));
  xielu.negative = xielu.beta + softplus(take_scalar(weights, at + "alpha_n", 0));
  return xielu;
}

class Apertus final : public Transformer {
 public:
  Apertus(Config& config, Weights& weights) : Transformer(describe(config), weights) {
    const bool bias = config.get<bool>("mlp_bias", false);  // of no use to transformers: tensors decide
    const auto linear = [&](const std::string& at, int out, int in) {
      return weights.linear(at, out, in, bias && weights.contains(at + ".bias"));
    };
    for (std::size_t i = 0; i < layer_count(); ++i) {
      const std::string at = layer_path(i) + "mlp.";
      mlps_.push_back({.up = linear(at + "up_proj", c_.intermediate_size, c_.hidden_size),
                       .xielu = take_xielu(weights, at + "act_fn."),
                       .down = linear(at + "down_proj", c_.hidden_size, c_.intermediate_size)});
    }
  }

 private:
  Value feed_forward(Graph& g, std::size_t i, Value h) const override {
    return g.linear(*mlps_[i].down, g.activate(mlps_[i].xielu, g.linear(*mlps_[i].up, h)));
  }

  std::vector<Mlp> mlps_;
};

constexpr std::string_view model_types[] = {"apertus"};

constexpr formats::Rename renames[] = {
    {.kind = formats::Rename::Kind::squeeze, .pattern = ".act_fn.alpha_p"},
    {.kind = formats::Rename::Kind::squeeze, .pattern = ".act_fn.alpha_n"},
};

}  // namespace

const Arch apertus_arch{
    .name = "apertus",
    .model_types = model_types,
    .summary = "Apertus",
    .caches = {.full = true},
    .renames = renames,
    .build = build<Apertus>,
};

}  // namespace pome::models
