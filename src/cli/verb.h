// One verb of the command line: a constant that owns all its facts. Help, completion and dispatch read the
// table of verbs and nothing else.
#pragma once

#include <functional>
#include <span>
#include <string_view>

#include "cli/options.h"

namespace pome::cli {

enum class Group : std::uint8_t { get_and_keep, make, use, serve, look_inside, help };

struct Example {
  std::string_view command;  // as typed: "pome run demo hello"
  std::string_view about;    // what it does, few words; may be empty
};

// What a verb does once its words are parsed. Throws Error.
using Action = std::function<void()>;

struct Verb {
  std::string_view name;
  Group group;
  std::string_view summary;  // one line, lower case
  std::span<const Example> examples;
  // Declares options whose targets the returned action owns.
  Action (*declare)(Options& options);
};

// Every verb, in the order of the help.
std::span<const Verb* const> verbs();

// Throws Error(usage) naming the nearest verb.
const Verb& find_verb(std::string_view name);

}  // namespace pome::cli
