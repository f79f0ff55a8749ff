// Gemma 4, its text model. Gemma 3's order of norms, but their weights as they are stored; values normalized
// without weights, scores not scaled. Full layers have wider heads, of which a part is rotated, and may take
// their keys for values. The last layers compute no keys and values and look at those of the last layer of
// their kind before them. Small models add a vector of its own for every token and layer behind each block;
// one has experts beside every MLP. Follows transformers' models/gemma4/modeling_gemma4.py.
#include <cmath>

#include "models/decoder.h"
#include "models/mixture.h"
#include "models/registry.h"

namespace pome::models {
namespace {

// Experts beside the MLP, with norms of their own.
struct Mixture {
  Tensor router_scale;  // [D]
  nn::LinearPtr router;
  Tensor expert_scale;  // [E]
  graph::Experts experts;
  Tensor pre_norm;
  Tensor post_norm;
  Tensor post_mlp_norm;
};

struct Layer {
  bool full = false;
  int head_dim = 0;
  std::size_t source = 0;  // whose keys and values it looks at; itself, unless it has none
  Tensor input_norm;
  nn::LinearPtr q;
  nn::LinearPtr k, v;  // no v: the values are the keys; neither: those of `source`
  nn::LinearPtr o;
  Tensor q_norm;  // [C]
  Tensor k_norm;  // [C]
  Tensor post_attention_norm;
  Tensor pre_feedforward_norm;
  nn::GatedMlp mlp;
  std::optional<Mixture> mixture;
  Tensor post_feedforward_norm;
  nn::LinearPtr per_layer_gate;        // [D → P]
  nn::LinearPtr per_layer_projection;  // [P → D]
  Tensor post_per_layer_norm;
  Tensor scalar;  // [1]
};

struct Settings {
  DecoderConfig c;
  int global_head_dim = 0;
  int global_kv_heads = 0;
  std::vector<bool> sliding;
  graph::Rope sliding_rope;
};

// transformers 5 lists what full layers have otherwise layer by layer; they are alike. An empty list says
// that they have nothing otherwise.
void read_full_layers(Config& config, Settings& s) {
  const Json* per_layer = config.find("per_layer_config");
  s.global_head_dim = config.positive("global_head_dim", per_layer == nullptr ? 512 : s.c.head_dim);
  const int kv_heads = config.positive("num_global_key_value_heads", s.c.num_key_value_heads);
  s.global_kv_heads = config.get<bool>("attention_k_eq_v", false) ? kv_heads : s.c.num_key_value_heads;
  if (per_layer == nullptr || !per_layer->is_object()) return;
  for (const auto& [layer, changes] : per_layer->items()) {
    Config own(changes, fmt::format("{}: per_layer_config.{}", config.subject(), layer));
    s.global_head_dim = own.positive("head_dim", s.global_head_dim);
    s.global_kv_heads = own.positive("num_key_value_heads", s.global_kv_heads);
    own.finish();
  }
}

Settings read_settings(Config& config) {
  Settings s;
  s.c = read_decoder_config(config, {.vocab_size = 262144,
                                     .head_dim = 256,
                                     .max_position_embeddings = 131072,
                                     .rope_theta = 1e6,
                                     .tie_word_embeddings = true});
  const int pattern = config.positive("sliding_window_pattern", 6);
  s.sliding =
      read_sliding_layers(config, s.c.num_hidden_layers, [pattern](int i) { return (i + 1) % pattern != 0; });
  s.sliding.back() = false;
  read_full_layers(config, s);
  s.c.hidden_act = read_hidden_activation(config, graph::Activation::gelu_tanh);
  s.c.attention_scale = 1;

  nn::RopeSettings full{.type = "proportional", .theta = 1e6, .partial_rotary_factor = 0.25};
  nn::RopeSettings sliding{.theta = 10000};
  if (nn::has_ropes_by_layer_type(config.json())) {
    full = nn::parse_rope(config.json(), full, config.subject(), "full_attention");
    sliding = nn::parse_rope(config.json(), sliding, config.subject(), "sliding_attention");
  }
  config.mark_read("rope_parameters");
  const int longest = s.c.max_position_embeddings;
  s.c.rope = nn::make_rope(full, s.global_head_dim, longest, config.subject());
  s.sliding_rope = nn::make_rope(sliding, s.c.head_dim, longest, config.subject());
  return s;
}

class Gemma4 final : public Decoder {
 public:
  Gemma4(Config& config, Weights& weights) : Gemma4(config, weights, read_settings(config)) {}

