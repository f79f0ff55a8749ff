#include "cli/options.h"

#include <CLI/CLI.hpp>

#include "base/nearest.h"
#include "base/threads.h"
#include "graph/backend.h"

namespace pome::cli {

struct Options::Parser {
  CLI::App app;
};

// CLI11 would take words in brackets apart ("[INST]" as a list), so words never reach it as positionals: it
// hands back what it does not know, in order.
Options::Options() : parser_(std::make_unique<Parser>()) {
  parser_->app.set_help_flag();
  parser_->app.allow_extras();
}

Options::~Options() = default;

void Options::flag(std::string names, bool& target, std::string help) {
  parser_->app.add_flag(names, target);
  rows_.push_back({std::move(names), "", std::move(help), group_, {}});
}

void Options::add_flag(std::string names, std::string help, std::function<void()> take) {
  parser_->app.add_flag_callback(names, std::move(take));
  rows_.push_back({std::move(names), "", std::move(help), group_, {}});
}

void Options::choice(std::string names, std::string& target, std::vector<std::string> choices,
                     std::string help) {
  auto take = [&target, choices](std::string_view name, const std::string& text) {
    if (std::find(choices.begin(), choices.end(), text) == choices.end()) {
      fail(ErrorKind::usage, "{}: \"{}\" is not one of {}", name, text, fmt::join(choices, ", "));
    }
    target = text;
  };
  std::string value = fmt::format("{}", fmt::join(choices, "|"));
  add({std::move(names), std::move(value), std::move(help), group_, std::move(choices)}, std::move(take));
}

void Options::add(OptionRow row, Take take) {
  const std::string name = split_names(row.names).front();
  parser_->app
      .add_option_function<std::vector<std::string>>(
          row.names,
          [name, take = std::move(take)](const std::vector<std::string>& texts) {
            for (const std::string& text : texts) take(name, text);
          })
      ->type_size(1)
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
  rows_.push_back(std::move(row));
}

void Options::words(std::vector<std::string> names, std::vector<std::string>& target, std::size_t least,
                    std::size_t most, std::vector<std::string> choices) {
  word_names_ = std::move(names);
  word_choices_ = std::move(choices);
  words_ = &target;
  least_words_ = least;
  most_words_ = most;
}

void Options::parse(std::span<const std::string> arguments) {
  // "--name=" gives an empty value, where CLI11 would take the next word for it.
  std::vector<std::string> reversed;
  bool only_words = false;
  for (const std::string& argument : arguments) {
    only_words = only_words || argument == "--";
    if (!only_words && argument.starts_with("--") && argument.find('=') == argument.size() - 1) {
      reversed.push_back(argument.substr(0, argument.size() - 1));
      reversed.emplace_back();
    } else {
      reversed.push_back(argument);
    }
  }
  std::reverse(reversed.begin(), reversed.end());
  try {
    parser_->app.parse(reversed);
  } catch (const CLI::ArgumentMismatch&) {
    // Only an option at the end of the line can miss its value: everything else takes the next word.
    fail(ErrorKind::usage, "{}: value missing", arguments.back());
  } catch (const CLI::ParseError& e) {
    throw Error(ErrorKind::usage, e.what());
  }
  take_words(parser_->app.remaining());
}

void Options::take_words(const std::vector<std::string>& rest) {
  std::vector<std::string> words;
  bool only_words = false;
  for (const std::string& word : rest) {
    if (!only_words && word == "--") {
      only_words = true;
    } else if (!only_words && word.size() > 1 && word[0] == '-' && word[1] != ' ' && word[1] != '\n') {
      std::vector<std::string> known{"--help"};
      for (const OptionRow& row : rows_) {
        for (std::string& name : split_names(row.names)) known.push_back(std::move(name));
      }
      const std::string name = word.substr(0, word.find('='));
      Error unknown = error(ErrorKind::usage, "unknown option {}", name);
      const auto near = nearest(name, known);
      if (name.size() > 2 && near) unknown.with_hint(fmt::format("did you mean {}?", *near));
      throw unknown;
    } else {
      words.push_back(word);
    }
  }
  if (words.size() < least_words_) {
    fail(ErrorKind::usage, "{} missing", word_names_.at(std::min(words.size(), word_names_.size() - 1)));
  }
  if (words.size() > most_words_) {
    fail(ErrorKind::usage, "\"{}\" is one word too many", words.at(most_words_));
  }
  if (words_ != nullptr) *words_ = std::move(words);
}

std::string Options::usage() const {
  std::string usage = rows_.empty() ? "" : "[options]";
  for (std::size_t i = 0; i < word_names_.size(); ++i) {
    if (!usage.empty()) usage += ' ';
    usage += i < least_words_ ? word_names_[i] : "[" + word_names_[i] + "]";
  }
  return usage;
}

void declare_computing(Options& options, std::string_view precision) {
  options.add(
      {"--threads,-t", "N", "processor threads to compute with (default: all)", "options", {}},
      [](std::string_view name, const std::string& text) { set_threads(parse_value<int>(name, text)); });
  options.add({"--precision",
               "default|exact|fast",
               fmt::format("activations in 16 bits, float32 throughout, or 8 bits (default: {})", precision),
               "options",
               {}},
              [](std::string_view, const std::string& text) {
                graph::set_precision(graph::precision_from_name(text));
              });
  options.add_flag("--fast", "--precision fast", [] { graph::set_precision(graph::Precision::fast); });
}

std::vector<std::string> split_names(std::string_view names) {
  std::vector<std::string> out;
  while (!names.empty()) {
    const std::size_t comma = std::min(names.find(','), names.size());
    out.emplace_back(names.substr(0, comma));
    names.remove_prefix(std::min(comma + 1, names.size()));
  }
  return out;
}

}  // namespace pome::cli
