// The typed options of one verb. CLI11 takes the words apart; values are read and refused here, so that every
// message has the program's own form, and the same table gives help and completion.
#pragma once

#include <charconv>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace pome::cli {

struct OptionRow {
  std::string names;                 // "--max-tokens,-n"
  std::string value;                 // "N"; empty: a flag. FILE and FOLDER complete as paths
  std::string help;                  // one line
  std::string group;                 // the heading it stands under
  std::vector<std::string> choices;  // the only values taken, where there are such
};

// `text` as a T (string, path, integer, floating point). Throws Error(usage), naming the option.
template <class T>
T parse_value(std::string_view option, const std::string& text) {
  if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, fs::path>) {
    return T(text);
  } else {
    T value{};
    const char* end = text.data() + text.size();
    const auto [stop, code] = std::from_chars(text.data(), end, value);
    if (code != std::errc{} || stop != end) {
      fail(ErrorKind::usage, "{}: \"{}\" is not {}", option, text,
           std::is_integral_v<T> ? (std::is_unsigned_v<T> ? "a whole number from 0" : "a whole number")
                                 : "a number");
    }
    return value;
  }
}

class Options {
 public:
  using Take = std::function<void(std::string_view option, const std::string& text)>;

  Options();
  ~Options();

  // Options declared from here on stand under this heading in the help.
  void group(std::string title) { group_ = std::move(title); }

  // Targets must outlive parse().
  void flag(std::string names, bool& target, std::string help);
  void add_flag(std::string names, std::string help, std::function<void()> take);

  template <class T>
  void option(std::string names, T& target, std::string value, std::string help) {
    add({std::move(names), std::move(value), std::move(help), group_, {}},
        [&target](std::string_view name, const std::string& text) { target = parse_value<T>(name, text); });
  }

  template <class T>
  void option(std::string names, std::optional<T>& target, std::string value, std::string help) {
    add({std::move(names), std::move(value), std::move(help), group_, {}},
        [&target](std::string_view name, const std::string& text) { target = parse_value<T>(name, text); });
  }

  // May be given several times.
  template <class T>
  void option(std::string names, std::vector<T>& target, std::string value, std::string help) {
    add({std::move(names), std::move(value), std::move(help), group_, {}},
        [&target](std::string_view name, const std::string& text) {
          target.push_back(parse_value<T>(name, text));
        });
  }

  template <class T>
  void option(std::string names, std::optional<std::vector<T>>& target, std::string value, std::string help) {
    add({std::move(names), std::move(value), std::move(help), group_, {}},
        [&target](std::string_view name, const std::string& text) {
          if (!target) target.emplace();
          target->push_back(parse_value<T>(name, text));
        });
  }

  void choice(std::string names, std::string& target, std::vector<std::string> choices, std::string help);

  // An option whose text `take` reads; given twice, it is called twice.
  void add(OptionRow row, Take take);

  // The words that are not options, at least `least` and at most `most` of them; `names` is how help and
  // errors call them: {"MODEL", "PROMPT…"}. `choices`: what the first word may be, for completion.
  void words(std::vector<std::string> names, std::vector<std::string>& target, std::size_t least,
             std::size_t most, std::vector<std::string> choices = {});

  // Throws Error(usage) with the nearest option as a hint.
  void parse(std::span<const std::string> arguments);

  const std::vector<OptionRow>& rows() const { return rows_; }
  const std::vector<std::string>& word_choices() const { return word_choices_; }
  std::string usage() const;  // "[options] MODEL [PROMPT…]"

 private:
  struct Parser;

  void take_words(const std::vector<std::string>& rest);

  std::unique_ptr<Parser> parser_;
  std::vector<OptionRow> rows_;
  std::string group_ = "options";
  std::vector<std::string> word_names_;
  std::vector<std::string> word_choices_;
  std::vector<std::string>* words_ = nullptr;
  std::size_t least_words_ = 0;
  std::size_t most_words_ = 0;
};

// --threads and --precision, which count for the whole process. `precision` is the default, for the help.
void declare_computing(Options& options, std::string_view precision = "default");

// "--max-tokens,-n" as {"--max-tokens", "-n"}.
std::vector<std::string> split_names(std::string_view names);

}  // namespace pome::cli
