// Rotary position embedding: which frequencies, rotated how.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace pome::graph {

// Rotates the first `dims` elements of every run of head_dim elements. Half form (interleaved = false) pairs
// element i with i + dims/2, interleaved form pairs 2i with 2i + 1. The angle of pair i at position p is
// float(p)·inv_freq[i], in float32 as the references compute it; cosine and sine are multiplied by
// attention_factor.
struct Rope {
  int head_dim = 0;
  int dims = 0;
  bool interleaved = false;
  float attention_factor = 1;
  std::vector<float> inv_freq;  // [dims/2]

  // Scalings that depend on how long the sequence gets (dynamic, longrope): the frequencies for a planned
  // length. Empty: inv_freq always.
  std::function<std::vector<float>(int planned_length)> inv_freq_for = {};
  std::function<float(int planned_length)> attention_factor_for = {};  // the same for attention_factor
};

// Fills cos and sin, each [positions.size(), dims/2], for rows whose sequences plan planned_length[row]
// positions. Both backends take their tables from here, so they rotate by the same bits.
void fill_rope_tables(const Rope& rope, std::span<const std::int32_t> positions,
                      std::span<const std::int32_t> planned_length, std::span<float> cos,
                      std::span<float> sin);

}  // namespace pome::graph
