#include "engine/logits.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "kernels/select/select.h"

namespace pome::engine {

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

// Independent lanes: without them a sum or maximum of floats is one long chain that no compiler may reorder.
constexpr std::size_t lanes = 16;

// Rows are summed in float within a block and in double across blocks.
constexpr std::size_t block_size = 1024;

[[gnu::always_inline]] inline float exp_lane(float x) {
  // exp(x) = 2^n · exp(r) with |r| ≤ ln 2 / 2; adding and taking away 1.5·2^23 rounds to an integer.
  const float clamped = x > -87.0f ? x : -87.0f;
  const float n = (clamped * 1.44269504f + 12582912.0f) - 12582912.0f;
  const float r = (clamped - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const auto power = std::bit_cast<float>((static_cast<std::int32_t>(n) + 127) << 23);
  return x > -87.0f ? p * power : 0.0f;
}

// Adds exp((x - shift)·scale) of `count` elements, a multiple of lanes, to the lanes of sum.
[[gnu::always_inline]] inline void add_exp(const float* x, std::size_t count, float shift, float scale,
                                           float* sum) {
  for (std::size_t i = 0; i < count; i += lanes) {
    for (std::size_t j = 0; j < lanes; ++j) sum[j] += exp_lane((x[i + j] - shift) * scale);
  }
}

void add_exp_baseline(const float* x, std::size_t count, float shift, float scale, float* sum) {
  add_exp(x, count, shift, scale, sum);
}

// The same operations on wider registers, and without fused ones: the same bits on every machine of a kind.
#if defined(__x86_64__)
[[gnu::target("avx2")]] void add_exp_avx2(const float* x, std::size_t count, float shift, float scale,
                                          float* sum) {
  add_exp(x, count, shift, scale, sum);
}
const auto add_exp_best = __builtin_cpu_supports("avx2") ? add_exp_avx2 : add_exp_baseline;
#else
constexpr auto add_exp_best = add_exp_baseline;
#endif

double exp_sum_block(std::span<const float> logits, float shift, float scale) {
  std::array<float, lanes> sum{};
  const std::size_t whole = logits.size() / lanes * lanes;
  add_exp_best(logits.data(), whole, shift, scale, sum.data());
  double total = 0;
  for (const float part : sum) total += static_cast<double>(part);
  for (std::size_t i = whole; i < logits.size(); ++i) {
    total += static_cast<double>(exp_lane((logits[i] - shift) * scale));
  }
  return total;
}

float largest(std::span<const float> logits) {
  std::array<float, lanes> best;
  best.fill(-infinity);
  std::size_t i = 0;
  for (; i + lanes <= logits.size(); i += lanes) {
    for (std::size_t j = 0; j < lanes; ++j) best[j] = logits[i + j] > best[j] ? logits[i + j] : best[j];
  }
  float result = *std::max_element(best.begin(), best.end());
  for (; i < logits.size(); ++i) result = std::max(result, logits[i]);
  return result;
}

// Calls visit(id, logit) for the logits > cut; whole blocks without one are passed over at vector speed.
// visit returns the cut that holds from there on.
template <class Visit>
void scan_above(std::span<const float> logits, float cut, Visit visit) {
  constexpr std::size_t stride = 4 * lanes;
  for (std::size_t begin = 0; begin < logits.size(); begin += stride) {
    const auto part = logits.subspan(begin, std::min(stride, logits.size() - begin));
    if (!(largest(part) > cut)) continue;
    for (std::size_t j = 0; j < part.size(); ++j) {
      if (part[j] > cut) cut = visit(static_cast<std::int32_t>(begin + j), part[j]);
    }
  }
}

}  // namespace

float fast_exp(float x) { return exp_lane(x); }

void fast_exp(std::span<float> values) {
  for (float& x : values) x = exp_lane(x);
}

Scored find_peak(std::span<const float> logits) {
  if (logits.empty()) fail(ErrorKind::internal, "logits: the row is empty");
  const std::int64_t at = kernels::index_of_largest(logits.data(), std::ssize(logits));
  if (at < 0) {
    const auto bad = std::find_if(logits.begin(), logits.end(), [](float x) { return !(x < infinity); });
    fail(ErrorKind::internal, "logits: token {} of {} has the value {}", bad - logits.begin(), logits.size(),
         std::isnan(*bad) ? "NaN" : "+inf");
  }
  const float best = logits[static_cast<std::size_t>(at)];
  if (best == -infinity) fail(ErrorKind::usage, "no token of {} is allowed here", logits.size());
  return {static_cast<std::int32_t>(at), best};
}

double exp_sum(std::span<const float> logits, float shift, float scale) {
  return kernels::sum_exp(logits.data(), std::ssize(logits), shift, scale);
}

std::vector<Scored> top_k(std::span<const float> logits, int k) {
  // Keeps what may still be among the best; whenever twice too many have gathered, the worst go and the k-th
  // becomes the bar. Equal logits that come later have higher ids, so a strict bar loses none that counts.
  const auto wanted = static_cast<std::size_t>(std::max(k, 0));
  if (wanted == 0) return {};
  std::vector<Scored> kept;
  const std::size_t limit = 2 * std::min(wanted, logits.size()) + 64;
  kept.reserve(limit);
  float bar = -infinity;
  const auto trim = [&] {
    std::nth_element(kept.begin(), kept.begin() + static_cast<std::ptrdiff_t>(wanted - 1), kept.end(),
                     better);
    kept.resize(wanted);
    bar = kept.back().logit;
  };
  scan_above(logits, bar, [&](std::int32_t id, float logit) {
    kept.push_back({id, logit});
    if (kept.size() >= limit && kept.size() > wanted) trim();
    return bar;
  });
  if (kept.size() > wanted) trim();
  std::sort(kept.begin(), kept.end(), [](const Scored& a, const Scored& b) { return a.id < b.id; });
  return kept;
}

std::vector<Scored> at_least(std::span<const float> logits, float cut) {
  std::vector<Scored> kept;
  const float below = std::nextafter(cut, -infinity);  // -inf stays -inf: only finite logits are above it
  kept.reserve(static_cast<std::size_t>(
      kernels::indices_at_least(logits.data(), std::ssize(logits), cut, nullptr, 0)));
  scan_above(logits, below, [&](std::int32_t id, float logit) {
    kept.push_back({id, logit});
    return below;
  });
  return kept;
}

std::int32_t draw_dense(std::span<const float> logits, float shift, float scale, double u) {
  std::vector<double> sums;
  double total = 0;
  for (std::size_t begin = 0; begin < logits.size(); begin += block_size) {
    sums.push_back(
        exp_sum_block(logits.subspan(begin, std::min(block_size, logits.size() - begin)), shift, scale));
    total += sums.back();
  }
  double rest = u * total;
  std::size_t block = 0;
  while (block + 1 < sums.size() && rest >= sums[block]) rest -= sums[block++];
  std::int32_t last = 0;  // rounding may leave a rest at the end: then the last possible token
  for (std::size_t i = block * block_size; i < logits.size(); ++i) {
    const auto weight = static_cast<double>(exp_lane((logits[i] - shift) * scale));
    if (weight == 0) continue;
    last = static_cast<std::int32_t>(i);
    if (rest < weight) return last;
    rest -= weight;
  }
  if (exp_lane((logits[static_cast<std::size_t>(last)] - shift) * scale) > 0) return last;
  return find_peak(logits).id;
}

Moments moments(std::span<const float> logits) {
  double sum = 0;
  double squares = 0;
  std::size_t count = 0;
  // Around the first finite value, so that the squares do not cancel.
  const auto first = std::find_if(logits.begin(), logits.end(), [](float x) { return std::isfinite(x); });
  if (first == logits.end()) return {};
  const double origin = static_cast<double>(*first);
  for (const float x : logits) {
    const bool finite = x > -infinity;
    const double d = finite ? static_cast<double>(x) - origin : 0.0;
    sum += d;
    squares += d * d;
    count += finite ? 1 : 0;
  }
  const auto n = static_cast<double>(count);
  const double mean = sum / n;
  return {origin + mean, std::sqrt(std::max(0.0, squares / n - mean * mean))};
}

float logprob(std::span<const float> logits, std::int32_t token) {
  const float peak = find_peak(logits).logit;
  const double log_total = std::log(exp_sum(logits, peak, 1));
  return static_cast<float>(static_cast<double>(logits[static_cast<std::size_t>(token)] - peak) - log_total);
}

std::vector<Scored> top_logprobs(std::span<const float> logits, int n) {
  const float peak = find_peak(logits).logit;
  const double log_total = std::log(exp_sum(logits, peak, 1));
  std::vector<Scored> best = top_k(logits, n);
  std::sort(best.begin(), best.end(), better);
  for (Scored& entry : best) {
    entry.logit = static_cast<float>(static_cast<double>(entry.logit - peak) - log_total);
  }
  return best;
}

}  // namespace pome::engine
