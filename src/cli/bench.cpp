#include "services/bench.h"

#include "base/units.h"
#include "cli/answer.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "services/bench_kernels.h"

namespace pome::cli {
namespace {

constexpr Example examples[]{
    {"pome bench demo", "512 prompt tokens, 128 generated"},
    {"pome bench ./my-model -p 512,4096 -g 128 -r 5 --json", ""},
    {"pome bench --kernels gemv", "single operations, here products for one token"},
};

struct Bench {
  std::vector<std::string> words;
  services::BenchOptions options;
  bool kernels = false;
  bool json = false;
};

// "512,4096" into a list that replaces the default.
void list_option(Options& options, std::string names, std::vector<int>& target, int least, std::string help) {
  options.add({std::move(names), "N,…", std::move(help), "options", {}},
              [&target, least](std::string_view option, const std::string& text) {
                target.clear();
                for (const std::string& part : split_names(text)) {
                  target.push_back(parse_value<int>(option, part));
                  if (target.back() < least) {
                    fail(ErrorKind::usage, "{}: {} is less than {}", option, target.back(), least);
                  }
                }
                if (target.empty()) fail(ErrorKind::usage, "{}: value missing", option);
              });
}

std::string speed(double tps, double deviation) { return fmt::format("{:.1f} ± {:.1f}", tps, deviation); }

std::string text(const services::BenchReport& report) {
  std::vector<std::vector<std::string>> rows{{"prompt", "generation", "depth", "batch", "prompt tokens/s",
                                              "generation tokens/s", "of bandwidth", "overhead/step",
                                              "memory foretold", "peak", "anonymous"}};
  for (const services::BenchRow& row : report.results) {
    rows.push_back(
        {std::to_string(row.prompt_tokens), std::to_string(row.generation_tokens), std::to_string(row.depth),
         std::to_string(row.batch), speed(row.prompt_tps, row.prompt_stddev),
         speed(row.generation_tps, row.generation_stddev),
         row.bandwidth_share > 0 ? fmt::format("{:.2f}", row.bandwidth_share) : "-",
         row.read_gbps > 0 ? fmt::format("{:.3f} ms of {:.2f}", row.overhead_ms, row.step_ms) : "-",
         size_text(row.predicted_memory_bytes), size_text(row.peak_memory_bytes),
         size_text(row.anonymous_memory_bytes)});
  }
  std::string out = table(rows) + fmt::format("backend {}, {} threads", report.backend, report.threads);
  if (report.read_bandwidth_gbps > 0)
    out += fmt::format(", memory reads {:.1f} GB/s", report.read_bandwidth_gbps);
  if (!report.results.empty() && report.results.front().phases > 0) {
    out += fmt::format(", {:.0f} phases a step of {:.1f} µs each without work", report.results.front().phases,
                       report.phase_us);
  }
  return out + "\n";
}

void bench_kernels(const Bench& o) {
  const Interruptible interruptible;
  const std::string filter = o.words.empty() ? "" : o.words.front();
  const services::KernelReport report =
      services::bench_kernels(filter, o.options.cache, [&](const std::string& name) {
        if (talk_is_terminal()) talk(fmt::format("\r\033[K{}", name));
        return !interruptible.interrupted();
      });
  if (talk_is_terminal()) talk("\r\033[K");
  if (o.json) return print_json(report.to_json());
  std::vector<std::vector<std::string>> rows{{"operation", "speed", "one call"}};
  for (const services::KernelRow& row : report.kernels) {
    rows.push_back({row.name, fmt::format("{} {}", speed(row.value, row.deviation), row.unit),
                    fmt::format("{:.1f} µs", row.us)});
  }
  print(table(rows) + fmt::format("{} threads, {}\n", report.threads, report.isa));
}

void bench(Bench o) {
  int longest = 0;
  for (const int depth : o.options.depth) {
    for (const int prompt : o.options.prompt_tokens) {
      for (const int generated : o.options.generation_tokens)
        longest = std::max(longest, depth + prompt + generated);
    }
  }
  services::Library library;
  const auto model = library.open(o.words.front(), longest, o.options.cache, services::Needs::token_ids);
  const Interruptible interruptible;
  o.options.on_memory = [&](const services::MemoryNeed& most) {
    if (!o.json) talk(memory_text(most, library.available_memory()));
  };
  const services::BenchReport report = services::bench(library, *model, o.options, [&](int done, int total) {
    if (talk_is_terminal()) talk(fmt::format("\r\033[K{} of {} runs", done, total));
    return !interruptible.interrupted();
  });
  if (talk_is_terminal()) talk("\r\033[K");
  if (o.json) {
    print_json(report.to_json());
  } else {
    print(text(report));
  }
}

Action declare(Options& options) {
  auto o = std::make_shared<Bench>();
  options.words({"MODEL"}, o->words, 0, 1);
  options.flag("--kernels", o->kernels,
               "time single operations instead of a model; MODEL is then a part of their names");
  list_option(options, "-p,--prompt-tokens", o->options.prompt_tokens, 0,
              "lengths of the prompt (default: 512)");
  list_option(options, "-g,--generation-tokens", o->options.generation_tokens, 0,
              "tokens generated (default: 128)");
  list_option(options, "-d,--depth", o->options.depth, 0, "tokens in the cache before (default: 0)");
  list_option(options, "-b,--batch", o->options.batch, 1, "sequences at once (default: 1)");
  options.option("-r,--repetitions", o->options.repetitions, "N",
                 "measured runs, after one that does not count (default: 3)");
  options.option("--kv-bits", o->options.cache.kv_bits, "4|8", "quantize the cache");
  declare_computing(options);
  options.flag("--json", o->json, "one object: results, read_bandwidth_gbps, …");
  return [o] {
    if (o->options.repetitions < 1) {
      fail(ErrorKind::usage, "--repetitions: {} is less than 1", o->options.repetitions);
    }
    if (o->kernels) return bench_kernels(*o);
    if (o->words.empty()) throw error(ErrorKind::usage, "MODEL missing").with_hint("pome bench --help");
    bench(*o);
  };
}

}  // namespace

extern constexpr Verb bench_verb{"bench", Group::look_inside, "how fast a model is on this machine", examples,
                                 declare};

}  // namespace pome::cli
