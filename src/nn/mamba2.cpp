#include "nn/mamba2.h"

namespace pome::nn {

using graph::Activation;
using graph::Graph;
using graph::Value;

Value mamba2(Graph& g, const Mamba2& mixer, Value x) {
  const int inner = mixer.inner(), groups = mixer.group_width(), convolved = mixer.convolved();
  Value all = g.linear(*mixer.in_proj, x);
  if (mixer.scales) all = g.multiply(all, *mixer.scales);
  const Value z = g.columns(all, 0, inner);
  const Value mixed = g.activate(
      mixer.activation, g.convolution(mixer.convolution, g.columns(all, inner, convolved), mixer.conv_weight,
                                      mixer.conv_bias ? &*mixer.conv_bias : nullptr));
  Value dt = g.columns(all, inner + convolved, mixer.recurrence.heads);
  dt = g.activate(Activation::softplus, g.add(dt, mixer.dt_bias));
  if (mixer.least_time_step > 0 || mixer.most_time_step < std::numeric_limits<float>::infinity()) {
    dt = g.clamp(dt, mixer.least_time_step, mixer.most_time_step);
  }
  Value y = g.recurrence(mixer.recurrence, g.columns(mixed, inner + groups, groups),
                         g.columns(mixed, inner, groups), g.columns(mixed, 0, inner),
                         g.decay(dt, mixer.a_log), dt, &mixer.d);
  const Value gate = g.activate(Activation::silu, z);
  const auto normalized = [&](Value v) {
    if (!mixer.norm) return v;
    return g.rms_norm(v, {.eps = mixer.norm_eps, .weight = &*mixer.norm, .run = inner / mixer.norm_groups});
  };
  y = mixer.norm_before_gate ? g.multiply(normalized(y), gate) : normalized(g.multiply(y, gate));
  return g.linear(*mixer.out_proj, y);
}

}  // namespace pome::nn
