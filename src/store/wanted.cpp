#include "store/wanted.h"

#include <algorithm>
#include <set>

#include "hub/names.h"

namespace pome::store {
namespace {

constexpr std::size_t most_names = 100000;

std::string_view first_word(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return "";
  text.remove_prefix(begin);
  return text.substr(0, text.find_first_of(" \t\r,;"));
}

// Documents name files of their own project in the same shape: `scripts/clean.py`.
bool is_file(std::string_view name) {
  constexpr std::string_view endings[]{".py",   ".md",  ".sh",  ".json", ".toml",
                                       ".yaml", ".yml", ".txt", ".swift"};
  return std::any_of(std::begin(endings), std::end(endings),
                     [&](std::string_view ending) { return name.ends_with(ending); });
}

class Names {
 public:
  void add(std::string_view word) {
    const auto name = hub::parse_repo_name(word);
    if (name && !is_file(name->name) && list_.size() < most_names && seen_.emplace(word).second)
      list_.emplace_back(word);
  }

  // The line's only word, before a comment.
  void add_alone(std::string_view line) {
    const std::string_view word = first_word(line);
    line.remove_prefix(std::min(line.find(word) + word.size(), line.size()));
    const std::string_view rest = line.substr(std::min(line.find_first_not_of(" \t\r"), line.size()));
    if (rest.empty() || rest.starts_with('#')) add(word);
  }

  // What stands between two of the same mark.
  void add_quoted(std::string_view line, char mark) {
    for (auto begin = line.find(mark); begin != std::string_view::npos;) {
      const auto end = line.find(mark, begin + 1);
      if (end == std::string_view::npos) return;
      add(line.substr(begin + 1, end - begin - 1));
      begin = line.find(mark, end + 1);
    }
  }

  void add_after(std::string_view line, std::string_view word) {
    for (auto at = line.find(word); at != std::string_view::npos; at = line.find(word, at + 1)) {
      add(first_word(line.substr(at + word.size())));
    }
  }

  std::vector<std::string> take() { return std::move(list_); }

 private:
  std::vector<std::string> list_;
  std::set<std::string, std::less<>> seen_;
};

}  // namespace

std::vector<std::string> parse_wanted(std::string_view text) {
  Names names;
  while (!text.empty()) {
    const auto end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? "" : text.substr(end + 1);
    std::string_view item = line.substr(std::min(line.find_first_not_of(" \t"), line.size()));
    if (item.starts_with("- ") || item.starts_with("* ")) item.remove_prefix(2);
    names.add_alone(item);
    for (const char mark : {'`', '"', '\''}) names.add_quoted(line, mark);
    for (const std::string_view word : {"download ", "pull ", "--model "}) names.add_after(line, word);
  }
  return names.take();
}

}  // namespace pome::store
