#include "services/pull.h"

#include <algorithm>
#include <deque>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/units.h"
#include "hub/names.h"
#include "hub/partial.h"
#include "services/memory.h"
#include "services/memory_need.h"
#include "services/pull_place.h"
#include "services/recommend.h"
#include "services/similar_names.h"
#include "store/resolve.h"

namespace pome::services {
namespace {

std::unique_ptr<PullPlace> make_place(const PullRequest& request, const std::string& commit,
                                      const store::Paths& paths) {
  return request.local_dir.empty() ? cache_place(paths.hf_cache, request, commit)
                                   : folder_place(request, commit);
}

std::uint64_t free_bytes(fs::path folder) {
  std::error_code failed;
  while (!fs::exists(folder, failed) && folder.has_parent_path() && folder != folder.parent_path()) {
    folder = folder.parent_path();
  }
  if (folder.empty()) folder = ".";
  const fs::space_info space = fs::space(folder, failed);
  return failed ? ~std::uint64_t{0} : static_cast<std::uint64_t>(space.available);
}

bool is_weights(const std::string& name) {
  return name.ends_with(".safetensors") || name.ends_with(".gguf") || name.ends_with(".bin") ||
         name.ends_with(".npz");
}

// What is on disk of the blocks of an earlier attempt.
std::uint64_t bytes_there(const fs::path& unfinished, const hub::RepoFile& file) {
  std::error_code none;
  const fs::path journal = unfinished / (file.etag() + ".journal");
  if (!fs::exists(journal, none) || !fs::exists(unfinished / (file.etag() + ".partial"), none)) return 0;
  const auto known =
      hub::parse_journal(read_file(journal, std::size_t{1} << 30), file.etag(), file.size_bytes);
  if (!known) return 0;
  const auto blocks =
      static_cast<std::uint64_t>(std::count(known->written.begin(), known->written.end(), true));
  return std::min(blocks * hub::block_bytes, file.size_bytes);
}

std::uint64_t memory_needed(const PullPlan& plan, const PullOptions& options) {
  if (plan.weight_bytes == 0) return 0;
  graph::CachePlan cache;
  try {
    const store::Catalogue catalogue = store::Catalogue::load(options.paths);
    if (const store::KnownModel* known = catalogue.find(plan.request.id)) cache = cache_plan(*known);
  } catch (const Error&) {  // without a catalogue no model is known
  }
  return distant_memory_need(plan.weight_bytes, std::move(cache), short_conversation).total_bytes();
}

// The model as it is here, where the Hub cannot be asked.
std::optional<PullPlan> local_plan(const PullRequest& request, const PullOptions& options) {
  if (!request.local_dir.empty() || !request.files.include.empty()) return std::nullopt;
  try {
    const std::string name = request.revision.empty() ? request.id : request.id + "@" + request.revision;
    const store::Place place = store::resolve(name, options.paths);
    PullPlan plan;
    plan.request = request;
    plan.commit = place.commit;
    plan.folder = place.folder;
    plan.free_bytes = free_bytes(options.paths.hf_cache);
    plan.memory_bytes = available_memory();
    return plan;
  } catch (const Error&) {
    return std::nullopt;
  }
}

// The work of one pull(): threads take files from it, the caller's thread watches.
class Work {
 public:
  Work(const PullPlan& plan, const PullOptions& options, const PullPlace& place)
      : plan_(plan), place_(place), connections_(options.connections), hub_options_(options.hub) {
    hub_options_.cancelled = [this, outer = options.hub.cancelled] { return failed_ || outer(); };
    hub_options_.on_retry = [this](const hub::Retry& retry) {
      note(retry.wait.count() >= 1000
               ? fmt::format("{}; once more in {} s", retry.reason, retry.wait.count() / 1000)
               : fmt::format("{}; once more", retry.reason));
    };
    hub_.emplace(hub_options_);
    for (std::size_t i = 0; i < plan.files.size(); ++i) {
      if (plan.files[i].present) {
        received_.good += plan.files[i].file.size_bytes;
      } else {
        waiting_.push_back(i);
      }
    }
    done_ = plan.files.size() - waiting_.size();
    // Large ones first, so that no single one is left at the end.
    std::sort(waiting_.begin(), waiting_.end(), [&](std::size_t a, std::size_t b) {
      const std::uint64_t one = plan.files[a].file.size_bytes, two = plan.files[b].file.size_bytes;
      return one != two ? one > two : a < b;
    });
  }

