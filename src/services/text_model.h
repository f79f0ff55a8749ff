// The words' side of a model folder: tokenizer, chat template, end tokens. Opens without the weights.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "services/settings.h"
#include "text/chat/stream.h"
#include "text/tokenizer.h"

namespace pome::services {

// {"role": role, "content": content}
Json message(std::string_view role, std::string_view content);

// Tools as templates expect them: an array of {"type": "function", "function": {…}}, out of such an array,
// one of bare functions ({"name", "parameters", …}), or a single one. Throws Error(usage), naming `subject`.
Json tools_from_json(const Json& json, std::string_view subject);

// What one answer in a conversation begins with.
struct Turn {
  std::string text;                        // as the model sees it
  std::vector<std::int32_t> tokens;        // of it; the template's own special tokens are not doubled
  std::vector<std::int32_t> end_tokens;    // beyond TextModel::end_tokens
  std::vector<std::int32_t> shown_tokens;  // special tokens that `stream` must see
  // Takes the answer apart, prefill_response first; null where the messages went to the model as they are.
  std::unique_ptr<text::chat::Stream> stream;
};

// Immutable and thread-safe.
class TextModel {
 public:
  // Throws Error: not_found (no tokenizer), corrupt, unsupported.
  static std::shared_ptr<const TextModel> open(const fs::path& folder);
  ~TextModel();
  TextModel(const TextModel&) = delete;

  const text::Tokenizer& tokenizer() const;
  std::shared_ptr<const text::Tokenizer> shared_tokenizer() const;
  bool has_chat_template() const;

  // Tokens that end an answer: eos_token_id of generation_config.json and config.json, eos_token of the
  // tokenizer.
  const std::vector<std::int32_t>& end_tokens() const;

  // The text that the model sees for a conversation (array of {"role", "content", …}), ready for its answer.
  // tools: array of {"type": "function", "function": {"name", …}} that the model may call, or null.
  // settings: system_prompt goes first unless messages begin with one; prefill_response last;
  // chat_template_config to the template. Without a template, or with ignore_chat_template, the contents
  // joined by line ends. Throws Error: usage (not an array of messages, or one that the template refuses),
  // corrupt (the template fails).
  std::string render(const Json& messages, const Settings& settings, const Json& tools = {}) const;

  std::vector<std::int32_t> prompt(const Json& messages, const Settings& settings,
                                   const Json& tools = {}) const;

  // render(), and what it takes to read the answer.
  Turn turn(const Json& messages, const Settings& settings, const Json& tools = {}) const;

  // A text as it stands, with the tokens the tokenizer puts around it.
  std::vector<std::int32_t> encode(std::string_view text) const;

 private:
  TextModel();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pome::services
