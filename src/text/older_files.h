// Tokenizers of folders that have no tokenizer.json.
#pragma once

#include <memory>

#include "base/file.h"
#include "base/json.h"
#include "text/tokenizer.h"

namespace pome::text {

// Reads vocab.json with merges.txt, Mistral's tekken.json, SentencePiece's tokenizer.model or spiece.model,
// or tiktoken's tiktoken.model or
// *.tiktoken, with the added tokens of tokenizer_config.json (`config`) and added_tokens.json. What these
// files cannot say, transformers has in the class that `config` names: a pattern, and what stands around a
// text.
//
// special_tokens ("bos_token": "<s>", …) gains the begin and end tokens that a SentencePiece model brings
// along. Throws Error: not_found (no tokenizer at all), unsupported (a file or a class that nothing here
// reads; it is named), corrupt, resource.
std::shared_ptr<const Tokenizer> load_older_tokenizer(const fs::path& folder, const Json& config,
                                                      Json& special_tokens);

// A file that may hold a tokenizer. Throws Error: resource (more than 256 MiB), and what opening throws.
std::shared_ptr<const MappedFile> open_tokenizer_file(const fs::path& path);
std::string_view view(const MappedFile& file);

// "<s>", or {"content": "<s>", …}.
std::optional<std::string> token_text(const Json& token);

}  // namespace pome::text
