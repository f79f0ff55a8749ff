#include "cli/fetching.h"

#include <algorithm>
#include <chrono>

#include "base/environment.h"
#include "base/units.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "hub/names.h"
#include "services/similar_names.h"
#include "store/hf_cache.h"
#include "store/resolve.h"

namespace pome::cli {
namespace {

using Clock = std::chrono::steady_clock;

std::string time_text(double seconds) {
  const auto s = static_cast<std::uint64_t>(std::min(seconds, 359999.0));
  if (s < 3600) return fmt::format("{}:{:02}", s / 60, s % 60);
  return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

// The rate over the last seconds: what the line does now, without every jump.
class Rate {
 public:
  double update(std::uint64_t bytes) {
    const auto now = Clock::now();
    samples_.emplace_back(now, bytes);
    while (samples_.size() > 2 && now - samples_.front().first > std::chrono::seconds(5)) {
      samples_.erase(samples_.begin());
    }
    const std::chrono::duration<double> passed = now - samples_.front().first;
    return passed.count() < 0.2 ? 0 : static_cast<double>(bytes - samples_.front().second) / passed.count();
  }

 private:
  std::vector<std::pair<Clock::time_point, std::uint64_t>> samples_;
};

class Watcher : public services::PullWatcher {
 public:
  Watcher(std::string model, FetchTalk form) : model_(std::move(model)), form_(form) {}
  ~Watcher() override { clear(); }

  void on_progress(const State& state) override {
    const double rate = rate_.update(state.received_bytes);
    if (form_ == FetchTalk::json) {
      // Ten events a second would be noise.
      if (Clock::now() - last_event_ < std::chrono::seconds(1)) return;
      last_event_ = Clock::now();
      print_json({{"event", "progress"},
                  {"model", model_},
                  {"bytes", state.good_bytes},
                  {"total_bytes", state.total_bytes},
                  {"bytes_per_second", static_cast<std::uint64_t>(rate)}});
      flush_output();
    } else if (form_ == FetchTalk::lines && bars_) {
      bar(state, rate);
    }
  }

  void on_file(const services::PlannedFile& planned) override {
    if (form_ == FetchTalk::json) {
      print_json({{"event", "file"},
                  {"model", model_},
                  {"name", planned.file.name},
                  {"size_bytes", planned.file.size_bytes},
                  {"digest", planned.file.etag()}});
    } else if (form_ == FetchTalk::lines) {
      clear();
      talk(fmt::format("  {}  {}\n", planned.file.name, size_text(planned.file.size_bytes)));
    }
  }

  void on_note(const std::string& text) override {
    if (form_ == FetchTalk::json) {
      print_json({{"event", "note"}, {"model", model_}, {"text", text}});
    } else if (form_ == FetchTalk::lines) {
      clear();
      talk(fmt::format("  {}\n", text));
    }
  }

 private:
  void bar(const State& state, double rate) {
    constexpr int width = 24;
    const double part = state.total_bytes == 0
                            ? 1
                            : static_cast<double>(state.good_bytes) / static_cast<double>(state.total_bytes);
    const int full = static_cast<int>(std::clamp(part, 0.0, 1.0) * width);
    std::string line =
        fmt::format("\r\x1b[K  [{:=<{}}{: <{}}] {:3.0f} %  {} of {}", "", full, "", width - full, 100 * part,
                    size_text(state.good_bytes), size_text(state.total_bytes));
    if (rate > 0) {
      line += fmt::format("  {}/s", size_text(static_cast<std::uint64_t>(rate)));
      const std::uint64_t left = state.total_bytes - std::min(state.good_bytes, state.total_bytes);
      line += fmt::format("  {} left", time_text(static_cast<double>(left) / rate));
    }
    talk(line);
    shown_ = true;
  }

  void clear() {
    if (shown_) talk("\r\x1b[K");
    shown_ = false;
  }

  std::string model_;
  FetchTalk form_;
  Rate rate_;
  Clock::time_point last_event_ = Clock::now();
  bool shown_ = false;
  bool bars_ = talk_is_terminal() && !environment_flag("HF_HUB_DISABLE_PROGRESS_BARS");
};

std::string memory_text(const services::PullPlan& plan) {
  if (plan.weight_bytes == 0) return {};
  return fmt::format("; weights of {}, running takes about {}: {} the {} of memory available now",
                     size_text(plan.weight_bytes), size_text(plan.memory_needed_bytes),
                     plan.fits_memory() ? "fits into" : "does not fit into", size_text(plan.memory_bytes));
}

}  // namespace

std::string plan_text(const services::PullPlan& plan, bool files) {
  std::string text;
  if (!plan.renamed_to.empty()) {
    text += fmt::format("{} is called {} now\n", plan.request.id, plan.renamed_to);
  }
  if (files) {
    std::vector<std::vector<std::string>> rows;
    for (const services::PlannedFile& planned : plan.files) {
      const std::uint64_t here = planned.file.size_bytes - planned.needed_bytes;
      rows.push_back({planned.file.name, size_text(planned.file.size_bytes),
                      planned.needed_bytes == 0 ? "here"
                      : here > 0                ? fmt::format("{} here", size_text(here))
                                                : ""});
    }
    text += table(rows, "  ");
  }
  if (plan.files.empty()) {
    return text +
           fmt::format("{}@{}: here; the Hub was not asked\n", plan.request.id, plan.commit.substr(0, 7));
  }
  return text + fmt::format("{}@{}: {} file{}, {}; {} to fetch, {} free on disk{}\n", plan.request.id,
                            plan.commit.substr(0, 7), plan.files.size(), plan.files.size() == 1 ? "" : "s",
                            size_text(plan.total_bytes), size_text(plan.needed_bytes),
                            size_text(plan.free_bytes), memory_text(plan));
}

fs::path fetch(const services::PullPlan& plan, services::PullOptions options, FetchTalk form) {
  const Interruptible interruptible;
  options.hub.cancelled = [&] { return interruptible.interrupted(); };
  Watcher watcher(plan.request.id, form);
  try {
    return services::pull(plan, options, watcher);
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::interrupted) throw;
    throw Error(ErrorKind::interrupted,
                fmt::format("{}: interrupted; what has arrived is kept", plan.request.id))
        .with_hint(fmt::format("pome pull {}", plan.request.id));
  }
}

void fetch_if_missing(const std::string& model, const store::Paths& paths, bool may_fetch) {
  const auto alias = store::Aliases(paths).find(model);
  const auto name = hub::parse_repo_name(alias ? alias->model : model);
  std::error_code none;
  if (!name || fs::exists(model, none)) return;
  services::PullOptions options;
  options.paths = paths;
  try {
    store::resolve(model, paths);
    return;
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::not_found && e.kind() != ErrorKind::corrupt) throw;
    if (!may_fetch) {
      // Of a model that is here in part, store::resolve knows more.
      if (fs::exists(store::CachedRepo(paths.hf_cache, name->id()).folder(), none)) throw;
      hub::Hub hub(options.hub);
      throw services::explain_absent(e, name->id(), paths, hub);
    }
  }
  services::PullRequest request;
  request.id = name->id();
  request.revision = name->revision;
  const services::PullPlan plan = services::plan_pull(request, options);
  talk(plan_text(plan, false));
  fetch(plan, options, FetchTalk::lines);
}

}  // namespace pome::cli
