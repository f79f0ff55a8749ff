#include "kernels/select/select.h"

#include "kernels/select/levels.h"

namespace pome::kernels {
namespace select {
namespace {

const Row table[] = {
    {Isa::scalar, &scalar::functions},
#if defined(__x86_64__)
    {Isa::avx2, &avx2::functions},
    {Isa::avx512vnni, &avx512vnni::functions},
#elif defined(__aarch64__)
    {Isa::neondot, &neondot::functions},
#endif
};

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
