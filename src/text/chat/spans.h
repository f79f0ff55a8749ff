// The stream of conventions that are spans between tags.
#pragma once

#include "text/chat/convention.h"

namespace pome::text::chat {

// reads: what reads blocks of calls, may be null where no span is of that kind. inside: the reasoning span
// that the prompt has opened, or null.
std::unique_ptr<Stream> make_span_stream(std::vector<Span> spans, ReadCalls read, Json tools,
                                         const Span* inside);

}  // namespace pome::text::chat
