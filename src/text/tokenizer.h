// Text to token ids and back, by a model's own tokenizer files.
//
// Ids and decoded text equal those of the Python package `tokenizers`, whose Rust crate does the work
// (edge/); ids of SentencePiece and tiktoken files equal those of the libraries that these come from.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct pome_edge_tokenizer;

namespace pome::text {

struct AddedToken {
  std::int32_t id = 0;
  std::string content;
  bool special = false;  // left out of decoded text on request, never matched by a grammar
};

// Files that hold a model, in formats other than tokenizer.json.
enum class TokenizerFile : std::uint8_t { sentencepiece, tiktoken };

// Tokens put around a text, by name.
struct Surround {
  std::optional<std::string> before, after;
};

// How a sequence of tokens becomes text.
enum class Decoding : std::uint8_t {
  opaque,  // only the whole sequence can be decoded
  bytes,   // tokens are bytes, end to end; what is not UTF-8 becomes U+FFFD
  pieces,  // tokens are text; a run of byte tokens that is not UTF-8 becomes one U+FFFD per byte
};

enum TokenFlag : std::uint8_t { token_special = 1, token_added = 2, token_byte = 4, token_absent = 8 };

// What each id, 0 … size - 1, contributes to decoded text.
struct TokenTable {
  Decoding decoding = Decoding::opaque;
  bool first_differs = false;  // the first token of a text is what decode() gives for it alone
  char strip_character = 0;    // up to strip_count of these are dropped from the start of a text
  std::uint32_t strip_count = 0;
  std::string all;                     // the bytes of all tokens, end to end
  std::vector<std::uint32_t> offsets;  // size + 1
  std::vector<std::uint8_t> flags;     // of TokenFlag

  std::string_view bytes(std::int32_t id) const {
    const auto i = static_cast<std::size_t>(id);
    return std::string_view(all).substr(offsets[i], offsets[i + 1] - offsets[i]);
  }
};

// Immutable and thread-safe.
class Tokenizer {
 public:
  // The content of a tokenizer.json. Throws Error: corrupt, unsupported.
  static std::shared_ptr<const Tokenizer> parse(std::string_view tokenizer_json);
  // The older pair of files of byte-pair models; settings is a tokenizer.json whose model lacks both.
  static std::shared_ptr<const Tokenizer> parse_bpe(std::string_view settings, std::string_view vocab_json,
                                                    std::string_view merges_txt,
                                                    const std::optional<Surround>& surround = {});
  // The content of another kind of file; settings is a tokenizer.json without a model. around says, once the
  // vocabulary is known, what stands around a text.
  static std::shared_ptr<const Tokenizer> parse_file(TokenizerFile kind, std::string_view settings,
                                                     std::string_view bytes,
                                                     const std::function<Surround(const Tokenizer&)>& around);
  ~Tokenizer();
  Tokenizer(const Tokenizer&) = delete;

  // Any bytes are text: what is not UTF-8 is read as U+FFFD, as Python's bytes.decode(errors="replace") does.
  // add_special: with what the model expects around a text (a begin token, mostly). Text that spells a
  // special token becomes that token, as in Python.
  std::vector<std::int32_t> encode(std::string_view text, bool add_special = true) const;
  // Always UTF-8; ids without a token are skipped. Throws Error(usage) for a negative id.
  std::string decode(std::span<const std::int32_t> ids, bool skip_special = false) const;

  // One more than the largest id; below it there may be holes, and a model may have more logits.
  std::int32_t size() const;
  std::optional<std::int32_t> id_of(std::string_view token) const;
  // As the vocabulary spells it ("Ġthe", "▁the").
  std::optional<std::string> token(std::int32_t id) const;
  // In order of ids.
  const std::vector<AddedToken>& added_tokens() const { return added_; }
  // Built on first use.
  const TokenTable& table() const;

  // For the rest of this room.
  const pome_edge_tokenizer* handle() const { return handle_.get(); }

 private:
  struct Free {
    void operator()(pome_edge_tokenizer* handle) const;
  };

  explicit Tokenizer(pome_edge_tokenizer* handle);
  void put_around(const Surround& surround);

  std::unique_ptr<pome_edge_tokenizer, Free> handle_;
  std::vector<AddedToken> added_;
  bool own_surround_ = false;
  std::vector<std::int32_t> before_, after_;
  mutable std::once_flag table_once_;
  mutable TokenTable table_;
};

}  // namespace pome::text
