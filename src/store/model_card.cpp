#include "store/model_card.h"

#include <fstream>

namespace pome::store {
namespace {

constexpr std::size_t longest_card = 64 << 10;
constexpr std::size_t most_items = 1000;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blank = " \t\r\"'";
  const auto begin = text.find_first_not_of(blank);
  return begin == std::string_view::npos ? "" : text.substr(begin, text.find_last_not_of(blank) - begin + 1);
}

// "a", or the items of "[a, b]".
void add_values(std::string_view text, std::vector<std::string>& values) {
  text = trimmed(text);
  if (!text.starts_with('[')) {
    if (!text.empty()) values.emplace_back(text);
    return;
  }
  text.remove_prefix(1);
  if (text.ends_with(']')) text.remove_suffix(1);
  while (!text.empty() && values.size() < most_items) {
    const auto comma = text.find(',');
    if (const auto item = trimmed(text.substr(0, comma)); !item.empty()) values.emplace_back(item);
    text = comma == std::string_view::npos ? "" : text.substr(comma + 1);
  }
}

}  // namespace

ModelCard parse_model_card(std::string_view readme) {
  ModelCard card;
  std::vector<std::string> other;
  std::vector<std::string> licence, pipeline, library, name;
  const auto values_of = [&](std::string_view key) -> std::vector<std::string>& {
    if (key == "license") return licence;
    if (key == "license_name") return name;
    if (key == "pipeline_tag") return pipeline;
    if (key == "library_name") return library;
    if (key == "base_model") return card.base_models;
    if (key == "tags") return card.tags;
    return other;
  };
  readme = readme.substr(0, longest_card);
  if (!readme.starts_with("---")) return card;
  std::vector<std::string>* values = &other;
  for (auto end = readme.find('\n'); end != std::string_view::npos;) {
    readme.remove_prefix(end + 1);
    end = readme.find('\n');
    const std::string_view line = readme.substr(0, end);
    if (line.starts_with("---")) break;
    const std::string_view text = trimmed(line);
    if (text.empty() || text.starts_with('#')) continue;
    if (text.starts_with("- ")) {
      if (values->size() < most_items) values->emplace_back(trimmed(text.substr(2)));
      continue;
    }
    if (line.front() == ' ' || line.front() == '\t') continue;  // below a key we do not know
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    other.clear();
    values = &values_of(trimmed(line.substr(0, colon)));
    values->clear();
    add_values(line.substr(colon + 1), *values);
  }
  const auto first = [](const std::vector<std::string>& list) { return list.empty() ? "" : list.front(); };
  card.licence = first(licence) == "other" && !name.empty() ? name.front() : first(licence);
  card.pipeline_tag = first(pipeline);
  card.library = first(library);
  return card;
}

ModelCard read_model_card(const fs::path& readme) {
  std::ifstream file(readme, std::ios::binary);
  std::string text(longest_card, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return parse_model_card(text);
}

}  // namespace pome::store
