// Falcon-H1: attention and a Mamba-2 mixer side by side in every layer, with a multiplier at every seam.
// Follows transformers' models/falcon_h1/modeling_falcon_h1.py.
//
// mlx-lm folds most multipliers into the weights of the files it writes, and leaves them in the config. It
// folds neither key_multiplier nor attention_in_multiplier of v, and does not apply them; both are applied
// here, as in the reference.
#include "models/recurrent.h"
#include "models/registry.h"
#include "nn/dense.h"

namespace pome::models {
namespace {

// Fields keep their checkpoint spelling. `mlp_multipliers`: of gate and down; `ssm_multipliers`: of z, x, B,
// C, dt.
struct Multipliers {
  float embedding = 1, lm_head = 1, attention_in = 1, attention_out = 1, key = 1, ssm_in = 1, ssm_out = 1;
  std::vector<float> mlp = {1, 1};
  std::vector<float> ssm = {1, 1, 1, 1, 1};
};

Multipliers read_multipliers(Config& config) {
  const auto factor = [&](const char* key) { return static_cast<float>(config.get<double>(key, 1)); };
  const auto factors = [&](const char* key, std::vector<float>& values) {
    const Json* list = config.find(key);
    if (list == nullptr) return;
    if (!list->is_array() || list->size() != values.size()) {
      fail(ErrorKind::corrupt, "{}: {} is no list of {} numbers", config.subject(), key, values.size());
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<float>(json_as<double>((*list)[i], key));
    }
  };
  Multipliers m = {.embedding = factor("embedding_multiplier"),
                   .lm_head = factor("lm_head_multiplier"),
                   .attention_in = factor("attention_in_multiplier"),
                   .attention_out = factor("attention_out_multiplier"),
                   .key = factor("key_multiplier"),
                   .ssm_in = factor("ssm_in_multiplier"),
                   .ssm_out = factor("ssm_out_multiplier")};
  factors("mlp_multipliers", m.mlp);
  factors("ssm_multipliers", m.ssm);
  return m;
}

Mamba2Config read_mamba(Config& config, const DecoderConfig& c) {
  const int heads = config.positive("mamba_n_heads", 128);
  int inner = config.positive("mamba_d_ssm", 1024);
  const int expand = config.positive("mamba_expand", 2);
  if (config.json().contains("mamba_d_ssm") && config.find("mamba_d_ssm") == nullptr) {
    inner = static_cast<int>(std::min<std::int64_t>(std::int64_t{expand} * c.hidden_size, 1 << 24));
  }
  const Json* head_dim = config.find("mamba_d_head");
  const bool derived = head_dim == nullptr || head_dim->is_string();
  // For training, or said by other fields.
  for (const char* key : {"mamba_chunk_size", "mamba_use_mlp", "mlp_expansion_factor", "time_step_floor",
                          "time_step_max", "time_step_min", "time_step_rank"}) {
    config.mark_read(key);
  }
  return {.num_heads = heads,
          .head_dim = derived ? std::max(inner / heads, 1) : config.positive("mamba_d_head"),
          .n_groups = config.positive("mamba_n_groups", 1),
          .state_size = config.positive("mamba_d_state", 256),
          .conv_kernel = config.positive("mamba_d_conv", 4),
          .conv_bias = config.get<bool>("mamba_conv_bias", true),
          .in_bias = config.get<bool>("mamba_proj_bias", false),
          .out_bias = config.get<bool>("projectors_bias", false),
          .norm = config.get<bool>("mamba_rms_norm", false)};
}

// Of the columns that a mixer's input is projected to: z, x, B, C and dt.
std::vector<float> projection_factors(const Mamba2Config& sizes, const Multipliers& m) {
  const int inner = sizes.num_heads * sizes.head_dim, group = sizes.n_groups * sizes.state_size;
  const int widths[] = {inner, inner, group, group, sizes.num_heads};
  std::vector<float> values;
  for (std::size_t i = 0; i < std::size(widths); ++i) {
    values.insert(values.end(), static_cast<std::size_t>(widths[i]), m.ssm[i]);
  }
  return values;
}

DecoderConfig read_config(Config& config) {
  return read_decoder_config(config, {.vocab_size = 128000, .norm_eps = 1e-5F});
}

struct Layer {
  Tensor input_norm;
  nn::AttentionProjections attention;
  int cached = 0;  // attention's place in the plan
  nn::Mamba2 mixer;
  Tensor pre_ff_norm;
  nn::GatedMlp mlp;
};

class FalconH1 final : public Decoder {
 public:
  FalconH1(Config& config, Weights& weights)
      : Decoder(read_config(config), weights), m_(read_multipliers(config)) {
    const bool attention_bias = config.get<bool>("attention_bias", false);
    const bool mlp_bias = config.get<bool>("mlp_bias", false);
    const Mamba2Config sizes = read_mamba(config, c_);
    const bool before_gate = config.get<bool>("mamba_norm_before_gate", true);
    plan_.clear();
    for (std::size_t i = 0; i < layer_count(); ++i) {
      const std::string at = layer_path(i);
      Layer& layer = layers_.emplace_back();
      layer.input_norm = weights.take(at + "input_layernorm.weight", {c_.hidden_size});
      layer.attention =
          take_attention(weights, at + "self_attn", c_, {.qkv = attention_bias, .o = attention_bias});
      layer.cached = add_slot(plan_, {.kv_heads = c_.num_key_value_heads, .head_dim = c_.head_dim});
      layer.mixer = take_mamba2(weights, at + "mamba", c_.hidden_size, sizes, plan_);
      layer.mixer.norm_eps = c_.norm_eps;
      layer.mixer.norm_before_gate = before_gate;
      layer.mixer.activation = c_.hidden_act;
      read_time_step_limit(config, layer.mixer);
      layer.pre_ff_norm = weights.take(at + "pre_ff_layernorm.weight", {c_.hidden_size});
      layer.mlp = take_gated_mlp(weights, at + "feed_forward", c_, mlp_bias);
    }
    norm_ = weights.take("model.final_layernorm.weight", {c_.hidden_size});
    if (weights.published()) {
      for (Layer& layer : layers_) layer.mixer.scales = scales_of(layer.mixer, sizes);
    } else {
      unfold();
    }
    c_.embedding_scale = m_.embedding;
    c_.logits_scale = m_.lm_head;
  }

