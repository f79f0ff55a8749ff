#include "text/chat/convention.h"

#include <algorithm>

#include "text/chat/conventions.h"
#include "text/chat/spans.h"

namespace pome::text::chat {
namespace {

constexpr const Convention* reasoning_table[]{
    &harmony,       &cohere,       &muse_spark,    &seed_think,       &longcat_think, &think_start,
    &mistral_think, &gemma4_think, &granite_think, &granite_33_think, &kimi_k3,       &think,
};
constexpr const Convention* call_table[]{
    &harmony,     &minimax_m2, &gemma4,   &function_gemma, &longcat,    &glm47,    &cohere,       &seed_tools,
    &qwen3_coder, &kimi_k2,    &minicpm5, &mistral,        &muse_spark, &deepseek, &deepseek_v32, &phi4,
    &granite,     &nemotron,   &llama4,   &llama3,         &json_tools, &kimi_k3,  &pythonic,
};

// Tokens that end a turn wherever a template writes them.
constexpr std::string_view usual_ends[]{
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<end_of_turn>",
    "<turn|>",
    "<|END_OF_TURN_TOKEN|>",
    "<|end_of_turn|>",
    "<|eot|>",
    "<|endofturn|>",
    "[|endofturn|]",
    "<｜end▁of▁sentence｜>",
    "<|end|>",
    "<|return|>",
};

std::vector<Span> merged_spans(const Convention* reasoning, const Convention* calls) {
  std::vector<Span> spans;
  const auto add = [&](const Convention* convention, bool with_calls) {
    if (convention == nullptr) return;
    for (const Span& span : convention->spans) {
      const bool known =
          std::any_of(spans.begin(), spans.end(), [&](const Span& other) { return other.open == span.open; });
      if (!known && (with_calls || span.kind != Span::Kind::calls)) spans.push_back(span);
    }
  };
  add(reasoning, reasoning == calls);
  add(calls, true);
  return spans;
}

const Convention* first_spoken(std::span<const Convention* const> table, std::string_view source,
                               const Tokenizer& tokenizer) {
  const auto found = std::find_if(table.begin(), table.end(),
                                  [&](const Convention* c) { return c->is_spoken(source, tokenizer); });
  return found == table.end() ? nullptr : *found;
}

}  // namespace

std::span<const Convention* const> reasoning_conventions() { return reasoning_table; }
std::span<const Convention* const> call_conventions() { return call_table; }

const Convention* find_convention(std::string_view name) {
  for (const auto table : {reasoning_conventions(), call_conventions()}) {
    for (const Convention* convention : table) {
      if (convention->name == name) return convention;
    }
  }
  return nullptr;
}

Manners Manners::of(std::string_view source, const Tokenizer& tokenizer) {
  return of(first_spoken(reasoning_table, source, tokenizer), first_spoken(call_table, source, tokenizer));
}

Manners Manners::of(const Convention* reasoning, const Convention* calls) {
  Manners manners;
  manners.reasoning_ = reasoning;
  manners.calls_ = calls;
  return manners;
}

std::vector<std::int32_t> Manners::shown_tokens(const Tokenizer& tokenizer, bool calls) const {
  std::vector<std::string_view> marks;
  for (const Span& span : merged_spans(reasoning_, calls ? calls_ : nullptr)) {
    marks.push_back(span.open);
    marks.push_back(span.close);
  }
  for (const Convention* convention : {reasoning_, calls ? calls_ : nullptr}) {
    if (convention != nullptr) marks.insert(marks.end(), convention->marks.begin(), convention->marks.end());
  }
  std::vector<std::int32_t> shown;
  for (const AddedToken& token : tokenizer.added_tokens()) {
    const bool part = std::any_of(marks.begin(), marks.end(), [&](std::string_view mark) {
      return mark.find(token.content) != mark.npos;
    });
    if (token.special && part) shown.push_back(token.id);
  }
  return shown;
}

std::vector<std::int32_t> Manners::end_tokens(std::string_view source, const Tokenizer& tokenizer) const {
  std::vector<std::int32_t> ids;
  const auto add = [&](std::string_view token) {
    for (const AddedToken& added : tokenizer.added_tokens()) {
      if (added.content == token) ids.push_back(added.id);
    }
  };
  bool has_own = false;
  for (const Convention* convention : {reasoning_, calls_}) {
    if (convention == nullptr) continue;
    has_own = has_own || convention->make != nullptr;
    for (const std::string_view token : convention->ends) add(token);
  }
  if (has_own) return ids;
  for (const std::string_view token : usual_ends) {
    if (source.find(token) != source.npos) add(token);
  }
  return ids;
}

std::unique_ptr<Stream> Manners::stream(std::string_view prompt, const Json& tools) const {
  const Convention* calls = tools.is_null() ? nullptr : calls_;
  for (const Convention* convention : {reasoning_, calls}) {
    if (convention != nullptr && convention->make != nullptr) return convention->make(tools);
  }
  const std::vector<Span> spans = merged_spans(reasoning_, calls);
  const Span* inside = nullptr;
  prompt = prompt.substr(0, prompt.find_last_not_of(" \t\r\n") + 1);
  for (const Span& span : spans) {
    if (span.kind == Span::Kind::reasoning && prompt.ends_with(span.open)) inside = &span;
  }
  return make_span_stream(spans, calls != nullptr ? calls->read : nullptr, tools, inside);
}

}  // namespace pome::text::chat
