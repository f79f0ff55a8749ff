// Gemma 3n, its text model. Each token is several streams of which one is active (AltUp): a block predicts
// all of them, computes the active one, and corrects all by what it found; what the token brings for this
// layer goes to the others. Attention has a low-rank path beside it (Laurel), early MLPs keep only the gates
// far above their mean, the last layers look at keys and values of earlier ones, as in Gemma 4. Norms'
// weights are as stored. Follows transformers' models/gemma3n/modeling_gemma3n.py (mlx-lm is wrong without a
// cache).
#include <cmath>
#include <numbers>

#include "models/decoder.h"
#include "models/registry.h"
#include "nn/dense.h"

namespace pome::models {
namespace {

struct AltUp {
  Tensor router_norm;
  nn::LinearPtr router;      // [D → N]
  nn::LinearPtr prediction;  // [N → N·N]
  nn::LinearPtr correction;  // [N → N]
  Tensor output_scale;       // [D]
};

struct Layer {
  bool full = false;
  std::size_t source = 0;  // whose keys and values it looks at; itself, unless it has none
  AltUp altup;
  Tensor input_norm;
  nn::LinearPtr laurel_left, laurel_right;
  Tensor laurel_norm;
  nn::LinearPtr q, k, v, o;  // neither k nor v: those of `source`
  Tensor q_norm;             // [C]
  Tensor k_norm;             // [C]
  Tensor post_attention_norm;
  Tensor pre_feedforward_norm;
  nn::GatedMlp mlp;
  float sparsity = 0;  // how many deviations above their mean gates count; 0: all do
  Tensor post_feedforward_norm;
  nn::LinearPtr per_layer_gate, per_layer_projection;
  Tensor post_per_layer_norm;
};

// The mean of a row, as a linear: a graph has no operation for it.
nn::LinearPtr mean_of(const Tensor& like, int width) {
  graph::Linear mean{.name = "mean", .weight = {}, .bias = {}, .adapters = {}};
  mean.weight.weight = nn::float_tensor(
      like, {1, width}, std::vector<float>(static_cast<std::size_t>(width), 1 / static_cast<float>(width)));
  return std::make_shared<graph::Linear>(std::move(mean));
}

// The point below which a part p of a normal distribution lies: by bisection, and not often.
double normal_quantile(double p) {
  double low = -10, high = 10;
  for (int i = 0; i < 100; ++i) {
    const double middle = (low + high) / 2;
    (0.5 * std::erfc(-middle / std::numbers::sqrt2) < p ? low : high) = middle;
  }
  return low;
}

// A number for every layer: a list, or one for all.
std::vector<double> read_per_layer(Config& config, const char* key, int layers, double otherwise) {
  const Json* told = config.find(key);
  const auto count = static_cast<std::size_t>(layers);
  if (told == nullptr || told->is_number()) {
    return std::vector<double>(count, told == nullptr ? otherwise : json_as<double>(*told, key));
  }
  if (!told->is_array() || told->size() != count) {
    fail(ErrorKind::corrupt, "{}: {} is no list of {} layers", config.subject(), key, layers);
  }
  std::vector<double> values;
  for (const Json& value : *told) values.push_back(json_as<double>(value, key));
  return values;
}

struct Settings {
  DecoderConfig c;
  std::vector<double> intermediate_sizes;
  graph::Rope sliding_rope;
};

Settings read_settings(Config& config) {
  Settings s;
  s.c = read_decoder_config(config, {.vocab_size = 262400,
                                     .hidden_size = 2048,
                                     .intermediate_size = read_elsewhere,
                                     .num_hidden_layers = 35,
                                     .num_attention_heads = 8,
                                     .num_key_value_heads = 2,
                                     .head_dim = 256,
                                     .max_position_embeddings = 32768,
                                     .rope_theta = 1e6,
                                     .tie_word_embeddings = true});
  s.intermediate_sizes = read_per_layer(config, "intermediate_size", s.c.num_hidden_layers, 16384);
  s.c.rope = read_rope(config, s.c, {.theta = 1e6}, "full_attention");
  s.c.hidden_act = read_hidden_activation(config, graph::Activation::gelu_tanh);
  s.c.attention_scale = 1;
  s.sliding_rope = read_sliding_rope(config, s.c, config.get<double>("rope_local_base_freq", 10000));
  return s;
}

class Gemma3n final : public Decoder {
 public:
  Gemma3n(Config& config, Weights& weights) : Gemma3n(config, weights, read_settings(config)) {}

