// GLM 4.5 to 4.7 (and Laguna): <tool_call>NAME<arg_key>k</arg_key><arg_value>v</arg_value>…</tool_call>;
// LongCat's tags have other names.
#include "text/chat/conventions.h"
#include "text/chat/values.h"

namespace pome::text::chat {
namespace {

struct Tags {
  std::string_view key, key_end, value, value_end;
};
constexpr Tags glm_tags{"<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"};
constexpr Tags longcat_tags{"<longcat_arg_key>", "</longcat_arg_key>", "<longcat_arg_value>",
                            "</longcat_arg_value>"};

// "NAME {…}" and "NAME\n{…}", which GLM writes at times; a bare NAME has no arguments.
std::vector<ToolCall> read_plain(std::string_view block) {
  const std::size_t end = std::min(block.find_first_of(" \t\r\n{"), block.size());
  ToolCall call{std::string(block.substr(0, end)), Json::object(), {}};
  const std::string_view rest = trimmed(block.substr(end));
  if (call.name.empty() || call.name.find('<') != call.name.npos) return {};
  if (!rest.empty()) call.arguments = guess_value(rest);
  if (!call.arguments.is_object()) return {};
  return {std::move(call)};
}

std::vector<ToolCall> read_with(const Tags& tags, std::string_view block, const Json& tools) {
  block = trimmed(block);
  if (block.starts_with('{') || block.starts_with('[')) return read_json_calls(block, tools);
  const auto name = take_until(block, tags.key);
  if (!name) return read_plain(block);
  ToolCall call{std::string(trimmed(*name)), Json::object(), {}};
  if (call.name.empty()) return {};
  do {
    const auto key = take_until(block, tags.key_end);
    if (!key || !take_until(block, tags.value)) return {};
    const auto value = take_until(block, tags.value_end);
    if (!value) return {};
    const std::string_view word = trimmed(*key);
    call.arguments[std::string(word)] =
        typed_value(trimmed(*value), parameter_schema(tools, call.name, word), true);
  } while (take_until(block, tags.key));
  return {std::move(call)};
}

std::vector<ToolCall> read_glm(std::string_view block, const Json& tools) {
  return read_with(glm_tags, block, tools);
}

std::vector<ToolCall> read_longcat(std::string_view block, const Json& tools) {
  return read_with(longcat_tags, block, tools);
}

constexpr Span glm_spans[]{{Span::Kind::calls, "<tool_call>", "</tool_call>"}};
constexpr Span longcat_spans[]{{Span::Kind::calls, "<longcat_tool_call>", "</longcat_tool_call>"}};
constexpr std::string_view glm_marks[]{"<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"};
constexpr std::string_view longcat_marks[]{"<longcat_arg_key>", "</longcat_arg_key>", "<longcat_arg_value>",
                                           "</longcat_arg_value>"};
constexpr std::string_view glm_ends[]{"<|user|>", "<|observation|>"};

}  // namespace

extern constexpr Convention glm47{
    .name = "glm47",
    .is_spoken = [](std::string_view source,
                    const Tokenizer&) { return source.find("<arg_key>") != source.npos; },
    .spans = glm_spans,
    .read = read_glm,
    .marks = glm_marks,
    .ends = glm_ends};

extern constexpr Convention longcat{
    .name = "longcat",
    .is_spoken = [](std::string_view source,
                    const Tokenizer&) { return source.find("<longcat_tool_call>") != source.npos; },
    .spans = longcat_spans,
    .read = read_longcat,
    .marks = longcat_marks};

}  // namespace pome::text::chat
