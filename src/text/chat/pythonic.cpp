// LFM 2 and Llama 4: [name(key="text", n=1), …], Python's calls.
#include "text/chat/conventions.h"
#include "text/chat/values.h"

namespace pome::text::chat {
namespace {

std::optional<ToolCall> take_call(std::string_view& text) {
  const auto name = take_until(text, "(");
  if (!name) return std::nullopt;
  ToolCall call{std::string(trimmed(*name)), Json::object(), {}};
  if (call.name.empty() || call.name.find_first_of(" \t\n=,\"'[]{}") != call.name.npos) return std::nullopt;
  for (;;) {
    text = trimmed(text);
    if (text.starts_with(')')) break;
    const auto key = take_until(text, "=");
    auto value = key ? take_python(text) : std::nullopt;
    if (!value || trimmed(*key).empty() || trimmed(*key).find_first_of(" (),'\"") != key->npos)
      return std::nullopt;
    call.arguments[std::string(trimmed(*key))] = std::move(*value);
    text = trimmed(text);
    if (text.starts_with(')')) break;
    if (!text.starts_with(',')) return std::nullopt;
    text.remove_prefix(1);
  }
  text.remove_prefix(1);
  return call;
}

std::vector<ToolCall> read(std::string_view block, const Json& tools) {
  if (trimmed(block).starts_with("[{") || trimmed(block).starts_with('{'))
    return read_json_calls(block, tools);
  const std::size_t open = block.find('[');
  if (open == block.npos) return {};
  block.remove_prefix(open + 1);
  std::vector<ToolCall> calls;
  for (;;) {
    auto call = take_call(block);
    if (!call) return {};
    calls.push_back(std::move(*call));
    block = trimmed(block);
    if (block.starts_with(']')) return calls;
    if (!block.starts_with(',')) return {};
    block.remove_prefix(1);
  }
}

constexpr Span lfm2_spans[]{{Span::Kind::calls, "<|tool_call_start|>", "<|tool_call_end|>"}};
constexpr Span llama4_spans[]{{Span::Kind::calls, "<|python_start|>", "<|python_end|>"}};
constexpr std::string_view llama4_ends[]{"<|eom|>", "<|eot|>"};

}  // namespace

extern constexpr Convention pythonic{
    .name = "pythonic",
    .is_spoken =
        [](std::string_view source, const Tokenizer& tokenizer) {
          return source.find("<|tool_list_start|>") != source.npos ||
                 source.find("<|tool_call_start|>") != source.npos ||
                 (tokenizer.id_of("<|tool_call_start|>") && tokenizer.id_of("<|tool_call_end|>"));
        },
    .spans = lfm2_spans,
    .read = read};

extern constexpr Convention llama4{
    .name = "llama4",
    .is_spoken = [](std::string_view source,
                    const Tokenizer&) { return source.find("<|python_start|>") != source.npos; },
    .spans = llama4_spans,
    .read = read,
    .ends = llama4_ends};

}  // namespace pome::text::chat
