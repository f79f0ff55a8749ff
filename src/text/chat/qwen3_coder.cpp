// Qwen 3 Coder: <tool_call><function=NAME><parameter=KEY>value</parameter>…</function></tool_call>; Seed
// writes the same between tags of its own.
#include "text/chat/conventions.h"
#include "text/chat/values.h"

namespace pome::text::chat {
namespace {

std::string_view without_line_ends(std::string_view text) {
  if (text.starts_with('\n')) text.remove_prefix(1);
  if (text.ends_with('\n')) text.remove_suffix(1);
  return text;
}

std::vector<ToolCall> read(std::string_view block, const Json& tools) {
  std::vector<ToolCall> calls;
  while (take_until(block, "<function=")) {
    auto body = take_until(block, "</function>");
    if (!body) return {};
    const auto name = take_until(*body, ">");
    if (!name || trimmed(*name).empty()) return {};
    ToolCall call{std::string(trimmed(*name)), Json::object(), {}};
    while (take_until(*body, "<parameter=")) {
      auto parameter = take_until(*body, "</parameter>");
      if (!parameter) return {};
      const auto key = take_until(*parameter, ">");
      if (!key) return {};
      call.arguments[std::string(trimmed(*key))] = typed_value(
          without_line_ends(*parameter), parameter_schema(tools, call.name, trimmed(*key)), false);
    }
    calls.push_back(std::move(call));
  }
  return calls;
}

constexpr Span spans[]{{Span::Kind::calls, "<tool_call>", "</tool_call>"}};
constexpr Span seed_spans[]{{Span::Kind::calls, "<seed:tool_call>", "</seed:tool_call>"}};

}  // namespace

extern constexpr Convention qwen3_coder{.name = "qwen3_coder",
                                        .is_spoken =
                                            [](std::string_view source, const Tokenizer&) {
                                              return source.find("<tool_call>\\n<function=") != source.npos ||
                                                     source.find("<tool_call>\n<function=") != source.npos;
                                            },
                                        .spans = spans,
                                        .read = read};

extern constexpr Convention seed_tools{
    .name = "seed",
    .is_spoken = [](std::string_view source,
                    const Tokenizer&) { return source.find("<seed:tool_call>") != source.npos; },
    .spans = seed_spans,
    .read = read};

}  // namespace pome::text::chat
