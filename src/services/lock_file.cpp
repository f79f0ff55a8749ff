#include "services/lock_file.h"

#include <algorithm>

#include "base/error.h"
#include "hub/digest.h"
#include "hub/names.h"

namespace pome::services {
namespace {

constexpr int version = 1;

const Json& list_of(const Json& object, const char* key) {
  const auto list = object.find(key);
  if (list == object.end() || !list->is_array()) fail(ErrorKind::corrupt, "{}: expected a list", key);
  return *list;
}

std::vector<std::string> texts(const Json& object, const char* key) {
  std::vector<std::string> result;
  if (!object.contains(key)) return result;
  for (const Json& text : list_of(object, key)) result.push_back(json_as<std::string>(text, key));
  return result;
}

LockedModel read_model(const Json& json) {
  if (!json.is_object()) fail(ErrorKind::corrupt, "models: expected objects");
  LockedModel model{.model = json_value<std::string>(json, "model", ""),
                    .revision = json_value<std::string>(json, "revision", ""),
                    .commit = json_value<std::string>(json, "commit", ""),
                    .files_asked = {},
                    .files = {}};
  if (!hub::parse_repo_name(model.model))
    fail(ErrorKind::corrupt, "\"{}\" is no name of a model", model.model);
  if (!hub::is_commit(model.commit)) {
    fail(ErrorKind::corrupt, "{}: \"{}\" is no commit", model.model, model.commit);
  }
  model.files_asked.include = texts(json, "include");
  model.files_asked.exclude = texts(json, "exclude");
  for (const Json& file : list_of(json, "files")) {
    if (!file.is_object()) fail(ErrorKind::corrupt, "{}: files: expected objects", model.model);
    model.files.push_back({.name = json_value<std::string>(file, "name", ""),
                           .size_bytes = json_value<std::uint64_t>(file, "size_bytes", 0),
                           .digest = json_value<std::string>(file, "digest", "")});
    if (!hub::digest_kind(model.files.back().digest)) {
      fail(ErrorKind::corrupt, "{}: {}: \"{}\" is no digest", model.model, model.files.back().name,
           model.files.back().digest);
    }
  }
  return model;
}

}  // namespace

LockFile LockFile::parse(std::string_view text, std::string_view subject) {
  const Json json = parse_json(text, subject);
  LockFile lock;
  try {
    if (!json.is_object()) fail(ErrorKind::corrupt, "expected an object with \"models\"");
    if (const int found = json_value<int>(json, "version", 0); found != version) {
      fail(ErrorKind::unsupported, "version {}, expected {}", found, version);
    }
    for (const Json& model : list_of(json, "models")) {
      LockedModel one = read_model(model);
      if (lock.find(one.model) != nullptr) fail(ErrorKind::corrupt, "{} is there twice", one.model);
      lock.models_.push_back(std::move(one));
    }
  } catch (Error& error) {
    throw std::move(error).in(std::string(subject));
  }
  return lock;
}

LockFile LockFile::load(const fs::path& file) {
  std::error_code none;
  if (!fs::exists(file, none)) return {};
  return parse(read_file(file), file.string());
}

void LockFile::save(const fs::path& file) const {
  Json models = Json::array();
  for (const LockedModel& model : models_) {
    Json files = Json::array();
    for (const LockedModel::File& f : model.files) {
      files.push_back({{"name", f.name}, {"size_bytes", f.size_bytes}, {"digest", f.digest}});
    }
    models.push_back({{"model", model.model},
                      {"revision", model.revision},
                      {"commit", model.commit},
                      {"include", model.files_asked.include},
                      {"exclude", model.files_asked.exclude},
                      {"files", std::move(files)}});
  }
  write_file_atomic(file, Json{{"version", version}, {"models", std::move(models)}}.dump(2) + "\n");
}

const LockedModel* LockFile::find(std::string_view model) const {
  const auto found =
      std::find_if(models_.begin(), models_.end(), [&](const auto& one) { return one.model == model; });
  return found == models_.end() ? nullptr : &*found;
}

void LockFile::put(const PullPlan& plan) {
  if (plan.files.empty()) {
    throw error(ErrorKind::network, "{}: the Hub could not be asked for digests, so it cannot be locked",
                plan.request.id)
        .with_hint("pome verify " + plan.request.id);
  }
  LockedModel model{.model = plan.request.id,
                    .revision = plan.request.revision,
                    .commit = plan.commit,
                    .files_asked = plan.request.files,
                    .files = {}};
  for (const PlannedFile& planned : plan.files) {
    model.files.push_back({planned.file.name, planned.file.size_bytes, planned.file.etag()});
  }
  std::erase_if(models_, [&](const auto& one) { return one.model == model.model; });
  models_.push_back(std::move(model));
  std::sort(models_.begin(), models_.end(), [](const auto& a, const auto& b) { return a.model < b.model; });
}

PullRequest locked_request(const LockedModel& model, const PullRequest& common) {
  PullRequest request = common;
  request.id = model.model;
  request.revision = model.commit;
  request.files = model.files_asked;
  return request;
}

void check_locked(const PullPlan& plan, const LockedModel& model) {
  if (plan.commit != model.commit) {
    fail(ErrorKind::corrupt, "{}: locked is commit {}, found {}", model.model, model.commit, plan.commit);
  }
  if (plan.files.empty()) return;  // here already, and the Hub cannot be asked
  for (const LockedModel::File& file : model.files) {
    const auto found = std::find_if(plan.files.begin(), plan.files.end(),
                                    [&](const PlannedFile& p) { return p.file.name == file.name; });
    if (found == plan.files.end()) {
      fail(ErrorKind::corrupt, "{}: {} is locked, and the Hub has none in that commit", model.model,
           file.name);
    }
    if (found->file.etag() != file.digest) {
      fail(ErrorKind::corrupt, "{}: {}: locked is {}, the Hub says {}", model.model, file.name, file.digest,
           found->file.etag());
    }
  }
}

}  // namespace pome::services
