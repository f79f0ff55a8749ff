// Text models wrapped among vision and audio towers: what describes them lies in the config's `text_config`,
// their tensors behind a prefix. Only the text model is built here.
#pragma once

#include <span>
#include <string>

#include "base/json.h"
#include "formats/rename.h"

namespace pome::models {

// Whether this config wraps a text model.
bool is_wrapped(const Json& config);

// The model_type of the text model, which may be of another family than the wrapper's name.
std::string text_model_type(const Json& config);

// The config of the text model: text_config with what the wrapper says for all its parts (quantization, tied
// embeddings). Where the two contradict each other about tied embeddings, it says nothing. Throws
// Error(corrupt), and Error(unsupported) for keys of the wrapper that are neither about other towers nor
// harmless.
Json unwrapped_config(const Json& config, const std::string& subject);

// To the text model's own names; the towers' tensors are dropped. Goes before a family's own table.
std::span<const formats::Rename> wrapped_renames();

}  // namespace pome::models
