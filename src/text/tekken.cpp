#include "text/tekken.h"

#include "base/error.h"
#include "base/json.h"

namespace pome::text {
namespace {

constexpr std::string_view subject = "tekken.json";
constexpr std::int64_t most_ids = 1 << 24;

constexpr std::string_view first_special[]{"<unk>",
                                           "<s>",
                                           "</s>",
                                           "[INST]",
                                           "[/INST]",
                                           "[AVAILABLE_TOOLS]",
                                           "[/AVAILABLE_TOOLS]",
                                           "[TOOL_RESULTS]",
                                           "[/TOOL_RESULTS]",
                                           "[TOOL_CALLS]",
                                           "[IMG]",
                                           "<pad>",
                                           "[IMG_BREAK]",
                                           "[IMG_END]",
                                           "[PREFIX]",
                                           "[MIDDLE]",
                                           "[SUFFIX]",
                                           "[SYSTEM_PROMPT]",
                                           "[/SYSTEM_PROMPT]",
                                           "[TOOL_CONTENT]"};

std::string base64(std::string_view bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t bits = 0;
    for (std::size_t j = i; j < i + 3; ++j) {
      bits = bits << 8 | (j < bytes.size() ? static_cast<unsigned char>(bytes[j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j)
      text += i + j <= bytes.size() ? digits[bits >> (18 - 6 * j) & 63] : '=';
  }
  return text;
}

const Json& member(const Json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  if (found == object.end()) fail(ErrorKind::corrupt, "{}: {} is missing", subject, key);
  return *found;
}

std::int64_t count(const Json& config, const char* key) {
  const auto value = json_as<std::int64_t>(member(config, key), key);
  if (value < 0 || value > most_ids) fail(ErrorKind::corrupt, "{}: {} is {}", subject, key, value);
  return value;
}

std::vector<std::string> special_tokens(const Json& file, std::int64_t number) {
  std::vector<std::string> names(static_cast<std::size_t>(number));
  const auto name = [&](std::int64_t id, std::string text) {
    if (id < 0 || id >= number || !names[static_cast<std::size_t>(id)].empty() || text.empty()) {
      fail(ErrorKind::corrupt, "{}: special token \"{}\" has rank {}, {} are to be had", subject, text, id,
           number);
    }
    names[static_cast<std::size_t>(id)] = std::move(text);
  };
  if (const auto listed = file.find("special_tokens"); listed != file.end() && !listed->is_null()) {
    for (const Json& token : *listed) {
      name(json_as<std::int64_t>(member(token, "rank"), "rank"),
           json_as<std::string>(member(token, "token_str"), "token_str"));
    }
  } else {
    for (std::int64_t id = 0; id < static_cast<std::int64_t>(std::size(first_special)); ++id) {
      name(id, std::string(first_special[id]));
    }
  }
  for (std::size_t id = 0; id < names.size(); ++id) {
    if (names[id].empty()) names[id] = fmt::format("<SPECIAL_{}>", id);
  }
  return names;
}

}  // namespace

Tekken parse_tekken(std::string_view json) {
  const Json file = parse_json(json, subject);
  const Json& config = member(file, "config");
  Tekken tekken;
  tekken.words = json_as<std::string>(member(config, "pattern"), "pattern");
  const std::int64_t all = count(config, "default_vocab_size");
  tekken.special = special_tokens(file, count(config, "default_num_special_tokens"));
  const Json& vocab = member(file, "vocab");
  const auto first = static_cast<std::int64_t>(tekken.special.size());
  if (!vocab.is_array() || all < first || all - first > static_cast<std::int64_t>(vocab.size())) {
    fail(ErrorKind::corrupt, "{}: {} tokens and {} special ones cannot make {}", subject, vocab.size(), first,
         all);
  }
  const auto add = [&](std::string_view token, std::int64_t id) {
    tekken.ranks += fmt::format("{} {}\n", token, id);
  };
  for (std::int64_t id = 0; id < first; ++id) add(base64(tekken.special[static_cast<std::size_t>(id)]), id);
  for (std::int64_t i = 0; i < all - first; ++i) {
    const Json& token = vocab[static_cast<std::size_t>(i)];
    if (const auto rank = json_as<std::int64_t>(member(token, "rank"), "rank"); rank != i) {
      fail(ErrorKind::corrupt, "{}: token {} of vocab has rank {}", subject, i, rank);
    }
    const auto bytes = json_as<std::string>(member(token, "token_bytes"), "token_bytes");
    if (bytes.find_first_of(" \r\n") != bytes.npos) {
      fail(ErrorKind::corrupt, "{}: token_bytes of token {} are not base64", subject, i);
    }
    add(bytes, first + i);
  }
  return tekken;
}

}  // namespace pome::text
