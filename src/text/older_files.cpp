#include "text/older_files.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "text/tekken.h"

namespace pome::text {

namespace {

constexpr std::size_t max_tokenizer_bytes = std::size_t{256} << 20;

constexpr const char* qwen_words =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* llama_3_words =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kimi_words =
    R"([\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* cl100k_words =
    R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+\z|\s*[\r\n]|\s+(?!\S)|\s)";

// What stands in the code of a tokenizer class with a tiktoken file, and in no file.
struct TiktokenClass {
  std::string_view name;
  const char* words;
  bool composes;             // text is brought to NFC first
  std::string_view special;  // comma-separated, they follow the file's tokens
  std::string_view filler;   // then these, with "#" for a number, up to `specials` in all
  int specials;
  int first_number;  // of the filler; -1: its numbers are ids
};

constexpr std::string_view phi_3_small_special =
    "<|dummy_id_2|>,<|endoftext|>,<|fim_prefix|>,<|fim_middle|>,<|fim_suffix|>,<|system|>,<|user|>,"
    "<|assistant|>,<|dummy_id_0|>,<|dummy_id_1|>,<|end|>,<|dummy_id_3|>,<|dummy_id_4|>,<|dummy_id_5|>,"
    "<|dummy_id_6|>,<|dummy_id_7|>,<|dummy_id_8|>,<|dummy_id_9|>,<|dummy_id_10|>,<|dummy_id_11|>,"
    "<|endofprompt|>";

constexpr TiktokenClass tiktoken_classes[]{
    {"TikTokenTokenizer", kimi_words, false, "", "<|reserved_token_#|>", 256, -1},
    {"QWenTokenizer", qwen_words, true, "<|endoftext|>,<|im_start|>,<|im_end|>", "<|extra_#|>", 208, 0},
    {"Phi3SmallTokenizer", cl100k_words, false, phi_3_small_special, "<|dummy_id_#|>", 96, 12},
    {"PreTrainedTokenizer", llama_3_words, false, "", "", 0, 0},
    {"TokenizersBackend", llama_3_words, false, "", "", 0, 0},
    {"LlamaTokenizer", llama_3_words, false, "", "", 0, 0},
};

// Classes that renumber the pieces of a SentencePiece model, or put more around a text than a begin and an
// end token.
constexpr std::string_view other_numbers[]{
    "AlbertTokenizer", "BarthezTokenizer", "BigBirdTokenizer", "CamembertTokenizer",  "DebertaV2Tokenizer",
    "FNetTokenizer",   "MBartTokenizer",   "MBart50Tokenizer", "NllbTokenizer",       "PegasusTokenizer",
    "PLBartTokenizer", "RemBertTokenizer", "XGLMTokenizer",    "XLMRobertaTokenizer", "XLNetTokenizer",
};

Json added_token(const std::string& content, bool special) {
  return {{"content", content}, {"single_word", false}, {"lstrip", false},
          {"rstrip", false},    {"normalized", false},  {"special", special}};
}

// The tokens that the folder adds to its model, by id.
std::map<std::int32_t, Json> declared_tokens(const fs::path& folder, const Json& config,
                                             const Json& special) {
  std::map<std::int32_t, Json> tokens;
  const auto is_special = [&](const std::string& content) {
    return std::any_of(special.begin(), special.end(), [&](const Json& token) { return token == content; });
  };
  if (const fs::path file = folder / "added_tokens.json"; fs::exists(file)) {
    const Json added = load_json(file);
    if (!added.is_object()) fail(ErrorKind::corrupt, "{}: not an object", file.string());
    for (const auto& [content, id] : added.items()) {
      tokens[json_as<std::int32_t>(id, "added_tokens.json: id")] = added_token(content, is_special(content));
    }
  }
  if (const auto decoder = config.find("added_tokens_decoder"); decoder != config.end()) {
    if (!decoder->is_object()) fail(ErrorKind::corrupt, "added_tokens_decoder: not an object");
    for (const auto& [key, token] : decoder->items()) {
      if (!token.is_object() || !token_text(token)) continue;
      const Json id = Json::parse(key, nullptr, false);
      Json& entry = tokens[json_as<std::int32_t>(id, "added_tokens_decoder: id")];
      entry = added_token(*token_text(token), false);
      for (const char* flag : {"single_word", "lstrip", "rstrip", "normalized", "special"}) {
        entry[flag] = json_value<bool>(token, flag, false);
      }
    }
  }
  return tokens;
}

// As settings have them: in order of their ids, then the special tokens without one.
Json added_tokens(const std::map<std::int32_t, Json>& declared, const Json& special) {
  Json added = Json::array();
  for (const auto& [id, token] : declared) added.push_back(token);
  for (const Json& content : special) {
    const auto same = [&](const Json& known) { return known["content"] == content; };
    if (std::none_of(added.begin(), added.end(), same)) {
      added.push_back(added_token(content.get<std::string>(), true));
    }
  }
  return added;
}

// Added tokens get the next free id in order; a folder that numbers them otherwise would get the wrong ones.
void check_ids(const Tokenizer& tokenizer, const std::map<std::int32_t, Json>& declared) {
  for (const auto& [id, token] : declared) {
    const auto content = token["content"].get<std::string>();
    const std::optional<std::int32_t> found = tokenizer.id_of(content);
    if (found == id) continue;
    fail(ErrorKind::unsupported, "added token \"{}\" is to have id {}, the next free one is {}", content, id,
         found.value_or(-1));
  }
}

// What stands around a text; a key that the config lacks is as in the class.
Surround surround(const Json& config, const Json& tokens, bool begins, bool ends) {
  Surround around;
  if (json_value<bool>(config, "add_bos_token", begins) && tokens.contains("bos_token")) {
    around.before = tokens["bos_token"];
  }
  if (json_value<bool>(config, "add_eos_token", ends) && tokens.contains("eos_token")) {
    around.after = tokens["eos_token"];
  }
  return around;
}

Json split_by(const char* words) {
  return {{"type", "Split"}, {"pattern", {{"Regex", words}}}, {"behavior", "Isolated"}, {"invert", false}};
}

// What transformers' classes put around vocab.json and merges.txt, as a tokenizer.json without them.
Json settings_for_merges(const std::string& name, const Json& config) {
  Json settings = {{"version", "1.0"}, {"model", {{"type", "BPE"}}}};
  const Json byte_level = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  settings["decoder"] = byte_level;
  if (name == "GPT2Tokenizer" || name.empty()) {
    settings["pre_tokenizer"] = byte_level;
    settings["pre_tokenizer"]["add_prefix_space"] = json_value<bool>(config, "add_prefix_space", false);
  } else if (name == "Qwen2Tokenizer") {
    settings["normalizer"] = {{"type", "NFC"}};
    Json bytes_only = byte_level;
    bytes_only["use_regex"] = false;
    settings["pre_tokenizer"] = {{"type", "Sequence"},
                                 {"pretokenizers", Json::array({split_by(qwen_words), bytes_only})}};
  } else {
    fail(ErrorKind::unsupported,
         "vocab.json and merges.txt of a {} cannot be read; found no tokenizer.json beside them", name);
  }
  return settings;
}

std::shared_ptr<const Tokenizer> read_merges(const fs::path& folder, const std::string& name,
                                             const Json& config, const Json& special) {
  Json settings = settings_for_merges(name, config);
  const auto declared = declared_tokens(folder, config, special);
  settings["added_tokens"] = added_tokens(declared, special);
  std::optional<Surround> around;
  if (config.contains("add_bos_token") || config.contains("add_eos_token")) {
    around = surround(config, special, false, false);
  }
  return Tokenizer::parse_bpe(settings.dump(), view(*open_tokenizer_file(folder / "vocab.json")),
                              view(*open_tokenizer_file(folder / "merges.txt")), around);
}

std::shared_ptr<const Tokenizer> read_sentencepiece(const fs::path& folder, std::string_view bytes,
                                                    const std::string& name, const Json& config,
                                                    Json& special) {
  if (std::find(std::begin(other_numbers), std::end(other_numbers), name) != std::end(other_numbers)) {
    fail(ErrorKind::unsupported, "the SentencePiece model of a {} cannot be read; found no tokenizer.json",
         name);
  }
  const bool is_t5 = name == "T5Tokenizer";
  const auto declared = declared_tokens(folder, config, special);
  Json settings = {{"version", "1.0"}, {"legacy", json_value<bool>(config, "legacy", false)}};
  settings["added_tokens"] = added_tokens(declared, special);
  if (is_t5 && declared.empty()) {
    for (int i = json_value<int>(config, "extra_ids", 100); i-- > 0;) {
      settings["added_tokens"].push_back(added_token(fmt::format("<extra_id_{}>", i), true));
    }
  }
  const auto choose = [&](const Tokenizer& tokenizer) {
    check_ids(tokenizer, declared);
    const auto find = [&](const char* role, std::initializer_list<const char*> names) {
      for (const char* candidate : names) {
        if (!special.contains(role) && tokenizer.id_of(candidate)) special[role] = candidate;
      }
    };
    find("bos_token", {"<s>", "<bos>"});
    find("eos_token", {"</s>", "<eos>"});
    return surround(config, special, !is_t5, is_t5);
  };
  return Tokenizer::parse_file(TokenizerFile::sentencepiece, settings.dump(), bytes, choose);
}

const TiktokenClass& tiktoken_class(const std::string& name) {
  for (const TiktokenClass& known : tiktoken_classes) {
    if (known.name == name) return known;
  }
  std::vector<std::string_view> names;
  for (const TiktokenClass& known : tiktoken_classes) names.push_back(known.name);
  fail(ErrorKind::unsupported, "the tiktoken file of a \"{}\" cannot be read; known are {}", name,
       fmt::join(names, ", "));
}

std::shared_ptr<const Tokenizer> read_tiktoken(const fs::path& folder, std::string_view bytes,
                                               const std::string& name, const Json& config,
                                               const Json& special) {
  const TiktokenClass& known = tiktoken_class(name);
  auto declared = declared_tokens(folder, config, special);
  auto next = static_cast<std::int32_t>(std::count(bytes.begin(), bytes.end(), '\n')) +
              (bytes.ends_with('\n') ? 0 : 1);
  const std::int32_t end = next + known.specials;
  for (std::string_view names = known.special; !names.empty(); ++next) {
    const std::size_t comma = std::min(names.find(','), names.size());
    declared.try_emplace(next, added_token(std::string(names.substr(0, comma)), true));
    names.remove_prefix(std::min(comma + 1, names.size()));
  }
  for (const std::int32_t first = next; next < end; ++next) {
    std::string filler(known.filler);
    filler.replace(filler.find('#'), 1,
                   std::to_string(known.first_number < 0 ? next : next - first + known.first_number));
    declared.try_emplace(next, added_token(filler, true));
  }
  Json settings = {{"version", "1.0"}, {"pre_tokenizer", split_by(known.words)}};
  settings["decoder"] = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}};
  if (known.composes) settings["normalizer"] = {{"type", "NFC"}};
  settings["added_tokens"] = added_tokens(declared, special);
  const auto choose = [&](const Tokenizer& tokenizer) {
    check_ids(tokenizer, declared);
    return surround(config, special, known.words == llama_3_words, false);
  };
  return Tokenizer::parse_file(TokenizerFile::tiktoken, settings.dump(), bytes, choose);
}

