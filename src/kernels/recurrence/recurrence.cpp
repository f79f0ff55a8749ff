#include "kernels/recurrence/recurrence.h"

#include "kernels/recurrence/row.h"

namespace pome::kernels {
namespace recurrence {
namespace {

const Row table[] = {POME_FOR_LANE_LEVELS(POME_LANE_ROW)};

const Functions& active() {
  static const Functions& functions = *choose_row(rows(), active_isa()).functions;
  return functions;
}

}  // namespace

std::span<const Row> rows() { return table; }

}  // namespace recurrence

void convolve(const ConvolutionSpec& spec, const ConvolutionRows& rows, const float* state, float* next,
              int begin, int end) {
  recurrence::active().convolve(spec, rows, state, next, begin, end);
}

int recurrence_units(const RecurrenceSpec& spec) {
  return spec.heads * ((spec.value_dim + recurrence::unit_values - 1) / recurrence::unit_values);
}

void recur(const RecurrenceSpec& spec, const RecurrenceRows& rows, const float* state, float* next,
           int unit) {
  recurrence::active().recur(spec, rows, state, next, unit);
}

void decay(const float* dt, const Parameters& a_log, float* out, int count) {
  recurrence::active().decay(dt, a_log, out, count);
}

}  // namespace pome::kernels
