// How an answer appears while it is computed: for run and chat.
#pragma once

#include "cli/interrupt.h"
#include "services/generate.h"

namespace pome::cli {

// Prints text pieces to stdout as they come, reasoning dimmed before them where it is shown, tool calls as a
// line of JSON each, and how far a long prompt is to a terminal's stderr. Ctrl-C cancels the answer while it
// lives.
class AnswerPrinter {
 public:
  enum class Form { text, json_events };

  explicit AnswerPrinter(bool shows_reasoning, Form form = Form::text)
      : form_(form), shows_reasoning_(shows_reasoning) {}
  ~AnswerPrinter();  // leaves the cursor on a fresh line, also after an Error
  AnswerPrinter(const AnswerPrinter&) = delete;

  // Returns false to cancel.
  bool operator()(const services::Piece& piece);

  // After the last piece: ends the line, or the events with the whole answer.
  void finish(const services::Answer& answer);

  bool interrupted() const { return interruptible_.interrupted(); }

 private:
  void print_piece(const services::Piece& piece);
  void print_reasoning(const std::string& text);
  void end_reasoning();
  void show_progress(const services::Piece& piece);
  void clear_progress();

  Interruptible interruptible_;
  Form form_;
  bool shows_reasoning_;
  bool in_reasoning_ = false;
  bool progress_shown_ = false;
  char last_ = '\n';
};

// Five lines: "prompt: 42 tokens (12 cached), 310.0 tokens/s", generation, first token, peak memory, seed.
std::string stats_text(const services::Stats& stats);

// What a model is about to occupy, of what there is: a line.
std::string memory_text(const services::MemoryNeed& need, std::uint64_t available_bytes);

}  // namespace pome::cli
