#include "text/folder.h"

#include <algorithm>

#include "text/older_files.h"

namespace pome::text {

namespace {

Json load_if_present(const fs::path& path) {
  if (!fs::exists(path)) return Json::object();
  Json json = load_json(path);
  if (!json.is_object()) fail(ErrorKind::corrupt, "{}: not an object", path.string());
  return json;
}

Json read_special_tokens(const Json& config, const Json& map) {
  Json tokens = Json::object();
  for (const char* role :
       {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}) {
    for (const Json* source : {&config, &map}) {
      const auto found = source->find(role);
      if (found == source->end()) continue;
      if (const auto text = token_text(*found)) tokens[role] = *text;
      break;
    }
  }
  return tokens;
}

void add_template(std::vector<NamedTemplate>& templates, std::string name, std::string source) {
  const auto same = std::find_if(templates.begin(), templates.end(),
                                 [&](const NamedTemplate& known) { return known.name == name; });
  if (same != templates.end()) {
    same->source = std::move(source);
  } else if (name == "default") {
    templates.insert(templates.begin(), {std::move(name), std::move(source)});
  } else {
    templates.push_back({std::move(name), std::move(source)});
  }
}

void add_templates_of(const Json& config, std::vector<NamedTemplate>& templates) {
  const auto found = config.find("chat_template");
  if (found == config.end() || found->is_null()) return;
  if (found->is_string()) {
    add_template(templates, "default", found->get<std::string>());
    return;
  }
  if (!found->is_array()) fail(ErrorKind::corrupt, "chat_template: expected text or a list of templates");
  for (const Json& entry : *found) {
    if (!entry.is_object() || !entry.contains("name") || !entry.contains("template")) {
      fail(ErrorKind::corrupt, "chat_template: a list entry lacks \"name\" or \"template\"");
    }
    add_template(templates, json_as<std::string>(entry["name"], "name"),
                 json_as<std::string>(entry["template"], "template"));
  }
}

// Later sources replace earlier ones, as in transformers.
std::vector<NamedTemplate> read_templates(const fs::path& folder, const Json& config) {
  std::vector<NamedTemplate> templates;
  add_templates_of(config, templates);
  add_templates_of(load_if_present(folder / "chat_template.json"), templates);
  if (fs::exists(folder / "chat_template.jinja")) {
    add_template(templates, "default", read_file(folder / "chat_template.jinja"));
  }
  const fs::path more = folder / "additional_chat_templates";
  if (fs::is_directory(more)) {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(more)) {
      if (entry.path().extension() == ".jinja") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    for (const fs::path& file : files) add_template(templates, file.stem().string(), read_file(file));
  }
  return templates;
}

}  // namespace

std::optional<std::string> TokenizerFolder::special_token(std::string_view role) const {
  const auto found = special_tokens.find(role);
  if (found == special_tokens.end()) return std::nullopt;
  return found->get<std::string>();
}

const NamedTemplate* TokenizerFolder::template_for(bool tools) const {
  const NamedTemplate* chosen = nullptr;
  for (const NamedTemplate& candidate : chat_templates) {
    if (candidate.name == "default" && chosen == nullptr) chosen = &candidate;
    if (candidate.name == "tool_use" && tools) chosen = &candidate;
  }
  return chosen;
}

TokenizerFolder load_tokenizer(const fs::path& folder) {
  const Json config = load_if_present(folder / "tokenizer_config.json");
  TokenizerFolder loaded;
  loaded.special_tokens = read_special_tokens(config, load_if_present(folder / "special_tokens_map.json"));
  loaded.chat_templates = read_templates(folder, config);

  const fs::path json = folder / "tokenizer.json";
  try {
    loaded.tokenizer = fs::exists(json) ? Tokenizer::parse(view(*open_tokenizer_file(json)))
                                        : load_older_tokenizer(folder, config, loaded.special_tokens);
  } catch (Error& e) {
    if (e.message().find(folder.string()) != std::string::npos) throw;
    throw std::move(e).in(folder.string());
  }
  return loaded;
}

}  // namespace pome::text
