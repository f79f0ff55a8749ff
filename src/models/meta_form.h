// Llama and Mistral as the first MLX uploads have them: config and tensors in Meta's own names ("dim",
// "n_layers"; "layers.0.attention.wq"), which pair neighbours of a head for rotation.
#pragma once

#include <span>
#include <string>

#include "base/json.h"
#include "formats/layout.h"

namespace pome::models {

bool is_meta_form(const Json& config);

// The same config as transformers spells it. `tensors` tell the sizes that it leaves out. Throws
// Error(corrupt), and Error(unsupported) for keys that nobody knows.
Json from_meta_form(const Json& config, const formats::Layout& tensors, const std::string& subject);

std::span<const formats::Rename> meta_renames();

}  // namespace pome::models
