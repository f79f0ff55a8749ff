// Decoders whose block is Llama's, or Llama's with norms, biases or ropes elsewhere: most families are a
// TransformerSpec and nothing else (models/seed_oss.cpp is the shortest).
//
//   x = x + norm(attention(norm(x)))      attention: project, normalize and rotate q and k, attend, project
//   x = x + norm(feed_forward(norm(x)))   where any of the four norms may be missing
//
// What only one family does it computes itself: it derives from Transformer and overrides the step that
// differs, or writes its whole block out.
#pragma once

#include "models/decoder.h"
#include "nn/mixture.h"

namespace pome::models {

// The norms of a block, by their names in a layer; empty: there is none.
struct BlockNorms {
  std::string_view before_attention = "input_layernorm";
  std::string_view behind_attention = {};
  std::string_view before_mlp = "post_attention_layernorm";
  std::string_view behind_mlp = {};
};

inline constexpr BlockNorms norms_behind{.before_attention = {},
                                         .behind_attention = "post_attention_layernorm",
                                         .before_mlp = {},
                                         .behind_mlp = "post_feedforward_layernorm"};
inline constexpr BlockNorms norms_around{.behind_attention = "post_attention_layernorm",
                                         .before_mlp = "pre_feedforward_layernorm",
                                         .behind_mlp = "post_feedforward_layernorm"};

// Norms of q and k, by their names in self_attn.
struct QkNorm {
  enum class Kind : std::uint8_t {
    none,
    shared,    // each head by the same weights, [C]
    per_head,  // each head by its own, [H, C] and [K, C]
    whole,     // all heads at once, [H·C] and [K·C]
  };
  Kind kind = Kind::none;
  std::string_view q = "q_norm";
  std::string_view k = "k_norm";
};

// Takes a layer's feed-forward; `at` is "model.layers.<i>.".
using TakeFeedForward = std::function<nn::FeedForward(Weights& weights, const std::string& at, std::size_t)>;

struct TransformerSpec {
  DecoderConfig c;
  DecoderNames names = {};
  AttentionBiases attention_bias = {};
  bool mlp_bias = false;
  NormKind norm = {};  // of all norms
  BlockNorms norms = {};
  QkNorm qk_norm = {};
  std::vector<int> windows = {};                 // by layer, 0 for full attention; empty: for all
  std::vector<bool> rotated = {};                // by layer; empty: all are
  std::optional<graph::Rope> sliding_rope = {};  // of layers in a window, where it is another
  float residual_scale = 1;                      // of what attention and feed-forward add to x
  bool parallel = false;  // x + attention(h) + feed_forward(h), h = norm(x) by the norm before attention
  TakeFeedForward feed_forward = {};  // instead of the gated <at>mlp

  void window_all_layers(int window) {
    windows.assign(static_cast<std::size_t>(c.num_hidden_layers), window);
  }
};

// Which layers have a window.
std::vector<bool> sliding_layers(const std::vector<int>& windows);

class Transformer : public Decoder {
 public:
  Transformer(TransformerSpec spec, Weights& weights);

 protected:
  struct Layer {
    std::optional<nn::Norm> before_attention;
    nn::AttentionProjections attention;
    std::optional<nn::Norm> q_norm, k_norm;
    std::optional<nn::Norm> behind_attention;
    std::optional<nn::Norm> before_mlp;
    nn::FeedForward mlp;
    std::optional<nn::Norm> behind_mlp;
  };

  Value block(Graph& g, Value x, std::size_t layer) const override;
  Value norm(Graph& g, Value x) const override { return nn::norm(g, norm_, x); }

  Value attention(Graph& g, std::size_t layer, Value h) const;
  virtual Value feed_forward(Graph& g, std::size_t layer, Value h) const;

  // What happens between the projections and attention: rotate(normalize(…)).
  virtual nn::Qkv prepare(Graph& g, std::size_t layer, nn::Qkv x) const;
  nn::Qkv normalize(Graph& g, std::size_t layer, nn::Qkv x) const;
  nn::Qkv rotate(Graph& g, std::size_t layer, nn::Qkv x) const;

  bool rotates(std::size_t layer) const { return spec_.rotated.empty() || spec_.rotated[layer]; }

  std::vector<Layer> layers_;

 private:
  void take_layer(Weights& weights, const std::string& at, std::size_t index);

  TransformerSpec spec_;
  nn::Norm norm_;
};

// The `build` of an Arch that is a spec.
template <TransformerSpec (*describe)(Config& config)>
std::unique_ptr<Model> build_transformer(Config& config, Weights& weights) {
  return std::make_unique<Transformer>(describe(config), weights);
}

}  // namespace pome::models
