#include "text/chat/values.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "base/letters.h"

namespace pome::text::chat {
namespace {

constexpr std::string_view blank = " \t\r\n";
constexpr int max_depth = 100;

void skip_blank(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(blank), text.size()));
}

// Where the JSON value at the start of `text` ends: brackets are counted, what is between them is
// parse_json's.
std::size_t json_end(std::string_view text) {
  std::size_t depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      quoted = c != '"';
      if (!quoted && depth == 0) return i + 1;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      if (depth == 0) return i;
      if (--depth == 0) return i + 1;
    } else if (depth == 0 && (blank.find(c) != blank.npos || c == ',' || c == ';')) {
      return i;
    }
  }
  return text.size();
}

std::optional<Json> number(std::string_view text) {
  if (text.empty() || text.find_first_not_of("0123456789+-.eE_") != text.npos) return std::nullopt;
  std::string digits;
  for (const char c : text) {
    if (c != '_' && !(c == '+' && digits.empty())) digits += c;
  }
  const char* end = digits.data() + digits.size();
  std::int64_t whole = 0;
  if (const auto [stop, error] = std::from_chars(digits.data(), end, whole);
      error == std::errc() && stop == end) {
    return Json(whole);
  }
  double real = 0;
  const auto [stop, error] = std::from_chars(digits.data(), end, real);
  if (error != std::errc() || stop != end) return std::nullopt;
  return Json(real);
}

void append_utf8(std::string& text, std::uint32_t code) {
  if (code < 0x80) {
    text += static_cast<char>(code);
  } else if (code < 0x800) {
    text += {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 0x3F))};
  } else if (code < 0x10000) {
    text += {static_cast<char>(0xE0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 0x3F)),
             static_cast<char>(0x80 | (code & 0x3F))};
  } else {
    text += {static_cast<char>(0xF0 | code >> 18), static_cast<char>(0x80 | (code >> 12 & 0x3F)),
             static_cast<char>(0x80 | (code >> 6 & 0x3F)), static_cast<char>(0x80 | (code & 0x3F))};
  }
}

// A string of Python behind its opening quote.
std::optional<std::string> python_string(std::string_view& text, char quote) {
  std::string value;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == quote) {
      text.remove_prefix(i + 1);
      return value;
    }
    if (text[i] != '\\' || i + 1 == text.size()) {
      value += text[i];
      continue;
    }
    constexpr std::string_view letters = "nrt0abfv\\'\"\n", meanings("\n\r\t\0\a\b\f\v\\'\"", 11);
    const char letter = text[++i];
    const std::size_t digits = letter == 'x' ? 2 : letter == 'u' ? 4 : letter == 'U' ? 8 : 0;
    std::uint32_t code = 0;
    const std::string_view hex = text.substr(i + 1, digits);
    if (digits > 0 && hex.size() == digits &&
        std::from_chars(hex.data(), hex.data() + digits, code, 16).ptr == hex.data() + digits &&
        code < 0x110000 && (code < 0xD800 || code > 0xDFFF)) {
      append_utf8(value, code);
      i += digits;
    } else if (const std::size_t known = letters.find(letter); known != letters.npos) {
      if (known < meanings.size()) value += meanings[known];
    } else {
      value += {'\\', letter};
    }
  }
  return std::nullopt;
}

std::optional<Json> python_value(std::string_view& text, int depth);

// Elements up to `close`; pairs of a dict where `object`.
std::optional<Json> python_list(std::string_view& text, char close, bool object, int depth) {
  Json list = object ? Json::object() : Json::array();
  for (;;) {
    skip_blank(text);
    if (text.starts_with(close)) break;
    std::optional<Json> value = python_value(text, depth + 1);
    if (!value || list.size() > 10'000) return std::nullopt;
    skip_blank(text);
    if (object) {
      if (!value->is_string() || !text.starts_with(':')) return std::nullopt;
      text.remove_prefix(1);
      std::optional<Json> member = python_value(text, depth + 1);
      if (!member) return std::nullopt;
      list[value->get<std::string>()] = std::move(*member);
      skip_blank(text);
    } else {
      list.push_back(std::move(*value));
    }
    if (text.starts_with(close)) break;
    if (!text.starts_with(',')) return std::nullopt;
    text.remove_prefix(1);
  }
  text.remove_prefix(1);
  return list;
}

std::optional<Json> python_value(std::string_view& text, int depth) {
  if (depth > max_depth) return std::nullopt;
  skip_blank(text);
  if (text.empty()) return std::nullopt;
  const char first = text.front();
  if (first == '"' || first == '\'') {
    text.remove_prefix(1);
    const auto value = python_string(text, first);
    return value ? std::optional<Json>(*value) : std::nullopt;
  }
  if (first == '[' || first == '(' || first == '{') {
    text.remove_prefix(1);
    return python_list(text, first == '[' ? ']' : first == '(' ? ')' : '}', first == '{', depth);
  }
  const std::size_t end = std::min(text.find_first_of(",:)]} \t\r\n"), text.size());
  const std::string_view word = text.substr(0, end);
  std::optional<Json> value = number(word);
  if (word == "True" || word == "true") value = true;
  if (word == "False" || word == "false") value = false;
  if (word == "None" || word == "null") value = Json();
  if (value) text.remove_prefix(end);
  return value;
}

void collect_types(const Json& schema, std::set<std::string>& types, int depth) {
  if (!schema.is_object() || depth > 20) return;
  const auto add = [&](const Json& type) {
    if (type.is_string()) types.insert(type.get<std::string>());
  };
  if (const auto type = schema.find("type"); type != schema.end()) {
    if (type->is_array()) {
      for (const Json& one : *type) add(one);
    } else {
      add(*type);
    }
  }
  if (const auto values = schema.find("enum"); values != schema.end() && values->is_array()) {
    for (const Json& value : *values) {
      types.insert(value.is_null()             ? "null"
                   : value.is_boolean()        ? "boolean"
                   : value.is_number_integer() ? "integer"
                   : value.is_number()         ? "number"
                   : value.is_string()         ? "string"
                                               : value.type_name());
    }
  }
  for (const char* choice : {"anyOf", "oneOf", "allOf"}) {
    const auto found = schema.find(choice);
    if (found == schema.end() || !found->is_array()) continue;
    for (const Json& one : *found) collect_types(one, types, depth + 1);
  }
}

}  // namespace

