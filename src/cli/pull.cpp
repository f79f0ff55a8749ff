#include "cli/fetching.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "services/lock_file.h"
#include "services/pull_names.h"

namespace pome::cli {
namespace {

constexpr Example examples[]{
    {"pome pull mlx-community/Qwen3-0.6B-4bit", "prints the folder, and nothing else, on stdout"},
    {"pome pull mlx-community/Qwen3-0.6B-4bit --plan", "what it would fetch, and whether it fits"},
    {"pome pull org/name@v1.0 --include '*.json'", "some files of a revision"},
    {"pome pull qwen3-8b --bits 4", "by a name of the catalogue"},
    {"pome pull org/name --local-dir ./model", "plain files instead of the cache"},
    {"pome pull org/name --lock", "writes commit and digests to pome.lock …"},
    {"pome pull --locked", "… by which others get the same bytes"},
};

struct Pull {
  std::vector<std::string> words;
  std::string revision;
  services::FileChoice files;
  fs::path local_dir, cache_dir;
  services::NameChoice names;
  int max_workers = 8;
  bool plan = false, quiet = false, json = false, offline = false, force = false;
  bool lock = false, locked = false;
  fs::path lock_file = "pome.lock";
};

// One model to fetch, as the command line or the lock file has it.
struct Task {
  services::PullRequest request;
  const services::LockedModel* locked = nullptr;
};

std::vector<Task> tasks(const Pull& o, const services::LockFile& lock, const services::PullRequest& common,
                        const services::PullOptions& options) {
  std::vector<Task> result;
  if (!o.locked) {
    if (o.words.empty()) fail(ErrorKind::usage, "pull: expected a MODEL, found none");
    for (const std::string& word : o.words) {
      for (const auto& request : services::pull_requests(word, o.names, common, options)) {
        result.push_back({request, nullptr});
      }
    }
    return result;
  }
  if (!o.revision.empty() || !o.files.include.empty() || !o.files.exclude.empty() || o.lock) {
    fail(ErrorKind::usage, "--locked: revision and files are those of {}", o.lock_file.string());
  }
  for (const services::LockedModel& model : lock.models()) {
    if (o.words.empty()) result.push_back({services::locked_request(model, common), &model});
  }
  for (const std::string& word : o.words) {
    const services::LockedModel* model = lock.find(word);
    if (model == nullptr) {
      throw error(ErrorKind::not_found, "{}: not in {}", word, o.lock_file.string())
          .with_hint("pome pull " + word + " --lock");
    }
    result.push_back({services::locked_request(*model, common), model});
  }
  if (result.empty()) {
    throw error(ErrorKind::not_found, "{}: there is no locked model", o.lock_file.string())
        .with_hint("pome pull MODEL --lock");
  }
  return result;
}

services::PullPlan plan_task(const Task& task, const services::PullOptions& options) {
  services::PullPlan plan = services::plan_pull(task.request, options);
  if (task.locked != nullptr) {
    services::check_locked(plan, *task.locked);
    plan.request.revision = task.locked->revision;  // its name leads to the locked commit from now on
  }
  return plan;
}

void pull(const Pull& o) {
  services::PullOptions options;
  options.max_workers = o.max_workers;
  if (o.offline) options.hub.offline = true;
  if (!o.cache_dir.empty()) options.paths.hf_cache = fs::absolute(o.cache_dir);
  if (o.max_workers < 1 || o.max_workers > 64) {
    fail(ErrorKind::usage, "--max-workers is {}, expected 1 to 64", o.max_workers);
  }
  if (o.names.bits < 0 || o.names.bits > 32) {
    fail(ErrorKind::usage, "--bits is {}, expected 1 to 32", o.names.bits);
  }
  const services::PullRequest common{
      .id = {},
      .revision = o.revision,
      .files = o.files,
      .local_dir = o.local_dir.empty() ? fs::path() : fs::absolute(o.local_dir),
      .force = o.force};
  services::LockFile lock;
  if (o.lock || o.locked) lock = services::LockFile::load(o.lock_file);
  const std::vector<Task> requests = tasks(o, lock, common, options);
  if (requests.size() > 1 && !o.local_dir.empty()) {
    fail(ErrorKind::usage, "--local-dir takes one model, found {}", requests.size());
  }
  const FetchTalk form = o.json ? FetchTalk::json : o.quiet ? FetchTalk::quiet : FetchTalk::lines;
  for (const Task& task : requests) {
    const services::PullPlan plan = plan_task(task, options);
    if (o.plan) {
      if (o.json) {
        print_json(plan.to_json());
      } else {
        print(plan_text(plan, true));
      }
      continue;
    }
    if (form == FetchTalk::json) {
      Json event = plan.to_json();
      event["event"] = "plan";
      print_json(event);
    } else if (form == FetchTalk::lines) {
      talk(plan_text(plan, false));
    }
    const fs::path folder = fetch(plan, options, form);
    if (o.lock) {
      lock.put(plan);
      lock.save(o.lock_file);
    }
    if (form == FetchTalk::json) {
      print_json({{"event", "done"},
                  {"model", plan.request.id},
                  {"commit", plan.commit},
                  {"folder", folder.string()}});
    } else {
      print(folder.string() + "\n");
    }
  }
}

Action declare(Options& options) {
  auto o = std::make_shared<Pull>();
  options.words({"MODEL…"}, o->words, 0, std::string::npos);
  options.option("--bits", o->names.bits, "N",
                 "of the weights, where the catalogue knows several repositories");
  options.flag("--all", o->names.all, "every model of a group, such as flux");
  options.option("--revision", o->revision, "REV", "a branch, tag or commit (default: main)");
  options.option("--include", o->files.include, "PATTERN", "only these files, code too; may be given again");
  options.option("--exclude", o->files.exclude, "PATTERN", "not these; may be given again");
  options.option("--local-dir", o->local_dir, "FOLDER", "put plain files there instead of into the cache");
  options.option("--cache-dir", o->cache_dir, "FOLDER", "the Hugging Face cache to use");
  options.flag("--plan,--dry-run", o->plan, "only say what would be fetched, and whether it fits");
  options.flag("--quiet,-q", o->quiet, "nothing but the folder");
  options.flag("--json", o->json, "events, one object per line");
  options.flag("--lock", o->lock, "write commit and digests to the lock file");
  options.flag("--locked", o->locked, "what the lock file holds, or the MODELs of it, and nothing else");
  options.option("--lock-file", o->lock_file, "FILE", "(default: pome.lock)");
  options.option("--max-workers", o->max_workers, "N", "files at once (default: 8)");
  options.flag("--offline", o->offline, "ask nobody: only what is here");
  options.flag("--force", o->force, "even where the disk seems too small");
  return [o] { pull(*o); };
}

}  // namespace

extern constexpr Verb pull_verb{"pull", Group::get_and_keep,
                                "fetch models, verified, and go on where it ended", examples, declare};

}  // namespace pome::cli
