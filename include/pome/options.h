// What can be asked for, and what comes back. Plain values.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pome {

struct LibraryOptions {
  std::string backend;   // "reference" (float32 on the CPU), …; empty: the best of this machine
  std::string hf_cache;  // folder of the Hugging Face cache; empty: where huggingface_hub has it
};

// What is not set here is taken from pome's own config for the model, then from the model's
// generation_config.json; then temperature is 0 and an answer goes on until an end token or the end of the
// context.
struct GenerateOptions {
  std::optional<std::string> system_prompt;
  std::optional<std::string> prefill_response;  // the answer begins with this
  std::optional<int> max_tokens;
  std::optional<float> temperature;  // 0: always the most likely token
  std::optional<int> top_k;
  std::optional<float> top_p;
  std::optional<float> min_p;
  std::optional<float> repetition_penalty;
  std::optional<std::uint64_t> seed;
  std::optional<std::vector<std::string>> stop;  // not part of the answer
  // Any other setting by its name in config.json, the value as JSON: {"xtc_probability", "0.5"}.
  std::map<std::string, std::string> more;

  std::string adapter;            // folder of a LoRA or DoRA adapter
  std::string json_schema;        // the answer is JSON that satisfies it
  std::string prompt_cache_file;  // keeps what was computed for the prompt between processes; generate() only
};

struct Stats {
  int prompt_tokens = 0;
  int cached_tokens = 0;  // of the prompt, not computed again
  int generated_tokens = 0;
  double prompt_tokens_per_second = 0;
  double generated_tokens_per_second = 0;
  double first_token_ms = 0;
  std::uint64_t peak_memory_bytes = 0;  // of the process
  std::uint64_t seed = 0;               // gives the same answer again
};

struct Answer {
  std::string text;
  std::string finish_reason;  // "stop", "length", "cancelled"
  Stats stats;
};

struct Message {
  std::string role;  // "system", "user", "assistant"
  std::string content;
};

// Gets the answer's text as it comes, whole characters, on the caller's thread; returning false ends the
// answer.
using OnText = std::function<bool(std::string_view text)>;

}  // namespace pome