  void run(int workers, PullWatcher& watcher) {
    const std::size_t count = std::min(waiting_.size(), static_cast<std::size_t>(std::max(workers, 1)));
    running_ = count;
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < count; ++i) threads.emplace_back([this] { work(); });
    try {
      std::unique_lock lock(mutex_);
      while (running_ > 0) {
        changed_.wait_for(lock, std::chrono::milliseconds(100), [&] { return running_ == 0; });
        report(watcher, lock);
      }
    } catch (...) {
      failed_ = true;
      for (std::thread& thread : threads) thread.join();
      throw;
    }
    for (std::thread& thread : threads) thread.join();
    if (error_) std::rethrow_exception(error_);
  }

 private:
  void note(std::string text) {
    const std::lock_guard lock(mutex_);
    notes_.push_back(std::move(text));
  }

  void report(PullWatcher& watcher, std::unique_lock<std::mutex>& lock) {
    const auto notes = std::exchange(notes_, {});
    const auto finished = std::exchange(finished_, {});
    const PullWatcher::State state{.good_bytes = received_.good,
                                   .total_bytes = plan_.total_bytes,
                                   .received_bytes = received_.bytes,
                                   .done_files = done_,
                                   .total_files = plan_.files.size()};
    lock.unlock();
    for (const std::string& text : notes) watcher.on_note(text);
    for (const std::size_t index : finished) watcher.on_file(plan_.files[index]);
    watcher.on_progress(state);
    lock.lock();
  }

  void work() {
    try {
      hub::Downloader downloader(*hub_);
      while (true) {
        std::size_t index = 0, others = 0;
        {
          const std::lock_guard lock(mutex_);
          if (waiting_.empty() || failed_) break;
          index = waiting_.front();
          waiting_.pop_front();
          others = std::min(running_, waiting_.size() + 1);
        }
        const int connections =
            std::max(1, connections_ / static_cast<int>(std::max<std::size_t>(others, 1)));
        fetch(plan_.files[index].file, downloader, connections);
        const std::lock_guard lock(mutex_);
        finished_.push_back(index);
        ++done_;
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!failed_.exchange(true)) error_ = std::current_exception();  // the others only stop
    }
    const std::lock_guard lock(mutex_);
    --running_;
    changed_.notify_all();
  }

  void fetch(const hub::RepoFile& file, hub::Downloader& downloader, int connections) {
    std::optional<FileLock> lock;
    for (bool told = false; !(lock = place_.try_lock(file)); told = true) {
      if (!told) note(fmt::format("{}: another process is fetching it", file.name));
      hub::pause(hub_options_, std::chrono::milliseconds(100));
    }
    if ((!plan_.request.check && place_.is_present(file)) || place_.reuse(file, hub_options_.cancelled)) {
      received_.good += file.size_bytes;
      return;
    }
    downloader.fetch({.subject = fmt::format("{}: {}", plan_.request.id, file.name),
                      .address = hub_->file_address(plan_.request.id, plan_.commit, file.name),
                      .commit = plan_.commit,
                      .etag = file.etag(),
                      .size_bytes = file.size_bytes,
                      .folder = place_.unfinished(),
                      .target = place_.target(file)},
                     connections, received_);
    place_.fetched(file);
  }

  const PullPlan& plan_;
  const PullPlace& place_;
  int connections_;
  hub::Options hub_options_;
  std::optional<hub::Hub> hub_;
  hub::Received received_;
  std::atomic<bool> failed_ = false;

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<std::size_t> waiting_;
  std::vector<std::size_t> finished_;
  std::vector<std::string> notes_;
  std::size_t running_ = 0, done_ = 0;
  std::exception_ptr error_;
};

}  // namespace

