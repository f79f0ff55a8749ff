// Between the plain values of include/pome and those of the services.
#pragma once

#include "pome/options.h"
#include "services/generate.h"

namespace pome::api {

// Throws Error(usage): unknown key of `more`, or a value that is not JSON or of the wrong type.
services::Settings settings(const GenerateOptions& options);

// adapter, json_schema and prompt_cache_file besides the settings.
services::GenerateRequest request(const GenerateOptions& options);

Answer answer(services::Answer answer);
services::OnPiece on_piece(const OnText& on_text);

}  // namespace pome::api
