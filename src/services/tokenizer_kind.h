// Which kind of tokenizer a tokenizer.json describes.
#pragma once

#include <string>

#include "base/file.h"

namespace pome::services {

// model.type of the file ("BPE", "Unigram", "WordPiece", "WordLevel"), read no further than needed: the
// vocabulary that follows can be large. Empty where there is no such file or it does not say.
std::string tokenizer_kind(const fs::path& tokenizer_json);

}  // namespace pome::services