std::shared_ptr<const Tokenizer> read_tekken(std::string_view bytes, const Json& config, Json& special) {
  const Tekken tekken = parse_tekken(bytes);
  Json settings = {{"version", "1.0"}, {"pre_tokenizer", split_by(tekken.words.c_str())}};
  settings["decoder"] = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}};
  std::map<std::int32_t, Json> tokens;
  for (const std::string& content : tekken.special) {
    tokens.emplace(static_cast<std::int32_t>(tokens.size()), added_token(content, true));
  }
  settings["added_tokens"] = added_tokens(tokens, Json::object());
  const auto choose = [&](const Tokenizer& tokenizer) {
    check_ids(tokenizer, tokens);
    for (const auto& [role, content] : {std::pair("unk_token", "<unk>"), std::pair("bos_token", "<s>"),
                                        std::pair("eos_token", "</s>"), std::pair("pad_token", "<pad>")}) {
      if (!special.contains(role) && tokenizer.id_of(content)) special[role] = content;
    }
    return surround(config, special, true, false);
  };
  return Tokenizer::parse_file(TokenizerFile::tiktoken, settings.dump(), tekken.ranks, choose);
}

[[noreturn]] void fail_without_tokenizer(const fs::path& folder) {
  std::vector<std::string> found;
  for (const char* name : {"sentencepiece.bpe.model", "vocab.txt", "vocab.json"}) {
    if (fs::exists(folder / name)) found.emplace_back(name);
  }
  if (found.empty()) {
    fail(ErrorKind::not_found, "{}: no tokenizer.json, nor any other tokenizer file", folder.string());
  }
  fail(ErrorKind::unsupported, "{}: no tokenizer.json; found {}, which cannot be read", folder.string(),
       fmt::join(found, ", "));
}

