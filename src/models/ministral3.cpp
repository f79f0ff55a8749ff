// Ministral 3 and the text models of Mistral 3.x that say so: Llama's block with yarn, queries sharpened step
// by step behind the original context. Follows transformers' models/ministral3/modeling_ministral3.py.
#include "models/registry.h"
#include "models/transformer.h"

namespace pome::models {
namespace {

TransformerSpec describe(Config& config) {
  TransformerSpec spec{
      .c = read_decoder_config(
          config,
          {.head_dim = 128, .max_position_embeddings = 262144, .rope_theta = 1e6, .norm_eps = 1e-5F})};
  const int window = config.positive_or_none("sliding_window");
  spec.windows = read_sliding_windows(config, spec.c.num_hidden_layers, window, [](int) { return true; });
  return spec;
}

graph::PositionScale read_query_scale(Config& config) {
  const nn::RopeSettings rope = nn::parse_rope(config.json(), {}, config.subject());
  const graph::PositionScale scale{.beta = static_cast<float>(rope.llama_4_scaling_beta),
                                   .period = static_cast<float>(rope.original_max_position_embeddings)};
  if (scale.beta > 0 && scale.period <= 0) {
    fail(ErrorKind::corrupt,
         "{}: llama_4_scaling_beta is {}, but original_max_position_embeddings is missing", config.subject(),
         scale.beta);
  }
  return scale;
}

class Ministral3 final : public Transformer {
 public:
  Ministral3(Config& config, Weights& weights)
      : Transformer(describe(config), weights), query_scale_(read_query_scale(config)) {}

 private:
  nn::Qkv prepare(Graph& g, std::size_t i, nn::Qkv x) const override {
    x = rotate(g, i, x);
    if (query_scale_.beta > 0) x.q = g.scale(x.q, query_scale_);
    return x;
  }

  graph::PositionScale query_scale_;
};

constexpr std::string_view model_types[] = {"ministral3", "mistral3"};

}  // namespace

const Arch ministral3_arch{
    .name = "ministral3",
    .model_types = model_types,
    .summary = "Ministral 3, Mistral Small 3.x, text",
    .caches = {.full = true, .sliding = true},
    .renames = {},
    .build = build<Ministral3>,
};

}  // namespace pome::models
