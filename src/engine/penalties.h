// Penalties for tokens that occurred lately. They change a row of logits [V] in place.
//
// Windows count from the end of the history, which is prompt and output alike, as in mlx-lm: `window` tokens,
// -1 for all, 0 for none. Ids outside the row are skipped.
#pragma once

#include <cstdint>
#include <map>
#include <span>

namespace pome::engine {

// Sets the logits whose bit (id % 32 of words[id / 32]) is not set to -inf; ids past the words too.
void apply_mask(std::span<float> logits, std::span<const std::uint32_t> words);

void apply_bias(std::span<float> logits, const std::map<std::int32_t, float>& bias);

// Divides positive and multiplies negative logits of every token in the window by `penalty`, once (Keskar et
// al., arXiv 1909.05858, with the fix for negative logits that everybody applies).
void penalize_repetition(std::span<float> logits, std::span<const std::int32_t> history, float penalty,
                         int window);

// Subtracts `penalty` from the logit of every token in the window, once.
void penalize_presence(std::span<float> logits, std::span<const std::int32_t> history, float penalty,
                       int window);

// Subtracts `penalty` for every occurrence in the window.
void penalize_frequency(std::span<float> logits, std::span<const std::int32_t> history, float penalty,
                        int window);

}  // namespace pome::engine
