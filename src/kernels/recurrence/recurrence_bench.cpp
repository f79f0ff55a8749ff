// Next tokens in GB/s of state read, and prompts in GMAC/s. One head of 128 × 128, as in Qwen3-Next.
#include "kernels/recurrence/recurrence.h"

#include <benchmark/benchmark.h>

#include <string>

#include "kernels/recurrence/row.h"
#include "kernels/test_data.h"

namespace pome::kernels {
namespace {

constexpr int dim = 128;

void recur_all(benchmark::State& counter, const recurrence::Functions& functions, int heads, int rows,
               bool delta) {
  const RecurrenceSpec spec = {heads, heads, dim, dim, delta, {}};
  const int width = heads * dim;
  const std::vector<float> x = gaussian(rows, width), gates(static_cast<std::size_t>(rows * heads), 0.5f);
  std::vector<float> out(x.size()), state(static_cast<std::size_t>(width * dim)), next(state.size());
  const RecurrenceRows work = {x.data(), x.data(), x.data(), gates.data(), gates.data(), out.data(), width,
                               width,    width,    heads,    heads,        width,        rows};
  for (auto _ : counter) {
    for (int unit = 0; unit < recurrence_units(spec); ++unit) {
      functions.recur(spec, work, state.data(), next.data(), unit);
    }
  }
  using benchmark::Counter;
  const double states = static_cast<double>(state.size());
  if (rows == 1) {
    counter.counters["GB/s"] = Counter(4e-9 * states, Counter::kIsIterationInvariantRate);
  } else {
    counter.counters["GMAC/s"] =
        Counter(1e-9 * (delta ? 3 : 2) * states * rows, Counter::kIsIterationInvariantRate);
  }
}

const int registered = [] {
  for (const recurrence::Row& row : recurrence::rows()) {
    if (row.isa == Isa::scalar || !executes(row.isa)) continue;
    for (const bool delta : {false, true}) {
      const std::string name = std::string(isa_name(row.isa)) + (delta ? "/delta" : "/plain");
      benchmark::RegisterBenchmark(("recurrence/next/" + name).c_str(), recur_all, *row.functions, 512, 1,
                                   delta);
      benchmark::RegisterBenchmark(("recurrence/prompt/" + name).c_str(), recur_all, *row.functions, 1, 512,
                                   delta);
    }
  }
  return 0;
}();

}  // namespace
}  // namespace pome::kernels
