// Streaming text out of token ids.
//
// The pieces that feed() and flush() return are whole characters, and end to end they are exactly what
// Tokenizer::decode gives for the same ids. Held back is only what a later token can still change: the bytes
// of an unfinished character, a run of byte tokens (one bad byte spoils the whole run in the reference
// decoder), and, for decoders that need the whole sequence, everything.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace pome::text {

// One per generation; not thread-safe.
class Detokenizer {
 public:
  // shown: special tokens that are text all the same (the tags of a chat convention).
  explicit Detokenizer(std::shared_ptr<const Tokenizer> tokenizer, bool skip_special = true,
                       std::vector<std::int32_t> shown = {});

  // May be empty. Ids without a token add nothing. Throws Error(usage) for a negative id.
  std::string feed(std::int32_t id);
  // What was held back, with U+FFFD for what stayed unfinished; the next feed() begins a new text.
  std::string flush();

 private:
  std::string strip(std::string text);
  void finish_run(std::string& text);
  void restart();

  std::shared_ptr<const Tokenizer> tokenizer_;
  const TokenTable* table_;
  bool skip_special_;
  std::vector<std::int32_t> shown_;  // ascending
  bool first_ = true;                // no token has been taken yet
  std::uint32_t to_strip_ = 0;       // characters that may still be dropped from the start
  std::string pending_;              // bytes held back
  std::vector<std::int32_t> ids_;    // Decoding::opaque only
};

}  // namespace pome::text
