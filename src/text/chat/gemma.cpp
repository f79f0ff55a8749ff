// Gemma 4: <|tool_call>call:NAME{key:<|"|>text<|"|>,n:1}<tool_call|>, reasoning in
// <|channel>thought…<channel|>. FunctionGemma:
// <start_function_call>call:NAME{key:<escape>text<escape>}<end_function_call>.
#include "text/chat/conventions.h"
#include "text/chat/values.h"

namespace pome::text::chat {
namespace {

constexpr int max_depth = 100;

bool is_name(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == '-' ||
         c == '.';
}

// JSON with bare keys, whose strings stand between `quote`.
class Reader {
 public:
  Reader(std::string_view text, std::string_view quote) : text_(text), quote_(quote) {}

  std::vector<ToolCall> calls() {
    std::vector<ToolCall> calls;
    while (take_until(text_, "call:")) {
      std::size_t end = 0;
      while (end < text_.size() && is_name(text_[end])) ++end;
      ToolCall call{std::string(text_.substr(0, end)), Json::object(), {}};
      text_.remove_prefix(end);
      std::optional<Json> arguments = value(0);
      if (call.name.empty() || !arguments || !arguments->is_object()) return {};
      call.arguments = std::move(*arguments);
      calls.push_back(std::move(call));
    }
    return calls;
  }

 private:
  bool take(std::string_view mark) {
    text_.remove_prefix(std::min(text_.find_first_not_of(" \t\r\n"), text_.size()));
    if (!text_.starts_with(mark)) return false;
    text_.remove_prefix(mark.size());
    return true;
  }

  std::optional<std::string> key() {
    if (take(quote_)) {
      const auto text = take_until(text_, quote_);
      if (!text || !take(":")) return std::nullopt;
      return std::string(*text);
    }
    const auto text = take_until(text_, ":");
    if (!text || trimmed(*text).empty()) return std::nullopt;
    return std::string(unquoted(trimmed(*text)));
  }

  std::optional<Json> value(int depth) {
    if (depth > max_depth) return std::nullopt;
    if (take(quote_)) {
      const auto text = take_until(text_, quote_);
      return text ? std::optional<Json>(*text) : std::nullopt;
    }
    if (take("{")) {
      Json object = Json::object();
      while (!take("}")) {
        const auto name = key();
        auto member = name ? value(depth + 1) : std::nullopt;
        if (!member || object.size() > 10'000) return std::nullopt;
        object[*name] = std::move(*member);
        if (!take(",") && !trimmed(text_).starts_with('}')) return std::nullopt;
      }
      return object;
    }
    if (take("[")) {
      Json list = Json::array();
      while (!take("]")) {
        auto element = value(depth + 1);
        if (!element) return std::nullopt;
        list.push_back(std::move(*element));
        if (!take(",") && !trimmed(text_).starts_with(']')) return std::nullopt;
      }
      return list;
    }
    if (trimmed(text_).starts_with('"')) return take_json(text_);
    const std::string_view word = trimmed(text_.substr(0, text_.find_first_of(",}]")));
    if (word.empty()) return std::nullopt;
    text_.remove_prefix(text_.find_first_of(",}]") == text_.npos ? text_.size() : text_.find_first_of(",}]"));
    return read_json(word).value_or(word);
  }

  std::string_view text_, quote_;
};

std::vector<ToolCall> read_gemma4(std::string_view block, const Json&) {
  return Reader(block, "<|\"|>").calls();
}
std::vector<ToolCall> read_function_gemma(std::string_view block, const Json&) {
  return Reader(block, "<escape>").calls();
}

constexpr Span gemma4_spans[]{{Span::Kind::calls, "<|tool_call>", "<tool_call|>"}};
constexpr std::string_view gemma4_marks[]{"<|\"|>"};
constexpr std::string_view gemma4_ends[]{"<turn|>"};
constexpr Span function_gemma_spans[]{{Span::Kind::calls, "<start_function_call>", "<end_function_call>"}};
constexpr std::string_view function_gemma_marks[]{"<escape>"};
constexpr std::string_view function_gemma_ends[]{"<end_of_turn>", "<start_function_response>"};

}  // namespace

extern constexpr Convention gemma4{.name = "gemma4",
                                   .is_spoken =
                                       [](std::string_view source, const Tokenizer&) {
                                         return source.find("<|tool_call>") != source.npos &&
                                                source.find("<tool_call|>") != source.npos;
                                       },
                                   .spans = gemma4_spans,
                                   .read = read_gemma4,
                                   .marks = gemma4_marks,
                                   .ends = gemma4_ends};

extern constexpr Convention function_gemma{
    .name = "function_gemma",
    .is_spoken = [](std::string_view source,
                    const Tokenizer&) { return source.find("<start_function_call>") != source.npos; },
    .spans = function_gemma_spans,
    .read = read_function_gemma,
    .marks = function_gemma_marks,
    .ends = function_gemma_ends};

}  // namespace pome::text::chat
