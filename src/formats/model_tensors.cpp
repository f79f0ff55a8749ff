#include "formats/model_tensors.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "base/error.h"
#include "formats/npz.h"
#include "formats/shard_index.h"

namespace pome::formats {
namespace {

constexpr std::string_view whole = "model.safetensors";
constexpr std::string_view index_name = "model.safetensors.index.json";
constexpr std::string_view suffix = ".safetensors";
constexpr std::string_view archive_suffix = ".npz";
constexpr std::size_t max_index_bytes = 100'000'000;  // as for a header

using Names = std::set<std::string, std::less<>>;

// Names, not files: a link whose target is gone should be reported, not passed over.
Names names_in(const fs::path& folder) {
  Names names;
  std::error_code code;
  fs::directory_iterator entry(folder, code);
  for (; !code && entry != fs::directory_iterator(); entry.increment(code))
    names.insert(entry->path().filename().string());
  if (code) fail(ErrorKind::not_found, "{}: cannot read the folder: {}", folder.string(), code.message());
  return names;
}

bool is_foreign_weights(std::string_view name) {
  constexpr std::array<std::string_view, 4> suffixes{".gguf", ".pt", ".pth", ".ckpt"};
  return std::any_of(suffixes.begin(), suffixes.end(),
                     [&](std::string_view s) { return name.ends_with(s); }) ||
         (name.ends_with(".bin") && name.find("model") != std::string_view::npos);  // not training_args.bin
}

[[noreturn]] void refuse_foreign(const fs::path& found, const fs::path& to_convert) {
  throw error(ErrorKind::unsupported, "{}: only safetensors weights can be run, nothing was loaded",
              found.string())
      .with_hint("pome convert " + shell_word(to_convert));
}

// Names no weights that we read: says what there is instead.
[[noreturn]] void refuse_folder(const fs::path& folder, const Names& names) {
  Names foreign;
  std::copy_if(names.begin(), names.end(), std::inserter(foreign, foreign.end()), is_foreign_weights);
  const auto gguf =
      std::find_if(foreign.begin(), foreign.end(), [](const auto& n) { return n.ends_with(".gguf"); });
  if (gguf != foreign.end()) refuse_foreign(folder / *gguf, folder / *gguf);
  if (foreign.size() == 1) refuse_foreign(folder / *foreign.begin(), folder / *foreign.begin());
  if (!foreign.empty()) refuse_foreign(folder / *foreign.begin(), folder);
  fail(ErrorKind::not_found, "{}: no weights: expected {}, {} or {}", folder.string(), whole, index_name,
       "model*.safetensors");
}

Error missing_shard(const fs::path& shard, std::string_view why) {
  return error(ErrorKind::not_found, "{}: not there, but {} (download incomplete?)", shard.string(), why)
      .with_hint("pome verify --repair " + shell_word(shard.parent_path()));
}

Names with_prefix(const Names& names, std::string_view prefix, std::string_view ending = suffix) {
  Names some;
  for (const std::string& name : names) {
    if (name.starts_with(prefix) && name.ends_with(ending)) some.insert(name);
  }
  return some;
}

// Of "model-00002-of-00003.safetensors": "model-", 3 and the width of the numbers.
struct ShardSeries {
  std::string stem;
  std::size_t count = 0;
  std::size_t width = 0;
};

std::optional<ShardSeries> series_of(std::string_view name) {
  const auto is_number = [](std::string_view text) {
    return !text.empty() && text.size() <= 6 &&
           text.find_first_not_of("0123456789") == std::string_view::npos;
  };
  name.remove_suffix(suffix.size());
  const std::size_t of = name.rfind("-of-");
  if (of == std::string_view::npos) return std::nullopt;
  const std::string_view count = name.substr(of + 4);
  const std::size_t dash = name.rfind('-', of - 1);
  if (of == 0 || dash == std::string_view::npos) return std::nullopt;
  const std::string_view number = name.substr(dash + 1, of - dash - 1);
  if (!is_number(count) || !is_number(number)) return std::nullopt;
  return ShardSeries{std::string(name.substr(0, dash + 1)), std::stoul(std::string(count)), number.size()};
}

void check_series_complete(const fs::path& folder, const Names& shards) {
  for (const std::string& name : shards) {
    const auto series = series_of(name);
    if (!series) continue;
    for (std::size_t i = 1; i <= series->count; ++i) {
      const std::string number = fmt::format("{:0{}}", i, series->width);
      const std::string count = fmt::format("{:0{}}", series->count, series->width);
      const std::string sibling = fmt::format("{}{}-of-{}{}", series->stem, number, count, suffix);
      if (!shards.contains(sibling)) throw missing_shard(folder / sibling, name + " is");
    }
  }
}

ModelTensors open_files(const fs::path& folder, const Names& names) {
  ModelTensors model{TensorTable(folder.string()), {}, {}};
  for (const std::string& name : names) {
    SafetensorsFile file = open_safetensors(folder / name);
    model.tensors.merge(std::move(file.tensors));
    if (model.metadata.empty()) model.metadata = std::move(file.metadata);
    model.files.push_back(folder / name);
  }
  return model;
}

ModelTensors open_archives(const fs::path& folder, const Names& names) {
  ModelTensors model{TensorTable(folder.string()), {{"format", "mlx"}}, {}};
  for (const std::string& name : names) {
    model.tensors.merge(open_npz(folder / name));
    model.files.push_back(folder / name);
  }
  return model;
}

ModelTensors open_indexed(const fs::path& folder, const Names& names) {
  const fs::path index = folder / index_name;
  const auto map = parse_shard_index(read_file(index, max_index_bytes), index.string());
  Names shards;
  for (const auto& [tensor, shard] : map) {
    if (!names.contains(shard)) {
      throw missing_shard(folder / shard,
                          fmt::format("{} has tensor {} in it", index_name, shown_name(tensor)));
    }
    shards.insert(shard);
  }
  if (shards.empty()) fail(ErrorKind::corrupt, "{}: weight_map is empty", index.string());
  ModelTensors model = open_files(folder, shards);
  for (const auto& [name, shard] : map) {
    const Tensor* tensor = model.tensors.find(name);
    if (tensor == nullptr || tensor->file != (folder / shard).string()) {
      fail(ErrorKind::corrupt, "{}: no tensor named {}, which {} has in it", (folder / shard).string(),
           shown_name(name), index_name);
    }
  }
  return model;
}

}  // namespace

ModelTensors open_model_tensors(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) {
    if (fs::exists(path, ignored) && is_foreign_weights(path.filename().string())) refuse_foreign(path, path);
    if (path.extension() == archive_suffix) return {open_npz(path), {{"format", "mlx"}}, {path}};
    SafetensorsFile file = open_safetensors(path);
    return {std::move(file.tensors), std::move(file.metadata), {path}};
  }
  const Names names = names_in(path);
  if (names.contains(whole)) return open_files(path, {std::string(whole)});
  if (names.contains(index_name)) return open_indexed(path, names);
  Names shards = with_prefix(names, "model");
  if (shards.empty()) shards = with_prefix(names, "weights");
  if (shards.empty()) {
    const Names archives = with_prefix(names, "weights", archive_suffix);
    if (archives.empty()) refuse_folder(path, names);
    return open_archives(path, archives);
  }
  check_series_complete(path, shards);
  return open_files(path, shards);
}

}  // namespace pome::formats
