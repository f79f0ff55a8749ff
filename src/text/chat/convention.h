// Which tags a model writes around its reasoning and its tool calls.
//
// A convention is a file in this folder that ends in a Convention, and a line in the table of convention.cpp;
// nothing else knows any. They are told by marks in the chat template and, where templates do not name them,
// in the vocabulary, the special ones first.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "text/chat/stream.h"
#include "text/tokenizer.h"

namespace pome::text::chat {

// A stretch of an answer between two tags.
struct Span {
  enum class Kind : std::uint8_t {
    reasoning,
    calls,
    content,  // tags around what is content anyway
  } kind = Kind::reasoning;
  std::string_view open;
  std::string_view close{};    // empty: to the end of the answer
  bool first_only = false;     // counts as a tag at the start of the answer only
  bool part_of_block = false;  // the open tag belongs to what `read` gets
};

// Reads what stood between the tags of a calls span. tools: array of {"type": "function", "function":
// {"name", "parameters", …}} or null; it tells the types of arguments that are written without quotes.
// Nothing where it is not what the convention says, or on an Error.
using ReadCalls = std::vector<ToolCall> (*)(std::string_view block, const Json& tools);

struct Convention {
  std::string_view name;
  // Whether a model follows it. `source` is its chat template; the tokenizer may be asked for tokens.
  bool (*is_spoken)(std::string_view source, const Tokenizer& tokenizer);
  std::span<const Span> spans;
  ReadCalls read = nullptr;
  // Special tokens inside of blocks, which must be seen to read them; those of spans are seen anyway.
  std::span<const std::string_view> marks{};
  // Tokens that end the model's turn, beyond the usual ones.
  std::span<const std::string_view> ends{};
  // For conventions that are no spans.
  std::unique_ptr<Stream> (*make)(const Json& tools) = nullptr;
};

// All of them, in the order in which they are asked.
std::span<const Convention* const> reasoning_conventions();
std::span<const Convention* const> call_conventions();
// By name; null where there is none.
const Convention* find_convention(std::string_view name);

// What one model does. Immutable and thread-safe.
class Manners {
 public:
  // source: the chat template. Finds the first convention for reasoning and the first for calls.
  static Manners of(std::string_view source, const Tokenizer& tokenizer);
  static Manners of(const Convention* reasoning, const Convention* calls);

  const Convention* reasoning() const { return reasoning_; }
  const Convention* calls() const { return calls_; }

  // Special tokens that a stream must be shown as text.
  std::vector<std::int32_t> shown_tokens(const Tokenizer& tokenizer, bool calls) const;
  // Tokens of the vocabulary that end a turn: the convention's own, and of the usual ones those in the
  // template.
  std::vector<std::int32_t> end_tokens(std::string_view source, const Tokenizer& tokenizer) const;

  // A stream for an answer to `prompt` (its end tells whether a template has opened the reasoning already).
  // tools as in ReadCalls; null: calls stay text.
  std::unique_ptr<Stream> stream(std::string_view prompt, const Json& tools) const;

 private:
  const Convention* reasoning_ = nullptr;
  const Convention* calls_ = nullptr;
};

}  // namespace pome::text::chat