 private:
  using Streams = std::vector<Value>;

  Gemma3n(Config& config, Weights& weights, Settings settings)
      : Decoder(settings.c, weights), sliding_rope_(std::move(settings.sliding_rope)) {
    const bool bias = config.get<bool>("attention_bias", false);
    const int window = config.positive("sliding_window", 512);
    const int shared = config.get<int>("num_kv_shared_layers", 15);
    if (shared < 0 || shared >= c_.num_hidden_layers) {
      fail(ErrorKind::corrupt, "{}: num_kv_shared_layers is {} of {} layers", config.subject(), shared,
           c_.num_hidden_layers);
    }
    streams_ = config.positive("altup_num_inputs", 4);
    active_ = config.get<int>("altup_active_idx", 0);
    if (streams_ > 64 || active_ < 0 || active_ >= streams_) {
      fail(ErrorKind::corrupt, "{}: altup_active_idx is {} of {} streams", config.subject(), active_,
           streams_);
    }
    scale_output_ = config.get<bool>("altup_correct_scale", true);
    for (const char* key : {"altup_coef_clip", "altup_lr_multiplier"}) config.mark_read(key);  // of training
    config.mark_read("query_pre_attn_scalar");  // of Gemma 3; scores are not scaled here
    c_.embedding_scale = std::sqrt(static_cast<float>(c_.hidden_size));
    c_.logits_soft_cap = config.get<float>("final_logit_softcapping", 30);
    per_layer_size_ = config.positive("hidden_size_per_layer_input", 256);
    const int laurel_rank = config.positive("laurel_rank", 64);
    const std::vector<bool> sliding =
        read_sliding_layers(config, c_.num_hidden_layers, [](int i) { return (i + 1) % 5 != 0; });
    const std::vector<double> sparsity =
        read_per_layer(config, "activation_sparsity_pattern", c_.num_hidden_layers, 0);

    const int width = c_.hidden_size;
    const auto own_layers = static_cast<std::size_t>(c_.num_hidden_layers - shared);
    const std::size_t count = plan_.size();
    plan_.resize(own_layers);
    for (std::size_t i = 0; i < count; ++i) {
      const std::string at = layer_path(i);
      Layer& layer = layers_.emplace_back();
      layer.full = !sliding[i];
      layer.source = i;
      layer.altup.router_norm = weights.take(at + "altup.router_norm.weight", {width});
      layer.altup.router = weights.linear(at + "altup.modality_router", streams_, width, false);
      layer.altup.prediction =
          weights.linear(at + "altup.prediction_coefs", streams_ * streams_, streams_, false);
      layer.altup.correction = weights.linear(at + "altup.correction_coefs", streams_, streams_, false);
      layer.altup.output_scale = weights.take(at + "altup.correct_output_scale", {width});
      layer.input_norm = weights.take(at + "input_layernorm.weight", {width});
      layer.laurel_left = weights.linear(at + "laurel.linear_left", laurel_rank, width, false);
      layer.laurel_right = weights.linear(at + "laurel.linear_right", width, laurel_rank, false);
      layer.laurel_norm = weights.take(at + "laurel.post_laurel_norm.weight", {width});
      layer.q = weights.linear(at + "self_attn.q_proj", c_.q_width(), width, bias);
      layer.o = weights.linear(at + "self_attn.o_proj", width, c_.q_width(), bias);
      layer.q_norm = weights.take(at + "self_attn.q_norm.weight", {c_.head_dim});
      if (i < own_layers) {
        if (!layer.full) plan_[i].window = window;
        layer.k = weights.linear(at + "self_attn.k_proj", c_.kv_width(), width, bias);
        layer.v = weights.linear(at + "self_attn.v_proj", c_.kv_width(), width, bias);
        layer.k_norm = weights.take(at + "self_attn.k_norm.weight", {c_.head_dim});
      } else {
        layer.source = last_of_kind(config, layer.full, own_layers);
        for (const char* part : {"k_proj", "v_proj", "k_norm"})
          weights.leave(at + "self_attn." + part + ".*");
      }
      layer.post_attention_norm = weights.take(at + "post_attention_layernorm.weight", {width});
      layer.pre_feedforward_norm = weights.take(at + "pre_feedforward_layernorm.weight", {width});
      DecoderConfig mlp = c_;
      mlp.intermediate_size = checked_size(config, settings.intermediate_sizes[i]);
      layer.mlp = take_gated_mlp(weights, at + "mlp", mlp, false);
      if (sparsity[i] > 0) layer.sparsity = static_cast<float>(normal_quantile(std::min(sparsity[i], 1.0)));
      layer.post_feedforward_norm = weights.take(at + "post_feedforward_layernorm.weight", {width});
      layer.per_layer_gate = weights.linear(at + "per_layer_input_gate", per_layer_size_, width, false);
      layer.per_layer_projection = weights.linear(at + "per_layer_projection", width, per_layer_size_, false);
      layer.post_per_layer_norm = weights.take(at + "post_per_layer_input_norm.weight", {width});
      layer_means_.push_back(mean_of(layer.input_norm, mlp.intermediate_size));
    }
    const int all = c_.num_hidden_layers * per_layer_size_;
    const int vocabulary = config.positive("vocab_size_per_layer_input", 262144);
    per_layer_embedding_ = weights.weight("model.embed_tokens_per_layer", vocabulary, all);
    per_layer_model_projection_ = weights.linear("model.per_layer_model_projection", all, width, false);
    per_layer_norm_ = weights.take("model.per_layer_projection_norm.weight", {per_layer_size_});
    for (int i = 0; i + 1 < streams_; ++i) {
      embed_.push_back(weights.linear(fmt::format("model.altup_projections.{}", i), width, width, false));
      unembed_.push_back(
          weights.linear(fmt::format("model.altup_unembed_projections.{}", i), width, width, false));
    }
    norm_ = weights.take("model.norm.weight", {width});
    mean_ = mean_of(norm_, width);
  }

