// Values of arguments as models write them: JSON, Python, or bare text whose type the tool's schema tells.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "text/chat/stream.h"

namespace pome::text::chat {

// The JSON value at the start of `text`, which then begins behind it; leading white space is skipped. Nothing
// where there is none; `text` stays. Nesting is bounded as in parse_json.
std::optional<Json> take_json(std::string_view& text);
// `text` as one JSON value.
std::optional<Json> read_json(std::string_view text);

// The same for Python literals: strings in either quotes, numbers, True, False, None (and JSON's true, false,
// null), lists, tuples, dicts with keys that are text. Nesting is bounded.
std::optional<Json> take_python(std::string_view& text);

// JSON, else a Python literal, else the text itself.
Json guess_value(std::string_view text);

// The schema of one parameter of one tool: tools[i].function.parameters.properties[parameter]. Null where it
// is absent.
const Json* parameter_schema(const Json& tools, std::string_view function, std::string_view parameter);

// `text` as what the schema allows, the narrowest type first; text where nothing fits. schema may be null:
// text, unless `guesses`, then guess_value. "null" is null for every type, unless guesses says otherwise for
// strings.
Json typed_value(std::string_view text, const Json* schema, bool guesses);

// A call out of {"name": …, "arguments": …}, in the spellings that models have ("function", "parameters",
// "tool_name"; an object inside "function"; arguments as text of an object). Nothing where that is not one.
std::optional<ToolCall> call_of(const Json& value);

std::string_view trimmed(std::string_view text);
// What stands before `mark` in text, which then begins behind it; nothing where there is none.
std::optional<std::string_view> take_until(std::string_view& text, std::string_view mark);
// Without a pair of quotes around it.
std::string_view unquoted(std::string_view text);

}  // namespace pome::text::chat
