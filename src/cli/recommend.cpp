#include "services/recommend.h"

#include "base/units.h"
#include "cli/output.h"
#include "cli/verb.h"

namespace pome::cli {
namespace {

constexpr Example examples[]{
    {"pome recommend", "models to talk to, the best that this machine runs first"},
    {"pome recommend --task code --context 32768", "with room for long files"},
    {"pome recommend --task embed --json", "one object"},
    {"pome recommend --refresh", "ask the Hub first what there is"},
};

struct Recommend {
  services::RecommendRequest request{.task = "chat"};
  bool json = false, refresh = false;
};

std::string machine_text(const services::Machine& m) {
  return fmt::format("{} of memory, {} available; {} threads, {}; reads {:.1f} GB/s; {} free on disk{}\n",
                     size_text(m.memory_bytes), size_text(m.available_bytes), m.threads, m.instructions,
                     m.read_gbps, size_text(m.disk_bytes),
                     m.gpu.empty() ? "" : fmt::format("; {} (not used)", m.gpu));
}

void recommend(const Recommend& o) {
  const store::Paths paths = store::Paths::from_environment();
  if (o.refresh) {
    hub::Hub hub(hub::Options::from_environment());
    for (const std::string& name : services::refresh_catalogue(hub, paths)) talk(name + ": is gone\n");
  }
  const store::Catalogue catalogue = store::Catalogue::load(paths);
  const services::Machine machine = services::measure_machine(paths);
  const auto rows = services::recommend(o.request, catalogue, machine, paths);
  if (o.json) {
    Json list = Json::array();
    for (const services::Recommendation& row : rows) list.push_back(row.to_json());
    print_json({{"task", o.request.task},
                {"context", o.request.context},
                {"as_of", catalogue.as_of()},
                {"machine", machine.to_json()},
                {"models", std::move(list)}});
    return;
  }
  talk(machine_text(machine));
  if (rows.empty()) {
    throw error(ErrorKind::resource, "no model for {} with {} tokens of context fits into {}", o.request.task,
                o.request.context, size_text(machine.available_bytes))
        .with_hint("pome recommend --task speed");
  }
  std::vector<std::vector<std::string>> cells{
      {"model", "bits", "weights", "memory", "tokens/s", "licence", ""}};
  for (const services::Recommendation& row : rows) {
    std::string marks = row.here ? "here" : row.fits_disk ? "" : "no room on disk";
    if (row.gated) marks += marks.empty() ? "gated" : ", gated";
    cells.push_back({row.repo, std::to_string(row.bits), size_text(row.weight_bytes),
                     size_text(row.memory_bytes),
                     row.tokens_per_second > 0 ? fmt::format("{:.0f}", row.tokens_per_second) : "-",
                     row.licence.empty() ? "-" : row.licence, marks});
  }
  print(table(cells));
  talk(fmt::format("memory at {} tokens; tokens/s as far as memory limits it; catalogue of {}\n",
                   o.request.context, catalogue.as_of()));
}

Action declare(Options& options) {
  auto o = std::make_shared<Recommend>();
  options.choice("--task", o->request.task,
                 {"chat", "code", "quality", "speed", "embed", "rerank", "image", "music"},
                 "what for (default: chat)");
  options.option("--context", o->request.context, "N", "tokens that have to fit (default: 4096)");
  options.option("--limit", o->request.limit, "N", "how many (default: 5)");
  options.flag("--refresh", o->refresh, "ask the Hub what has changed since the catalogue was written");
  options.flag("--json", o->json, "one object, with the facts of this machine");
  return [o] { recommend(*o); };
}

}  // namespace

extern constexpr Verb recommend_verb{"recommend", Group::get_and_keep,
                                     "models that suit a task and this machine", examples, declare};

}  // namespace pome::cli