  static int checked_size(const Config& config, double size) {
    if (!(size >= 1) || size > 1 << 24) {
      fail(ErrorKind::corrupt, "{}: intermediate_size has {} in it", config.subject(), size);
    }
    return static_cast<int>(size);
  }

  std::size_t last_of_kind(const Config& config, bool full, std::size_t own_layers) const {
    for (std::size_t i = own_layers; i-- > 0;) {
      if (layers_[i].full == full) return i;
    }
    fail(ErrorKind::corrupt, "{}: of the first {} layers none is of the kind that later ones share",
         config.subject(), own_layers);
  }

  void forward(Graph& g) const override {
    const Value x = embed(g);
    const Value per_layer = per_layer_inputs(g, x);
    Streams h{x};
    for (const nn::LinearPtr& projection : embed_) h.push_back(as_large_as(g, x, g.linear(*projection, x)));
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const Value own = g.columns(per_layer, static_cast<int>(i) * per_layer_size_, per_layer_size_);
      h = streams_block(g, h, own, i);
      g.output(fmt::format("layers.{}", i), h[0]);
    }
    for (Value& stream : h) stream = g.out_rows(stream);
    Value sum = h[0];
    for (std::size_t i = 1; i < h.size(); ++i) {
      sum = g.add(sum, as_large_as(g, h[0], g.linear(*unembed_[i - 1], h[i])));
    }
    const Value mean = g.scale(sum, 1 / static_cast<float>(streams_));
    g.output("logits", head(g, norm(g, mean)));
  }

