// What a model folder says about text: its tokenizer, special tokens and chat templates.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "text/tokenizer.h"

namespace pome::text {

struct NamedTemplate {
  std::string name;  // "default", "tool_use", …
  std::string source;
};

struct TokenizerFolder {
  std::shared_ptr<const Tokenizer> tokenizer;
  Json special_tokens = Json::object();       // "bos_token": "<s>", …: also variables of chat templates
  std::vector<NamedTemplate> chat_templates;  // "default" first; empty for a base model

  // The token itself ("bos_token", "eos_token", "pad_token", "unk_token"), if there is one.
  std::optional<std::string> special_token(std::string_view role) const;
  // The template transformers picks: "tool_use" where there is one and tools are given, else "default". Null
  // where there is none.
  const NamedTemplate* template_for(bool tools) const;
};

// Reads tokenizer.json (or the older files of older_files.h), tokenizer_config.json, special_tokens_map.json,
// chat_template.jinja, chat_template.json and additional_chat_templates/*.jinja. Throws Error: not_found (no
// tokenizer at all), unsupported (only formats that nothing here reads; they are named), corrupt.
TokenizerFolder load_tokenizer(const fs::path& folder);

}  // namespace pome::text
