#include "text/folder.h"

#include <fmt/ranges.h>

#include <algorithm>

namespace pome::text {

namespace {

constexpr std::size_t max_tokenizer_bytes = std::size_t{256} << 20;

Json load_if_present(const fs::path& path) {
  if (!fs::exists(path)) return Json::object();
  Json json = load_json(path);
  if (!json.is_object()) fail(ErrorKind::corrupt, "{}: not an object", path.string());
  return json;
}

// "<s>", or {"content": "<s>", …}.
std::optional<std::string> token_text(const Json& token) {
  if (token.is_string()) return token.get<std::string>();
  if (token.is_object() && token.contains("content") && token["content"].is_string()) {
    return token["content"].get<std::string>();
  }
  return std::nullopt;
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

// What stands around a text without a tokenizer.json, which alone decides where there is one.
std::optional<Surround> read_surround(const Json& config, const Json& tokens) {
  if (!config.contains("add_bos_token") && !config.contains("add_eos_token")) return std::nullopt;
  Surround surround;
  const auto wanted = [&](const char* key, const char* role) {
    std::optional<std::string> token;
    if (json_value<bool>(config, key, false) && tokens.contains(role)) token = tokens[role];
    return token;
  };
  surround.before = wanted("add_bos_token", "bos_token");
  surround.after = wanted("add_eos_token", "eos_token");
  return surround;
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

std::string_view view(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

// What the classes of transformers put around vocab.json and merges.txt, as a tokenizer.json without them.
std::string settings_for(const std::string& tokenizer_class, const Json& config, const Json& tokens) {
  const std::string name = tokenizer_class.ends_with("Fast")
                               ? tokenizer_class.substr(0, tokenizer_class.size() - 4)
                               : tokenizer_class;
  Json settings = {{"version", "1.0"}, {"model", {{"type", "BPE"}}}};
  const Json byte_level = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  settings["decoder"] = byte_level;
  if (name == "GPT2Tokenizer" || name.empty()) {
    settings["pre_tokenizer"] = byte_level;
    settings["pre_tokenizer"]["add_prefix_space"] = json_value<bool>(config, "add_prefix_space", false);
  } else if (name == "Qwen2Tokenizer") {
    settings["normalizer"] = {{"type", "NFC"}};
    const char* words =
        R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
    Json bytes_only = byte_level;
    bytes_only["use_regex"] = false;
    const Json split = {
        {"type", "Split"}, {"pattern", {{"Regex", words}}}, {"behavior", "Isolated"}, {"invert", false}};
    settings["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", Json::array({split, bytes_only})}};
  } else {
    fail(ErrorKind::unsupported,
         "vocab.json and merges.txt of a {} cannot be read; found no tokenizer.json beside them",
         tokenizer_class);
  }
  Json added = Json::array();
  const auto add = [&](const std::string& content) {
    for (const Json& known : added) {
      if (known["content"] == content) return;
    }
    added.push_back({{"content", content},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  };
  if (const auto decoder = config.find("added_tokens_decoder"); decoder != config.end()) {
    for (const Json& token : *decoder) {
      if (!token.is_object() || !token_text(token)) continue;
      added.push_back({{"content", *token_text(token)}});
      for (const char* flag : {"single_word", "lstrip", "rstrip", "normalized", "special"}) {
        added.back()[flag] = json_value<bool>(token, flag, false);
      }
    }
  }
  for (const Json& token : tokens) add(token.get<std::string>());
  settings["added_tokens"] = added;
  return settings.dump();
}

[[noreturn]] void fail_without_tokenizer(const fs::path& folder) {
  std::vector<std::string> found;
  for (const char* name : {"tokenizer.model", "tiktoken.model", "tekken.json", "spiece.model",
                           "sentencepiece.bpe.model", "vocab.txt", "qwen.tiktoken", "vocab.json"}) {
    if (fs::exists(folder / name)) found.emplace_back(name);
  }
  if (found.empty()) {
    fail(ErrorKind::not_found, "{}: no tokenizer.json, nor any other tokenizer file", folder.string());
  }
  fail(ErrorKind::unsupported, "{}: no tokenizer.json; found {}, which cannot be read", folder.string(),
       fmt::join(found, ", "));
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

  const fs::path json = folder / "tokenizer.json", vocab = folder / "vocab.json";
  const fs::path merges = folder / "merges.txt";
  const auto map = [](const fs::path& path) {
    auto file = MappedFile::open(path);
    if (file->bytes().size() > max_tokenizer_bytes) {
      fail(ErrorKind::resource, "{}: {} bytes, limit is {}", path.string(), file->bytes().size(),
           max_tokenizer_bytes);
    }
    return file;
  };
  try {
    if (fs::exists(json)) {
      loaded.tokenizer = Tokenizer::parse(view(*map(json)));
    } else if (fs::exists(vocab) && fs::exists(merges)) {
      const std::string name = json_value<std::string>(config, "tokenizer_class", "");
      const std::string settings = settings_for(name, config, loaded.special_tokens);
      loaded.tokenizer = Tokenizer::parse_bpe(settings, view(*map(vocab)), view(*map(merges)),
                                              read_surround(config, loaded.special_tokens));
    } else {
      fail_without_tokenizer(folder);
    }
  } catch (Error& e) {
    if (e.message().find(folder.string()) != std::string::npos) throw;
    throw std::move(e).in(folder.string());
  }
  return loaded;
}

}  // namespace pome::text
