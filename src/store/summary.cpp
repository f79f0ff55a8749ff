#include "store/summary.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <map>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "base/letters.h"
#include "formats/safetensors.h"

namespace pome::store {
namespace {

constexpr std::size_t longest_config = 4 << 20;

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// What the Hub calls a task, and what we call it.
struct TaskRow {
  std::string_view theirs, ours;
};
constexpr TaskRow pipeline_tasks[]{
    {"text-generation", "generate"},  {"text2text-generation", "generate"},
    {"feature-extraction", "embed"},  {"sentence-similarity", "embed"},
    {"text-ranking", "rerank"},       {"text-classification", "classify"},
    {"text-to-image", "image"},       {"image-to-image", "image"},
    {"text-to-audio", "music"},       {"text-to-speech", "speech"},
    {"audio-to-audio", "codec"},      {"automatic-speech-recognition", "transcribe"},
    {"image-text-to-text", "vision"}, {"any-to-any", "vision"},
};
// By the architecture's name, the first that fits.
constexpr TaskRow architecture_tasks[]{
    {"Musicgen", "music"},
    {"Encodec", "codec"},
    {"Dac", "codec"},
    {"Whisper", "transcribe"},
    {"ForSequenceClassification", "rerank"},
    {"ForCausalLM", "generate"},
    {"LMHeadModel", "generate"},
    {"ForConditionalGeneration", "generate"},
    {"ForMaskedLM", "embed"},
    {"Model", "embed"},
};
// Published embedding and reranking models are causal ones with another head, and often tagged as such.
constexpr TaskRow name_tasks[]{
    {"rerank", "rerank"}, {"embed", "embed"},        {"musicgen", "music"},
    {"encodec", "codec"}, {"whisper", "transcribe"},
};

struct Precision {
  std::string_view config, name;
  int bits;
};
constexpr Precision precisions[]{{"bfloat16", "bf16", 16}, {"float16", "fp16", 16}, {"float32", "fp32", 32}};
constexpr Precision dtypes[]{{"BF16", "bf16", 16}, {"F16", "fp16", 16}, {"F32", "fp32", 32}};

class Reader {
 public:
  Reader(const fs::path& folder, const std::vector<FolderFile>& files, Summary& out)
      : folder_(folder), files_(files), out_(out) {}

  void read(std::string_view name) {
    for (const FolderFile& file : files_) {
      out_.bytes += file.bytes;
      if (!file.present) out_.missing.push_back(file.name);
    }
    out_.file_count = files_.size();
    if (has("README.md")) out_.card = read_model_card(folder_ / "README.md");
    const Json config = read_json("config.json");
    const Json index = read_json("model_index.json");
    read_config(config, index);
    find_format(config, index);
    read_quantization(config);
    if (out_.bits == 0 && out_.precision.empty()) read_header();
    find_missing(index);
    out_.adapter = has("adapter_config.json") || has("adapters.safetensors");
    // mlx-lm's fuse leaves no mark of its own; pome's and the usual names do.
    out_.fused_adapter = config.contains("fused_from") || contains(lower(name), "fused");
    find_task(name);
  }

 private:
  const FolderFile* find(std::string_view name) const {
    const auto at =
        std::find_if(files_.begin(), files_.end(), [&](const FolderFile& f) { return f.name == name; });
    return at == files_.end() || !at->present ? nullptr : &*at;
  }
  bool has(std::string_view name) const { return find(name) != nullptr; }

  Json read_json(std::string_view name) {
    const FolderFile* file = find(name);
    if (file == nullptr) return Json::object();
    try {
      if (file->bytes > longest_config) fail(ErrorKind::resource, "{}: too long for a config", name);
      Json json = load_json(folder_ / name);
      if (json.is_object()) return json;
      out_.missing.push_back(fmt::format("{} (no object)", name));
    } catch (const Error& error) {
      out_.missing.push_back(fmt::format("{} (unreadable)", name));
    }
    return Json::object();
  }

  static std::string text(const Json& object, std::string_view key) {
    const auto value = object.find(key);
    return value != object.end() && value->is_string() ? value->get<std::string>() : "";
  }

  void read_config(const Json& config, const Json& index) {
    out_.family = text(config, "model_type");
    if (out_.family.empty()) out_.family = text(index, "_class_name");
    if (const auto list = config.find("architectures");
        list != config.end() && list->is_array() && !list->empty() && list->front().is_string()) {
      out_.architecture = list->front().get<std::string>();
    }
    std::string dtype = text(config, "dtype");
    if (dtype.empty()) dtype = text(config, "torch_dtype");
    for (const Precision& row : precisions) {
      if (dtype == row.config) set_precision(row);
    }
  }