Json PullPlan::to_json() const {
  Json list = Json::array();
  for (const PlannedFile& planned : files) {
    list.push_back({{"name", planned.file.name},
                    {"size_bytes", planned.file.size_bytes},
                    {"needed_bytes", planned.needed_bytes},
                    {"present", planned.present},
                    {"digest", planned.file.etag()}});
  }
  return {{"model", request.id},
          {"revision", request.revision.empty() ? "main" : request.revision},
          {"commit", commit},
          {"renamed_to", renamed_to.empty() ? Json() : Json(renamed_to)},
          {"folder", folder.string()},
          {"files", std::move(list)},
          {"total_bytes", total_bytes},
          {"needed_bytes", needed_bytes},
          {"free_bytes", free_bytes},
          {"fits_disk", fits_disk()},
          {"weight_bytes", weight_bytes},
          {"memory_needed_bytes", memory_needed_bytes},
          {"memory_bytes", memory_bytes},
          {"fits_memory", fits_memory()}};
}

PullPlan plan_pull(const PullRequest& request, const PullOptions& options) {
  hub::Hub hub(options.hub);
  const std::string revision = request.revision.empty() ? "main" : request.revision;
  PullPlan plan;
  plan.request = request;
  std::vector<hub::RepoFile> files;
  try {
    const hub::ModelInfo info = hub.model(request.id, revision);
    plan.commit = info.commit;
    if (info.id != request.id) plan.renamed_to = info.id;
    files = hub.files(request.id, plan.commit);
  } catch (const Error& e) {
    if (e.kind() == ErrorKind::network || options.hub.offline) {
      if (auto local = local_plan(request, options)) return std::move(*local);
    }
    throw explain_missing(e, request.id, options.paths, hub);
  }
  const std::unique_ptr<PullPlace> place = make_place(request, plan.commit, options.paths);
  plan.folder = place->folder();
  for (hub::RepoFile& file : choose_files(files, request.files, request.id)) {
    PlannedFile planned{.file = std::move(file)};
    planned.present = !request.check && place->is_present(planned.file);
    plan.total_bytes += planned.file.size_bytes;
    if (is_weights(planned.file.name)) plan.weight_bytes += planned.file.size_bytes;
    if (!planned.present) {
      std::error_code none;
      const bool blob = fs::exists(place->target(planned.file), none);
      planned.needed_bytes =
          blob ? 0 : planned.file.size_bytes - bytes_there(place->unfinished(), planned.file);
      plan.needed_bytes += planned.needed_bytes;
    }
    plan.files.push_back(std::move(planned));
  }
  plan.all_files = plan.files.size() == files.size();
  plan.free_bytes = free_bytes(plan.folder);
  plan.memory_bytes = available_memory();
  plan.memory_needed_bytes = memory_needed(plan, options);
  return plan;
}

fs::path pull(const PullPlan& plan, const PullOptions& options, PullWatcher& watcher) {
  if (plan.files.empty()) return plan.folder;  // is here, and the Hub could not be asked
  if (!plan.request.force && !plan.fits_disk()) {
    throw error(ErrorKind::resource, "{}: needs {} on disk, {} has {} free; nothing was fetched",
                plan.request.id, size_text(plan.needed_bytes), plan.folder.string(),
                size_text(plan.free_bytes))
        .with_hint("pome clean shows what could go");
  }
  const std::unique_ptr<PullPlace> place = make_place(plan.request, plan.commit, options.paths);
  const bool all_present =
      std::all_of(plan.files.begin(), plan.files.end(), [](const auto& f) { return f.present; });
  if (!all_present) {  // a cache that is complete may be read-only
    place->create();
    Work(plan, options, *place).run(options.max_workers, watcher);
  }
  place->finish(plan);
  hub::remove_stray_journals(place->unfinished());
  return plan.folder;
}

}  // namespace pome::services
