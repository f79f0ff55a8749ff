// Filters over the candidates for one token: what is left is drawn from by weight.
//
// Candidates stand in ascending order of id and every filter keeps that order, so that a draw means the same
// token on every platform. Each filter is the identity at its neutral value, always leaves at least one
// candidate, and takes equal weights in order of ids.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace pome::engine {

struct Candidate {
  std::int32_t id = 0;
  float logit = 0;   // (raw - largest) / temperature, at most 0
  float weight = 0;  // exp(logit): proportional to the probability
};

using Candidates = std::vector<Candidate>;

double total_weight(const Candidates& candidates);

// Keeps the smallest set of most likely candidates whose weights reach p·total, and at least min_keep.
// `total` may exceed the sum of the candidates' weights where a tail that cannot matter was never collected.
// As transformers and llama.cpp; mlx-lm drops a token where the mass *above* it reaches p, the same set.
void keep_top_p(Candidates& candidates, double total, float p, int min_keep);

// Keeps the smallest set of candidates with -log(probability) nearest to the entropy whose mass reaches p
// (Meister et al., "Locally typical sampling", arXiv 2202.00666), and at least min_keep.
void keep_typical(Candidates& candidates, float p, int min_keep);

// Keeps candidates at least min_p times as likely as the likeliest, and the min_keep likeliest.
void keep_min_p(Candidates& candidates, float min_p, int min_keep);

// "Exclude top choices": of the candidates with probability > threshold, only the least likely stays. As in
// mlx-lm, those in `exempt` are never removed, ties of the least likely all stay; as in llama.cpp, nothing
// happens where fewer than min_keep would be left. The caller decides by chance whether to apply it.
void drop_top_choices(Candidates& candidates, float threshold, std::span<const std::int32_t> exempt,
                      int min_keep);

// Mirostat 2 (Basu et al., arXiv 2007.14966, algorithm 2): keeps candidates with surprise -log2(p) ≤ mu, at
// least the likeliest.
void keep_unsurprising(Candidates& candidates, double total, float mu);

// Walks the candidates to u ∈ [0, 1) of their total weight. Returns the index.
std::size_t draw(const Candidates& candidates, double u);

}  // namespace pome::engine
