#include "models/wrapped.h"

#include <algorithm>

#include "models/config.h"

namespace pome::models {
namespace {

using Kind = formats::Rename::Kind;

constexpr formats::Rename renames[] = {
    {.kind = Kind::prefix, .pattern = "language_model.model.", .to = "model."},
    {.kind = Kind::prefix, .pattern = "language_model.lm_head.", .to = "lm_head."},
    {.kind = Kind::prefix, .pattern = "model.language_model.", .to = "model."},
    {.kind = Kind::drop, .pattern = "vision_tower.*"},
    {.kind = Kind::drop, .pattern = "vision_model.*"},
    {.kind = Kind::drop, .pattern = "vision_encoder.*"},
    {.kind = Kind::drop, .pattern = "vision_embedder.*"},
    {.kind = Kind::drop, .pattern = "visual.*"},
    {.kind = Kind::drop, .pattern = "audio_tower.*"},
    {.kind = Kind::drop, .pattern = "multi_modal_projector.*"},
    {.kind = Kind::drop, .pattern = "patch_merger.*"},
    {.kind = Kind::drop, .pattern = "embed_vision.*"},
    {.kind = Kind::drop, .pattern = "embed_audio.*"},
    {.kind = Kind::drop, .pattern = "mtp.*"},
    {.kind = Kind::drop, .pattern = "model.vision_tower.*"},
    {.kind = Kind::drop, .pattern = "model.vision_model.*"},
    {.kind = Kind::drop, .pattern = "model.vision_embedder.*"},
    {.kind = Kind::drop, .pattern = "model.visual.*"},
    {.kind = Kind::drop, .pattern = "model.audio_tower.*"},
    {.kind = Kind::drop, .pattern = "model.multi_modal_projector.*"},
    {.kind = Kind::drop, .pattern = "model.embed_vision.*"},
    {.kind = Kind::drop, .pattern = "model.embed_audio.*"},
};

// Keys of wrappers about their other parts; one '*' stands for anything.
constexpr std::string_view about_others[] = {
    "vision_*",
    "audio_*",
    "image_*",
    "video_*",
    "boi_*",
    "eoi_*",
    "boa_*",
    "eoa_*",
    "*_token_id",
    "*_token_index",
    "*_token",
    "mm_tokens_per_image",
    "multimodal_projector_bias",
    "projector_hidden_act",
    "spatial_merge_size",
    "language_model_only",
};

// What a wrapper says for its text model too.
constexpr std::string_view shared[] = {"tie_word_embeddings", "quantization", "quantization_config",
                                       "vocab_size"};

bool is_about_others(std::string_view key) {
  return std::any_of(std::begin(about_others), std::end(about_others),
                     [&](std::string_view pattern) { return formats::matches(pattern, key); });
}

}  // namespace

bool is_wrapped(const Json& config) {
  const auto member = config.find("text_config");
  return member != config.end() && member->is_object();
}

std::string text_model_type(const Json& config) {
  const auto wrapper = json_value<std::string>(config, "model_type", "");
  // transformers' default where a text_config does not say it.
  return json_value<std::string>(config["text_config"], "model_type",
                                 wrapper == "mistral3" ? "mistral" : wrapper);
}

Json unwrapped_config(const Json& config, const std::string& subject) {
  Config wrapper(config, subject);
  wrapper.mark_read("text_config");
  Json text = config.at("text_config");
  for (const std::string_view key : shared) {
    const Json* told = wrapper.find(key);
    if (told != nullptr && (!text.contains(key) || text.at(key).is_null())) text[std::string(key)] = *told;
  }
  // Some libraries tie by the one, some by the other; the file knows.
  if (const Json* tied = wrapper.find("tie_word_embeddings"); tied != nullptr) {
    if (text["tie_word_embeddings"] != *tied) text.erase("tie_word_embeddings");
  }
  text["model_type"] = text_model_type(config);
  for (const auto& [key, value] : config.items()) {
    const bool repeated = text.contains(key) && text.at(key) == value;
    if (repeated || is_about_others(key)) wrapper.mark_read(key);
  }
  wrapper.finish();
  return text;
}

std::span<const formats::Rename> wrapped_renames() { return renames; }

}  // namespace pome::models
