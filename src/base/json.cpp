#include "base/json.h"

#include <set>
#include <vector>

namespace pome {
namespace {

constexpr std::size_t max_keys =
    20000;  // Json finds keys by walking them: a million in one object would take hours

// Python writes infinities as words, which no JSON parser takes; transformers 5 writes {"__float__": word}
// instead, and so does this.
std::string with_tagged_infinities(std::string_view text) {
  constexpr std::string_view word = "Infinity";
  std::string out;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (in_string && text[i] == '\\' && i + 1 < text.size()) {
      out += text[i++];
      out += text[i];
      continue;
    }
    if (text[i] == '"') in_string = !in_string;
    const bool minus = text[i] == '-';
    if (in_string || text.substr(i + (minus ? 1 : 0), word.size()) != word) {
      out += text[i];
      continue;
    }
    out += fmt::format(R"({{"__float__": "{}{}"}})", minus ? "-" : "", word);
    i += word.size() - (minus ? 0 : 1);
  }
  return out;
}

}  // namespace

Json parse_json(std::string_view text, std::string_view subject, int max_depth) {
  // The parser takes a zero byte for the end and would not look at what follows.
  if (text.find('\0') != std::string_view::npos)
    fail(ErrorKind::corrupt, "{}: not valid JSON: has a zero byte", subject);
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  const auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > max_depth) fail(ErrorKind::corrupt, "{}: nested deeper than {} levels", subject, max_depth);
    if (event == Json::parse_event_t::object_start) {
      keys.emplace_back();
    } else if (event == Json::parse_event_t::object_end) {
      keys.pop_back();
    } else if (event == Json::parse_event_t::key) {
      auto name = parsed.get<std::string>();
      if (!keys.back().insert(name).second)
        fail(ErrorKind::corrupt, "{}: key \"{}\" occurs twice", subject, name);
      if (keys.back().size() > max_keys)
        fail(ErrorKind::corrupt, "{}: an object has more than {} keys", subject, max_keys);
    }
    return true;
  };
  try {
    return Json::parse(text, watch);
  } catch (const Json::parse_error& e) {
    // nlohmann's text is "[json.exception.parse_error.101] parse error at line 1, column 2: …"
    const std::string_view what = e.what();
    const std::size_t start = what.find("] ");
    fail(ErrorKind::corrupt, "{}: not valid JSON: {}", subject,
         start == std::string_view::npos ? what : what.substr(start + 2));
  } catch (const Json::exception& e) {
    fail(ErrorKind::corrupt, "{}: not valid JSON: {}", subject, e.what());
  }
}

Json load_json(const fs::path& path) {
  const std::string text = read_file(path);
  const bool infinite = text.find("Infinity") != std::string::npos;
  return parse_json(infinite ? with_tagged_infinities(text) : text, path.string());
}

void detail::fail_json_type(std::string_view key, std::string_view expected, const Json& found) {
  std::string shown = found.is_primitive() ? found.dump(-1, ' ', false, Json::error_handler_t::replace)
                                           : std::string(found.type_name());
  if (shown.size() > 60) shown = shown.substr(0, 57) + "...";
  fail(ErrorKind::corrupt, "{}: expected {}, found {}", key, expected, shown);
}

}  // namespace pome
