// Calls as elements with a name and parameters: MiniMax M2, Muse Spark, MiniCPM 5, DeepSeek V3.2.
#include "text/chat/conventions.h"
#include "text/chat/values.h"

namespace pome::text::chat {
namespace {

// How one family spells <invoke name="f"><parameter name="p">value</parameter></invoke>.
struct Element {
  std::string_view open, close, parameter, parameter_close;
  bool guesses;  // a value is JSON, or text
};

// The value of name="…" (or name=…) in an opening tag.
std::string_view attribute(std::string_view tag, std::string_view name) {
  std::string_view rest = tag;
  if (!take_until(rest, name) || !rest.starts_with('=')) return {};
  rest.remove_prefix(1);
  if (!rest.starts_with('"') && !rest.starts_with('\'')) return rest.substr(0, rest.find_first_of(" \t\r\n"));
  const char quote[]{rest.front(), 0};
  rest.remove_prefix(1);
  return take_until(rest, quote).value_or(std::string_view());
}

std::string_view without_cdata(std::string_view text) {
  constexpr std::string_view open = "<![CDATA[", close = "]]>";
  const std::string_view inner = trimmed(text);
  if (!inner.starts_with(open) || !inner.ends_with(close)) return inner;
  return inner.substr(open.size(), inner.size() - open.size() - close.size());
}

std::vector<ToolCall> read_elements(const Element& element, std::string_view block, const Json& tools) {
  std::vector<ToolCall> calls;
  while (take_until(block, element.open)) {
    const auto tag = take_until(block, ">");
    if (!tag) return {};
    const std::size_t end = block.find(element.close);
    std::string_view body = block.substr(0, end);
    block.remove_prefix(end == block.npos ? block.size() : end + element.close.size());
    ToolCall call{std::string(attribute(*tag, "name")), Json::object(), {}};
    if (call.name.empty()) return {};
    while (take_until(body, element.parameter)) {
      const auto parameter = take_until(body, ">");
      const auto value = parameter ? take_until(body, element.parameter_close) : std::nullopt;
      if (!value) return {};
      const std::string_view key = attribute(*parameter, "name"), text = without_cdata(*value);
      const bool is_text = attribute(*parameter, "string") == "true";
      Json typed = is_text ? Json(*value) : typed_value(text, parameter_schema(tools, call.name, key), false);
      if (!is_text && element.guesses) typed = read_json(text).value_or(text);
      call.arguments[std::string(key)] = std::move(typed);
    }
    calls.push_back(std::move(call));
  }
  return calls;
}

constexpr Element minimax_element{"<invoke", "</invoke>", "<parameter", "</parameter>", false};
constexpr Element muse_element{"<atem:invoke", "</atem:invoke>", "<atem:parameter", "</atem:parameter>",
                               true};
constexpr Element minicpm_element{"<function", "</function>", "<param", "</param>", false};
constexpr Element dsml_element{"<｜DSML｜invoke", "</｜DSML｜invoke>", "<｜DSML｜parameter",
                               "</｜DSML｜parameter>", true};

template <const Element& element>
std::vector<ToolCall> read(std::string_view block, const Json& tools) {
  return read_elements(element, block, tools);
}

constexpr Span minimax_spans[]{{Span::Kind::calls, "<minimax:tool_call>", "</minimax:tool_call>"}};
constexpr Span muse_spans[]{{Span::Kind::calls, "<atem:function_calls>", "</atem:function_calls>"},
                            {Span::Kind::reasoning, "to=self<|message|>", "<|eom|>"},
                            {Span::Kind::content, "to=user<|message|>", "<|eom|>"},
                            {Span::Kind::content, "to=commentary<|message|>", "<|eot|>"}};
constexpr Span minicpm_spans[]{
    {.kind = Span::Kind::calls, .open = "<function name=", .close = "</function>", .part_of_block = true}};
constexpr Span dsml_spans[]{{Span::Kind::calls, "<｜DSML｜function_calls>", "</｜DSML｜function_calls>"}};
constexpr std::string_view dsml_marks[]{"｜DSML｜"};

}  // namespace

extern constexpr Convention minimax_m2{
    .name = "minimax_m2",
    .is_spoken = [](std::string_view source,
                    const Tokenizer&) { return source.find("<minimax:tool_call>") != source.npos; },
    .spans = minimax_spans,
    .read = read<minimax_element>};

extern constexpr Convention muse_spark{
    .name = "muse_spark",
    .is_spoken = [](std::string_view source,
                    const Tokenizer&) { return source.find("<atem:function_calls>") != source.npos; },
    .spans = muse_spans,
    .read = read<muse_element>};

extern constexpr Convention minicpm5{.name = "minicpm5",
                                     .is_spoken =
                                         [](std::string_view source, const Tokenizer&) {
                                           return source.find("<function name=\"") != source.npos &&
                                                  source.find("<param name=\"") != source.npos;
                                         },
                                     .spans = minicpm_spans,
                                     .read = read<minicpm_element>};

extern constexpr Convention deepseek_v32{
    .name = "deepseek_v32",
    .is_spoken = [](std::string_view source,
                    const Tokenizer&) { return source.find("｜DSML｜") != source.npos; },
    .spans = dsml_spans,
    .read = read<dsml_element>,
    .marks = dsml_marks};

}  // namespace pome::text::chat
