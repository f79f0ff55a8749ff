#include "services/bench.h"

#include <cmath>

#include "base/error.h"
#include "base/threads.h"

namespace pome::services {
namespace {

struct MeanDeviation {
  double mean = 0, deviation = 0;
};

MeanDeviation statistics(const std::vector<double>& values) {
  MeanDeviation result;
  if (values.empty()) return result;
  for (const double value : values) result.mean += value / static_cast<double>(values.size());
  if (values.size() < 2) return result;
  double squares = 0;
  for (const double value : values) squares += (value - result.mean) * (value - result.mean);
  result.deviation = std::sqrt(squares / static_cast<double>(values.size() - 1));
  return result;
}

// Tokens that no two sequences have in common for long, the same in every run (a 64-bit linear congruential
// generator, Knuth's constants).
std::vector<std::int32_t> made_up_tokens(int count, int vocab_size, std::uint64_t seed) {
  std::vector<std::int32_t> tokens;
  for (int i = 0; i < count; ++i) {
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    tokens.push_back(static_cast<std::int32_t>((seed >> 33) % static_cast<std::uint64_t>(vocab_size)));
  }
  return tokens;
}

constexpr int most_warm_up = 256;  // tokens of a run that does not count

MemoryUse use(const BenchRow& row, const BenchOptions& options) {
  return {.positions = std::int64_t{row.depth} + std::max(row.prompt_tokens, row.generation_tokens + 1),
          .sequences = row.batch,
          .keeps_prefixes = false,
          .text = false,
          .cache = options.cache};
}

class Bench {
 public:
  Bench(Library& library, const OpenModel& model, const BenchOptions& options)
      : library_(library),
        model_(model),
        options_(options),
        compares_(options.bandwidth && forget_peak_memory()) {}

  BenchRow measure(BenchRow row, double phase_us, const std::function<void()>& tick) {
    fill_depth(row);
    std::vector<double> prompt, generation, bandwidth;
    Generated sum;
    for (int repetition = -1; repetition < options_.repetitions; ++repetition) {
      if (row.prompt_tokens > 0) {
        const int tokens = repetition < 0 ? std::min(row.prompt_tokens, most_warm_up) : row.prompt_tokens;
        const double ms = run(row, tokens, 1).prompt_ms;
        if (repetition >= 0) prompt.push_back(row.batch * row.prompt_tokens * 1000.0 / ms);
      }
      if (row.generation_tokens > 0) {
        // The first token comes with the prompt.
        const int tokens =
            repetition < 0 ? std::min(row.generation_tokens, most_warm_up / 16) : row.generation_tokens;
        if (repetition == 0) bandwidth.push_back(read_bandwidth());
        const graph::Work before = work();
        const Times times = run(row, 1, tokens + 1);
        const double ms = times.generation_ms;
        if (repetition >= 0) {
          bandwidth.push_back(read_bandwidth());
          generation.push_back(row.batch * row.generation_tokens * 1000.0 / ms);
          const graph::Work after = work();
          // A small model may be done before anybody looks.
          const bool looked_in_time = times.at_first_token.steps < after.steps;
          sum.add(ms / row.generation_tokens, looked_in_time ? times.at_first_token : before, after);
        }
      }
      tick();
    }
    const MeanDeviation p = statistics(prompt), g = statistics(generation);
    row.prompt_tps = p.mean;
    row.prompt_stddev = p.deviation;
    row.generation_tps = g.mean;
    row.generation_stddev = g.deviation;
    describe(sum, phase_us, row);
    if (const double around = statistics(bandwidth).mean; around > 0) {
      row.bandwidth_share = row.read_gbps / around;
    }
    row.peak_memory_bytes = std::max(peak_, peak_memory_bytes());
    row.anonymous_memory_bytes = anonymous_memory_bytes();
    return row;
  }

  // The mean of what was measured so far. Measures now where nothing was.
  double bandwidth() const {
    return all_bandwidths_.empty() ? measure_read_bandwidth(threads()) : statistics(all_bandwidths_).mean;
  }

 private:
  struct Times {
    double prompt_ms = 0, generation_ms = 0;
    graph::Work at_first_token;
  };

  // Sums over repetitions.
  struct Generated {
    double step_ms = 0, phase_ms = 0, phases = 0, weight_bytes = 0;
    int count = 0;