  void set_precision(const Precision& row) {
    out_.precision = row.name;
    out_.bits = row.bits;
  }

  void find_format(const Json& config, const Json& index) {
    const auto ends = [&](std::string_view ending) {
      return std::any_of(files_.begin(), files_.end(),
                         [&](const FolderFile& f) { return f.name.ends_with(ending); });
    };
    if (!index.empty()) {
      out_.format = "diffusers";
    } else if (ends(".safetensors")) {
      const auto& tags = out_.card.tags;
      const bool mlx = config.contains("quantization") || out_.card.library == "mlx" ||
                       std::find(tags.begin(), tags.end(), "mlx") != tags.end();
      out_.format = mlx ? "mlx" : "safetensors";
    } else if (ends(".gguf")) {
      out_.format = "gguf";
    } else if (ends(".npz")) {
      out_.format = "numpy";
    } else if (ends(".bin") || ends(".pt") || ends(".pth") || ends(".ckpt")) {
      out_.format = "pytorch";
    }
  }

  void read_quantization(const Json& config) {
    for (const std::string_view key : {"quantization", "quantization_config"}) {
      const auto found = config.find(key);
      if (found == config.end() || !found->is_object()) continue;
      int bits = 0;
      if (const auto value = found->find("bits"); value != found->end() && value->is_number_integer()) {
        bits = static_cast<int>(std::clamp<std::int64_t>(value->get<std::int64_t>(), 0, 64));
      }
      std::string mode = text(*found, "mode");
      if (mode.empty()) mode = text(*found, "quant_method");
      if (bits == 0 && mode.empty()) continue;
      if (bits == 0) bits = bits_of_method(*found, mode);
      out_.bits = bits;
      out_.quantization = mode.empty() || mode == "affine"       ? fmt::format("{}bit", bits)
                          : contains(mode, std::to_string(bits)) ? mode
                                                                 : fmt::format("{} {}bit", mode, bits);
      return;
    }
  }

  // Of methods that do not say "bits".
  static int bits_of_method(const Json& settings, const std::string& mode) {
    const auto four = settings.find("load_in_4bit");  // bitsandbytes
    if (four != settings.end() && four->is_boolean() && four->get<bool>()) return 4;
    if (const auto groups = settings.find("config_groups");  // compressed-tensors
        groups != settings.end() && groups->is_object()) {
      for (const Json& group : *groups) {
        const auto weights = group.is_object() ? group.find("weights") : group.end();
        if (weights == group.end() || !weights->is_object()) continue;
        const auto bits = weights->find("num_bits");
        if (bits != weights->end() && bits->is_number_unsigned() && bits->get<std::uint64_t>() <= 64) {
          return bits->get<int>();
        }
      }
    }
    if (mode == "bitnet") return 2;
    return contains(mode, "4") ? 4 : 8;  // mxfp4, nvfp4, fp8
  }

  // The type of most elements of the first weight file.
  void read_header() {
    const auto file = std::find_if(files_.begin(), files_.end(), [](const FolderFile& f) {
      return f.present && f.name.ends_with(".safetensors") && f.bytes > formats::safetensors_prefix_bytes;
    });
    if (file == files_.end()) return;
    std::ifstream stream(folder_ / file->name, std::ios::binary);
    std::string start(formats::safetensors_prefix_bytes, '\0');
    try {
      if (!stream.read(start.data(), static_cast<std::streamsize>(start.size()))) return;
      const std::uint64_t length =
          formats::parse_safetensors_prefix(std::as_bytes(std::span(start)), file->bytes, file->name);
      if (length > longest_config) return;
      std::string json(length, '\0');
      if (!stream.read(json.data(), static_cast<std::streamsize>(length))) return;
      std::map<std::string_view, std::uint64_t> counts;
      for (const auto& entry : formats::parse_safetensors_header(json, file->bytes, file->name).entries) {
        counts[dtype_name(entry.dtype)] += entry.end - entry.begin;
      }
      const auto most = std::max_element(counts.begin(), counts.end(),
                                         [](const auto& a, const auto& b) { return a.second < b.second; });
      for (const Precision& row : dtypes) {
        if (most != counts.end() && most->first == row.config) set_precision(row);
      }
    } catch (const Error&) {
      // verify says what is wrong with it
    }
  }

