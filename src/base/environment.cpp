#include "base/environment.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace pome {

std::string environment_variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool environment_flag(const char* name) {
  std::string text = environment_variable(name);
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text == "1" || text == "on" || text == "yes" || text == "true";
}

fs::path home_folder() {
  if (const std::string home = environment_variable("HOME"); !home.empty()) return home;
  const passwd* user = ::getpwuid(::getuid());
  return user != nullptr && user->pw_dir != nullptr ? user->pw_dir : "/";
}

namespace {

std::string expand_variables(const std::string& text) {
  constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t dollar = text.find('$', at);
    result.append(text, at, dollar - at);
    if (dollar == text.npos) break;
    const bool braces = dollar + 1 < text.size() && text[dollar + 1] == '{';
    const std::size_t first = dollar + (braces ? 2 : 1);
    const std::size_t last =
        std::min(braces ? text.find('}', first) : text.find_first_not_of(letters, first), text.size());
    const std::size_t end = std::min(last + (braces ? 1 : 0), text.size());
    const char* value = std::getenv(text.substr(first, last - first).c_str());
    result += value != nullptr ? std::string(value) : text.substr(dollar, end - dollar);
    at = end;
  }
  return result;
}

}  // namespace

fs::path expand_path(const std::string& path) {
  const std::string text = expand_variables(path);
  if (text == "~") return home_folder();
  return text.starts_with("~/") ? home_folder() / text.substr(2) : fs::path(text);
}

}  // namespace pome
