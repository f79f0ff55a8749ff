// Kimi K2: <|tool_call_begin|>functions.NAME:0<|tool_call_argument_begin|>{…}<|tool_call_end|> in a section.
// Kimi K3: the same as elements of its XTML.
#include "text/chat/conventions.h"
#include "text/chat/values.h"

namespace pome::text::chat {
namespace {

constexpr std::string_view call_begin = "<|tool_call_begin|>", call_end = "<|tool_call_end|>",
                           argument_begin = "<|tool_call_argument_begin|>";

std::optional<ToolCall> read_k2_call(std::string_view text) {
  const auto header = take_until(text, argument_begin);
  if (!header) return std::nullopt;
  ToolCall call{"", guess_value(trimmed(text)), std::string(trimmed(*header))};
  std::string_view name = trimmed(*header);
  if (name.starts_with("functions.")) name.remove_prefix(10);
  name = name.substr(0, name.rfind(':'));
  call.name = name;
  if (name.empty() || !call.arguments.is_object()) return std::nullopt;
  return call;
}

std::vector<ToolCall> read_k2(std::string_view block, const Json&) {
  std::vector<ToolCall> calls;
  if (block.find(call_begin) == block.npos) {
    if (auto call = read_k2_call(block)) calls.push_back(std::move(*call));
    return calls;
  }
  while (take_until(block, call_begin)) {
    const auto text = take_until(block, call_end);
    auto call = text ? read_k2_call(*text) : std::nullopt;
    if (!call) return {};
    calls.push_back(std::move(*call));
  }
  return calls;
}

// ---- K3

std::string attribute(std::string_view tag, std::string_view name) {
  const std::string mark = std::string(name) + "=\"";
  if (!take_until(tag, mark)) return {};
  std::string value(take_until(tag, "\"").value_or(std::string_view()));
  for (const auto& [escape, meaning] : {std::pair("&quot;", "\""), std::pair("&amp;", "&")}) {
    for (std::size_t at = 0; (at = value.find(escape, at)) != value.npos; ++at) {
      value.replace(at, std::string_view(escape).size(), meaning);
    }
  }
  return value;
}

// The body of the next element of this name, whose attributes go to `tag`.
std::optional<std::string_view> take_element(std::string_view& text, std::string_view name,
                                             std::string_view& tag) {
  std::string_view rest = text;
  if (!take_until(rest, fmt::format("<|open|>{}", name))) return std::nullopt;
  const auto head = take_until(rest, "<|sep|>");
  const auto body = head ? take_until(rest, fmt::format("<|close|>{}<|sep|>", name)) : std::nullopt;
  if (!body) return std::nullopt;
  tag = *head;
  text = rest;
  return body;
}

std::vector<ToolCall> read_k3(std::string_view block, const Json&) {
  std::vector<ToolCall> calls;
  std::string_view tag;
  while (auto body = take_element(block, "call", tag)) {
    ToolCall call{attribute(tag, "tool"), Json::object(), {}};
    if (call.name.empty()) return {};
    std::string_view inner = *body;
    if (const auto json = take_element(inner, "json", tag)) {
      call.arguments = read_json(*json).value_or(Json());
      if (!call.arguments.is_object()) return {};
    }
    inner = *body;
    while (const auto value = take_element(inner, "argument", tag)) {
      const std::string type = attribute(tag, "type");
      Json& argument = call.arguments[attribute(tag, "key")];
      argument = type.empty() || type == "string" ? Json(*value) : read_json(*value).value_or(*value);
    }
    calls.push_back(std::move(call));
  }
  return calls;
}

bool has_xtml(std::string_view, const Tokenizer& tokenizer) {
  for (const char* token : {"<|open|>", "<|close|>", "<|sep|>", "<|end_of_msg|>"}) {
    if (!tokenizer.id_of(token)) return false;
  }
  return true;
}

constexpr Span k2_spans[]{{Span::Kind::calls, "<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"}};
constexpr std::string_view k2_marks[]{call_begin, call_end, argument_begin};
constexpr Span k3_spans[]{{Span::Kind::reasoning, "<|open|>think<|sep|>", "<|close|>think<|sep|>"},
                          {Span::Kind::calls, "<|open|>tools<|sep|>", "<|close|>tools<|sep|>"},
                          {Span::Kind::content, "<|open|>response<|sep|>", "<|close|>response<|sep|>"},
                          {Span::Kind::content, "<|close|>message<|sep|>"}};
constexpr std::string_view k3_ends[]{"<|end_of_msg|>"};

}  // namespace

extern constexpr Convention kimi_k2{
    .name = "kimi_k2",
    .is_spoken = [](std::string_view source,
                    const Tokenizer&) { return source.find("<|tool_calls_section_begin|>") != source.npos; },
    .spans = k2_spans,
    .read = read_k2,
    .marks = k2_marks};

extern constexpr Convention kimi_k3{
    .name = "kimi_k3", .is_spoken = has_xtml, .spans = k3_spans, .read = read_k3, .ends = k3_ends};

}  // namespace pome::text::chat
