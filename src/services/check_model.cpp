#include "services/check_model.h"

#include <algorithm>
#include <fstream>
#include <set>

#include "base/error.h"
#include "formats/model_tensors.h"
#include "models/model.h"
#include "nn/linear.h"
#include "services/text_model.h"
#include "store/summary.h"

namespace pome::services {
namespace {

using Grade = Finding::Grade;

constexpr std::size_t longest_json = 64 << 20;

bool is_weights(const std::string& name) { return name.ends_with(".safetensors"); }

class Checker {
 public:
  Checker(const fs::path& folder, const std::string& name)
      : folder_(folder),
        files_(store::folder_files(folder)),
        summary_(store::summarise(folder, files_, name)) {}

  std::vector<Finding> run() {
    for (const std::string& missing : summary_.missing) {
      if (missing.find("(unreadable)") == std::string::npos) {
        add(Grade::error, "file", missing, missing == "weights" ? "no weights are here" : "missing");
      }
    }
    check_files();
    if (!weights_are_real_) return std::move(findings_);
    if (has("config.json") && summary_.format != "diffusers") check_config();
    return std::move(findings_);
  }

 private:
  void add(Grade grade, std::string check, std::string file, std::string message, std::string hint = "") {
    findings_.push_back({grade, std::move(check), std::move(file), std::move(message), std::move(hint)});
  }

  bool has(std::string_view name) const {
    return std::any_of(files_.begin(), files_.end(),
                       [&](const auto& f) { return f.name == name && f.present; });
  }

  // What git leaves in the place of a large file where git-lfs was not there to fetch it.
  bool is_lfs_pointer(const store::FolderFile& file) const {
    constexpr std::string_view magic = "version https://git-lfs";
    if (file.bytes < magic.size() || file.bytes > 1024) return false;
    std::ifstream stream(folder_ / file.name, std::ios::binary);
    std::string start(magic.size(), '\0');
    return stream.read(start.data(), static_cast<std::streamsize>(start.size())) && start == magic;
  }

  void check_files() {
    for (const store::FolderFile& file : files_) {
      if (!file.present) continue;
      if (is_lfs_pointer(file)) {
        add(Grade::error, "file", file.name, "a Git LFS pointer, not the content", "git lfs pull");
        weights_are_real_ &= !is_weights(file.name);
      } else if (file.bytes == 0 && (is_weights(file.name) || file.name.ends_with(".json"))) {
        add(Grade::error, "file", file.name, "empty");
      } else if (is_weights(file.name)) {
        check_header(file.name);
      } else if (file.name.ends_with(".json")) {
        check_json(file);
      }
    }
  }

  void check_header(const std::string& name) {
    try {
      formats::open_safetensors(folder_ / name);
    } catch (const Error& error) {
      broken_.insert(name);
      add(error.kind() == ErrorKind::unsupported ? Grade::note : Grade::error, "header", name,
          message_of(error, name));
    }
  }

  void check_json(const store::FolderFile& file) {
    // The parser keeps the order of keys, at a price; the readers of these have their own.
    if (file.name.ends_with("tokenizer.json") || file.name.ends_with(".index.json") ||
        file.bytes > longest_json)
      return;
    if (file.name.ends_with("vocab.json") || file.name.ends_with("added_tokens.json")) return;
    try {
      load_json(folder_ / file.name);
    } catch (const Error& error) {
      add(Grade::error, file.name == "config.json" ? "config" : "file", file.name,
          message_of(error, file.name));
      config_is_sound_ &= file.name != "config.json";
    }
  }

  // Errors name their file first, which a finding does too.
  std::string message_of(const Error& error, const std::string& file) const {
    std::string text = error.what();
    for (const std::string& prefix : {folder_.string() + "/", folder_.string() + ": ", file + ": "}) {
      if (text.starts_with(prefix)) text.erase(0, prefix.size());
    }
    return text;
  }

  void check_config() {
    if (config_is_sound_) check_tensors();
    const bool words = summary_.task != "codec" && summary_.task != "music" && !summary_.task.empty();
    if (words && !summary_.adapter) check_tokenizer();
  }

