// Grammars that constrain what a model may write: JSON schemas, regular expressions, Lark grammars.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

struct pome_edge_vocabulary;
struct pome_edge_grammar;

namespace pome::text {

enum class GrammarLanguage : std::uint8_t { json_schema, json_object, regex, lark };

// A tokenizer's tokens arranged for grammars; made once per model. Immutable and thread-safe.
class Vocabulary {
 public:
  // logits: how many the model has, at least tokenizer.size(). end_tokens: allowed where a text may end; not
  // empty. Throws Error: usage; unsupported (a tokenizer whose tokens have no text of their own).
  Vocabulary(const Tokenizer& tokenizer, std::int32_t logits, std::span<const std::int32_t> end_tokens);
  ~Vocabulary();
  Vocabulary(const Vocabulary&) = delete;

  std::int32_t logits() const { return logits_; }
  const pome_edge_vocabulary* handle() const { return handle_.get(); }

 private:
  struct Free {
    void operator()(pome_edge_vocabulary* handle) const;
  };
  std::unique_ptr<pome_edge_vocabulary, Free> handle_;
  std::int32_t logits_;
};

// One generation's place in a grammar. Not thread-safe; clones are independent of each other.
class Grammar {
 public:
  // Throws Error: usage (not JSON), unsupported (names the keyword that cannot be honoured), resource (too
  // large).
  Grammar(const Vocabulary& vocabulary, GrammarLanguage language, std::string_view source);
  ~Grammar();
  Grammar(Grammar&&) noexcept;
  Grammar& operator=(Grammar&&) noexcept;

  std::size_t mask_words() const { return words_; }
  // Sets bit id % 32 of mask[id / 32] for every token that may come next, clears the others. mask has at
  // least mask_words() words. Throws Error: resource (the grammar became too ambiguous), usage (mask too
  // short).
  void mask(std::span<std::uint32_t> mask);
  // Takes all of the tokens or, throwing Error(usage), none.
  void commit(std::span<const std::int32_t> ids);
  void commit(std::int32_t id) { commit({&id, 1}); }
  // Takes back the last `count` tokens. Throws Error when there are fewer.
  void rollback(std::size_t count);

  bool is_accepting();  // the text so far is complete
  bool is_stopped();    // complete, and nothing but an end token may follow
  // The bytes that must come next whatever is sampled; often empty.
  std::string forced_text();
  Grammar clone() const;

 private:
  struct Free {
    void operator()(pome_edge_grammar* handle) const;
  };
  Grammar(pome_edge_grammar* handle, std::size_t words);
  std::uint32_t state();

  std::unique_ptr<pome_edge_grammar, Free> handle_;
  std::size_t words_;
};

}  // namespace pome::text
