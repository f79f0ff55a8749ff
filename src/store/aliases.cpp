#include "store/aliases.h"

#include <algorithm>

#include "base/error.h"
#include "base/nearest.h"

namespace pome::store {
namespace {

bool good_name(std::string_view name) {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == ':';
  };
  return !name.empty() && name.size() <= 64 && name.front() != '-' && name.front() != '.' && name != "demo" &&
         std::all_of(name.begin(), name.end(), good);
}

}  // namespace

std::vector<Alias> Aliases::all() const {
  std::error_code none;
  if (!fs::exists(file_, none)) return {};
  const Json json = load_json(file_);
  const std::string where = file_.string();
  if (!json.is_object()) fail(ErrorKind::corrupt, "{}: expected an object of aliases", where);
  std::vector<Alias> result;
  for (const auto& [name, value] : json.items()) {
    try {
      if (!value.is_object()) fail(ErrorKind::corrupt, "\"{}\": expected an object with \"model\"", name);
      Alias alias{name, json_value<std::string>(value, "model", ""), Json::object()};
      if (alias.model.empty()) fail(ErrorKind::corrupt, "\"{}\": \"model\" is missing", name);
      if (const auto settings = value.find("settings"); settings != value.end()) {
        if (!settings->is_object()) fail(ErrorKind::corrupt, "\"{}\": \"settings\" must be an object", name);
        alias.settings = *settings;
      }
      result.push_back(std::move(alias));
    } catch (Error& error) {
      throw std::move(error).in(where);
    }
  }
  return result;
}

std::optional<Alias> Aliases::find(std::string_view name) const {
  for (Alias& alias : all()) {
    if (alias.name == name) return std::move(alias);
  }
  return std::nullopt;
}

void Aliases::set(const Alias& alias) {
  if (!good_name(alias.name)) {
    throw error(ErrorKind::usage, "\"{}\" cannot be an alias", alias.name)
        .with_hint("use up to 64 letters, digits and - _ . : (not first), and not the name demo");
  }
  if (alias.model.empty()) fail(ErrorKind::usage, "alias \"{}\" names no model", alias.name);
  std::vector<Alias> aliases = all();
  if (std::any_of(aliases.begin(), aliases.end(), [&](const Alias& a) { return a.name == alias.model; })) {
    fail(ErrorKind::usage, "alias \"{}\" names \"{}\", which is an alias itself", alias.name, alias.model);
  }
  const auto same =
      std::find_if(aliases.begin(), aliases.end(), [&](const Alias& a) { return a.name == alias.name; });
  if (same == aliases.end()) {
    aliases.push_back(alias);
  } else {
    *same = alias;
  }
  write(aliases);
}

void Aliases::remove(std::string_view name) {
  std::vector<Alias> aliases = all();
  if (std::erase_if(aliases, [&](const Alias& a) { return a.name == name; }) == 0) {
    std::vector<std::string> names;
    for (const Alias& alias : aliases) names.push_back(alias.name);
    Error missing = error(ErrorKind::not_found, "there is no alias \"{}\"", name);
    if (const auto close = nearest(name, names)) missing.with_hint(fmt::format("did you mean {}?", *close));
    throw missing;
  }
  write(aliases);
}

void Aliases::write(const std::vector<Alias>& aliases) const {
  Json json = Json::object();
  for (const Alias& alias : aliases) {
    json[alias.name]["model"] = alias.model;
    if (!alias.settings.empty()) json[alias.name]["settings"] = alias.settings;
  }
  std::error_code failed;
  fs::create_directories(file_.parent_path(), failed);
  if (failed) {
    fail(ErrorKind::refused, "{}: cannot create the folder: {}", file_.parent_path().string(),
         failed.message());
  }
  write_file_atomic(file_, json.dump(2) + "\n");
}

}  // namespace pome::store