  void check_tensors() {
    if (summary_.format != "mlx" && summary_.format != "safetensors") {
      if (!summary_.format.empty()) {
        add(Grade::note, "config", "", summary_.format + " weights, which run only after a conversion",
            "pome convert " + shell_word(folder_));
      }
      return;
    }
    if (!broken_.empty()) return;  // what follows would only say so again
    try {
      const formats::ModelTensors model = formats::open_model_tensors(folder_);
      check_quantization(model.tensors);
    } catch (const Error& error) {
      add(Grade::error, "index", "", message_of(error, ""), error.hint());
      return;
    }
    if (!findings_.empty() && findings_.back().check == "quantization") return;
    try {
      models::load_model(folder_, {.facts_only = true});
    } catch (const Error& error) {
      const bool ours = error.kind() == ErrorKind::unsupported;
      add(ours ? Grade::note : Grade::error, "config", "", message_of(error, ""), error.hint());
    }
  }

  // Widths as the tensors have them: packed columns · 32 / bits must be scale columns · group.
  void check_quantization(const formats::TensorTable& tensors) {
    nn::QuantizationConfig config;
    try {
      config = nn::parse_quantization(load_json(folder_ / "config.json"), "config.json");
    } catch (const Error& error) {
      add(error.kind() == ErrorKind::unsupported ? Grade::note : Grade::error, "quantization", "config.json",
          message_of(error, "config.json"));
      return;
    }
    std::size_t quantized = 0;
    for (const formats::Tensor& scales : tensors) {
      if (!scales.name.ends_with(".scales")) continue;
      const std::string module =
          scales.name.substr(0, scales.name.size() - std::string_view(".scales").size());
      const formats::Tensor* weight = tensors.find(module + ".weight");
      if (weight == nullptr || weight->dtype != Dtype::u32 || weight->shape.empty() || scales.shape.empty())
        continue;
      ++quantized;
      const auto own = config.modules.find(module);
      const auto& setting = own != config.modules.end() ? own->second : config.general;
      if (!setting) {
        add(Grade::error, "quantization", "config.json",
            fmt::format("says nothing of {}, whose tensors are quantized", formats::shown_name(module)));
        return;
      }
      const std::int64_t columns = weight->shape.back() * 32 / setting->bits;
      const std::int64_t by_scales = scales.shape.back() * setting->group_size;
      if (columns == by_scales) continue;
      add(Grade::error, "quantization", "config.json",
          fmt::format(
              "says {} bits in groups of {} for {}, but {} packed and {} scale columns do not fit that",
              setting->bits, setting->group_size, formats::shown_name(module), weight->shape.back(),
              scales.shape.back()));
      return;
    }
    if (quantized == 0 && config.general) {
      add(Grade::error, "quantization", "config.json",
          fmt::format("says {} bits, but no tensor is quantized", config.general->bits));
    }
  }

  void check_tokenizer() {
    constexpr std::string_view any_of[]{"tokenizer.json",          "tekken.json",
                                        "tokenizer.model",         "spiece.model",
                                        "sentencepiece.bpe.model", "vocab.txt"};
    const bool tiktoken = std::any_of(files_.begin(), files_.end(),
                                      [](const auto& f) { return f.name.ends_with(".tiktoken"); });
    const bool there =
        tiktoken || (has("vocab.json") && has("merges.txt")) ||
        std::any_of(std::begin(any_of), std::end(any_of), [&](std::string_view name) { return has(name); });
    if (!there) {
      add(Grade::error, "tokenizer", "",
          "there is none (tokenizer.json, tokenizer.model or vocab.json with merges.txt)");
      return;
    }
    if (has("tokenizer.json") && !has("tokenizer_config.json")) {
      add(Grade::warning, "tokenizer", "tokenizer_config.json",
          "missing; other programs want it beside tokenizer.json");
    }
    try {
      TextModel::open(folder_);
    } catch (const Error& error) {
      const bool ours = error.kind() == ErrorKind::unsupported || error.kind() == ErrorKind::not_found;
      add(ours ? Grade::note : Grade::error, "tokenizer", "", message_of(error, "tokenizer.json"),
          error.hint());
    }
  }

  const fs::path& folder_;
  const std::vector<store::FolderFile> files_;
  const store::Summary summary_;
  std::vector<Finding> findings_;
  std::set<std::string> broken_;  // weight files whose header is wrong
  bool weights_are_real_ = true;
  bool config_is_sound_ = true;
};

}  // namespace

std::vector<Finding> check_model(const fs::path& folder, const std::string& name) {
  return Checker(folder, name).run();
}

Json Finding::to_json() const {
  constexpr std::string_view grades[]{"error", "warning", "note"};
  return {{"grade", grades[static_cast<std::size_t>(grade)]},
          {"check", check},
          {"file", file.empty() ? Json() : Json(file)},
          {"message", message},
          {"hint", hint.empty() ? Json() : Json(hint)}};
}

}  // namespace pome::services
