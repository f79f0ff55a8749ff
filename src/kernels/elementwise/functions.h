// What every level of elementwise has. No standard library, since the instruction-set files include it.
#pragma once

#include "kernels/elementwise/elementwise.h"
#include "kernels/lane_levels.h"

namespace pome::kernels::elementwise {

// As in elementwise.h.
struct Functions {
  void (*rms_norm)(const Runs& runs, const float* x, const Parameters& weight, float eps, float* out);
  void (*layer_norm)(const Runs& runs, const float* x, const Parameters& weight, const Parameters& bias,
                     float eps, float* out);
  void (*rope)(const RotaryRow& row, float* x);
  void (*activate)(UnaryKind kind, const float* x, float* out, std::int64_t count);
  void (*activate_gated)(UnaryKind kind, const float* gate, const float* up, float* out, std::int64_t count);
  void (*clamped_swiglu)(float limit, float alpha, const float* gate, const float* up, float* out,
                         std::int64_t count);
  void (*xielu)(const XieluFactors& factors, const float* x, float* out, std::int64_t count);
  void (*clamp)(float low, float high, const float* x, float* out, std::int64_t count);
  void (*add)(const float* a, const float* b, float* out, std::int64_t count);
  void (*multiply)(const float* a, const float* b, float* out, std::int64_t count);
  void (*scale)(const float* x, float factor, float* out, std::int64_t count);
  void (*to_f16_saturating)(const float* x, std::uint16_t* out, std::int64_t count);
};

POME_FOR_LANE_LEVELS(POME_LANE_FUNCTIONS)

}  // namespace pome::kernels::elementwise