fs::path find_model_file(const fs::path& folder) {
  for (const char* name : {"tekken.json", "tokenizer.model", "spiece.model", "tiktoken.model",
                           "qwen.tiktoken", "cl100k_base.tiktoken"}) {
    if (fs::exists(folder / name)) return folder / name;
  }
  fail_without_tokenizer(folder);
}

}  // namespace

std::shared_ptr<const MappedFile> open_tokenizer_file(const fs::path& path) {
  auto file = MappedFile::open(path);
  if (file->bytes().size() > max_tokenizer_bytes) {
    fail(ErrorKind::resource, "{}: {} bytes, limit is {}", path.string(), file->bytes().size(),
         max_tokenizer_bytes);
  }
  return file;
}

std::string_view view(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

std::optional<std::string> token_text(const Json& token) {
  if (token.is_string()) return token.get<std::string>();
  if (token.is_object() && token.contains("content") && token["content"].is_string()) {
    return token["content"].get<std::string>();
  }
  return std::nullopt;
}

std::shared_ptr<const Tokenizer> load_older_tokenizer(const fs::path& folder, const Json& config,
                                                      Json& special_tokens) {
  std::string name = json_value<std::string>(config, "tokenizer_class", "");
  if (name.ends_with("Fast")) name.resize(name.size() - 4);
  if (fs::exists(folder / "vocab.json") && fs::exists(folder / "merges.txt")) {
    return read_merges(folder, name, config, special_tokens);
  }
  const fs::path path = find_model_file(folder);
  const auto file = open_tokenizer_file(path);
  try {
    if (path.extension() == ".json") return read_tekken(view(*file), config, special_tokens);
    // The first field of a SentencePiece model is a piece, whose tag is a line feed.
    if (view(*file).starts_with('\n')) {
      return read_sentencepiece(folder, view(*file), name, config, special_tokens);
    }
    return read_tiktoken(folder, view(*file), name, config, special_tokens);
  } catch (Error& error) {
    throw std::move(error).in(path.filename().string());
  }
}

}  // namespace pome::text
