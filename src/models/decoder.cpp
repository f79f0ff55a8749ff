#include "models/decoder.h"

#include <algorithm>

#include "nn/mlp.h"

namespace pome::models {

Info DecoderConfig::info(std::string_view family) const {
  Info info;
  info.family = family;
  info.model_type = model_type;
  info.vocab_size = vocab_size;
  info.hidden_size = hidden_size;
  info.num_hidden_layers = num_hidden_layers;
  info.context_length = context_length;
  info.unscaled_length = unscaled_length;
  info.tied_embeddings = tie_word_embeddings;
  return info;
}

DecoderConfig read_decoder_config(Config& config, int head_dim) {
  DecoderConfig c;
  c.model_type = config.get<std::string>("model_type");
  c.vocab_size = config.positive("vocab_size");
  c.hidden_size = config.positive("hidden_size");
  c.intermediate_size = config.positive("intermediate_size");
  c.num_hidden_layers = config.positive("num_hidden_layers");
  c.num_attention_heads = config.positive("num_attention_heads");
  c.num_key_value_heads = config.positive("num_key_value_heads", c.num_attention_heads);
  if (c.num_attention_heads % c.num_key_value_heads != 0) {
    fail(ErrorKind::corrupt, "{}: num_attention_heads {} is no multiple of num_key_value_heads {}",
         config.subject(), c.num_attention_heads, c.num_key_value_heads);
  }
  if (head_dim == 0) head_dim = c.hidden_size / c.num_attention_heads;
  c.head_dim = config.find("head_dim") == nullptr ? head_dim : config.positive("head_dim");
  if (c.head_dim == 0 || c.head_dim % 2 != 0) {
    fail(ErrorKind::corrupt, "{}: heads of {} elements cannot be rotated in pairs", config.subject(),
         c.head_dim);
  }
  if (std::int64_t{c.head_dim} * c.num_attention_heads > 1 << 24) {
    fail(ErrorKind::corrupt, "{}: {} heads of {} elements are more than a layer can have", config.subject(),
         c.num_attention_heads, c.head_dim);
  }
  c.max_position_embeddings = config.positive("max_position_embeddings", 2048);
  c.rms_norm_eps = static_cast<float>(config.get<double>("rms_norm_eps", 1e-6));
  c.tie_word_embeddings = config.get<bool>("tie_word_embeddings", false);
  const auto act = config.get<std::string>("hidden_act", "silu");
  const auto activation = nn::activation_from_name(act);
  if (!activation) {
    fail(ErrorKind::unsupported, "{}: hidden_act \"{}\" is not implemented; nothing was loaded",
         config.subject(), act);
  }
  c.hidden_act = *activation;
  for (const char* key : {"rope_theta", "rope_scaling", "rope_parameters"}) config.mark_read(key);
  const nn::RopeSettings rope = nn::parse_rope(config.json(), 10000, config.subject());
  c.rope = nn::make_rope(rope, c.head_dim, c.head_dim, c.max_position_embeddings);
  c.context_length = c.max_position_embeddings;
  if (rope.type == "dynamic" && rope.factor > 1) {
    c.unscaled_length = c.max_position_embeddings;
    c.context_length = static_cast<int>(std::min(c.max_position_embeddings * rope.factor, double{1 << 24}));
  }
  return c;
}

std::vector<int> read_layer_windows(Config& config, int num_hidden_layers) {
  std::vector<int> windows(static_cast<std::size_t>(num_hidden_layers), 0);
  const bool used = config.get<bool>("use_sliding_window", false);
  const int first = config.get<int>("max_window_layers", 28);
  int window = config.json().contains("sliding_window") ? 0 : 4096;  // null says: no window
  if (config.find("sliding_window") != nullptr) window = config.positive("sliding_window");
  const Json* types = config.find("layer_types");
  if (types != nullptr && (!types->is_array() || types->size() != windows.size())) {
    fail(ErrorKind::corrupt, "{}: layer_types is no list of {} layers", config.subject(), num_hidden_layers);
  }
  for (std::size_t i = 0; i < windows.size(); ++i) {
    bool sliding = static_cast<int>(i) >= first;
    if (types != nullptr) {
      const auto type = json_as<std::string>((*types)[i], "layer_types");
      if (type != "sliding_attention" && type != "full_attention") {
        fail(ErrorKind::unsupported, "{}: layer_types[{}] \"{}\" is not implemented; nothing was loaded",
             config.subject(), i, type);
      }
      sliding = type == "sliding_attention";
    }
    if (used && sliding) windows[i] = window;
  }
  return windows;
}

}  // namespace pome::models