  // Shards name their number: of model-00001-of-00004.safetensors there must be four.
  void find_missing_shards() {
    std::map<std::pair<std::string, int>, std::set<int>> shards;
    for (const FolderFile& file : files_) {
      const auto of = file.name.rfind("-of-");
      const auto dash = of == std::string::npos || of == 0 ? of : file.name.rfind('-', of - 1);
      const auto dot = of == std::string::npos ? of : file.name.find('.', of);
      if (!file.name.ends_with(".safetensors") || dash == std::string::npos || dot == std::string::npos)
        continue;
      const auto number = [&](std::size_t begin, std::size_t end) {
        int value = 0;
        const auto [stop, code] = std::from_chars(file.name.data() + begin, file.name.data() + end, value);
        return code == std::errc{} && stop == file.name.data() + end ? value : 0;
      };
      const int at = number(dash + 1, of), total = number(of + 4, dot);
      if (at > 0 && total > 0 && total < 10000) shards[{file.name.substr(0, dash), total}].insert(at);
    }
    for (const auto& [name, seen] : shards) {
      const int absent = name.second - static_cast<int>(seen.size());
      if (absent > 0)
        out_.missing.push_back(fmt::format("{} of {} shards of {}", absent, name.second, name.first));
    }
  }

  void find_missing(const Json& index) {
    if (out_.format.empty()) out_.missing.emplace_back("weights");
    if (index.empty() && !has("config.json") && out_.format != "gguf")
      out_.missing.emplace_back("config.json");
    find_missing_shards();
  }

  void find_task(std::string_view name) {
    const std::string low = lower(name.substr(name.rfind('/') + 1));
    for (const TaskRow& row : name_tasks) {
      if (out_.task.empty() && contains(low, row.theirs)) out_.task = row.ours;
    }
    if (out_.task.empty() && has("modules.json")) out_.task = "embed";  // sentence-transformers
    for (const TaskRow& row : pipeline_tasks) {
      if (out_.task.empty() && out_.card.pipeline_tag == row.theirs) out_.task = row.ours;
    }
    if (out_.task.empty() && out_.format == "diffusers") out_.task = "image";
    for (const TaskRow& row : architecture_tasks) {
      if (out_.task.empty() && contains(out_.architecture, row.theirs)) out_.task = row.ours;
    }
    if (out_.task == "generate" && has_chat_template(folder_, files_)) out_.task = "chat";
  }

  const fs::path& folder_;
  const std::vector<FolderFile>& files_;
  Summary& out_;
};

}  // namespace

std::vector<FolderFile> folder_files(const fs::path& folder) {
  std::vector<FolderFile> files;
  std::error_code none;
  for (fs::recursive_directory_iterator it(folder, none), end; !none && it != end; it.increment(none)) {
    if (it->path().filename().string().starts_with(".")) {
      it.disable_recursion_pending();
      continue;
    }
    std::error_code missing;
    if (it->is_directory(missing)) continue;
    FolderFile file{.name = it->path().lexically_relative(folder).generic_string()};
    file.present = it->is_regular_file(missing);
    if (!file.present && !it->is_symlink(missing)) continue;
    if (file.present) file.bytes = it->file_size(missing);
    files.push_back(std::move(file));
  }
  std::sort(files.begin(), files.end(),
            [](const FolderFile& a, const FolderFile& b) { return a.name < b.name; });
  return files;
}

std::vector<FolderFile> folder_files(const ScannedRevision& revision) {
  std::vector<FolderFile> files;
  for (const ScannedFile& file : revision.files) {
    if (!file.name.starts_with(".")) files.push_back({file.name, file.bytes, file.present});
  }
  return files;
}

bool has_chat_template(const fs::path& folder, const std::vector<FolderFile>& files) {
  for (const FolderFile& file : files) {
    if (!file.present) continue;
    if (file.name == "chat_template.jinja" || file.name == "chat_template.json") return true;
    if (file.name != "tokenizer_config.json" || file.bytes > longest_config) continue;
    try {
      if (contains(read_file(folder / file.name, longest_config), "\"chat_template\"")) return true;
    } catch (const Error&) {  // unreadable, as others will say
    }
  }
  return false;
}

Summary summarise(const fs::path& folder, const std::vector<FolderFile>& files, std::string_view name) {
  Summary summary;
  Reader(folder, files, summary).read(name);
  return summary;
}

}  // namespace pome::store
