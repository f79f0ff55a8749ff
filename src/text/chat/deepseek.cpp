// DeepSeek V3 and R1: function<｜tool▁sep｜>NAME, then the arguments in a fence; V3.1: NAME<｜tool▁sep｜>{…}.
#include "text/chat/conventions.h"
#include "text/chat/values.h"

namespace pome::text::chat {
namespace {

constexpr std::string_view call_begin = "<｜tool▁call▁begin｜>", call_end = "<｜tool▁call▁end｜>",
                           separator = "<｜tool▁sep｜>";

std::optional<ToolCall> read_call(std::string_view text) {
  const auto first = take_until(text, separator);
  if (!first) return std::nullopt;
  std::string_view name = trimmed(*first);
  if (const auto line = take_until(text, "```json")) {
    name = trimmed(*line);
    const auto fenced = take_until(text, "```");
    if (!fenced) return std::nullopt;
    text = *fenced;
  }
  std::optional<Json> arguments = read_json(text);
  if (name.empty() || !arguments || !arguments->is_object()) return std::nullopt;
  return ToolCall{std::string(name), std::move(*arguments), {}};
}

std::vector<ToolCall> read(std::string_view block, const Json&) {
  std::vector<ToolCall> calls;
  while (take_until(block, call_begin)) {
    const auto text = take_until(block, call_end);
    auto call = text ? read_call(*text) : std::nullopt;
    if (!call) return {};
    calls.push_back(std::move(*call));
  }
  return calls;
}

constexpr Span spans[]{{Span::Kind::calls, "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"}};
constexpr std::string_view marks[]{call_begin, call_end, separator};

}  // namespace

extern constexpr Convention deepseek{
    .name = "deepseek",
    .is_spoken = [](std::string_view source,
                    const Tokenizer&) { return source.find("<｜tool▁calls▁begin｜>") != source.npos; },
    .spans = spans,
    .read = read,
    .marks = marks};

}  // namespace pome::text::chat
