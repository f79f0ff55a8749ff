#include "services/search.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <set>
#include <utility>

#include "base/error.h"
#include "hub/headers.h"
#include "hub/names.h"
#include "services/archs.h"
#include "store/hf_cache.h"

namespace pome::services {
namespace {

constexpr std::size_t most_rows = 1000;  // that are looked through
constexpr std::size_t page_rows = 100;

struct TaskRow {
  std::string_view ours, theirs;
};
// The first row of a task of theirs is what it is shown as.
constexpr TaskRow tasks[]{
    {"generate", "text-generation"},  {"chat", "text-generation"},
    {"code", "text-generation"},      {"generate", "text2text-generation"},
    {"embed", "feature-extraction"},  {"embed", "sentence-similarity"},
    {"rerank", "text-ranking"},       {"classify", "text-classification"},
    {"image", "text-to-image"},       {"image", "image-to-image"},
    {"music", "text-to-audio"},       {"speech", "text-to-speech"},
    {"codec", "audio-to-audio"},      {"transcribe", "automatic-speech-recognition"},
    {"vision", "image-text-to-text"}, {"vision", "any-to-any"},
};

struct TypeRow {
  std::string_view name;
  std::uint64_t bits;
};
constexpr TypeRow types[]{{"F64", 64},    {"I64", 64}, {"U64", 64},    {"F32", 32},
                          {"I32", 32},    {"U32", 32}, {"BF16", 16},   {"F16", 16},
                          {"I16", 16},    {"U16", 16}, {"F8_E4M3", 8}, {"F8_E5M2", 8},
                          {"F8_E8M0", 8}, {"I8", 8},   {"U8", 8},      {"BOOL", 8}};

// Members of another type than expected count as none: rows are the Hub's, and one odd row is no failure.
std::string text_of(const Json& object, std::string_view key) {
  const auto member = object.is_object() ? object.find(key) : object.end();
  return member != object.end() && member->is_string() ? hub::shown_text(member->get<std::string>()) : "";
}

std::uint64_t number_of(const Json& object, std::string_view key) {
  const auto member = object.is_object() ? object.find(key) : object.end();
  return member != object.end() && member->is_number_unsigned() ? member->get<std::uint64_t>() : 0;
}

const Json& member_of(const Json& object, std::string_view key) {
  static const Json none;
  const auto member = object.is_object() ? object.find(key) : object.end();
  return member != object.end() ? *member : none;
}

std::vector<std::string> texts_of(const Json& list) {
  std::vector<std::string> texts;
  if (!list.is_array()) return texts;
  for (const Json& text : list) {
    if (text.is_string()) texts.push_back(hub::shown_text(text.get<std::string>()));
  }
  return texts;
}

// "4-bit", "4bit", "q4": how tags and names tell a width. 0: they do not.
int bits_in(std::string_view text) {
  std::string low;
  for (const char c : text) low += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (const auto& [word, bits] :
       {std::pair<std::string_view, int>{"bf16", 16}, {"fp16", 16}, {"fp32", 32}}) {
    if (low.find(word) != std::string::npos) return bits;
  }
  for (std::size_t at = low.find("bit"); at != std::string::npos; at = low.find("bit", at + 1)) {
    std::size_t end = at;
    if (end > 0 && low[end - 1] == '-') --end;
    if (end > 0 && low[end - 1] >= '1' && low[end - 1] <= '8' &&
        (end == 1 || std::isalnum(static_cast<unsigned char>(low[end - 2])) == 0)) {
      return low[end - 1] - '0';
    }
  }
  return 0;
}

void read_weights(const Json& row, FoundModel& found, int& float_bits) {
  const Json& counts = member_of(member_of(row, "safetensors"), "parameters");
  if (!counts.is_object()) return;
  std::uint64_t most = 0;
  bool packed = false;
  for (const auto& [name, count] : counts.items()) {
    const auto type = std::find_if(std::begin(types), std::end(types),
                                   [&wanted = name](const TypeRow& t) { return t.name == wanted; });
    if (type == std::end(types) || !count.is_number_unsigned()) continue;
    const auto elements = count.get<std::uint64_t>();
    if (elements > (std::uint64_t{1} << 50)) continue;  // no file has as many
    found.bytes += elements * type->bits / 8;
    packed |= name == "U32";
    if (elements > most) {
      most = elements;
      float_bits = static_cast<int>(type->bits);
    }
  }
  if (packed) float_bits = 0;
}

void read_bits(const Json& row, const std::vector<std::string>& tags, int float_bits, FoundModel& found) {
  const Json& config = member_of(row, "config");
  for (const char* key : {"quantization_config", "quantization"}) {
    const std::uint64_t bits = number_of(member_of(config, key), "bits");
    if (bits >= 1 && bits <= 8 && found.bits == 0) found.bits = static_cast<int>(bits);
  }
  for (const std::string& tag : tags) {
    if (found.bits == 0 && tag.size() == 5 && tag.ends_with("-bit")) found.bits = bits_in(tag);
  }
  if (found.bits == 0) found.bits = bits_in(found.name);
  if (found.bits == 0) found.bits = float_bits;
}

void read_bases(const Json& row, const std::vector<std::string>& tags, FoundModel& found) {
  constexpr std::string_view mark = "base_model:";
  for (const std::string& tag : tags) {  // "base_model:org/name", "base_model:quantized:org/name"
    if (!tag.starts_with(mark)) continue;
    const std::string name = tag.substr(tag.rfind(':') + 1);
    if (hub::parse_repo_name(name)) found.base_models.push_back(name);
  }
  const Json& bases = member_of(member_of(row, "baseModels"), "models");
  if (bases.is_array()) {
    for (const Json& base : bases) found.base_models.push_back(text_of(base, "id"));
  }
  std::sort(found.base_models.begin(), found.base_models.end());
  found.base_models.erase(std::unique(found.base_models.begin(), found.base_models.end()),
                          found.base_models.end());
}

bool runs_here(std::string_view model_type) {
  static const std::set<std::string, std::less<>> known = [] {
    std::set<std::string, std::less<>> names;
    for (const ArchFacts& arch : archs()) names.insert(arch.model_types.begin(), arch.model_types.end());
    return names;
  }();
  return known.contains(model_type);
}

bool is_family(std::string_view wanted, std::string_view model_type) {
  if (wanted == model_type) return true;
  for (const ArchFacts& arch : archs()) {
    if (arch.name != wanted) continue;
    return std::find(arch.model_types.begin(), arch.model_types.end(), model_type) != arch.model_types.end();
  }
  return false;
}

bool is_wanted(const FoundModel& model, const SearchRequest& request,
               const std::vector<std::string>& wanted_tasks) {
  if (!wanted_tasks.empty()) {
    const std::vector<std::string> its = hub_tasks(model.task);
    if (std::find_first_of(its.begin(), its.end(), wanted_tasks.begin(), wanted_tasks.end()) == its.end())
      return false;
  }
  if (!request.family.empty() && !is_family(request.family, model.family)) return false;
  if (request.bits != 0 && model.bits != request.bits) return false;
  return request.max_bytes == 0 || (model.bytes != 0 && model.bytes <= request.max_bytes);
}

hub::Hub::Query query_of(const SearchRequest& request, const std::vector<std::string>& wanted_tasks) {
  const std::string sort = request.sort == "date" ? "lastModified" : request.sort;
  hub::Hub::Query query{{"filter", "mlx"}, {"sort", sort}, {"limit", std::to_string(page_rows)}};
  if (!request.words.empty()) query.emplace_back("search", request.words);
  if (!request.author.empty()) query.emplace_back("author", request.author);
  if (!request.base.empty()) query.emplace_back("filter", "base_model:" + request.base);
  if (wanted_tasks.size() == 1) query.emplace_back("pipeline_tag", wanted_tasks.front());
  for (const char* field : {"downloads", "likes", "lastModified", "pipeline_tag", "tags", "config",
                            "safetensors", "gated", "baseModels"}) {
    query.emplace_back("expand[]", field);
  }
  return query;
}

}  // namespace

std::vector<std::string> hub_tasks(std::string_view task) {
  std::vector<std::string> names;
  for (const TaskRow& row : tasks) {
    if (row.ours == task) names.emplace_back(row.theirs);
  }
  return names;
}

std::vector<FoundModel> parse_found(const Json& page, std::string_view subject) {
  if (!page.is_array()) fail(ErrorKind::corrupt, "{}: expected a list of models", subject);
  std::vector<FoundModel> models;
  for (const Json& row : page) {
    FoundModel found;
    found.name = text_of(row, "id");
    const auto name = hub::parse_repo_name(found.name);
    if (!name || !name->revision.empty()) continue;
    const std::string pipeline = text_of(row, "pipeline_tag");
    const auto task = std::find_if(std::begin(tasks), std::end(tasks),
                                   [&](const TaskRow& t) { return t.theirs == pipeline; });
    if (task != std::end(tasks)) found.task = task->ours;
    found.family = text_of(member_of(row, "config"), "model_type");
    found.runs = runs_here(found.family);
    found.downloads = number_of(row, "downloads");
    found.likes = number_of(row, "likes");
    found.modified = text_of(row, "lastModified");
    const std::vector<std::string> tags = texts_of(member_of(row, "tags"));
    for (const std::string& tag : tags) {
      if (tag.starts_with("license:")) found.licence = tag.substr(8);
    }
    const Json& gated = member_of(row, "gated");  // false, "auto" or "manual"
    found.gated = gated.is_string() || (gated.is_boolean() && gated.get<bool>());
    int float_bits = 0;
    read_weights(row, found, float_bits);
    read_bits(row, tags, float_bits, found);
    read_bases(row, tags, found);
    models.push_back(std::move(found));
  }
  return models;
}

std::vector<FoundModel> search(const SearchRequest& request, hub::Hub& hub, const store::Paths& paths) {
  constexpr std::array<std::string_view, 3> orders{"downloads", "likes", "date"};
  if (std::find(orders.begin(), orders.end(), request.sort) == orders.end()) {
    fail(ErrorKind::usage, "\"{}\" is no order: expected downloads, likes or date", request.sort);
  }
  const std::vector<std::string> wanted_tasks = hub_tasks(request.task);
  if (!request.task.empty() && wanted_tasks.empty()) {
    fail(ErrorKind::usage,
         "\"{}\" is no task: expected generate, chat, code, embed, rerank, classify, image, music, speech, "
         "codec, transcribe or vision",
         request.task);
  }
  std::vector<FoundModel> result;
  std::size_t looked = 0;
  hub::Hub::Page page = hub.get("api/models", query_of(request, wanted_tasks));
  while (true) {
    for (FoundModel& model : parse_found(page.json, "search")) {
      if (result.size() == request.limit) return result;
      if (!is_wanted(model, request, wanted_tasks)) continue;
      const fs::path folder = store::CachedRepo(paths.hf_cache, model.name).snapshots();
      std::error_code none;
      model.here = fs::exists(folder, none) && !fs::is_empty(folder, none);
      result.push_back(std::move(model));
    }
    looked += page.json.size();
    if (page.next.empty() || looked >= most_rows || page.json.empty()) return result;
    page = hub.get_page(page.next);
  }
}

Json FoundModel::to_json() const {
  const auto or_null = [](const std::string& text) { return text.empty() ? Json() : Json(text); };
  return {{"name", name},
          {"task", or_null(task)},
          {"family", or_null(family)},
          {"bits", bits > 0 ? Json(bits) : Json()},
          {"weight_bytes", bytes > 0 ? Json(bytes) : Json()},
          {"downloads", downloads},
          {"likes", likes},
          {"last_modified", or_null(modified)},
          {"licence", or_null(licence)},
          {"base_models", base_models},
          {"gated", gated},
          {"here", here},
          {"runs", runs}};
}

}  // namespace pome::services
