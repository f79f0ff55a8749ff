// Lines from whoever sits in front: with editing and history on a terminal, plain otherwise.
#pragma once

#include <memory>
#include <string>

#include "base/file.h"

namespace pome::cli {

class LineReader {
 public:
  enum class Result { line, interrupted, end };

  // history: a file of lines, read now and appended to; only on a terminal.
  explicit LineReader(fs::path history);
  ~LineReader();
  LineReader(const LineReader&) = delete;

  // Reads one line, without its end. interrupted: Ctrl-C (a terminal's only); line is what had been typed.
  Result read(std::string_view prompt, std::string& line);

  bool interactive() const { return terminal_ != nullptr; }

 private:
  struct Terminal;
  std::unique_ptr<Terminal> terminal_;
};

}  // namespace pome::cli
