#include "cli/program.h"

#include <algorithm>
#include <new>

#include "cli/help.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/verb.h"

namespace pome::cli {
namespace {

using Arguments = std::span<const std::string>;

// Whether one of `names` stands among the arguments as an option.
bool has_option(Arguments arguments, std::initializer_list<std::string_view> names) {
  const auto end = std::find(arguments.begin(), arguments.end(), "--");
  return std::find_first_of(arguments.begin(), end, names.begin(), names.end()) != end;
}

void run_verb(const Verb& verb, Arguments arguments) {
  if (has_option(arguments, {"--help", "-h"})) {
    print(help_text(verb));
    return;
  }
  Options options;
  const Action action = verb.declare(options);
  try {
    options.parse(arguments);
  } catch (Error& e) {
    if (e.hint().empty()) e.with_hint(fmt::format("pome {} --help", verb.name));
    throw;
  }
  action();
}

void dispatch(Arguments arguments) {
  const std::string_view first = arguments.empty() ? "--help" : std::string_view(arguments.front());
  if (first == "--help" || first == "-h") {
    print(help_text());
  } else if (first == "--version" || first == "-V") {
    if (has_option(arguments, {"--json"})) {
      print_json(version_json());
    } else {
      print(version_text());
    }
  } else if (first.starts_with('-')) {
    throw error(ErrorKind::usage, "unknown option {}", first).with_hint("pome --help");
  } else {
    run_verb(find_verb(first), arguments.subspan(1));
  }
  flush_output();
}

}  // namespace

int run_program(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  const auto report = [&](const Error& e) {
    print_error(e, has_option(arguments, {"--json"}));
    return error_row(e.kind()).exit_code;
  };
  install_interrupt();
  try {
    dispatch(arguments);
    return 0;
  } catch (const Error& e) {
    return report(e);
  } catch (const std::bad_alloc&) {
    return report(Error(ErrorKind::resource, "not enough memory"));
  } catch (const std::exception& e) {
    return report(Error(ErrorKind::internal, e.what()));
  }
}

}  // namespace pome::cli
