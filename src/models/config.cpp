#include "models/config.h"

#include <algorithm>

namespace pome::models {
namespace {

// Keys that say nothing about what a forward pass computes: names, versions, token ids (text and services
// read those), training, and defaults of generation.
constexpr std::string_view harmless[] = {
    "_attn_implementation",
    "_attn_implementation_autoset",
    "_commit_hash",
    "_flash_attn_2_enabled",
    "_name_or_path",
    "add_bos_token",
    "add_eos_token",
    "architectures",
    "attention_dropout",
    "attention_probs_dropout_prob",
    "attn_implementation",
    "auto_map",
    "bad_words_ids",
    "begin_suppress_tokens",
    "bos_token",
    "bos_token_id",
    "cache_implementation",
    "chunk_size_feed_forward",
    "classifier_dropout",
    "custom_pipelines",
    "decoder_start_token_id",
    "diversity_penalty",
    "do_sample",
    "dtype",
    "early_stopping",
    "embd_pdrop",
    "embedding_dropout",
    "encoder_no_repeat_ngram_size",
    "eos_token",
    "eos_token_id",
    "exponential_decay_length_penalty",
    "finetuning_task",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "gradient_checkpointing",
    "hidden_dropout",
    "hidden_dropout_prob",
    "id2label",
    "ignore_index",
    "initializer_range",
    "is_decoder",
    "is_llama_config",
    "label2id",
    "length_penalty",
    "logits_to_keep",
    "max_length",
    "max_new_tokens",
    "max_sequence_length",
    "min_length",
    "mlx_lm_version",
    "model_max_length",
    "model_type",
    "name",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_logits_to_keep",
    "num_return_sequences",
    "output_past",
    "pad_token_id",
    "prefix",
    "pretraining_tp",
    "problem_type",
    "repetition_penalty",
    "resid_pdrop",
    "residual_dropout",
    "return_dict",
    "sep_token_id",
    "seq_length",
    "suppress_tokens",
    "task_specific_params",
    "temperature",
    "tokenizer_class",
    "tokenizer_model_max_length",
    "tokenizer_padding_side",
    "top_k",
    "top_p",
    "torch_dtype",
    "transformers.js_config",
    "transformers_version",
    "trust_remote_code",
    "typical_p",
    "unk_token_id",
    "unsloth_fixed",
    "unsloth_version",
    "use_cache",
    "use_flash_attention",
    "use_flash_attention_2",
    "use_flash_attn",
};

bool is_empty(const Json& value) {
  return value.is_null() || (value.is_boolean() && !value.get<bool>()) ||
         ((value.is_string() || value.is_structured()) && value.empty()) ||
         (value.is_string() && value.get_ref<const std::string&>().empty());
}

}  // namespace

const Json* Config::find(std::string_view key) {
  read_.emplace(key);
  const auto member = json_.find(key);
  return member == json_.end() || member->is_null() ? nullptr : &*member;
}

int Config::positive(std::string_view key) {
  const int value = get<int>(key);
  if (value < 1 || value > 1 << 24) {
    fail(ErrorKind::corrupt, "{}: {} is {}, expected 1 to {}", subject_, key, value, 1 << 24);
  }
  return value;
}

int Config::positive(std::string_view key, int fallback) {
  return find(key) == nullptr ? fallback : positive(key);
}

int Config::positive_or_none(std::string_view key) { return find(key) == nullptr ? 0 : positive(key); }

void Config::finish() const {
  for (const auto& [key, value] : json_.items()) {
    if (read_.contains(key) || is_empty(value)) continue;
    if (std::find(std::begin(harmless), std::end(harmless), key) != std::end(harmless)) continue;
    std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
    if (text.size() > 60) text = text.substr(0, 57) + "...";
    throw error(ErrorKind::unsupported,
                "{}: {} is {}, and nothing here knows what that changes; nothing was loaded", subject_, key,
                text)
        .with_hint("remove the key if the model computes the same without it");
  }
}

}  // namespace pome::models