 private:
  Gemma4(Config& config, Weights& weights, Settings settings)
      : Decoder(settings.c, weights), sliding_rope_(std::move(settings.sliding_rope)) {
    MixtureSizes sizes{.width = c_.hidden_size};
    const bool mixtures = config.get<bool>("enable_moe_block", false);
    if (mixtures) {
      sizes.experts = config.positive("num_experts");
      sizes.chosen = config.positive("top_k_experts");
      sizes.inner = config.positive("moe_intermediate_size");
      routing_ = {.experts = sizes.experts, .chosen = sizes.chosen, .normalize = true};
    }
    for (const char* key : {"num_experts", "top_k_experts", "moe_intermediate_size"}) config.mark_read(key);
    const bool bias = config.get<bool>("attention_bias", false);
    const bool keys_are_values = config.get<bool>("attention_k_eq_v", false);
    const int window = config.positive("sliding_window", 512);
    const int shared = config.get<int>("num_kv_shared_layers", 0);
    const bool wide = config.get<bool>("use_double_wide_mlp", false);
    if (shared < 0 || shared >= c_.num_hidden_layers) {
      fail(ErrorKind::corrupt, "{}: num_kv_shared_layers is {} of {} layers", config.subject(), shared,
           c_.num_hidden_layers);
    }
    c_.embedding_scale = std::sqrt(static_cast<float>(c_.hidden_size));
    c_.logits_soft_cap = config.get<float>("final_logit_softcapping", 0);
    per_layer_size_ = config.get<int>("hidden_size_per_layer_input", 256);
    const auto own_layers = static_cast<std::size_t>(c_.num_hidden_layers - shared);
    const int width = c_.hidden_size;
    const std::size_t count = plan_.size();
    plan_.resize(own_layers);
    for (std::size_t i = 0; i < count; ++i) {
      const std::string at = layer_path(i);
      Layer& layer = layers_.emplace_back();
      layer.full = !settings.sliding[i];
      layer.head_dim = layer.full ? settings.global_head_dim : c_.head_dim;
      layer.source = i;
      const int kv_heads = layer.full ? settings.global_kv_heads : c_.num_key_value_heads;
      const int q_width = c_.num_attention_heads * layer.head_dim;
      layer.input_norm = weights.take(at + "input_layernorm.weight", {width});
      layer.q = weights.linear(at + "self_attn.q_proj", q_width, width, bias);
      layer.o = weights.linear(at + "self_attn.o_proj", width, q_width, bias);
      layer.q_norm = weights.take(at + "self_attn.q_norm.weight", {layer.head_dim});
      if (i < own_layers) {
        plan_[i] = {.kv_heads = kv_heads, .head_dim = layer.head_dim, .window = layer.full ? 0 : window};
        layer.k = weights.linear(at + "self_attn.k_proj", kv_heads * layer.head_dim, width, bias);
        if (!keys_are_values || !layer.full) {
          layer.v = weights.linear(at + "self_attn.v_proj", kv_heads * layer.head_dim, width, bias);
        }
        layer.k_norm = weights.take(at + "self_attn.k_norm.weight", {layer.head_dim});
      } else {
        layer.source = last_of_kind(config, layer.full, own_layers);
        for (const char* part : {"k_proj", "v_proj", "k_norm"}) weights.drop(at + "self_attn." + part + ".*");
      }
      layer.post_attention_norm = weights.take(at + "post_attention_layernorm.weight", {width});
      layer.pre_feedforward_norm = weights.take(at + "pre_feedforward_layernorm.weight", {width});
      DecoderConfig mlp = c_;
      if (wide && i >= own_layers) mlp.intermediate_size *= 2;
      layer.mlp = take_gated_mlp(weights, at + "mlp", mlp, false);
      if (mixtures) layer.mixture = take_mixture(weights, at, sizes);
      layer.post_feedforward_norm = weights.take(at + "post_feedforward_layernorm.weight", {width});
      layer.scalar = weights.take_scalar(at + "layer_scalar");
      if (per_layer_size_ > 0) {
        layer.per_layer_gate = weights.linear(at + "per_layer_input_gate", per_layer_size_, width, false);
        layer.per_layer_projection =
            weights.linear(at + "per_layer_projection", width, per_layer_size_, false);
        layer.post_per_layer_norm = weights.take(at + "post_per_layer_input_norm.weight", {width});
      }
    }
    if (per_layer_size_ > 0) {
      const int all = c_.num_hidden_layers * per_layer_size_;
      const int vocabulary = config.positive("vocab_size_per_layer_input", c_.vocab_size);
      per_layer_embedding_ = weights.weight("model.embed_tokens_per_layer", vocabulary, all);
      per_layer_model_projection_ = weights.linear("model.per_layer_model_projection", all, width, false);
      per_layer_norm_ = weights.take("model.per_layer_projection_norm.weight", {per_layer_size_});
    }
    config.mark_read("vocab_size_per_layer_input");
    norm_ = weights.take("model.norm.weight", {width});
  }

