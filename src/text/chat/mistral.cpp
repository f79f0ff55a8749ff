// Mistral: [TOOL_CALLS][{"name", "arguments", "id"}, …], since 2025 [TOOL_CALLS]NAME[ARGS]{…}, to the end of
// the answer. Its reasoning stands between [THINK] and [/THINK].
#include "text/chat/conventions.h"
#include "text/chat/values.h"

namespace pome::text::chat {
namespace {

std::vector<ToolCall> read(std::string_view block, const Json& tools) {
  if (trimmed(block).starts_with('[')) return read_json_calls(block, tools);
  std::vector<ToolCall> calls;
  while (const auto header = take_until(block, "[ARGS]")) {
    std::string_view name = trimmed(*header);
    if (name.starts_with("[TOOL_CALLS]")) name = trimmed(name.substr(12));
    ToolCall call{"", Json::object(), {}};
    if (const std::size_t at = name.find("[CALL_ID]"); at != name.npos) {
      call.id = trimmed(name.substr(at + 9));
      name = trimmed(name.substr(0, at));
    }
    std::optional<Json> arguments = take_json(block);
    if (name.empty() || name.find_first_of(" \n[]{}") != name.npos || !arguments || !arguments->is_object())
      return {};
    call.name = name;
    call.arguments = std::move(*arguments);
    calls.push_back(std::move(call));
  }
  return trimmed(block).empty() ? calls : std::vector<ToolCall>();
}

constexpr Span spans[]{{Span::Kind::calls, "[TOOL_CALLS]"}};
constexpr std::string_view marks[]{"[ARGS]", "[CALL_ID]"};

}  // namespace

extern constexpr Convention mistral{
    .name = "mistral",
    .is_spoken = [](std::string_view source,
                    const Tokenizer&) { return source.find("[TOOL_CALLS]") != source.npos; },
    .spans = spans,
    .read = read,
    .marks = marks};

}  // namespace pome::text::chat
