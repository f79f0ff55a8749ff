// Command A and R7B: reasoning, response and calls each between tags of their own.
#include "text/chat/conventions.h"

namespace pome::text::chat {
namespace {

constexpr Span spans[]{{Span::Kind::reasoning, "<|START_THINKING|>", "<|END_THINKING|>"},
                       {Span::Kind::calls, "<|START_ACTION|>", "<|END_ACTION|>"},
                       {Span::Kind::content, "<|START_RESPONSE|>", "<|END_RESPONSE|>"},
                       {Span::Kind::content, "<|START_TEXT|>", "<|END_TEXT|>"}};

}  // namespace

extern constexpr Convention cohere{.name = "cohere",
                                   .is_spoken =
                                       [](std::string_view source, const Tokenizer&) {
                                         return source.find("<|START_ACTION|>") != source.npos ||
                                                source.find("<|START_THINKING|>") != source.npos;
                                       },
                                   .spans = spans,
                                   .read = read_json_calls};

}  // namespace pome::text::chat
