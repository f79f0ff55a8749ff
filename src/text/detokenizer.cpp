#include "text/detokenizer.h"

#include <algorithm>

#include "base/error.h"
#include "text/utf8.h"

namespace pome::text {

Detokenizer::Detokenizer(std::shared_ptr<const Tokenizer> tokenizer, bool skip_special,
                         std::vector<std::int32_t> shown)
    : tokenizer_(std::move(tokenizer)),
      table_(&tokenizer_->table()),
      skip_special_(skip_special),
      shown_(std::move(shown)) {
  std::sort(shown_.begin(), shown_.end());
  restart();
}

void Detokenizer::restart() {
  first_ = true;
  to_strip_ = table_->strip_count;
  pending_.clear();
  ids_.clear();
}

std::string Detokenizer::feed(std::int32_t id) {
  if (id < 0) fail(ErrorKind::usage, "token id {} is negative", id);
  if (id >= tokenizer_->size()) return {};
  const std::uint8_t flags = table_->flags[static_cast<std::size_t>(id)];
  const bool hidden =
      skip_special_ && (flags & token_special) != 0 && !std::binary_search(shown_.begin(), shown_.end(), id);
  if ((flags & token_absent) != 0 || hidden) return {};
  if (table_->decoding == Decoding::opaque) {
    ids_.push_back(id);
    return {};
  }
  const bool special_first = first_ && table_->first_differs;
  first_ = false;
  std::string text;
  if (table_->decoding == Decoding::bytes) {
    pending_ += table_->bytes(id);
    take_utf8(pending_, text, false);
  } else if ((flags & token_byte) != 0) {
    pending_ += table_->bytes(id);
  } else {
    finish_run(text);
    if (special_first) {
      text += tokenizer_->decode({&id, 1});
    } else {
      text += table_->bytes(id);
    }
  }
  return strip(std::move(text));
}

std::string Detokenizer::flush() {
  std::string text;
  if (table_->decoding == Decoding::opaque) {
    text = tokenizer_->decode(ids_);  // hidden ones are not among them
  } else if (table_->decoding == Decoding::bytes) {
    take_utf8(pending_, text, true);
  } else {
    finish_run(text);
  }
  text = strip(std::move(text));
  restart();
  return text;
}

void Detokenizer::finish_run(std::string& text) {
  if (is_utf8(pending_)) {
    text += pending_;
  } else {
    for (std::size_t i = 0; i < pending_.size(); ++i) text += replacement_character;
  }
  pending_.clear();
}

std::string Detokenizer::strip(std::string text) {
  std::size_t dropped = 0;
  while (to_strip_ > 0 && dropped < text.size()) {
    if (text[dropped] == table_->strip_character) {
      ++dropped;
      --to_strip_;
    } else {
      to_strip_ = 0;
    }
  }
  return text.substr(dropped);
}

}  // namespace pome::text