  // y with the root mean square of x, row by row. The reference lets no mean square of y count as less than
  // 1e-5; what lies below does not occur.
  Value as_large_as(Graph& g, Value x, Value y) const {
    const Value magnitude = g.linear(*mean_, g.multiply(x, g.rms_norm(x, {.eps = tiny})));
    return g.multiply(g.rms_norm(y, {.eps = tiny}), magnitude);
  }

  Value per_layer_inputs(Graph& g, Value x) const {
    const Value token =
        g.scale(g.embedding(per_layer_embedding_), std::sqrt(static_cast<float>(per_layer_size_)));
    const float shrink = 1 / std::sqrt(static_cast<float>(c_.hidden_size));
    const Value projected = g.scale(g.linear(*per_layer_model_projection_, x), shrink);
    const Value sum = g.add(g.rms_norm(projected, per_layer_norm_, c_.norm_eps), token);
    return g.scale(sum, std::sqrt(0.5F));
  }

  Streams streams_block(Graph& g, const Streams& h, Value per_layer, std::size_t i) const {
    const Layer& layer = layers_[i];
    const Streams predictions = predict(g, layer.altup, h);
    const Value active = predictions[static_cast<std::size_t>(active_)];
    const Value activated =
        g.scale(g.add(attended(g, layer, active), laurel(g, layer, active)), std::sqrt(0.5F));
    const Value f = mlp(g, i, g.rms_norm(activated, layer.pre_feedforward_norm, c_.norm_eps));
    const Value found = g.add(activated, g.rms_norm(f, layer.post_feedforward_norm, c_.norm_eps));
    Streams corrected = correct(g, layer.altup, predictions, found);

    Value first = corrected[static_cast<std::size_t>(active_)];
    if (scale_output_) first = g.multiply(first, layer.altup.output_scale);
    const Value gate = g.activate(c_.hidden_act, g.linear(*layer.per_layer_gate, first));
    const Value change = g.rms_norm(g.linear(*layer.per_layer_projection, g.multiply(gate, per_layer)),
                                    layer.post_per_layer_norm, c_.norm_eps);
    for (std::size_t s = 1; s < corrected.size(); ++s) corrected[s] = g.add(corrected[s], change);
    return corrected;
  }

  Value modalities(Graph& g, const AltUp& altup, Value x) const {
    const Value input =
        g.scale(g.rms_norm(x, altup.router_norm, c_.norm_eps), 1 / static_cast<float>(c_.hidden_size));
    return g.activate(graph::Activation::tanh, g.linear(*altup.router, input));
  }

  // Stream j is itself plus all streams, each times a coefficient of its own.
  Streams predict(Graph& g, const AltUp& altup, const Streams& h) const {
    const Value active = h[static_cast<std::size_t>(active_)];
    const Value coefficients = g.linear(*altup.prediction, modalities(g, altup, active));
    Streams predictions;
    for (int j = 0; j < streams_; ++j) {
      Value sum = h[static_cast<std::size_t>(j)];
      for (int s = 0; s < streams_; ++s) {
        const Value coefficient = g.columns(coefficients, j * streams_ + s, 1);
        sum = g.add(sum, g.multiply(h[static_cast<std::size_t>(s)], coefficient));
      }
      predictions.push_back(sum);
    }
    return predictions;
  }

