// The frame of decoder-only models: what their configs have in common, embedding, head and cache. Families
// whose block is near Llama's are described (models/transformer.h); others derive from Decoder, load their
// layers and write their block out.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"
#include "models/config.h"
#include "models/model.h"
#include "models/weights.h"
#include "nn/attention.h"
#include "nn/mlp.h"
#include "nn/norm.h"
#include "nn/rope.h"

namespace pome::models {

using formats::Tensor;
using graph::Graph;
using graph::Value;

// As a default size: the family reads the key itself.
inline constexpr int read_elsewhere = -1;

// Fields keep their checkpoint spelling.
struct DecoderConfig {
  std::string model_type = {};
  int vocab_size = 0;
  int hidden_size = 0;
  int intermediate_size = 0;
  int num_hidden_layers = 0;
  int num_attention_heads = 0;
  int num_key_value_heads = 0;  // default: num_attention_heads
  int head_dim = 0;             // default: hidden_size over heads
  int max_position_embeddings = 2048;
  int original_max_position_embeddings = 0;  // of yarn and longrope; default: max_position_embeddings
  double rope_theta = 10000;
  double partial_rotary_factor = 1;  // the part of a head that is rotated
  std::string_view norm_eps_key = "rms_norm_eps";
  float norm_eps = 1e-6F;
  bool tie_word_embeddings = false;
  std::string_view hidden_act_key = "hidden_act";  // empty: the family reads it
  graph::Activation hidden_act = graph::Activation::silu;

  // Around the blocks; families that have any of them read the keys.
  float embedding_scale = 1;
  float logits_scale = 1;
  float logits_soft_cap = 0;  // > 0: logits become soft_cap·tanh(logits/soft_cap)

  // What follows from these.
  int context_length = 0;   // max_position_embeddings, or what a rope scaling makes of it
  int unscaled_length = 0;  // as in Info
  graph::Rope rope = {};    // of all layers, where `rope_parameters` are not nested by layer type
  float attention_scale = 0;

  int q_width() const { return num_attention_heads * head_dim; }
  int kv_width() const { return num_key_value_heads * head_dim; }
};

// `defaults`: what the family's config class says where a config is silent; sizes of 0 have no default.
// Throws Error(corrupt, unsupported).
DecoderConfig read_decoder_config(Config& config, const DecoderConfig& defaults = {});

// The rope of the layers of one type, where `rope_parameters` are nested by type; else of all. context_length
// and unscaled_length of `c` are brought to what the scaling says.
graph::Rope read_rope(Config& config, DecoderConfig& c, const nn::RopeSettings& defaults,
                      std::string_view layer_type = {});

// The rope of sliding layers, which no scaling is for: what rope_parameters nest for them, else `theta`.
graph::Rope read_sliding_rope(Config& config, const DecoderConfig& c, double theta);

// By layer whether it is rotated: `no_rope_layers` has, despite its name, a 1 for every layer that is; else
// all but every `no_rope_layer_interval`-th are.
std::vector<bool> read_rotated_layers(Config& config, int num_hidden_layers);

// `layer_types`, one of "full_attention" and "sliding_attention" for every layer; `otherwise` tells by index
// whether a layer slides where the config has no such list.
std::vector<bool> read_sliding_layers(Config& config, int num_hidden_layers,
                                      const std::function<bool(int layer)>& otherwise);

// The same as windows: `window` where a layer slides, else 0.
std::vector<int> read_sliding_windows(Config& config, int num_hidden_layers, int window,
                                      const std::function<bool(int layer)>& otherwise);

// `sliding_window`, which slides by `otherwise` where the config is silent and not at all where it says null.
int read_window_unless_null(Config& config, int otherwise);

// Every layer's window, 0 for full attention, from `sliding_window`, `use_sliding_window`,
// `max_window_layers` and `layer_types`, as qwen2 and qwen3 have them.
std::vector<int> read_layer_windows(Config& config, int num_hidden_layers);

// <at>.q_proj, k_proj and v_proj, or qkv_proj where the file has them as one, and o_proj.
struct AttentionBiases {
  bool qkv = false;
  bool o = false;
};
// `attention_bias`, for all four.
AttentionBiases read_attention_bias(Config& config, bool otherwise = false);
nn::AttentionProjections take_attention(Weights& weights, const std::string& at, const DecoderConfig& c,
                                        AttentionBiases biases);

// <at>.gate_proj and up_proj, or gate_up_proj where the file has them as one, and down_proj.
nn::GatedMlp take_gated_mlp(Weights& weights, const std::string& at, const DecoderConfig& c, bool bias);

// <at>.<up> and <at>.<down>.
nn::PlainMlp take_plain_mlp(Weights& weights, const std::string& at, const char* up, const char* down,
                            const DecoderConfig& c, bool bias);

// What a family's norms are like.
struct NormKind {
  nn::Norm::Kind kind = nn::Norm::Kind::rms;
  bool bias = false;
  float weight_offset = 0;  // what is added to the stored weights
};
inline constexpr NormKind layer_norm{.kind = nn::Norm::Kind::layer};
inline constexpr NormKind biased_layer_norm{.kind = nn::Norm::Kind::layer, .bias = true};

// <at>.weight and .bias, of hidden_size elements or `width`.
nn::Norm take_norm(Weights& weights, const std::string& at, const DecoderConfig& c, const NormKind& kind,
                   int width = 0);

// `hidden_activation`, as Gemma spells hidden_act.
graph::Activation read_hidden_activation(Config& config, graph::Activation otherwise);

// Module paths outside the blocks.
struct DecoderNames {
  std::string embedding = "model.embed_tokens";
  std::string head = "lm_head";
  bool head_bias = false;
};

class Decoder : public Model {
 public:
  // logits = head(norm(block … block(embed))); families change what they have differently.
  void forward(Graph& g) const override;
  const Info& info() const override { return info_; }
  graph::CachePlan cache_plan() const override { return plan_; }

 protected:
  // Takes embedding and head; without one of its own, the head is the embedding.
  Decoder(DecoderConfig c, Weights& weights) : Decoder(std::move(c), weights, DecoderNames{}) {}
  Decoder(DecoderConfig c, Weights& weights, const DecoderNames& names);

  Value embed(Graph& g) const;
  virtual Value block(Graph& g, Value x, std::size_t layer) const;  // unless forward is the family's own
  virtual Value norm(Graph& g, Value x) const = 0;
  virtual Value head(Graph& g, Value x) const;

  // Attention by the layer's place in the plan.
  virtual graph::Attention attention_of(std::size_t layer) const;
  Value attend(Graph& g, std::size_t layer, Value q, Value k, Value v) const;

  std::size_t layer_count() const { return static_cast<std::size_t>(c_.num_hidden_layers); }

  // "model.layers.<i>."
  static std::string layer_path(std::size_t layer);

  DecoderConfig c_;
  // One entry per layer, all of them full: families set windows, put states in their place, and append what
  // a layer has besides.
  graph::CachePlan plan_;

 private:
  Info info_;
  graph::Weight embedding_;
  nn::LinearPtr head_;
};

// The `build` of an Arch.
template <class Family>
std::unique_ptr<Model> build(Config& config, Weights& weights) {
  return std::make_unique<Family>(config, weights);
}

}  // namespace pome::models
