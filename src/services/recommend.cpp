#include "services/recommend.h"

#include <algorithm>
#include <ctime>

#include "base/error.h"
#include "graph/cache.h"
#include "services/memory_need.h"
#include "services/search.h"
#include "store/hf_cache.h"

namespace pome::services {
namespace {

struct TaskRow {
  std::string_view name;
  double least_speed;  // tokens a second, below which people wait for it
};
constexpr TaskRow tasks[]{{"chat", 8},  {"code", 8},   {"quality", 3}, {"speed", 40},
                          {"embed", 0}, {"rerank", 0}, {"image", 0},   {"music", 0}};

bool is_here(const store::Paths& paths, const std::string& repo) {
  const fs::path snapshots = store::CachedRepo(paths.hf_cache, repo).snapshots();
  std::error_code none;
  return fs::exists(snapshots, none) && !fs::is_empty(snapshots, none);
}

// Of one model's repositories that fit: as many bits as leave it quick enough, else the quickest.
const store::KnownRepo* best_repo(const store::KnownModel& model, int context, const Machine& machine,
                                  double least_speed) {
  const store::KnownRepo* best = nullptr;
  const auto rank = [&](const store::KnownRepo& repo) {
    const double speed = predicted_speed(model, repo, context, machine.read_gbps);
    const bool quick = speed == 0 || speed >= least_speed;
    return std::pair(quick, quick ? static_cast<double>(repo.bits) : speed);
  };
  for (const store::KnownRepo& repo : model.repos) {
    if (predicted_memory(model, repo, context) > machine.available_bytes) continue;
    if (best == nullptr || rank(repo) > rank(*best)) best = &repo;
  }
  return best;
}

std::string today() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[16];
  std::strftime(text, sizeof text, "%Y-%m-%d", &parts);
  return text;
}

}  // namespace

graph::CachePlan cache_plan(const store::KnownModel& model) {
  graph::CachePlan plan;
  for (const store::KnownCache& alike : model.cache) {
    plan.insert(plan.end(), static_cast<std::size_t>(std::max(alike.layers, 0)),
                {.kv_heads = alike.kv_heads, .head_dim = alike.head_dim, .window = alike.window});
  }
  return plan;
}

std::uint64_t predicted_memory(const store::KnownModel& model, const store::KnownRepo& repo, int context) {
  return distant_memory_need(repo.bytes, cache_plan(model), context).total_bytes();
}

double predicted_speed(const store::KnownModel& model, const store::KnownRepo& repo, int context,
                       double read_gbps) {
  if (model.cache.empty() || model.parameters == 0) return 0;
  const double active = static_cast<double>(model.active_parameters) / static_cast<double>(model.parameters);
  const std::uint64_t cache = distant_memory_need(0, cache_plan(model), context).cache_bytes();
  const double bytes = static_cast<double>(repo.bytes) * active + static_cast<double>(cache);
  return bytes > 0 ? read_gbps * 1e9 / bytes : 0;
}

std::vector<Recommendation> recommend(const RecommendRequest& request, const store::Catalogue& catalogue,
                                      const Machine& machine, const store::Paths& paths) {
  if (request.context < 1) fail(ErrorKind::usage, "context is {}, expected 1 or more", request.context);
  const auto task = std::find_if(std::begin(tasks), std::end(tasks),
                                 [&](const TaskRow& row) { return row.name == request.task; });
  if (task == std::end(tasks)) {
    fail(ErrorKind::usage,
         "\"{}\" is no task to recommend for: expected chat, code, quality, speed, embed, rerank, image or "
         "music",
         request.task);
  }
  struct Candidate {
    bool quick;
    double order;  // parameters of quick ones, speed of others
    Recommendation row;
  };
  std::vector<Candidate> candidates;
  for (const store::KnownModel& model : catalogue.models()) {
    if (!model.serves(request.task)) continue;
    if (model.context > 0 && request.context > model.context) continue;
    const store::KnownRepo* repo = best_repo(model, request.context, machine, task->least_speed);
    if (repo == nullptr) continue;
    const bool generates = request.task != "embed" && request.task != "rerank";
    const double speed = generates ? predicted_speed(model, *repo, request.context, machine.read_gbps) : 0;
    const bool quick = speed == 0 || speed >= task->least_speed;
    const bool here = is_here(paths, repo->repo);
    candidates.push_back({quick,
                          quick ? static_cast<double>(std::max(model.parameters, repo->bytes / 8)) : speed,
                          {.name = model.name,
                           .repo = repo->repo,
                           .bits = repo->bits,
                           .weight_bytes = repo->bytes,
                           .memory_bytes = predicted_memory(model, *repo, request.context),
                           .tokens_per_second = speed,
                           .licence = model.licence,
                           .gated = model.gated,
                           .here = here,
                           .fits_disk = here || repo->bytes + repo->bytes / 100 <= machine.disk_bytes}});
  }
  std::stable_sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return std::pair(a.quick, a.order) > std::pair(b.quick, b.order);
  });
  std::vector<Recommendation> rows;
  for (Candidate& candidate : candidates) {
    if (rows.size() == request.limit) break;
    rows.push_back(std::move(candidate.row));
  }
  return rows;
}

std::vector<std::string> refresh_catalogue(hub::Hub& hub, const store::Paths& paths) {
  Json table = load_json(paths.catalogue);
  std::vector<std::string> gone;
  std::size_t asked = 0;
  Json kept = Json::array();
  for (Json& model : table.at("models")) {
    Json repos = Json::array();
    for (Json& repo : model.at("repos")) {
      const std::string id = json_value<std::string>(repo, "repo", "");
      ++asked;
      try {
        const hub::ModelInfo info = hub.model(id);
        const auto found = parse_found(Json::array({info.raw}), id);
        // A pipeline's size is that of the files it loads, which the Hub does not add up.
        if (!found.empty() && found.front().bytes > 0 && !repo.contains("include")) {
          repo["bytes"] = found.front().bytes;
        }
        if (!info.id.empty()) repo["repo"] = info.id;
        repos.push_back(std::move(repo));
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::not_found || hub.options().offline) throw;
        gone.push_back(id);
      }
    }
    if (repos.empty()) continue;
    model["repos"] = std::move(repos);
    kept.push_back(std::move(model));
  }
  if (2 * gone.size() > asked) {  // a mirror of a few models, not the place that they went from
    fail(ErrorKind::not_found, "{}: has only {} of the catalogue's {} repositories; it stays as it was",
         hub.options().endpoint, asked - gone.size(), asked);
  }
  table["models"] = std::move(kept);
  table["as_of"] = today();
  const std::string text = table.dump(1) + "\n";
  store::Catalogue::parse(text, "refreshed catalogue");
  const fs::path file = store::Catalogue::refreshed_file(paths);
  fs::create_directories(file.parent_path());
  write_file_atomic(file, text);
  return gone;
}

Json Recommendation::to_json() const {
  return {{"name", name},
          {"repo", repo},
          {"bits", bits},
          {"weight_bytes", weight_bytes},
          {"memory_bytes", memory_bytes},
          {"tokens_per_second", tokens_per_second > 0 ? Json(tokens_per_second) : Json()},
          {"licence", licence.empty() ? Json() : Json(licence)},
          {"gated", gated},
          {"here", here},
          {"fits_disk", fits_disk}};
}

}  // namespace pome::services
