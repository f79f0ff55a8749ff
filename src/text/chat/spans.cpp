#include "text/chat/spans.h"

#include <algorithm>

namespace pome::text::chat {
namespace {

constexpr std::string_view blank = " \t\r\n";

bool is_blank(std::string_view text) { return text.find_first_not_of(blank) == text.npos; }

// How many bytes at the end of `text` may be the beginning of `tag`.
std::size_t begun(std::string_view text, std::string_view tag) {
  for (std::size_t length = std::min(text.size(), tag.size() - 1); length > 0; --length) {
    if (text.ends_with(tag.substr(0, length))) return length;
  }
  return 0;
}

class SpanStream : public Stream {
 public:
  SpanStream(std::vector<Span> spans, ReadCalls read, Json tools, const Span* inside)
      : spans_(std::move(spans)), read_(read), tools_(std::move(tools)) {
    for (const Span& span : spans_) {
      if (inside != nullptr && span.open == inside->open) inside_ = &span;
    }
    trims_ = inside_ != nullptr;
  }

  std::vector<Part> feed(std::string_view text) override {
    held_ += text;
    while (step(false)) {
    }
    return std::exchange(parts_, {});
  }

  std::vector<Part> finish() override {
    while (step(true)) {
    }
    return std::exchange(parts_, {});
  }

 private:
  bool step(bool last) { return inside_ == nullptr ? outside(last) : within(last); }

  bool counts(const Span& span, std::size_t at) const {
    return !span.first_only || (at_start_ && is_blank(std::string_view(held_).substr(0, at)));
  }

  // Content up to the next tag. Returns whether there is more to do.
  bool outside(bool last) {
    const Span* next = nullptr;
    std::size_t at = held_.size(), length = 0;
    const auto consider = [&](const Span& span, std::string_view tag, bool opens) {
      if (tag.empty()) return;
      const std::size_t found = held_.find(tag);
      if (found == held_.npos || !counts(span, found)) return;
      if (found < at || (found == at && tag.size() > length)) {
        at = found;
        length = tag.size();
        next = opens ? &span : nullptr;
      }
    };
    for (const Span& span : spans_) {
      consider(span, span.open, span.kind != Span::Kind::content);
      if (span.kind == Span::Kind::content) consider(span, span.close, false);
    }
    std::size_t safe = at;
    if (length == 0) safe = last ? held_.size() : undecided();
    content(std::string_view(held_).substr(0, safe), length > 0 || last);
    held_.erase(0, safe + (next != nullptr && next->part_of_block ? 0 : length));
    if (length == 0) return false;
    inside_ = next;
    trims_ = true;
    at_start_ = false;
    return true;
  }

  // Bytes of held_ that are no tag, whatever follows.
  std::size_t undecided() const {
    std::size_t safe = held_.size();
    const auto keep = [&](const Span& span, std::string_view tag) {
      const std::size_t at = tag.empty() ? held_.size() : held_.size() - begun(held_, tag);
      if (counts(span, at)) safe = std::min(safe, at);
    };
    for (const Span& span : spans_) {
      keep(span, span.open);
      if (span.kind == Span::Kind::content) keep(span, span.close);
    }
    return safe;
  }

  // White space waits until it is known what stands behind it: beside a tag it is dropped, between texts it
  // is not.
  void content(std::string_view text, bool tag_follows) {
    const std::size_t first = text.find_first_not_of(blank);
    if (first == text.npos) {
      waiting_ += text;
      if (!tag_follows) return;
      if (!trims_) emit(Part::Kind::content, std::exchange(waiting_, {}));
      waiting_.clear();
      return;
    }
    at_start_ = false;
    if (trims_) {
      waiting_.clear();
      text.remove_prefix(first);
      trims_ = false;
    }
    emit(Part::Kind::content, std::exchange(waiting_, {}));
    emit(Part::Kind::content, text);
  }

  bool within(bool last) {
    if (inside_->kind == Span::Kind::calls) return block(last);
    if (trims_) {
      held_.erase(0, std::min(held_.find_first_not_of(blank), held_.size()));
      // A model may open what the template has opened already.
      const std::string_view open = inside_->open;
      if (!last && held_.size() < open.size() && open.starts_with(held_)) return false;
      if (held_.starts_with(open)) {
        held_.erase(0, open.size());
        return true;
      }
      trims_ = false;
    }
    const std::string_view text = held_;
    const std::size_t close = inside_->close.empty() ? text.npos : text.find(inside_->close);
    const bool closed = close != text.npos;
    std::size_t safe = closed ? close : text.size();
    if (!closed && !last && !inside_->close.empty()) safe -= begun(text, inside_->close);
    // The white space before the closing tag is not told from that before more text yet.
    const std::size_t ink = text.substr(0, safe).find_last_not_of(blank);
    const std::size_t shown = ink == text.npos ? 0 : ink + 1;
    emit(Part::Kind::reasoning, text.substr(0, shown));
    if (closed) {
      held_.erase(0, close + inside_->close.size());
      inside_ = nullptr;
      trims_ = true;
      return true;
    }
    held_.erase(0, last ? held_.size() : shown);
    return false;
  }

  // A block of calls, which is read whole.
  bool block(bool last) {
    const std::string_view text = held_;
    const std::string_view tag = inside_->close;
    const std::size_t close = tag.empty() ? text.npos : text.find(tag, searched_);
    if (close == text.npos && !last) {
      searched_ = text.size() - std::min(text.size(), tag.size());
      return false;
    }
    searched_ = 0;
    const std::size_t end = close == text.npos ? text.size() : close;
    const std::size_t after = close == text.npos ? text.size() : close + tag.size();
    std::vector<ToolCall> calls;
    try {
      calls = read_(text.substr(0, end), tools_);
    } catch (const Error&) {
    }
    if (calls.empty()) {
      if (!inside_->part_of_block) emit(Part::Kind::content, inside_->open);
      emit(Part::Kind::content, text.substr(0, after));
    }
    for (ToolCall& call : calls) parts_.push_back({Part::Kind::tool_call, {}, std::move(call)});
    trims_ = !calls.empty();
    held_.erase(0, after);
    inside_ = nullptr;
    return !held_.empty();
  }

  void emit(Part::Kind kind, std::string_view text) {
    if (text.empty()) return;
    if (!parts_.empty() && parts_.back().kind == kind) {
      parts_.back().text += text;
    } else {
      parts_.push_back({kind, std::string(text), {}});
    }
  }

  std::vector<Span> spans_;
  ReadCalls read_;
  Json tools_;
  const Span* inside_ = nullptr;
  bool at_start_ = true;      // nothing but white space so far
  bool trims_ = false;        // white space is dropped, a tag stood before it
  std::string held_;          // not decided yet
  std::size_t searched_ = 0;  // no closing tag of a block begins before
  std::string waiting_;       // white space of content that nothing followed yet
  std::vector<Part> parts_;
};

}  // namespace

std::unique_ptr<Stream> make_span_stream(std::vector<Span> spans, ReadCalls read, Json tools,
                                         const Span* inside) {
  return std::make_unique<SpanStream>(std::move(spans), read, std::move(tools), inside);
}

void Whole::add(const Part& part) {
  switch (part.kind) {
    case Part::Kind::content:
      content += part.text;
      break;
    case Part::Kind::reasoning:
      reasoning += part.text;
      break;
    case Part::Kind::tool_call:
      calls.push_back(part.call);
      break;
  }
}

}  // namespace pome::text::chat
