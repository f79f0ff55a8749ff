#include "models/meta_form.h"

#include "models/config.h"

namespace pome::models {
namespace {

using Kind = formats::Rename::Kind;

constexpr formats::Rename renames[] = {
    {.kind = Kind::drop, .pattern = "rope.freqs"},
    {.kind = Kind::prefix, .pattern = "tok_embeddings.", .to = "model.embed_tokens."},
    {.kind = Kind::prefix, .pattern = "norm.", .to = "model.norm."},
    {.kind = Kind::prefix, .pattern = "output.", .to = "lm_head."},
    {.kind = Kind::prefix, .pattern = "layers.", .to = "model.layers."},
    {.kind = Kind::replace, .pattern = ".attention.wq.", .to = ".self_attn.q_proj."},
    {.kind = Kind::replace, .pattern = ".attention.wk.", .to = ".self_attn.k_proj."},
    {.kind = Kind::replace, .pattern = ".attention.wv.", .to = ".self_attn.v_proj."},
    {.kind = Kind::replace, .pattern = ".attention.wo.", .to = ".self_attn.o_proj."},
    {.kind = Kind::replace, .pattern = ".attention_norm.", .to = ".input_layernorm."},
    {.kind = Kind::replace, .pattern = ".ffn_norm.", .to = ".post_attention_layernorm."},
    {.kind = Kind::replace, .pattern = ".feed_forward.w1.", .to = ".mlp.gate_proj."},
    {.kind = Kind::replace, .pattern = ".feed_forward.w2.", .to = ".mlp.down_proj."},
    {.kind = Kind::replace, .pattern = ".feed_forward.w3.", .to = ".mlp.up_proj."},
};

std::int64_t rows_of(const formats::Layout& tensors, std::string_view name) {
  const formats::Recipe* tensor = tensors.find(name);
  return tensor == nullptr || tensor->shape.empty() ? 0 : tensor->shape[0];
}

// Meta's files do not say how long a context may be; the models' papers do: Mistral's, Code Llama's (told by
// its base), Llama 2's.
int known_context(bool slides, double rope_theta) {
  if (slides) return 32768;
  return rope_theta >= 1e6 ? 16384 : 4096;
}

}  // namespace

bool is_meta_form(const Json& config) {
  return config.is_object() && config.contains("dim") && config.contains("n_layers");
}

Json from_meta_form(const Json& config, const formats::Layout& tensors, const std::string& subject) {
  Config meta(config, subject);
  const int window = meta.positive_or_none("sliding_window");
  const double theta = meta.get<double>("rope_theta", 10000);
  Json out;
  out["model_type"] = meta.get<std::string>("model_type", window > 0 ? "mistral" : "llama");
  out["hidden_size"] = meta.positive("dim");
  out["num_hidden_layers"] = meta.positive("n_layers");
  out["num_attention_heads"] = meta.positive("n_heads");
  out["num_key_value_heads"] = meta.positive("n_kv_heads", meta.positive("n_heads"));
  if (meta.find("head_dim") != nullptr) out["head_dim"] = meta.positive("head_dim");
  out["intermediate_size"] =
      meta.get<std::int64_t>("hidden_dim", rows_of(tensors, "model.layers.0.mlp.gate_proj.weight"));
  const auto vocabulary = meta.get<std::int64_t>("vocab_size", -1);  // -1: what the tokenizer has
  out["vocab_size"] = vocabulary > 0 ? vocabulary : rows_of(tensors, "lm_head.weight");
  out["rms_norm_eps"] = meta.get<double>("norm_eps", 1e-5);
  out["rope_theta"] = theta;
  out["rope_traditional"] = meta.get<bool>("rope_traditional", true);
  out["max_position_embeddings"] = meta.positive("max_seq_len", known_context(window > 0, theta));
  out["sliding_window"] = window > 0 ? Json(window) : Json();
  out["tie_word_embeddings"] = false;
  for (const char* key : {"quantization", "quantization_config"}) {
    if (const Json* told = meta.find(key)) out[key] = *told;
  }
  for (const char* key : {"multiple_of", "ffn_dim_multiplier", "max_batch_size"}) meta.mark_read(key);
  meta.finish();
  return out;
}

std::span<const formats::Rename> meta_renames() { return renames; }

}  // namespace pome::models