    void add(double ms, const graph::Work& before, const graph::Work& after) {
      const double steps = static_cast<double>(std::max<std::uint64_t>(after.steps - before.steps, 1));
      step_ms += ms;
      phase_ms += (after.phase_seconds - before.phase_seconds) * 1000 / steps;
      phases += static_cast<double>(after.phases - before.phases) / steps;
      weight_bytes += static_cast<double>(after.weight_bytes - before.weight_bytes) / steps;
      ++count;
    }
  };

  // Memory may be read at half the speed a second later, where a machine is shared. 0 where the peak of
  // memory would count this buffer.
  double read_bandwidth() {
    if (!compares_) return 0;
    peak_ = std::max(peak_, peak_memory_bytes());
    all_bandwidths_.push_back(measure_read_bandwidth(threads()));
    forget_peak_memory();
    return all_bandwidths_.back();
  }

  graph::Work work() const {
    graph::Work work;
    library_.engine().run_job([&] {
      work = model_.instance->runner->work();
      return false;
    });
    return work;
  }

  void describe(const Generated& sum, double phase_us, BenchRow& row) const {
    const MemoryNeed need = library_.memory_need(model_, use(row, options_));
    row.cache_bytes = need.cache_bytes();
    row.predicted_memory_bytes = need.total_bytes();
    const auto cache_at = [&](double positions) {
      return static_cast<double>(graph::cache_bytes(model_.instance->loaded->model->cache_plan(),
                                                    options_.cache, static_cast<std::int64_t>(positions),
                                                    library_.backend().cache_element_bytes())) *
             row.batch;
    };
    if (sum.count == 0) return;
    row.step_ms = sum.step_ms / sum.count;
    row.phases = sum.phases / sum.count;
    if (sum.phase_ms == 0) return;  // a backend that does not count
    row.overhead_ms = std::max(0.0, row.step_ms - sum.phase_ms / sum.count) + row.phases * phase_us / 1000;
    const double bytes = sum.weight_bytes / sum.count + cache_at(row.depth + row.generation_tokens / 2.0);
    row.read_gbps = bytes / row.step_ms / 1e6;
  }

  engine::Request request(std::vector<std::int32_t> prompt, int max_tokens) const {
    engine::Request job;
    job.instance = model_.instance;
    job.prompt = std::move(prompt);
    job.max_tokens = max_tokens;
    job.ignore_end = true;
    job.share_prefix = false;
    job.cache = options_.cache;
    return job;
  }

  // The cache that every measured sequence starts from.
  void fill_depth(const BenchRow& row) {
    depth_cache_.reset();
    depth_tokens_.clear();
    if (row.depth == 0) return;
    engine::Request job = request(made_up_tokens(row.depth, model_.info().vocab_size, 1), 1);
    job.keep_cache = true;
    const std::unique_ptr<engine::Stream> stream = library_.engine().submit(std::move(job));
    wait(*stream);
    std::shared_ptr<graph::Cache> whole = stream->take_cache(depth_tokens_);
    if (!whole) fail(ErrorKind::internal, "the engine kept no cache");
    library_.engine().run_job([&] {
      const int length = whole->resume_point(std::min(row.depth, whole->length()));
      depth_cache_ = whole->fork(length);
      depth_tokens_.resize(static_cast<std::size_t>(length));
      return false;
    });
  }

  // Of all sequences together: the times of the slowest.
  Times run(const BenchRow& row, int prompt_tokens, int max_tokens) {
    std::vector<std::unique_ptr<engine::Stream>> streams;
    for (int i = 0; i < row.batch; ++i) {
      std::vector<std::int32_t> prompt = depth_tokens_;
      const std::vector<std::int32_t> own =
          made_up_tokens(prompt_tokens, model_.info().vocab_size, 2 + static_cast<std::uint64_t>(i));
      prompt.insert(prompt.end(), own.begin(), own.end());
      engine::Request job = request(std::move(prompt), max_tokens);
      job.initial_cache = depth_cache_;
      job.initial_tokens = depth_tokens_;
      streams.push_back(library_.engine().submit(std::move(job)));
    }
    Times times;
    for (const auto& stream : streams) {
      const engine::Stats stats = wait(*stream, [&] {
        if (times.at_first_token.steps == 0) times.at_first_token = work();
      });
      if (stats.generated_tokens != max_tokens) {
        fail(ErrorKind::internal, "{} tokens were generated, expected {}", stats.generated_tokens,
             max_tokens);
      }
      times.prompt_ms = std::max(times.prompt_ms, stats.queued_ms + stats.prompt_ms);
      times.generation_ms = std::max(times.generation_ms, stats.generation_ms);
    }
    return times;
  }

