#include "store/catalogue.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/letters.h"
#include "store/name_likeness.h"

namespace pome::store {
namespace {

// Below this share of common words two names do not mean the same model.
constexpr double least_likeness = 0.55;

bool any_same(const std::vector<std::string>& names, std::string_view name) {
  return std::any_of(names.begin(), names.end(),
                     [&](const auto& other) { return same_letters(other, name); });
}

std::vector<std::string> read_texts(const Json& object, std::string_view key) {
  std::vector<std::string> texts;
  const auto list = object.find(key);
  if (list == object.end()) return texts;
  if (!list->is_array()) fail(ErrorKind::corrupt, "{}: expected a list", key);
  for (const Json& text : *list) texts.push_back(json_as<std::string>(text, key));
  return texts;
}

const Json& objects(const Json& object, const char* key) {
  static const Json none = Json::array();
  const auto list = object.find(key);
  if (list == object.end()) return none;
  if (!list->is_array() ||
      !std::all_of(list->begin(), list->end(), [](const Json& o) { return o.is_object(); })) {
    fail(ErrorKind::corrupt, "{}: expected a list of objects", key);
  }
  return *list;
}

KnownModel read_model(const Json& json) {
  KnownModel model;
  model.name = json_value<std::string>(json, "name", "");
  if (model.name.empty()) fail(ErrorKind::corrupt, "models: one has no name");
  model.family = json_value<std::string>(json, "family", "");
  model.tasks = read_texts(json, "tasks");
  model.licence = json_value<std::string>(json, "licence", "");
  model.base = json_value<std::string>(json, "base", "");
  model.aka = read_texts(json, "aka");
  model.gated = json_value<bool>(json, "gated", false);
  model.context = json_value<int>(json, "context", 0);
  model.parameters = json_value<std::uint64_t>(json, "parameters", 0);
  model.active_parameters = json_value<std::uint64_t>(json, "active_parameters", model.parameters);
  for (const Json& layers : objects(json, "cache")) {
    model.cache.push_back({.layers = json_value<int>(layers, "layers", 0),
                           .kv_heads = json_value<int>(layers, "kv_heads", 0),
                           .head_dim = json_value<int>(layers, "head_dim", 0),
                           .window = json_value<int>(layers, "window", 0)});
  }
  for (const Json& repo : objects(json, "repos")) {
    model.repos.push_back({.repo = json_value<std::string>(repo, "repo", ""),
                           .bits = json_value<int>(repo, "bits", 0),
                           .bytes = json_value<std::uint64_t>(repo, "bytes", 0),
                           .include = read_texts(repo, "include")});
  }
  return model;
}

}  // namespace

bool KnownModel::serves(std::string_view task) const {
  return std::find(tasks.begin(), tasks.end(), task) != tasks.end();
}

Catalogue Catalogue::parse(std::string_view text, std::string_view subject) {
  const Json json = parse_json(text, subject);
  Catalogue catalogue;
  try {
    if (!json.is_object()) fail(ErrorKind::corrupt, "expected an object with \"as_of\" and \"models\"");
    catalogue.as_of_ = json_value<std::string>(json, "as_of", "");
    for (const Json& model : objects(json, "models")) catalogue.models_.push_back(read_model(model));
    for (const auto& [key, names] :
         {std::pair{"groups", &catalogue.groups_}, {"corrections", &catalogue.corrections_}}) {
      const auto table = json.find(key);
      if (table == json.end()) continue;
      if (!table->is_object()) fail(ErrorKind::corrupt, "{}: expected an object", key);
      for (const auto& [name, others] : table->items()) names->push_back({name, read_texts(*table, name)});
    }
  } catch (Error& error) {
    throw std::move(error).in(std::string(subject));
  }
  return catalogue;
}

Catalogue Catalogue::load(const Paths& paths) {
  Catalogue bundled = parse(read_file(paths.catalogue), paths.catalogue.string());
  const fs::path file = refreshed_file(paths);
  std::error_code none;
  if (!fs::exists(file, none)) return bundled;
  Catalogue refreshed = parse(read_file(file), file.string());
  return refreshed.as_of_ >= bundled.as_of_ ? std::move(refreshed) : std::move(bundled);
}

const KnownModel* Catalogue::find(std::string_view name) const {
  for (const KnownModel& model : models_) {
    if (same_letters(model.name, name) || any_same(model.aka, name) || same_letters(model.base, name))
      return &model;
    for (const KnownRepo& repo : model.repos) {
      if (same_letters(repo.repo, name)) return &model;
    }
  }
  return nullptr;
}

std::vector<const KnownModel*> Catalogue::preset(std::string_view name) const {
  for (const KnownModel& model : models_) {
    if (same_letters(model.name, name) || any_same(model.aka, name)) return {&model};
  }
  std::vector<const KnownModel*> members;
  for (const Named& group : groups_) {
    if (!same_letters(group.name, name)) continue;
    for (const std::string& member : group.others) {
      if (const KnownModel* model = find(member)) members.push_back(model);
    }
  }
  return members;
}

std::vector<std::string> Catalogue::corrections(std::string_view wrong, std::size_t most) const {
  for (const Named& correction : corrections_) {
    if (same_letters(correction.name, wrong)) {
      return {correction.others.begin(), correction.others.begin() + static_cast<std::ptrdiff_t>(std::min(
                                                                         most, correction.others.size()))};
    }
  }
  std::vector<std::pair<double, std::string>> ranked;
  for (const KnownModel& model : models_) {
    for (const KnownRepo& repo : model.repos) {
      const double likeness = name_likeness(wrong, repo.repo);
      if (likeness >= least_likeness) ranked.emplace_back(likeness, repo.repo);
    }
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<std::string> names;
  for (auto& [likeness, name] : ranked) {
    if (names.size() == most) break;
    names.push_back(std::move(name));
  }
  return names;
}

}  // namespace pome::store
