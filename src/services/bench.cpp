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

class Bench {
 public:
  Bench(Library& library, const OpenModel& model, const BenchOptions& options)
      : library_(library), model_(model), options_(options) {}

  BenchRow measure(BenchRow row, const std::function<void()>& tick) {
    fill_depth(row);
    std::vector<double> prompt, generation;
    for (int repetition = -1; repetition < options_.repetitions; ++repetition) {
      if (row.prompt_tokens > 0) {
        const double tps = run(row, row.prompt_tokens, 1).prompt_tps;
        if (repetition >= 0) prompt.push_back(tps);
      }
      if (row.generation_tokens > 0) {
        // The first token comes with the prompt.
        const double tps = run(row, 1, row.generation_tokens + 1).generation_tps;
        if (repetition >= 0) generation.push_back(tps);
      }
      tick();
    }
    const MeanDeviation p = statistics(prompt), g = statistics(generation);
    row.prompt_tps = p.mean;
    row.prompt_stddev = p.deviation;
    row.generation_tps = g.mean;
    row.generation_stddev = g.deviation;
    row.peak_memory_bytes = peak_memory_bytes();
    return row;
  }

 private:
  struct Speed {
    double prompt_tps = 0, generation_tps = 0;
  };

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

  // All sequences together: tokens over the time of the slowest.
  Speed run(const BenchRow& row, int prompt_tokens, int max_tokens) {
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
    double prompt_ms = 0, generation_ms = 0;
    int computed = 0, generated = 0;
    for (const auto& stream : streams) {
      const engine::Stats stats = wait(*stream);
      computed += prompt_tokens;
      generated += stats.generated_tokens - 1;
      prompt_ms = std::max(prompt_ms, stats.queued_ms + stats.prompt_ms);
      generation_ms = std::max(generation_ms, stats.generation_ms);
    }
    return {.prompt_tps = prompt_ms > 0 ? computed * 1000.0 / prompt_ms : 0,
            .generation_tps = generation_ms > 0 ? generated * 1000.0 / generation_ms : 0};
  }

  static engine::Stats wait(engine::Stream& stream) {
    engine::Stats stats;
    while (std::optional<engine::Event> event = stream.next()) {
      if (event->kind == engine::Event::Kind::failed) throw *event->error;
      if (event->kind == engine::Event::Kind::finished) stats = event->stats;
    }
    return stats;
  }

  Library& library_;
  const OpenModel& model_;
  const BenchOptions& options_;
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
          {"peak_memory_bytes", peak_memory_bytes}};
}

Json BenchReport::to_json() const {
  Json rows = Json::array();
  for (const BenchRow& row : results) {
    rows.push_back(row.to_json());
    rows.back()["threads"] = threads;
  }
  return {{"results", rows}, {"read_bandwidth_gbps", read_bandwidth_gbps}, {"backend", backend}};
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
  std::vector<BenchRow> rows;
  for (const int p : options.prompt_tokens) {
    for (const int g : options.generation_tokens) {
      for (const int d : options.depth) {
        for (const int b : options.batch) {
          rows.push_back({.prompt_tokens = p, .generation_tokens = g, .depth = d, .batch = b});
          library.check_cache_fits(model, std::int64_t{b} * (std::int64_t{d} + std::max(p, g) + 1),
                                   options.cache);
        }
      }
    }
  }
  Bench bench(library, model, options);
  int done = 0;
  const int total = static_cast<int>(rows.size()) * (options.repetitions + 1);
  for (const BenchRow& row : rows) {
    report.results.push_back(bench.measure(row, [&] {
      if (progress && !progress(++done, total))
        fail(ErrorKind::interrupted, "the measurement was interrupted");
    }));
  }
  // Last: its buffer would count in the peak memory of the rows.
  if (options.bandwidth) report.read_bandwidth_gbps = measure_read_bandwidth(report.threads);
  return report;
}

}  // namespace pome::services