  static engine::Stats wait(engine::Stream& stream, const std::function<void()>& on_first_token = {}) {
    engine::Stats stats;
    bool first = true;
    while (std::optional<engine::Event> event = stream.next()) {
      if (event->kind == engine::Event::Kind::token && std::exchange(first, false) && on_first_token)
        on_first_token();
      if (event->kind == engine::Event::Kind::failed) throw *event->error;
      if (event->kind == engine::Event::Kind::finished) stats = event->stats;
    }
    return stats;
  }

  Library& library_;
  const OpenModel& model_;
  const BenchOptions& options_;
  const bool compares_;  // what is read while generating with what could be
  std::vector<double> all_bandwidths_;
  std::uint64_t peak_ = 0;  // before measurements of bandwidth
  std::shared_ptr<graph::Cache> depth_cache_;
  std::vector<std::int32_t> depth_tokens_;
};

void check(const char* name, const std::vector<int>& values, int least) {
  if (values.empty()) fail(ErrorKind::usage, "{}: there is no value", name);
  for (const int value : values) {
    if (value < least) fail(ErrorKind::usage, "{} is {}, expected {} or more", name, value, least);
  }
}

}  // namespace

Json BenchRow::to_json() const {
  return {{"prompt_tokens", prompt_tokens},
          {"generation_tokens", generation_tokens},
          {"depth", depth},
          {"batch", batch},
          {"prompt_tps", prompt_tps},
          {"prompt_stddev", prompt_stddev},
          {"generation_tps", generation_tps},
          {"stddev", generation_stddev},
          {"step_ms", step_ms},
          {"phases", phases},
          {"overhead_ms", overhead_ms},
          {"read_gbps", read_gbps},
          {"cache_bytes", cache_bytes},
          {"predicted_memory_bytes", predicted_memory_bytes},
          {"peak_memory_bytes", peak_memory_bytes},
          {"anonymous_memory_bytes", anonymous_memory_bytes}};
}

Json BenchReport::to_json() const {
  Json rows = Json::array();
  for (const BenchRow& row : results) {
    rows.push_back(row.to_json());
    if (read_bandwidth_gbps > 0) rows.back()["bandwidth_share"] = row.bandwidth_share;
    rows.back()["threads"] = threads;
  }
  return {{"results", rows},
          {"read_bandwidth_gbps", read_bandwidth_gbps},
          {"phase_us", phase_us},
          {"backend", backend}};
}

BenchReport bench(Library& library, const OpenModel& model, const BenchOptions& options,
                  const OnBenchProgress& progress) {
  check("prompt tokens", options.prompt_tokens, 0);
  check("generation tokens", options.generation_tokens, 0);
  check("depth", options.depth, 0);
  check("batch", options.batch, 1);
  check("repetitions", {options.repetitions}, 1);

  BenchReport report;
  report.threads = threads();
  report.backend = library.backend().name();
  report.phase_us = measure_phase_us(report.threads);
  std::vector<BenchRow> rows;
  MemoryNeed most;
  for (const int p : options.prompt_tokens) {
    for (const int g : options.generation_tokens) {
      for (const int d : options.depth) {
        for (const int b : options.batch) {
          rows.push_back({.prompt_tokens = p, .generation_tokens = g, .depth = d, .batch = b});
          library.check_fits(model, use(rows.back(), options));
          const MemoryNeed need = library.memory_need(model, use(rows.back(), options));
          if (need.total_bytes() > most.total_bytes()) most = need;
        }
      }
    }
  }
  if (options.on_memory) options.on_memory(most);
  Bench bench(library, model, options);
  int done = 0;
  const int total = static_cast<int>(rows.size()) * (options.repetitions + 1);
  for (const BenchRow& row : rows) {
    report.results.push_back(bench.measure(row, report.phase_us, [&] {
      if (progress && !progress(++done, total))
        fail(ErrorKind::interrupted, "the measurement was interrupted");
    }));
  }
  if (!options.bandwidth) return report;
  // Last, where it was not measured before: its buffer would count in the peak memory of the rows.
  report.read_bandwidth_gbps = bench.bandwidth();
  for (BenchRow& row : report.results) {
    if (row.bandwidth_share == 0) row.bandwidth_share = row.read_gbps / report.read_bandwidth_gbps;
  }
  return report;
}

}  // namespace pome::services
