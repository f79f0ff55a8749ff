#include "cli/answer.h"

#include <cstdio>

#include "base/units.h"
#include "cli/output.h"

namespace pome::cli {

constexpr const char *dim = "\033[2m", *plain = "\033[0m";
constexpr int long_prompt_tokens = 512;  // below that an answer begins before anyone wonders

AnswerPrinter::~AnswerPrinter() {
  clear_progress();
  if (in_reasoning_ && output_is_terminal()) std::fputs(plain, stdout);
  if (last_ != '\n') std::fputc('\n', stdout);
}

bool AnswerPrinter::operator()(const services::Piece& piece) {
  if (form_ == Form::json_events) {
    Json event;
    if (piece.is_progress()) {
      event = {{"event", "prompt"}, {"done", piece.prompt_done}, {"total", piece.prompt_total}};
    } else {
      event = {
          {"event", "token"}, {"token", piece.token < 0 ? Json() : Json(piece.token)}, {"text", piece.text}};
      if (!piece.reasoning.empty()) event["reasoning"] = piece.reasoning;
      if (piece.tool_call) event["tool_calls"] = services::tool_calls_json({*piece.tool_call});
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
  } else if (piece.is_progress()) {
    show_progress(piece);
  } else {
    print_piece(piece);
  }
  return !interruptible_.interrupted();
}

void AnswerPrinter::print_piece(const services::Piece& piece) {
  const bool reasons = shows_reasoning_ && !piece.reasoning.empty();
  if (!reasons && piece.text.empty() && !piece.tool_call) return;
  clear_progress();
  if (reasons) print_reasoning(piece.reasoning);
  if (!piece.text.empty()) {
    end_reasoning();
    print(piece.text);
    last_ = piece.text.back();
  }
  if (piece.tool_call) {
    end_reasoning();
    if (last_ != '\n') print("\n");
    print_json(services::tool_calls_json({*piece.tool_call})[0]);
    last_ = '\n';
  }
  flush_output();
}

void AnswerPrinter::print_reasoning(const std::string& text) {
  if (!in_reasoning_ && output_is_terminal()) print(dim);
  in_reasoning_ = true;
  print(text);
  last_ = text.back();
}

// Reasoning and the answer stand an empty line apart.
void AnswerPrinter::end_reasoning() {
  if (!in_reasoning_) return;
  in_reasoning_ = false;
  if (output_is_terminal()) print(plain);
  print(last_ == '\n' ? "\n" : "\n\n");
  last_ = '\n';
}

void AnswerPrinter::finish(const services::Answer& answer) {
  clear_progress();
  if (form_ == Form::json_events) {
    Json event{{"event", "finished"},
               {"reason", services::finish_reason_name(answer.reason)},
               {"text", answer.text}};
    if (!answer.reasoning.empty()) event["reasoning"] = answer.reasoning;
    if (!answer.tool_calls.empty()) event["tool_calls"] = services::tool_calls_json(answer.tool_calls);
    event["stats"] = answer.stats.to_json();
    if (!answer.stop_sequence.empty()) event["stop_sequence"] = answer.stop_sequence;
    print_json(event);
  } else {
    if (in_reasoning_ && output_is_terminal()) print(plain);
    in_reasoning_ = false;
    if (last_ != '\n') print("\n");
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

std::string memory_text(const services::MemoryNeed& need, std::uint64_t available_bytes) {
  return fmt::format("memory: {} for weights of {} and a cache of {} at {} tokens; {} available\n",
                     size_text(need.total_bytes()), size_text(need.weight_bytes),
                     size_text(need.cache_bytes()), need.use.positions, size_text(available_bytes));
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
