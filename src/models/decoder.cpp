#include "models/decoder.h"

#include <algorithm>
#include <cmath>

namespace pome::models {
namespace {

void check_sizes(const Config& config, const DecoderConfig& c) {
  if (c.num_attention_heads % c.num_key_value_heads != 0) {
    fail(ErrorKind::corrupt, "{}: num_attention_heads {} is no multiple of num_key_value_heads {}",
         config.subject(), c.num_attention_heads, c.num_key_value_heads);
  }
  if (c.head_dim == 0 || c.head_dim % 2 != 0) {
    fail(ErrorKind::corrupt, "{}: heads of {} elements cannot be rotated in pairs", config.subject(),
         c.head_dim);
  }
  if (std::int64_t{c.head_dim} * c.num_attention_heads > 1 << 24) {
    fail(ErrorKind::corrupt, "{}: {} heads of {} elements are more than a layer can have", config.subject(),
         c.num_attention_heads, c.head_dim);
  }
}

graph::Activation read_activation(Config& config, std::string_view key) {
  const auto name = config.get<std::string>(key);
  const auto activation = nn::activation_from_name(name);
  if (!activation) {
    fail(ErrorKind::unsupported, "{}: {} \"{}\" is not implemented; nothing was loaded", config.subject(),
         key, name);
  }
  return *activation;
}

const Json* layer_types_of(Config& config, int num_hidden_layers) {
  const Json* types = config.find("layer_types");
  if (types != nullptr &&
      (!types->is_array() || types->size() != static_cast<std::size_t>(num_hidden_layers))) {
    fail(ErrorKind::corrupt, "{}: layer_types is no list of {} layers", config.subject(), num_hidden_layers);
  }
  return types;
}

}  // namespace

DecoderConfig read_decoder_config(Config& config, const DecoderConfig& defaults) {
  const auto size = [&](std::string_view key, int fallback) {
    if (fallback == read_elsewhere) return 0;
    return fallback > 0 ? config.positive(key, fallback) : config.positive(key);
  };
  DecoderConfig c = defaults;
  c.model_type = config.get<std::string>("model_type");
  c.vocab_size = size("vocab_size", defaults.vocab_size);
  c.hidden_size = size("hidden_size", defaults.hidden_size);
  c.intermediate_size = size("intermediate_size", defaults.intermediate_size);
  c.num_hidden_layers = size("num_hidden_layers", defaults.num_hidden_layers);
  c.num_attention_heads = size("num_attention_heads", defaults.num_attention_heads);
  c.num_key_value_heads =
      size("num_key_value_heads",
           defaults.num_key_value_heads > 0 ? defaults.num_key_value_heads : c.num_attention_heads);
  if (c.head_dim == 0) c.head_dim = c.hidden_size / c.num_attention_heads;
  if (config.find("head_dim") != nullptr) c.head_dim = config.positive("head_dim");
  check_sizes(config, c);
  c.attention_scale = 1 / std::sqrt(static_cast<float>(c.head_dim));
  c.max_position_embeddings = config.positive("max_position_embeddings", defaults.max_position_embeddings);
  c.norm_eps = config.get<float>(c.norm_eps_key, defaults.norm_eps);
  c.tie_word_embeddings = config.get<bool>("tie_word_embeddings", defaults.tie_word_embeddings);
  if (!c.hidden_act_key.empty() && config.find(c.hidden_act_key) != nullptr) {
    c.hidden_act = read_activation(config, c.hidden_act_key);
  }
  c.context_length = c.max_position_embeddings;
  if (!nn::has_ropes_by_layer_type(config.json())) {
    c.rope = read_rope(config, c,
                       {.theta = c.rope_theta,
                        .partial_rotary_factor = c.partial_rotary_factor,
                        .original_max_position_embeddings = c.original_max_position_embeddings});
  }
  if (config.get<bool>("rope_traditional", false)) c.rope.interleaved = true;  // as mlx-lm spells it
  return c;
}

graph::Rope read_rope(Config& config, DecoderConfig& c, const nn::RopeSettings& defaults,
                      std::string_view layer_type) {
  for (const char* key : {"rope_theta", "rope_scaling", "rope_parameters", "partial_rotary_factor",
                          "original_max_position_embeddings"}) {
    config.mark_read(key);
  }
  const nn::RopeSettings settings = nn::parse_rope(config.json(), defaults, config.subject(), layer_type);
  const double longest = 1 << 24;
  if (settings.type == "dynamic" && !settings.alpha && *settings.factor > 1) {
    c.unscaled_length = c.max_position_embeddings;
    c.context_length = static_cast<int>(std::min(c.max_position_embeddings * *settings.factor, longest));
  } else if (settings.type == "longrope") {
    c.unscaled_length = settings.original_max_position_embeddings;
  } else if (settings.type == "yarn" && settings.factor) {
    const double scaled = settings.original_max_position_embeddings * *settings.factor;
    c.context_length = std::max(c.max_position_embeddings, static_cast<int>(std::min(scaled, longest)));
  }
  return nn::make_rope(settings, c.head_dim, c.max_position_embeddings, config.subject());
}

graph::Rope read_sliding_rope(Config& config, const DecoderConfig& c, double theta) {
  nn::RopeSettings settings{.theta = theta};
  if (nn::has_ropes_by_layer_type(config.json())) {
    settings = nn::parse_rope(config.json(), settings, config.subject(), "sliding_attention");
  }
  return nn::make_rope(settings, c.head_dim, c.max_position_embeddings, config.subject());
}

std::vector<bool> read_rotated_layers(Config& config, int num_hidden_layers) {
  const int interval = config.positive("no_rope_layer_interval", 4);
  std::vector<bool> rotated;
  for (int i = 0; i < num_hidden_layers; ++i) rotated.push_back((i + 1) % interval != 0);
  const Json* told = config.find("no_rope_layers");
  if (told == nullptr || told->empty()) return rotated;
  if (!told->is_array() || told->size() != rotated.size()) {
    fail(ErrorKind::corrupt, "{}: no_rope_layers is no list of {} layers", config.subject(),
         num_hidden_layers);
  }
  for (std::size_t i = 0; i < rotated.size(); ++i) {
    rotated[i] = json_as<int>((*told)[i], "no_rope_layers") != 0;
  }
  return rotated;
}

std::vector<bool> read_sliding_layers(Config& config, int num_hidden_layers,
                                      const std::function<bool(int layer)>& otherwise) {
  const Json* types = layer_types_of(config, num_hidden_layers);
  std::vector<bool> sliding;
  for (int i = 0; i < num_hidden_layers; ++i) {
    if (types == nullptr) {
      sliding.push_back(otherwise(i));
      continue;
    }
    const auto type = json_as<std::string>((*types)[static_cast<std::size_t>(i)], "layer_types");
    if (type != "sliding_attention" && type != "full_attention") {
      fail(ErrorKind::unsupported, "{}: layer_types[{}] \"{}\" is not implemented; nothing was loaded",
           config.subject(), i, type);
    }
    sliding.push_back(type == "sliding_attention");
  }
  return sliding;
}

std::vector<int> read_sliding_windows(Config& config, int num_hidden_layers, int window,
                                      const std::function<bool(int layer)>& otherwise) {
  std::vector<int> windows;
  for (const bool slides : read_sliding_layers(config, num_hidden_layers, otherwise)) {
    windows.push_back(slides ? window : 0);
  }
  return windows;
}

int read_window_unless_null(Config& config, int otherwise) {
  const bool null = config.json().contains("sliding_window") && config.find("sliding_window") == nullptr;
  return null ? 0 : config.positive("sliding_window", otherwise);
}

std::vector<int> read_layer_windows(Config& config, int num_hidden_layers) {
  const bool used = config.get<bool>("use_sliding_window", false);
  const int first = config.get<int>("max_window_layers", 28);
  int window = config.json().contains("sliding_window") ? 0 : 4096;  // null says: no window
  if (config.find("sliding_window") != nullptr) window = config.positive("sliding_window");
  const bool listed = config.find("layer_types") != nullptr;
  const std::vector<bool> sliding = read_sliding_layers(config, num_hidden_layers, [](int) { return false; });
  std::vector<int> windows;
  for (int i = 0; i < num_hidden_layers; ++i) {
    const bool slides = listed ? sliding[static_cast<std::size_t>(i)] : i >= first;
    windows.push_back(used && slides ? window : 0);
  }
  return windows;
}

AttentionBiases read_attention_bias(Config& config, bool otherwise) {
  const bool bias = config.get<bool>("attention_bias", otherwise);
  return {.qkv = bias, .o = bias};
}

nn::AttentionProjections take_attention(Weights& weights, const std::string& at, const DecoderConfig& c,
                                        AttentionBiases biases) {
  nn::AttentionProjections attention;
  attention.q_width = c.q_width();
  attention.kv_width = c.kv_width();
  if (weights.contains(at + ".qkv_proj.weight")) {
    attention.qkv =
        weights.linear(at + ".qkv_proj", c.q_width() + 2 * c.kv_width(), c.hidden_size, biases.qkv);
  } else {
    attention.q = weights.linear(at + ".q_proj", c.q_width(), c.hidden_size, biases.qkv);
    attention.k = weights.linear(at + ".k_proj", c.kv_width(), c.hidden_size, biases.qkv);
    attention.v = weights.linear(at + ".v_proj", c.kv_width(), c.hidden_size, biases.qkv);
  }
  attention.o = weights.linear(at + ".o_proj", c.hidden_size, c.q_width(), biases.o);
  return attention;
}

nn::GatedMlp take_gated_mlp(Weights& weights, const std::string& at, const DecoderConfig& c, bool bias) {
  nn::GatedMlp mlp;
  mlp.activation = c.hidden_act;
  if (weights.contains(at + ".gate_up_proj.weight")) {
    mlp.gate_up = weights.linear(at + ".gate_up_proj", 2 * c.intermediate_size, c.hidden_size, bias);
  } else {
    mlp.gate = weights.linear(at + ".gate_proj", c.intermediate_size, c.hidden_size, bias);
    mlp.up = weights.linear(at + ".up_proj", c.intermediate_size, c.hidden_size, bias);
  }
  mlp.down = weights.linear(at + ".down_proj", c.hidden_size, c.intermediate_size, bias);
  return mlp;
}

nn::PlainMlp take_plain_mlp(Weights& weights, const std::string& at, const char* up, const char* down,
                            const DecoderConfig& c, bool bias) {
  return {.up = weights.linear(fmt::format("{}.{}", at, up), c.intermediate_size, c.hidden_size, bias),
          .down = weights.linear(fmt::format("{}.{}", at, down), c.hidden_size, c.intermediate_size, bias),
          .activation = c.hidden_act};
}

nn::Norm take_norm(Weights& weights, const std::string& at, const DecoderConfig& c, const NormKind& kind,
                   int width) {
  const int size = width > 0 ? width : c.hidden_size;
  nn::Norm norm{.weight = weights.take(at + ".weight", {size}),
                .eps = c.norm_eps,
                .kind = kind.kind,
                .weight_offset = kind.weight_offset};
  if (kind.bias) norm.bias = weights.take(at + ".bias", {size});
  return norm;
}

graph::Activation read_hidden_activation(Config& config, graph::Activation otherwise) {
  return config.find("hidden_activation") == nullptr ? otherwise
                                                     : read_activation(config, "hidden_activation");
}

Decoder::Decoder(DecoderConfig c, Weights& weights, const DecoderNames& names)
    : c_(std::move(c)),
      plan_(static_cast<std::size_t>(c_.num_hidden_layers), {c_.num_key_value_heads, c_.head_dim, 0}) {
  info_.family = weights.family();
  info_.model_type = c_.model_type;
  info_.vocab_size = c_.vocab_size;
  info_.hidden_size = c_.hidden_size;
  info_.num_hidden_layers = c_.num_hidden_layers;
  info_.context_length = c_.context_length;
  info_.unscaled_length = c_.unscaled_length;
  info_.tied_embeddings = c_.tie_word_embeddings;
  embedding_ = weights.weight(names.embedding, c_.vocab_size, c_.hidden_size);
  if (c_.tie_word_embeddings) {
    auto tied = std::make_shared<graph::Linear>();
    tied->name = names.embedding;
    tied->weight = embedding_;
    if (names.head_bias) tied->bias = weights.take(names.head + ".bias", {c_.vocab_size});
    head_ = std::move(tied);
    weights.drop(names.head + ".*");
  } else {
    head_ = weights.linear(names.head, c_.vocab_size, c_.hidden_size, names.head_bias);
  }
}

Value Decoder::embed(Graph& g) const {
  const Value x = g.embedding(embedding_);
  return c_.embedding_scale == 1 ? x : g.scale(x, c_.embedding_scale);
}

Value Decoder::head(Graph& g, Value x) const {
  Value logits = g.linear(*head_, x);
  if (c_.logits_scale != 1) logits = g.scale(logits, c_.logits_scale);
  return c_.logits_soft_cap > 0 ? g.soft_cap(logits, c_.logits_soft_cap) : logits;
}

void Decoder::forward(Graph& g) const {
  Value x = embed(g);
  for (std::size_t i = 0; i < layer_count(); ++i) {
    x = block(g, x, i);
    g.output(fmt::format("layers.{}", i), x);
  }
  g.output("logits", head(g, norm(g, g.out_rows(x))));
}

Value Decoder::block(Graph& /*g*/, Value /*x*/, std::size_t layer) const {
  fail(ErrorKind::internal, "{} has no block for layer {}", info_.family, layer);
}

graph::Attention Decoder::attention_of(std::size_t layer) const {
  const graph::CacheLayer& cached = plan_[layer];
  return {.layer = static_cast<int>(layer),
          .heads = c_.num_attention_heads,
          .kv_heads = cached.kv_heads,
          .head_dim = cached.head_dim,
          .scale = c_.attention_scale,
          .window = cached.window,
          .chunk = cached.chunk};
}

Value Decoder::attend(Graph& g, std::size_t layer, Value q, Value k, Value v) const {
  return g.attention(attention_of(layer), q, k, v);
}

std::string Decoder::layer_path(std::size_t layer) { return fmt::format("model.layers.{}.", layer); }

}  // namespace pome::models
