// How the next token is chosen.
//
// Order of the filters, each skipped at its neutral value: grammar mask and logit bias; repetition, presence
// and frequency penalties; DRY; then greedy choice if temperature is 0; top-n-sigma; temperature; top-k;
// typical; top-p; min-p; XTC; draw. mirostat 2 replaces everything between temperature and the draw.
//
// Where the field differs: temperature comes before the filters, as in transformers and vLLM (mlx-lm and
// llama.cpp apply it last, so at high temperatures their top-p and min-p keep fewer tokens); top_p 0 keeps
// the likeliest token (mlx-lm: off); penalties look at prompt and output, as in mlx-lm; a window of 0 is no
// token (mlx-lm: all). Each filter's own page says more: filters.h, penalties.h, dry.h.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace pome::engine {

struct SamplingParams {
  float temperature = 0;      // 0: greedy
  int top_k = 0;              // 0: off
  float top_p = 1;            // 1: off
  float min_p = 0;            // 0: off
  float typical_p = 1;        // 1: off
  float top_n_sigma = 0;      // 0: off
  float xtc_probability = 0;  // 0: off
  float xtc_threshold = 0.1f;
  int min_tokens_to_keep = 1;  // by typical, top-p, min-p and XTC

  float repetition_penalty = 1;      // 1: off; divides positive, multiplies negative logits
  int repetition_context_size = 20;  // tokens, as the windows below; -1: all
  float presence_penalty = 0;
  int presence_context_size = 20;
  float frequency_penalty = 0;
  int frequency_context_size = 20;

  float dry_multiplier = 0;  // 0: off
  float dry_base = 1.75f;
  int dry_allowed_length = 2;
  int dry_penalty_last_n = -1;  // -1: the whole context
  std::vector<std::string> dry_sequence_breakers{"\n", ":", "\"", "*"};

  int mirostat = 0;  // 0 or 2
  float mirostat_tau = 5;
  float mirostat_eta = 0.1f;

  std::map<std::int32_t, float> logit_bias;
  std::optional<std::uint64_t> seed;  // none: a fresh one, reported in Stats

  // Throws Error(usage) naming the parameter, its value and its range.
  void validate() const;
};

}  // namespace pome::engine