std::optional<Json> take_json(std::string_view& text) {
  std::string_view rest = text;
  skip_blank(rest);
  const std::size_t end = json_end(rest);
  try {
    Json value = parse_json(rest.substr(0, end), "");
    text = rest.substr(end);
    return value;
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::optional<Json> read_json(std::string_view text) {
  std::optional<Json> value = take_json(text);
  return value && trimmed(text).empty() ? value : std::nullopt;
}

std::optional<Json> take_python(std::string_view& text) {
  std::string_view rest = text;
  std::optional<Json> value = python_value(rest, 0);
  if (value) text = rest;
  return value;
}

Json guess_value(std::string_view text) {
  if (std::optional<Json> value = read_json(text)) return *value;
  std::string_view rest = text;
  if (std::optional<Json> value = take_python(rest); value && trimmed(rest).empty()) return *value;
  return text;
}

const Json* parameter_schema(const Json& tools, std::string_view function, std::string_view parameter) {
  if (!tools.is_array()) return nullptr;
  const auto member = [](const Json* object, std::string_view key) -> const Json* {
    if (object == nullptr || !object->is_object()) return nullptr;
    const auto found = object->find(key);
    return found == object->end() ? nullptr : &*found;
  };
  for (const Json& tool : tools) {
    const Json* called = member(&tool, "function");
    const Json* name = member(called, "name");
    if (name == nullptr || *name != function) continue;
    return member(member(member(called, "parameters"), "properties"), parameter);
  }
  return nullptr;
}

Json typed_value(std::string_view text, const Json* schema, bool guesses) {
  std::set<std::string> types;
  if (schema != nullptr) collect_types(*schema, types, 0);
  const auto is = [&](std::initializer_list<const char*> names) {
    return std::any_of(names.begin(), names.end(), [&](const char* name) { return types.contains(name); });
  };
  const bool is_text = is({"string", "str", "text", "varchar", "char", "enum"});
  if (guesses) {
    const bool only_text = is_text && types.size() == 1;
    return only_text ? Json(text) : guess_value(text);
  }
  const std::string word = lower(trimmed(text));
  if (word == "null" || (types.contains("null") && (word == "none" || word == "nil"))) return nullptr;
  const std::optional<Json> value = number(trimmed(text));
  if (value && is({"integer", "int", "number", "float", "double", "long"})) {
    const double real = value->get<double>();
    if (value->is_number_integer()) return *value;
    if (real == std::floor(real) && std::fabs(real) < 0x1p53) return static_cast<std::int64_t>(real);
    if (is({"number", "float", "double"})) return *value;
  }
  if (is({"boolean", "bool", "binary"})) {
    for (const char* yes : {"true", "1", "yes", "on"}) {
      if (word == yes) return true;
    }
    for (const char* no : {"false", "0", "no", "off"}) {
      if (word == no) return false;
    }
  }
  const bool is_other = !types.empty() && !is_text;
  if (is({"object", "array", "arr", "dict", "list"}) || is_other) {
    Json guessed = guess_value(text);
    if (guessed.is_structured() || !is_text) return guessed;
  }
  return text;
}

std::optional<ToolCall> call_of(const Json& value) {
  if (!value.is_object()) return std::nullopt;
  const Json* object = &value;
  const auto find = [&](std::initializer_list<const char*> keys) -> const Json* {
    for (const char* key : keys) {
      if (const auto found = object->find(key); found != object->end()) return &*found;
    }
    return nullptr;
  };
  ToolCall call;
  if (const Json* id = find({"id", "tool_call_id"}); id != nullptr && id->is_string()) {
    call.id = id->get<std::string>();
  }
  if (const Json* inner = find({"function", "tool"}); inner != nullptr && inner->is_object()) object = inner;
  const Json* name = find({"name", "tool_name", "function"});
  if (name == nullptr || !name->is_string() || name->get_ref<const std::string&>().empty())
    return std::nullopt;
  call.name = name->get<std::string>();
  const Json* arguments = find({"arguments", "parameters", "args"});
  call.arguments = arguments == nullptr || arguments->is_null() ? Json::object() : *arguments;
  if (call.arguments.is_string()) {
    call.arguments = read_json(call.arguments.get<std::string>()).value_or(Json());
  }
  if (!call.arguments.is_object()) return std::nullopt;
  return call;
}

std::string_view trimmed(std::string_view text) {
  skip_blank(text);
  return text.substr(0, text.find_last_not_of(blank) + 1);
}

std::optional<std::string_view> take_until(std::string_view& text, std::string_view mark) {
  const std::size_t at = text.find(mark);
  if (at == text.npos) return std::nullopt;
  const std::string_view before = text.substr(0, at);
  text.remove_prefix(at + mark.size());
  return before;
}

std::string_view unquoted(std::string_view text) {
  const bool quoted =
      text.size() >= 2 && (text.front() == '"' || text.front() == '\'') && text.back() == text.front();
  return quoted ? text.substr(1, text.size() - 2) : text;
}

}  // namespace pome::text::chat