  Mixture take_mixture(Weights& weights, const std::string& at, const MixtureSizes& sizes) const {
    Mixture mixture;
    mixture.router_scale = weights.take(at + "router.scale", {sizes.width});
    mixture.router = weights.linear(at + "router.proj", sizes.experts, sizes.width, false);
    mixture.expert_scale = weights.take(at + "router.per_expert_scale", {sizes.experts});
    mixture.experts = take_experts(weights, at + "experts.switch_glu", sizes, c_.hidden_act);
    mixture.pre_norm = weights.take(at + "pre_feedforward_layernorm_2.weight", {sizes.width});
    mixture.post_norm = weights.take(at + "post_feedforward_layernorm_2.weight", {sizes.width});
    mixture.post_mlp_norm = weights.take(at + "post_feedforward_layernorm_1.weight", {sizes.width});
    return mixture;
  }

  std::size_t last_of_kind(const Config& config, bool full, std::size_t own_layers) const {
    for (std::size_t i = own_layers; i-- > 0;) {
      if (layers_[i].full == full) return i;
    }
    fail(ErrorKind::corrupt, "{}: of the first {} layers none is of the kind that later ones share",
         config.subject(), own_layers);
  }

  void forward(Graph& g) const override {
    Value x = embed(g);
    const Value per_layer = per_layer_size_ > 0 ? per_layer_inputs(g, x) : Value{};
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      x = block(g, x, i);
      if (per_layer_size_ > 0) {
        const Layer& layer = layers_[i];
        const Value own = g.columns(per_layer, static_cast<int>(i) * per_layer_size_, per_layer_size_);
        const Value gate = g.activate(c_.hidden_act, g.linear(*layer.per_layer_gate, x));
        const Value change = g.linear(*layer.per_layer_projection, g.multiply(gate, own));
        x = g.add(x, g.rms_norm(change, layer.post_per_layer_norm, c_.norm_eps));
      }
      x = g.multiply(x, layers_[i].scalar);
      g.output(fmt::format("layers.{}", i), x);
    }
    g.output("logits", head(g, norm(g, g.out_rows(x))));
  }

