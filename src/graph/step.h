// One forward pass over rows of several sequences, laid end to end and never padded.
#pragma once

#include <cstdint>
#include <vector>

namespace pome::graph {

class Cache;

// Rows [begin, begin + length) of a step: the next tokens of one sequence.
struct Segment {
  int begin = 0;
  int length = 0;
  Cache* cache = nullptr;  // what came before, and where these rows' keys and values go; null: these rows are
                           // all there is
  int adapter = 0;         // Linear::adapters id of these rows; 0: none
  // How many positions the sequence may reach (prompt + tokens to generate). Rope scalings that depend on
  // length are chosen by it once, so that they never mix within one cache. At least cache length + length.
  int planned_length = 0;
};

struct Step {
  std::vector<std::int32_t> tokens;    // [T]
  std::vector<Segment> segments;       // cover [0, T) in order; each cache occurs once
  std::vector<std::int32_t> out_rows;  // ascending rows whose outputs are wanted; may be empty
  bool layer_outputs = false;          // also keep what the model passes to Graph::output as "layers.<i>"
};

// Throws Error(internal) for a step that contradicts itself.
void check_step(const Step& step);

}  // namespace pome::graph
