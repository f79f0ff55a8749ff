#include "cli/line_reader.h"

#include <histedit.h>
#include <langinfo.h>

#include <clocale>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>

#include "cli/output.h"

namespace pome::cli {
namespace {

constexpr int history_lines = 1000;

}  // namespace

// libedit's editor and history. The interrupt key reaches the editor as a key, so that it can clear the line;
// during an answer the terminal is back in its usual mode, where that key is a signal.
struct LineReader::Terminal {
  explicit Terminal(fs::path file) : history_file(std::move(file)) {
    // The editor counts columns by the locale; text is UTF-8 whatever that says.
    std::setlocale(LC_CTYPE, "");
    if (std::strcmp(nl_langinfo(CODESET), "UTF-8") != 0) std::setlocale(LC_CTYPE, "C.UTF-8");
    history = ::history_init();
    editor = ::el_init("pome", stdin, stdout, stderr);
    if (history == nullptr || editor == nullptr) {
      close();
      fail(ErrorKind::internal, "the terminal's line editor does not start");
    }
    HistEvent event;
    ::history(history, &event, H_SETSIZE, history_lines);
    ::history(history, &event, H_SETUNIQUE, 1);
    ::el_set(editor, EL_CLIENTDATA, this);
    ::el_set(
        editor, EL_PROMPT, +[](EditLine* e) {
          Terminal* self = nullptr;
          ::el_get(e, EL_CLIENTDATA, &self);
          return self->prompt.data();
        });
    ::el_set(editor, EL_EDITOR, "emacs");
    ::el_set(editor, EL_HIST, ::history, history);
    ::el_set(editor, EL_SETTY, "-d", "-isig", nullptr);
    ::el_set(
        editor, EL_ADDFN, "pome-interrupt", "drop the line", +[](EditLine* e, int) -> unsigned char {
          Terminal* self = nullptr;
          ::el_get(e, EL_CLIENTDATA, &self);
          self->interrupted = true;
          return CC_NEWLINE;
        });
    ::el_set(editor, EL_BIND, "^C", "pome-interrupt", nullptr);
    ::el_set(editor, EL_BIND, "^R", "em-inc-search-prev", nullptr);
    std::ifstream lines(history_file);
    for (std::string line; std::getline(lines, line);) ::history(history, &event, H_ENTER, line.c_str());
  }
  Terminal(const Terminal&) = delete;
  ~Terminal() { close(); }

  void close() {
    if (editor != nullptr) ::el_end(editor);
    if (history != nullptr) ::history_end(history);
  }

  // Appending keeps the lines of two chats that run at once. A history that cannot be written is no reason to
  // stop.
  void remember(const std::string& line) {
    HistEvent event;
    ::history(history, &event, H_ENTER, line.c_str());
    std::error_code ignored;
    if (!fs::exists(history_file, ignored)) {
      fs::create_directories(history_file.parent_path(), ignored);
      std::ofstream(history_file).flush();
      fs::permissions(history_file, fs::perms::owner_read | fs::perms::owner_write, ignored);
    }
    std::ofstream(history_file, std::ios::app) << line << '\n';
  }

  EditLine* editor = nullptr;
  History* history = nullptr;
  fs::path history_file;
  std::string prompt;
  bool interrupted = false;
};

LineReader::LineReader(fs::path history) {
  if (input_is_terminal() && output_is_terminal()) terminal_ = std::make_unique<Terminal>(std::move(history));
}

LineReader::~LineReader() = default;

LineReader::Result LineReader::read(std::string_view prompt, std::string& line) {
  if (!terminal_) {
    return std::getline(std::cin, line) ? Result::line : Result::end;
  }
  Terminal& t = *terminal_;
  flush_output();
  t.prompt = prompt;
  t.interrupted = false;
  int length = 0;
  const char* text = ::el_gets(t.editor, &length);
  line.assign(text == nullptr ? "" : text,
              text == nullptr ? 0 : static_cast<std::size_t>(std::max(length, 0)));
  if (line.ends_with('\n')) line.pop_back();
  if (t.interrupted) {
    print("^C\n");
    return Result::interrupted;
  }
  if (text == nullptr || length <= 0) {
    print("\n");
    return Result::end;
  }
  if (line.find_first_not_of(" \t") != std::string::npos) t.remember(line);
  return Result::line;
}

}  // namespace pome::cli
