// Calls as JSON between tags: {"name": …, "arguments": {…}}, or a list of them.
#include "text/chat/conventions.h"
#include "text/chat/values.h"

namespace pome::text::chat {

std::vector<ToolCall> read_json_calls(std::string_view block, const Json&) {
  std::vector<ToolCall> calls;
  while (!trimmed(block).empty()) {
    const std::optional<Json> value = take_json(block);
    if (!value) return {};
    for (const Json& one : value->is_array() ? *value : Json::array({*value})) {
      std::optional<ToolCall> call = call_of(one);
      if (!call) return {};
      calls.push_back(std::move(*call));
    }
    // Llama puts semicolons between calls, others commas or line ends.
    block = trimmed(block);
    if (block.starts_with(';') || block.starts_with(',')) block.remove_prefix(1);
  }
  return calls;
}

namespace {

bool contains(std::string_view source, std::string_view mark) { return source.find(mark) != source.npos; }

// Hermes, Qwen 2.5 and 3, SmolLM 3, Granite 4, EXAONE 4, …
constexpr Span tool_call[]{{Span::Kind::calls, "<tool_call>", "</tool_call>"}};
// Nemotron
constexpr Span toolcall[]{{Span::Kind::calls, "<TOOLCALL>", "</TOOLCALL>"}};
// Granite 3 has no closing tag; what it writes after the first call is a list's end.
constexpr Span granite_call[]{{Span::Kind::calls, "<|tool_call|>"}};
// Phi 4 mini; the older way has no tags of its own.
constexpr Span phi_call[]{
    {Span::Kind::calls, "<|tool_call|>", "<|/tool_call|>"},
    {.kind = Span::Kind::calls, .open = "functools[", .first_only = true, .part_of_block = true}};

std::vector<ToolCall> read_phi_calls(std::string_view block, const Json& tools) {
  if (block.starts_with("functools")) block.remove_prefix(9);
  return read_json_calls(block, tools);
}

}  // namespace

extern constexpr Convention json_tools{
    .name = "json_tools",
    .is_spoken = [](std::string_view source, const Tokenizer&) { return contains(source, "<tool_call>"); },
    .spans = tool_call,
    .read = read_json_calls};

extern constexpr Convention nemotron{
    .name = "nemotron",
    .is_spoken = [](std::string_view source, const Tokenizer&) { return contains(source, "<TOOLCALL>"); },
    .spans = toolcall,
    .read = read_json_calls};

extern constexpr Convention granite{
    .name = "granite",
    .is_spoken = [](std::string_view source, const Tokenizer&) { return contains(source, "<|tool_call|>"); },
    .spans = granite_call,
    .read = read_json_calls};

extern constexpr Convention phi4{
    .name = "phi4",
    .is_spoken =
        [](std::string_view source, const Tokenizer& tokenizer) {
          return contains(source, "<|/tool_call|>") || contains(source, "functools[") ||
                 (contains(source, "<|tool|>") && tokenizer.id_of("<|/tool_call|>").has_value());
        },
    .spans = phi_call,
    .read = read_phi_calls};

}  // namespace pome::text::chat
