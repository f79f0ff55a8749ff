// Reasoning between a pair of tags, which families have named in many ways.
#include "text/chat/conventions.h"

namespace pome::text::chat {
namespace {

// In the template, or both of them in the vocabulary.
bool has(std::string_view source, const Tokenizer& tokenizer, std::string_view open, std::string_view close) {
  return source.find(open) != source.npos || source.find(close) != source.npos ||
         (tokenizer.id_of(open) && tokenizer.id_of(close));
}

template <const Span& span>
bool is_spoken(std::string_view source, const Tokenizer& tokenizer) {
  return has(source, tokenizer, span.open, span.close);
}

constexpr Span think_span{Span::Kind::reasoning, "<think>", "</think>"};
constexpr Span seed_span{Span::Kind::reasoning, "<seed:think>", "</seed:think>"};
constexpr Span longcat_span{Span::Kind::reasoning, "<longcat_think>", "</longcat_think>"};
constexpr Span think_start_span{Span::Kind::reasoning, "<|think:start|>", "<|think:end|>"};
constexpr Span mistral_span{Span::Kind::reasoning, "[THINK]", "[/THINK]"};
constexpr Span gemma_span{Span::Kind::reasoning, "<|channel>thought", "<channel|>"};
constexpr Span granite_spans[]{
    {.open = "Here is my thought process:", .close = "Here is my response:", .first_only = true}};
// Granite 3.3 puts its response between tags too.
constexpr Span granite_33_spans[]{{Span::Kind::reasoning, "<think>", "</think>"},
                                  {Span::Kind::content, "<response>", "</response>"}};

constexpr Convention thinks(std::string_view name, const Span& span,
                            bool (*spoken)(std::string_view, const Tokenizer&)) {
  return {.name = name, .is_spoken = spoken, .spans = {&span, 1}};
}

}  // namespace

extern constexpr Convention think = thinks("think", think_span, is_spoken<think_span>);
extern constexpr Convention seed_think = thinks("seed_think", seed_span, is_spoken<seed_span>);
extern constexpr Convention longcat_think = thinks("longcat_think", longcat_span, is_spoken<longcat_span>);
extern constexpr Convention think_start =
    thinks("think_start", think_start_span, is_spoken<think_start_span>);
extern constexpr Convention mistral_think = thinks("mistral_think", mistral_span, is_spoken<mistral_span>);
// "<|channel>" is the token, "thought" is text behind it.
extern constexpr Convention gemma4_think =
    thinks("gemma4_think", gemma_span, [](std::string_view source, const Tokenizer& tokenizer) {
      return has(source, tokenizer, "<|channel>", "<channel|>");
    });
extern constexpr Convention granite_think{
    .name = "granite_think",
    .is_spoken = [](std::string_view source,
                    const Tokenizer&) { return source.find("Here is my thought process:") != source.npos; },
    .spans = granite_spans};
extern constexpr Convention granite_33_think{.name = "granite_33_think",
                                             .is_spoken =
                                                 [](std::string_view source, const Tokenizer&) {
                                                   return source.find("<think>") != source.npos &&
                                                          source.find("<response>") != source.npos;
                                                 },
                                             .spans = granite_33_spans};

}  // namespace pome::text::chat
