// DRY, "don't repeat yourself": makes the token that would continue a repetition less likely, the more the
// longer the repetition is (p-e-w, text-generation-webui#5677; multiplier·base^(length - allowed_length)).
//
// As llama.cpp has it, with one difference: sequence breakers are looked for in the text of the history, not
// in tokenizations of the breaker, so that they work across any token border and no vocabulary is scanned.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pome::engine {

// The bytes that a token adds to a text. The view must stay valid.
using TokenBytes = std::function<std::string_view(std::int32_t)>;

struct DryParams {
  float multiplier = 0;  // 0: off
  float base = 1.75f;
  int allowed_length = 2;             // repetitions this short cost multiplier·base^0, shorter ones nothing
  int last_n = -1;                    // tokens looked at; -1: all
  std::vector<std::string> breakers;  // a repetition never reaches back over one
};

class Dry {
 public:
  // Without token_bytes there are no breakers.
  Dry(DryParams params, TokenBytes token_bytes);

  // Penalizes the row [V]. `history` must begin with the history of the call before.
  void apply(std::span<float> logits, std::span<const std::int32_t> history);

 private:
  void find_breaks(std::span<const std::int32_t> history);
  bool is_breaker(std::int32_t token) const;

  DryParams params_;
  TokenBytes token_bytes_;
  std::size_t longest_breaker_ = 0;
  std::size_t seen_ = 0;         // tokens of the history looked at for breakers
  std::size_t after_break_ = 0;  // where the tokens after the last breaker begin
  std::string tail_;             // the text's last bytes, in which a breaker may have begun
  std::vector<int> match_;       // scratch
};

// match[i], for i ≥ 1: how many tokens before the last i agree with the tokens at the end, that is the
// longest n with history[size-1-i-j] = history[size-1-j] for all j < n. The Z-algorithm on the reversed
// history: linear time.
void suffix_matches(std::span<const std::int32_t> history, std::vector<int>& match);

}  // namespace pome::engine