  // Every stream moves by what was found beyond the prediction, times 1 + a coefficient of its own.
  Streams correct(Graph& g, const AltUp& altup, const Streams& predictions, Value found) const {
    const Value coefficients = g.linear(*altup.correction, modalities(g, altup, found));
    const Value innovation = g.add(found, g.scale(predictions[static_cast<std::size_t>(active_)], -1));
    Streams corrected;
    for (int s = 0; s < streams_; ++s) {
      const Value change = g.add(innovation, g.multiply(innovation, g.columns(coefficients, s, 1)));
      corrected.push_back(g.add(predictions[static_cast<std::size_t>(s)], change));
    }
    return corrected;
  }

  Value laurel(Graph& g, const Layer& layer, Value x) const {
    const Value h = g.rms_norm(x, layer.input_norm, c_.norm_eps);
    const Value low = g.linear(*layer.laurel_right, g.linear(*layer.laurel_left, h));
    return g.add(h, g.rms_norm(low, layer.laurel_norm, c_.norm_eps));
  }

  Value attended(Graph& g, const Layer& layer, Value x) const {
    const Value h = g.rms_norm(x, layer.input_norm, c_.norm_eps);
    const graph::Rope& rope = layer.full ? c_.rope : sliding_rope_;
    const graph::Attention spec = attention_of(layer.source);
    const Value q = g.rope(g.rms_norm(g.linear(*layer.q, h), layer.q_norm, c_.norm_eps), rope);
    Value a;
    if (layer.k) {
      const Value k = g.rope(g.rms_norm(g.linear(*layer.k, h), layer.k_norm, c_.norm_eps), rope);
      const Value v = g.rms_norm(g.linear(*layer.v, h), {.eps = c_.norm_eps, .run = c_.head_dim});
      a = g.attention(spec, q, k, v);
    } else {
      a = g.attention(spec, q);
    }
    return g.add(x, g.rms_norm(g.linear(*layer.o, a), layer.post_attention_norm, c_.norm_eps));
  }

  // Of a sparse layer's gates only what exceeds mean + sparsity·deviation counts.
  Value mlp(Graph& g, std::size_t i, Value x) const {
    const Layer& layer = layers_[i];
    if (layer.sparsity == 0) return nn::gated_mlp(g, layer.mlp, x);
    const graph::Linear& mean = *layer_means_[i];
    const Value gate = g.linear(*layer.mlp.gate, x);
    const Value centred = g.add(gate, g.scale(g.linear(mean, gate), -1));
    const Value deviation = g.linear(mean, g.multiply(centred, g.layer_norm(gate, {.eps = tiny})));
    const Value above =
        g.activate(graph::Activation::relu, g.add(centred, g.scale(deviation, -layer.sparsity)));
    const Value up = g.linear(*layer.mlp.up, x);
    return g.linear(*layer.mlp.down, g.multiply(g.activate(c_.hidden_act, above), up));
  }

  Value norm(Graph& g, Value x) const override { return g.rms_norm(x, norm_, c_.norm_eps); }

  static constexpr float tiny = 1e-30F;  // keeps rows of zeros from dividing by zero

  graph::Rope sliding_rope_;
  int streams_ = 0;  // N
  int active_ = 0;
  bool scale_output_ = true;
  int per_layer_size_ = 0;  // P
  graph::Weight per_layer_embedding_;
  nn::LinearPtr per_layer_model_projection_;
  Tensor per_layer_norm_;  // [P]
  std::vector<nn::LinearPtr> embed_, unembed_;
  std::vector<Layer> layers_;
  std::vector<nn::LinearPtr> layer_means_;  // over an MLP's inner size
  Tensor norm_;
  nn::LinearPtr mean_;  // over D
};

constexpr std::string_view model_types[] = {"gemma3n", "gemma3n_text"};

}  // namespace

const Arch gemma3n_arch{
    .name = "gemma3n",
    .model_types = model_types,
    .summary = "Gemma 3n, text",
    .caches = {.full = true, .sliding = true},
    .renames = {},
    .build = build<Gemma3n>,
    .mlx_wrapped = "model.language_model.",
};

}  // namespace pome::models
