#include "cli/output.h"

#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

namespace pome::cli {

void print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (std::ferror(stdout)) flush_output();
}

// Invalid UTF-8 (a token may be half a character) is shown as the replacement character.
void print_json(const Json& value) {
  print(value.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
}

void talk(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); }

void print_error(const Error& error, bool json) {
  if (json) {
    Json body{{"kind", error_row(error.kind()).name}, {"message", error.what()}};
    if (!error.hint().empty()) body["hint"] = error.hint();
    talk(Json{{"error", std::move(body)}}.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
    return;
  }
  talk(fmt::format("error: {}\n", error.what()));
  if (!error.hint().empty()) talk(fmt::format("  hint: {}\n", error.hint()));
}

void flush_output() {
  if (std::fflush(stdout) == 0 && !std::ferror(stdout)) return;
  if (errno == EPIPE) {  // the reader has seen enough, as with `| head`
    std::signal(SIGPIPE, SIG_DFL);
    std::raise(SIGPIPE);
  }
  const int code = errno;
  std::clearerr(stdout);
  fail(code == ENOSPC ? ErrorKind::resource : ErrorKind::internal, "stdout: cannot write: {}",
       std::strerror(code));
}

bool input_is_terminal() { return ::isatty(STDIN_FILENO) == 1; }
bool output_is_terminal() { return ::isatty(STDOUT_FILENO) == 1; }
bool talk_is_terminal() { return ::isatty(STDERR_FILENO) == 1; }

namespace {

std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

std::string table(const std::vector<std::vector<std::string>>& rows, std::string_view indent,
                  std::string_view gap) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    if (widths.size() < row.size()) widths.resize(row.size());
    for (std::size_t i = 0; i + 1 < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  }
  std::string text;
  for (const auto& row : rows) {
    text += indent;
    for (std::size_t i = 0; i < row.size(); ++i) {
      text += row[i];
      if (i + 1 < row.size()) text.append(widths[i] - width(row[i]), ' ').append(gap);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    text += '\n';
  }
  return text;
}

std::string count_text(std::uint64_t count) {
  if (count < 1000) return std::to_string(count);
  double value = static_cast<double>(count);
  const char* units[] = {"K", "M", "B", "T"};
  std::size_t unit = 0;
  for (value /= 1000; value >= 1000 && unit + 1 < std::size(units); ++unit) value /= 1000;
  return fmt::format("{:.{}f} {}", value, value < 10 ? 2 : 1, units[unit]);
}

}  // namespace pome::cli
