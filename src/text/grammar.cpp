#include "text/grammar.h"

#include "text/edge.h"

namespace pome::text {

void Vocabulary::Free::operator()(pome_edge_vocabulary* handle) const { pome_edge_vocabulary_free(handle); }
void Grammar::Free::operator()(pome_edge_grammar* handle) const { pome_edge_grammar_free(handle); }

Vocabulary::Vocabulary(const Tokenizer& tokenizer, std::int32_t logits,
                       std::span<const std::int32_t> end_tokens)
    : logits_(logits) {
  if (logits < 0) fail(ErrorKind::usage, "vocabulary of {} logits", logits);
  edge::Call call;
  handle_.reset(pome_edge_vocabulary_new(tokenizer.handle(), static_cast<std::uint32_t>(logits),
                                         edge::unsigned_ids(end_tokens), end_tokens.size(), call.slot()));
  call.check();
}

Vocabulary::~Vocabulary() = default;

Grammar::Grammar(const Vocabulary& vocabulary, GrammarLanguage language, std::string_view source)
    : words_((static_cast<std::size_t>(vocabulary.logits()) + 31) / 32) {
  edge::Call call;
  handle_.reset(pome_edge_grammar_new(vocabulary.handle(), static_cast<pome_edge_language>(language),
                                      edge::bytes(source), call.slot()));
  call.check();
}

Grammar::Grammar(pome_edge_grammar* handle, std::size_t words) : handle_(handle), words_(words) {}
Grammar::~Grammar() = default;
Grammar::Grammar(Grammar&&) noexcept = default;
Grammar& Grammar::operator=(Grammar&&) noexcept = default;

void Grammar::mask(std::span<std::uint32_t> mask) {
  edge::Call call;
  pome_edge_grammar_mask(handle_.get(), mask.data(), mask.size(), call.slot());
  call.check();
}

void Grammar::commit(std::span<const std::int32_t> ids) {
  edge::Call call;
  pome_edge_grammar_commit(handle_.get(), edge::unsigned_ids(ids), ids.size(), call.slot());
  call.check();
}

void Grammar::rollback(std::size_t count) {
  edge::Call call;
  pome_edge_grammar_rollback(handle_.get(), count, call.slot());
  call.check();
}

std::uint32_t Grammar::state() {
  edge::Call call;
  std::uint32_t state = 0;
  pome_edge_grammar_state(handle_.get(), &state, call.slot());
  call.check();
  return state;
}

bool Grammar::is_accepting() { return (state() & 1) != 0; }
bool Grammar::is_stopped() { return (state() & 2) != 0; }

std::string Grammar::forced_text() {
  edge::Call call;
  edge::Buffer bytes;
  pome_edge_grammar_forced(handle_.get(), bytes.out(), call.slot());
  call.check();
  return std::string(bytes.view());
}

Grammar Grammar::clone() const {
  edge::Call call;
  pome_edge_grammar* copy = pome_edge_grammar_clone(handle_.get(), call.slot());
  call.check();
  return Grammar(copy, words_);
}

}  // namespace pome::text