 private:
  // Leaves of the multipliers what mlx-lm's files lack.
  void unfold() {
    value_ = m_.attention_in;
    const float head = c_.tie_word_embeddings ? m_.lm_head / m_.embedding : 1;
    m_ = {.lm_head = head, .key = m_.key};
  }

  Tensor scales_of(const nn::Mamba2& mixer, const Mamba2Config& sizes) const {
    std::vector<float> values = projection_factors(sizes, m_);
    const auto count = static_cast<std::int64_t>(values.size());
    return nn::float_tensor(mixer.dt_bias, {count}, std::move(values));
  }

  static Value scaled(Graph& g, Value x, float factor) { return factor == 1 ? x : g.scale(x, factor); }

  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    const Value h = g.rms_norm(x, layer.input_norm, c_.norm_eps);
    const Value mixed = scaled(g, nn::mamba2(g, layer.mixer, scaled(g, h, m_.ssm_in)), m_.ssm_out);
    const Value a = attention(g, layer, scaled(g, h, m_.attention_in));
    x = g.add(x, g.add(mixed, scaled(g, a, m_.attention_out)));
    return g.add(x, feed_forward(g, layer.mlp, g.rms_norm(x, layer.pre_ff_norm, c_.norm_eps)));
  }

  Value attention(Graph& g, const Layer& layer, Value h) const {
    auto [q, k, v] = nn::project_qkv(g, layer.attention, h);
    q = g.rope(q, c_.rope);
    k = g.rope(scaled(g, k, m_.key), c_.rope);
    v = scaled(g, v, value_);
    return g.linear(*layer.attention.o, attend(g, static_cast<std::size_t>(layer.cached), q, k, v));
  }

