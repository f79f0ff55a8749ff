#include "graph/step.h"

#include "base/error.h"
#include "graph/cache.h"

namespace pome::graph {

void check_step(const Step& step) {
  int next = 0;
  for (const Segment& segment : step.segments) {
    const int past = segment.cache == nullptr ? 0 : segment.cache->length();
    if (segment.begin != next || segment.length <= 0 || segment.planned_length < past + segment.length) {
      fail(ErrorKind::internal, "step: segment of {} rows at {}, after {} cached of {} planned positions",
           segment.length, segment.begin, past, segment.planned_length);
    }
    next += segment.length;
  }
  if (next == 0 || next != static_cast<int>(step.tokens.size())) {
    fail(ErrorKind::internal, "step: segments cover {} of {} tokens", next, step.tokens.size());
  }
  int least = 0;
  for (const std::int32_t row : step.out_rows) {
    if (row < least || row >= next) fail(ErrorKind::internal, "step: output row {} of {}", row, next);
    least = row + 1;
  }
}

}  // namespace pome::graph