  // For every layer P columns: what the token brings and what its embedding is projected to.
  Value per_layer_inputs(Graph& g, Value x) const {
    const Value token =
        g.scale(g.embedding(per_layer_embedding_), std::sqrt(static_cast<float>(per_layer_size_)));
    const float shrink = 1 / std::sqrt(static_cast<float>(c_.hidden_size));
    const Value projected = g.scale(g.linear(*per_layer_model_projection_, x), shrink);
    const Value sum = g.add(g.rms_norm(projected, per_layer_norm_, c_.norm_eps), token);
    return g.scale(sum, std::sqrt(0.5F));
  }

  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    const Value h = g.rms_norm(x, layer.input_norm, c_.norm_eps);
    const Value a = g.linear(*layer.o, attended(g, layer, h));
    x = g.add(x, g.rms_norm(a, layer.post_attention_norm, c_.norm_eps));
    Value f = nn::gated_mlp(g, layer.mlp, g.rms_norm(x, layer.pre_feedforward_norm, c_.norm_eps));
    if (layer.mixture) {
      f = g.add(g.rms_norm(f, layer.mixture->post_mlp_norm, c_.norm_eps), mixed(g, *layer.mixture, x));
    }
    return g.add(x, g.rms_norm(f, layer.post_feedforward_norm, c_.norm_eps));
  }

  // Chosen by the softmax of x normalized, scaled by column and by the root of the width.
  Value mixed(Graph& g, const Mixture& mixture, Value x) const {
    const float shrink = 1 / std::sqrt(static_cast<float>(c_.hidden_size));
    const Value input = g.scale(g.rms_norm(x, mixture.router_scale, c_.norm_eps), shrink);
    graph::Routing routing = routing_;
    routing.expert_scale = &mixture.expert_scale;
    const Value routes = g.route(routing, g.linear(*mixture.router, input));
    const Value h = g.rms_norm(x, mixture.pre_norm, c_.norm_eps);
    return g.rms_norm(g.experts(mixture.experts, h, routes), mixture.post_norm, c_.norm_eps);
  }

  Value attended(Graph& g, const Layer& layer, Value h) const {
    const graph::Rope& rope = layer.full ? c_.rope : sliding_rope_;
    const graph::Attention spec = attention_of(layer.source);
    const Value q = g.rope(g.rms_norm(g.linear(*layer.q, h), layer.q_norm, c_.norm_eps), rope);
    if (!layer.k) return g.attention(spec, q);
    const Value keys = g.linear(*layer.k, h);
    const Value values = layer.v ? g.linear(*layer.v, h) : keys;
    const Value k = g.rope(g.rms_norm(keys, layer.k_norm, c_.norm_eps), rope);
    return g.attention(spec, q, k, g.rms_norm(values, {.eps = c_.norm_eps, .run = layer.head_dim}));
  }

  Value norm(Graph& g, Value x) const override { return g.rms_norm(x, norm_, c_.norm_eps); }

  graph::Rope sliding_rope_;
  graph::Routing routing_;
  int per_layer_size_ = 0;  // P; 0: no vectors per layer
  graph::Weight per_layer_embedding_;
  nn::LinearPtr per_layer_model_projection_;
  Tensor per_layer_norm_;  // [P]
  std::vector<Layer> layers_;
  Tensor norm_;
};

constexpr std::string_view model_types[] = {"gemma4_text", "gemma4", "gemma4_unified", "gemma4_unified_text"};

constexpr formats::Rename renames[] = {
    {.kind = formats::Rename::Kind::halves,
     .pattern = ".experts.gate_up_proj",
     .to = ".experts.switch_glu.gate_proj.weight",
     .second = ".experts.switch_glu.up_proj.weight"},
    {.kind = formats::Rename::Kind::replace,
     .pattern = ".experts.down_proj",
     .to = ".experts.switch_glu.down_proj.weight"},
    // What clips the towers' linears.
    {.kind = formats::Rename::Kind::drop, .pattern = "*.input_max"},
    {.kind = formats::Rename::Kind::drop, .pattern = "*.input_min"},
    {.kind = formats::Rename::Kind::drop, .pattern = "*.output_max"},
    {.kind = formats::Rename::Kind::drop, .pattern = "*.output_min"},
};

}  // namespace

const Arch gemma4_arch{
    .name = "gemma4",
    .model_types = model_types,
    .summary = "Gemma 4, text",
    .caches = {.full = true, .sliding = true},
    .renames = renames,
    .build = build<Gemma4>,
};

}  // namespace pome::models
