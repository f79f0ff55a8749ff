#include "kernels/elementwise/elementwise.h"

#include "kernels/elementwise/row.h"

namespace pome::kernels {
namespace elementwise {
namespace {

const Row table[] = {POME_FOR_LANE_LEVELS(POME_LANE_ROW)};

const Functions& active() {
  static const Functions& functions = *choose_row(rows(), active_isa()).functions;
  return functions;
}

}  // namespace

std::span<const Row> rows() { return table; }

}  // namespace elementwise

void rms_norm(const Runs& runs, const float* x, const Parameters& weight, float eps, float* out) {
  elementwise::active().rms_norm(runs, x, weight, eps, out);
}

void layer_norm(const Runs& runs, const float* x, const Parameters& weight, const Parameters& bias, float eps,
                float* out) {
  elementwise::active().layer_norm(runs, x, weight, bias, eps, out);
}

void rope(const RotaryRow& row, float* x) { elementwise::active().rope(row, x); }

void activate(UnaryKind kind, const float* x, float* out, std::int64_t count) {
  elementwise::active().activate(kind, x, out, count);
}

void activate_gated(UnaryKind kind, const float* gate, const float* up, float* out, std::int64_t count) {
  elementwise::active().activate_gated(kind, gate, up, out, count);
}

void clamped_swiglu(float limit, float alpha, const float* gate, const float* up, float* out,
                    std::int64_t count) {
  elementwise::active().clamped_swiglu(limit, alpha, gate, up, out, count);
}

void xielu(const XieluFactors& factors, const float* x, float* out, std::int64_t count) {
  elementwise::active().xielu(factors, x, out, count);
}

void clamp(float low, float high, const float* x, float* out, std::int64_t count) {
  elementwise::active().clamp(low, high, x, out, count);
}

void add(const float* a, const float* b, float* out, std::int64_t count) {
  elementwise::active().add(a, b, out, count);
}

void multiply(const float* a, const float* b, float* out, std::int64_t count) {
  elementwise::active().multiply(a, b, out, count);
}

void scale(const float* x, float factor, float* out, std::int64_t count) {
  elementwise::active().scale(x, factor, out, count);
}

void to_f16_saturating(const float* x, std::uint16_t* out, std::int64_t count) {
  elementwise::active().to_f16_saturating(x, out, count);
}

}  // namespace pome::kernels
