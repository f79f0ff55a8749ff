#include "models/config.h"

#include <algorithm>

namespace pome::models {
namespace {

// Keys that say nothing about what a forward pass computes: names, versions, token ids (text and services
// read those), training, and defaults of generation.
constexpr std::string_view harmless[] = {
    "_attn_implementation",
    "_attn_implementation_autoset",
    "_name_or_path",
    "architectures",
    "attention_dropout",
    "attn_implementation",
    "auto_map",
    "bad_words_ids",
    "begin_suppress_tokens",
    "bos_token_id",
    "chunk_size_feed_forward",
    "custom_pipelines",
    "decoder_start_token_id",
    "do_sample",
    "dtype",
    "embd_pdrop",
    "eos_token_id",
    "exponential_decay_length_penalty",
    "finetuning_task",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "hidden_dropout",
    "id2label",
    "initializer_range",
    "label2id",
    "length_penalty",
    "max_length",
    "min_length",
    "model_type",
    "name",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_return_sequences",
    "pad_token_id",
    "prefix",
    "pretraining_tp",
    "problem_type",
    "repetition_penalty",
    "resid_pdrop",
    "return_dict",
    "sep_token_id",
    "suppress_tokens",
    "task_specific_params",
    "temperature",
    "tokenizer_class",
    "top_k",
    "top_p",
    "torch_dtype",
    "transformers.js_config",
    "transformers_version",
    "typical_p",
    "unk_token_id",
    "unsloth_fixed",
    "unsloth_version",
    "use_cache",
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
