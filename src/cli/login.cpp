#include <termios.h>
#include <unistd.h>

#include <iostream>

#include "cli/output.h"
#include "cli/verb.h"
#include "hub/hub.h"
#include "hub/token.h"

namespace pome::cli {
namespace {

constexpr Example examples[]{
    {"pome login", "asks for an access token"},
    {"pome login < token.txt", "takes it from a file"},
};

// A line of stdin, unseen on a terminal.
std::string read_secret() {
  const bool terminal = input_is_terminal();
  termios before{};
  if (terminal) {
    talk("access token (from the Hub's settings; not shown): ");
    ::tcgetattr(STDIN_FILENO, &before);
    termios silent = before;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
  }
  std::string line;
  std::getline(std::cin, line);
  if (terminal) {
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    talk("\n");
  }
  return line;
}

void login(std::string token) {
  if (token.empty()) token = read_secret();
  hub::Options options = hub::Options::from_environment();
  options.token = hub::clean_token(token, "the token");
  if (options.token.empty())
    throw Error(ErrorKind::usage, "the token is empty").with_hint("pome login < token.txt");
  // Kept only once the Hub has taken it.
  const hub::Account account = hub::Hub(options).whoami();
  hub::save_token(options.token);
  print(fmt::format("logged in as {}\n", account.name));
  if (const hub::Token used = hub::find_token(); used.value != options.token) {
    talk(fmt::format("{} is set and goes before the token just saved\n", used.source));
  }
}

Action declare(Options& options) {
  auto token = std::make_shared<std::string>();
  options.option("--token", *token, "TOKEN", "instead of asking; others may see it in the list of processes");
  return [token] { login(*token); };
}

}  // namespace

extern constexpr Verb login_verb{"login", Group::get_and_keep, "save an access token for the Hub, as hf does",
                                 examples, declare};

}  // namespace pome::cli
