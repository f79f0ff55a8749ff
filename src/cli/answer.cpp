#include "cli/answer.h"

#include <cstdio>

#include "base/units.h"
#include "cli/output.h"

namespace pome::cli {

constexpr int long_prompt_tokens = 512;  // below that an answer begins before anyone wonders

AnswerPrinter::~AnswerPrinter() {
  clear_progress();
  if (last_ != '\n') std::fputc('\n', stdout);
}

bool AnswerPrinter::operator()(const services::Piece& piece) {
  if (form_ == Form::json_events) {
    Json event;
    if (piece.token < 0 && piece.text.empty()) {
      event = {{"event", "prompt"}, {"done", piece.prompt_done}, {"total", piece.prompt_total}};
    } else {
      event = {
          {"event", "token"}, {"token", piece.token < 0 ? Json() : Json(piece.token)}, {"text", piece.text}};
      if (!piece.top_logprobs.empty()) {
        event["logprob"] = piece.logprob;
        Json top = Json::array();
        for (const auto& [token, logprob] : piece.top_logprobs)
          top.push_back({{"token", token}, {"logprob", logprob}});
        event["top_logprobs"] = std::move(top);
      }
    }
    print_json(event);
    flush_output();
  } else if (piece.token < 0 && piece.text.empty()) {
    show_progress(piece);
  } else if (!piece.text.empty()) {
    clear_progress();
    print(piece.text);
    flush_output();
    last_ = piece.text.back();
  }
  return !interruptible_.interrupted();
}

void AnswerPrinter::finish(const services::Answer& answer) {
  clear_progress();
  if (form_ == Form::json_events) {
    Json event{{"event", "finished"},
               {"reason", services::finish_reason_name(answer.reason)},
               {"text", answer.text},
               {"stats", answer.stats.to_json()}};
    if (!answer.stop_sequence.empty()) event["stop_sequence"] = answer.stop_sequence;
    print_json(event);
  } else if (last_ != '\n') {
    print("\n");
    last_ = '\n';
  }
  flush_output();
}

void AnswerPrinter::show_progress(const services::Piece& piece) {
  if (piece.prompt_total < long_prompt_tokens || !talk_is_terminal()) return;
  talk(fmt::format("\r\033[Kreading the prompt: {} of {} tokens", piece.prompt_done, piece.prompt_total));
  progress_shown_ = true;
}

void AnswerPrinter::clear_progress() {
  if (progress_shown_) talk("\r\033[K");
  progress_shown_ = false;
}

std::string stats_text(const services::Stats& stats) {
  std::string cached = stats.cached_tokens > 0 ? fmt::format(" ({} cached)", stats.cached_tokens) : "";
  return fmt::format(
      "prompt: {} tokens{}, {:.1f} tokens/s\n"
      "generation: {} tokens, {:.1f} tokens/s\n"
      "first token: {:.3f} s\n"
      "peak memory: {}\n"
      "seed: {}\n",
      stats.prompt_tokens, cached, stats.prompt_tps, stats.generated_tokens, stats.generation_tps,
      stats.first_token_ms / 1000, size_text(stats.peak_memory_bytes), stats.seed);
}

}  // namespace pome::cli
