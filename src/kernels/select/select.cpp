#include "kernels/select/select.h"

#include "kernels/select/row.h"

namespace pome::kernels {
namespace select {
namespace {

const Row table[] = {POME_FOR_LANE_LEVELS(POME_LANE_ROW)};

const Functions& active() {
  static const Functions& functions = *choose_row(rows(), active_isa()).functions;
  return functions;
}

}  // namespace

std::span<const Row> rows() { return table; }

}  // namespace select

float largest(const float* x, std::int64_t count) { return select::active().largest(x, count); }

std::int64_t index_of_largest(const float* x, std::int64_t count) {
  return select::active().index_of_largest(x, count);
}

std::int64_t indices_at_least(const float* x, std::int64_t count, float threshold, std::int32_t* out,
                              std::int64_t capacity) {
  return select::active().indices_at_least(x, count, threshold, out, capacity);
}

double sum_exp(const float* x, std::int64_t count, float shift, float factor) {
  return select::active().sum_exp(x, count, shift, factor);
}

}  // namespace pome::kernels
