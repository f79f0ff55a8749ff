// Llama 3: {"name": …, "parameters": {…}} as the whole answer, or after <|python_tag|>, where code may stand
// too.
#include "text/chat/conventions.h"
#include "text/chat/values.h"

namespace pome::text::chat {
namespace {

constexpr Span spans[]{{Span::Kind::calls, "<|python_tag|>"},
                       {.kind = Span::Kind::calls, .open = "{", .first_only = true, .part_of_block = true}};
constexpr std::string_view ends[]{"<|eom_id|>", "<|eot_id|>"};

// brave_search.call(query="…"), of the built-in tools.
std::vector<ToolCall> read_builtin(std::string_view block) {
  const auto name = take_until(block, ".call(");
  if (!name || name->empty() || name->find_first_not_of("abcdefghijklmnopqrstuvwxyz_") != name->npos)
    return {};
  const auto key = take_until(block, "=");
  if (!key) return {};
  const std::optional<Json> value = take_python(block);
  if (!value || trimmed(block) != ")") return {};
  return {{std::string(*name), Json{{std::string(trimmed(*key)), *value}}, {}}};
}

std::vector<ToolCall> read(std::string_view block, const Json& tools) {
  std::vector<ToolCall> calls = read_json_calls(block, tools);
  return calls.empty() ? read_builtin(trimmed(block)) : calls;
}

bool is_spoken(std::string_view source, const Tokenizer& tokenizer) {
  return source.find("<|python_tag|>") != source.npos ||
         (source.find("<|start_header_id|>") != source.npos && source.find("\"parameters\"") != source.npos &&
          tokenizer.id_of("<|python_tag|>").has_value());
}

}  // namespace

extern constexpr Convention llama3{
    .name = "llama3", .is_spoken = is_spoken, .spans = spans, .read = read, .ends = ends};

}  // namespace pome::text::chat
