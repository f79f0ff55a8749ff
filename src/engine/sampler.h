// Chooses the next token of one sequence, in the order that sampling.h documents.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/dry.h"
#include "engine/filters.h"
#include "engine/sampling.h"

namespace pome::engine {

class Sampler {
 public:
  // token_bytes serves DRY's sequence breakers and may be empty; xtc_exempt are the tokens that XTC never
  // removes (line breaks and end tokens, as in mlx-lm).
  Sampler(SamplingParams params, std::uint64_t seed, TokenBytes token_bytes = {},
          std::vector<std::int32_t> xtc_exempt = {});

  // Chooses token number `index` of the output from a row of logits [V], which is used up. `history` is
  // prompt and output so far; `mask` has a bit per allowed token, or is empty where all are. The choice
  // depends on nothing else, but for mirostat's and DRY's memory of the calls before. Throws Error: internal
  // for NaN or +inf in the row, usage where no token is allowed.
  std::int32_t sample(std::span<float> logits, std::span<const std::int32_t> history, std::uint64_t index,
                      std::span<const std::uint32_t> mask = {});

 private:
  void shape(std::span<float> logits, std::span<const std::int32_t> history,
             std::span<const std::uint32_t> mask);
  Candidates collect(std::span<const float> logits, float peak, float scale, double& total) const;
  std::int32_t mirostat(std::span<float> logits, float peak, float scale, double u);

  SamplingParams params_;
  std::uint64_t seed_;
  std::vector<std::int32_t> xtc_exempt_;
  Dry dry_;
  float mu_;  // mirostat's bar of surprise, in bits
};

}  // namespace pome::engine
