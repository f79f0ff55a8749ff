// How an answer appears while it is computed: for run and chat.
#pragma once

#include "cli/interrupt.h"
#include "services/generate.h"

namespace pome::cli {

// Prints text pieces to stdout as they come, and how far a long prompt is to a terminal's stderr. Ctrl-C
// cancels the answer while it lives.
class AnswerPrinter {
 public:
  enum class Form { text, json_events };

  explicit AnswerPrinter(Form form = Form::text) : form_(form) {}

  // Returns false to cancel.
  bool operator()(const services::Piece& piece);

  // After the last piece: ends the line, or the events. What a stop string held back never was a piece, so
  // `answer` completes the text.
  void finish(const services::Answer& answer);

  bool interrupted() const { return interruptible_.interrupted(); }

 private:
  void show_progress(const services::Piece& piece);
  void clear_progress();

  Interruptible interruptible_;
  Form form_;
  bool progress_shown_ = false;
  char last_ = '\n';
};

// "42 prompt tokens (12 cached), 310 tokens/s · 128 tokens, 95.2 tokens/s · first token after 0.14 s · …"
std::string stats_text(const services::Stats& stats);

}  // namespace pome::cli