  Value feed_forward(Graph& g, const nn::GatedMlp& mlp, Value h) const {
    const Value gate = g.activate(c_.hidden_act, scaled(g, g.linear(*mlp.gate, h), m_.mlp[0]));
    return scaled(g, g.linear(*mlp.down, g.multiply(gate, g.linear(*mlp.up, h))), m_.mlp[1]);
  }

  Value norm(Graph& g, Value x) const override { return g.rms_norm(x, norm_, c_.norm_eps); }

  Multipliers m_;
  float value_ = 1;  // of v, beside what its input is multiplied by
  std::vector<Layer> layers_;
  Tensor norm_;
};

constexpr std::string_view model_types[] = {"falcon_h1"};

// What mlx-lm brings into the weights. Its own sanitizer leaves biases alone; here they are scaled with what
// they are added to, as the reference has it.
Multipliers multipliers_of(const Json& json) {
  Config config(json, "config.json");
  return read_multipliers(config);
}

std::vector<float> factors_of_projection(const Json& json, bool of_weights) {
  Config config(json, "config.json");
  const Multipliers m = read_multipliers(config);
  std::vector<float> values = projection_factors(read_mamba(config, read_config(config)), m);
  for (float& value : values) value *= of_weights ? m.ssm_in : 1;
  return values;
}

template <float Multipliers::* factor>
std::vector<float> one(const Json& config) {
  return {multipliers_of(config).*factor};
}

template <std::size_t index>
std::vector<float> of_mlp(const Json& config) {
  return {multipliers_of(config).mlp[index]};
}

constexpr formats::Rename renames[] = {
    {.kind = formats::Rename::Kind::taps, .pattern = ".conv1d.weight"},
    {.kind = formats::Rename::Kind::scale,
     .pattern = "embed_tokens.weight",
     .factors = one<&Multipliers::embedding>},
    {.kind = formats::Rename::Kind::scale,
     .pattern = "lm_head.weight",
     .factors = one<&Multipliers::lm_head>},
    {.kind = formats::Rename::Kind::scale,
     .pattern = ".q_proj.weight",
     .factors = one<&Multipliers::attention_in>},
    {.kind = formats::Rename::Kind::scale,
     .pattern = ".k_proj.weight",
     .factors = one<&Multipliers::attention_in>},
    {.kind = formats::Rename::Kind::scale,
     .pattern = ".o_proj.weight",
     .factors = one<&Multipliers::attention_out>},
    {.kind = formats::Rename::Kind::scale,
     .pattern = ".o_proj.bias",
     .factors = one<&Multipliers::attention_out>},
    {.kind = formats::Rename::Kind::scale,
     .pattern = ".out_proj.weight",
     .factors = one<&Multipliers::ssm_out>},
    {.kind = formats::Rename::Kind::scale,
     .pattern = ".out_proj.bias",
     .factors = one<&Multipliers::ssm_out>},
    {.kind = formats::Rename::Kind::scale, .pattern = ".gate_proj.weight", .factors = of_mlp<0>},
    {.kind = formats::Rename::Kind::scale, .pattern = ".gate_proj.bias", .factors = of_mlp<0>},
    {.kind = formats::Rename::Kind::scale, .pattern = ".down_proj.weight", .factors = of_mlp<1>},
    {.kind = formats::Rename::Kind::scale, .pattern = ".down_proj.bias", .factors = of_mlp<1>},
    {.kind = formats::Rename::Kind::scale,
     .pattern = ".in_proj.weight",
     .factors = [](const Json& config) { return factors_of_projection(config, true); }},
    {.kind = formats::Rename::Kind::scale,
     .pattern = ".in_proj.bias",
     .factors = [](const Json& config) { return factors_of_projection(config, false); }},
};

}  // namespace

const Arch falcon_h1_arch{
    .name = "falcon_h1",
    .model_types = model_types,
    .summary = "Falcon-H1: attention beside Mamba-2",
    .caches = {.full = true, .state = true},
    .renames = renames,
    .build = build<FalconH1>,
};

}  // namespace pome::models
