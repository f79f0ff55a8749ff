// What carries a state from row to row: split by channels and heads, which know nothing of each other; the
// rows of a segment go by in their order.
#include <algorithm>

#include "graph/cpu/run.h"
#include "kernels/recurrence/recurrence.h"

namespace pome::graph::cpu {

void Executor::run_convolution(const Phase& phase) {
  constexpr int channels_at_once = 256;
  const int channels = phase.out.width;
  const int parts = (channels + channels_at_once - 1) / channels_at_once;
  const kernels::ConvolutionSpec spec = {
      .channels = channels, .kernel = phase.convolution.kernel, .weight = phase.weight, .bias = phase.bias};
  const int layer = phase.convolution.layer;
  pool_.run(std::ssize(step_->segments) * parts, 1, [&](std::int64_t index, std::int64_t, int) {
    const auto s = static_cast<std::size_t>(index / parts);
    const int begin = static_cast<int>(index % parts) * channels_at_once;
    const Segment& segment = step_->segments[s];
    const kernels::ConvolutionRows rows = {.x = at(phase.input, segment.begin),
                                           .x_stride = phase.input.stride,
                                           .out = at(phase.out, segment.begin),
                                           .out_stride = phase.out.stride,
                                           .rows = segment.length};
    convolve(spec, rows, caches_[s]->state(layer), caches_[s]->next_state(layer), begin,
             std::min(begin + channels_at_once, channels));
  });
}

void Executor::run_recurrence(const Phase& phase) {
  const Recurrence& r = phase.recurrence;
  const kernels::RecurrenceSpec spec = {.heads = r.heads,
                                        .key_heads = r.key_heads,
                                        .key_dim = r.key_dim,
                                        .value_dim = r.value_dim,
                                        .delta = r.delta,
                                        .skip = phase.weight};
  const int units = recurrence_units(spec);
  const std::int64_t all = std::ssize(step_->segments) * units;
  const View &q = phase.input, &k = phase.others[0], &v = phase.others[1], &decay = phase.others[2],
             &beta = phase.others[3];
  const std::int64_t chunk = std::clamp<std::int64_t>(all / (4 * pool_.size()), 1, 8);
  pool_.run(all, static_cast<int>(chunk), [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t index = begin; index < end; ++index) {
      const auto s = static_cast<std::size_t>(index / units);
      const int first = step_->segments[s].begin;
      const kernels::RecurrenceRows rows = {.q = at(q, first),
                                            .k = at(k, first),
                                            .v = at(v, first),
                                            .decay = at(decay, first),
                                            .beta = at(beta, first),
                                            .out = at(phase.out, first),
                                            .q_stride = q.stride,
                                            .k_stride = k.stride,
                                            .v_stride = v.stride,
                                            .decay_stride = decay.stride,
                                            .beta_stride = beta.stride,
                                            .out_stride = phase.out.stride,
                                            .rows = step_->segments[s].length};
      recur(spec, rows, caches_[s]->state(r.layer), caches_[s]->next_state(r.layer),
            static_cast<int>(index % units));
    }
  });
}

}  // namespace pome::graph::cpu
