// From messages or a prompt to text, piece by piece.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "services/library.h"
#include "services/settings.h"

namespace pome::services {

struct GenerateRequest {
  // Exactly one of the three.
  Json messages;                                    // array of {"role", "content", …}
  std::optional<std::string> prompt;                // raw text, no template
  std::optional<std::vector<std::int32_t>> tokens;  // used as they are

  Json tools;         // that the model may call, with messages; null: none (see TextModel::render)
  Settings settings;  // win over OpenModel::defaults
  fs::path adapter;   // folder; empty: none
  // Keeps what was computed between processes: the longest beginning that the file's tokens share with the
  // prompt is not computed again, and at the end the file holds prompt and answer. Empty: none.
  fs::path prompt_cache_file;
  std::optional<Json> json_schema;   // the answer is JSON that satisfies it
  std::optional<std::string> regex;  // the whole answer matches it; not beside json_schema
  int logprobs = -1;                 // -1: none; n: each token's and the n most likely
  std::optional<std::chrono::steady_clock::time_point> deadline;
  bool ignore_end = false;
  // Told what all will occupy, before anything is computed, and at which length of prompt and answer
  // the answer ends at the latest: less than the model's context where memory has no room for it.
  std::function<void(const MemoryNeed& need, int context_tokens)> on_memory;
};

// One thing that happened: the next token; or, with token < 0, progress on the prompt, or more of what the
// tokens so far have made certain. One of text, reasoning and tool_call at most.
struct Piece {
  int prompt_done = 0, prompt_total = 0;  // of progress alone
  std::int32_t token = -1;
  std::string text;       // whole characters; may be empty
  std::string reasoning;  // likewise
  std::optional<text::chat::ToolCall> tool_call;
  float logprob = 0;
  std::vector<engine::TokenLogprob> top_logprobs;

  bool is_progress() const { return prompt_total > 0; }
};

// Called on the caller's thread; false cancels.
using OnPiece = std::function<bool(const Piece&)>;

struct Stats {
  int prompt_tokens = 0;
  int cached_tokens = 0;  // of the prompt, not computed again
  int generated_tokens = 0;
  double prompt_tps = 0;                // computed prompt tokens per second
  double generation_tps = 0;            // tokens after the first per second; 0 with fewer than two
  double first_token_ms = 0;            // from submitting to the first token
  std::uint64_t peak_memory_bytes = 0;  // of the process, resident
  std::uint64_t seed = 0;

  Json to_json() const;
};

struct Answer {
  std::string text;  // with prefill_response in front; without the following two
  std::string reasoning;
  std::vector<text::chat::ToolCall> tool_calls;
  std::vector<std::int32_t> tokens;
  engine::FinishReason reason = engine::FinishReason::stop;
  std::string stop_sequence;
  Stats stats;
};

std::string_view finish_reason_name(
    engine::FinishReason reason);  // "stop", "length", "cancelled", "deadline"

// {"role": "assistant", "content"} with "reasoning_content" and "tool_calls" where there are such: the answer
// as a message, for the next turn. Templates decide what of earlier reasoning the model sees again.
Json assistant_message(const Answer& answer);

// {"name", "arguments", "id"} of each.
Json tool_calls_json(const std::vector<text::chat::ToolCall>& calls);

// Blocks until the answer is there. Text pieces join to Answer::text, reasoning likewise. Answers to messages
// are taken apart as the model's convention has it; those held to a schema or a pattern are text as they are.
// Throws Error: usage (settings, unknown extra_eos_tokens, a prompt cache of another model or with other
// settings), resource (the prompt is longer than the context, the cache does not fit), corrupt (prompt
// cache), and what the engine reports. Cancelling is no error.
Answer generate(Library& library, const OpenModel& model, const GenerateRequest& request,
                const OnPiece& on_piece = {});

}  // namespace pome::services
