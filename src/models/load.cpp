#include <sys/stat.h>

#include <utility>

#include "base/error.h"
#include "formats/model_tensors.h"
#include "models/config.h"
#include "models/fp8.h"
#include "models/meta_form.h"
#include "models/model.h"
#include "models/weights.h"
#include "models/wrapped.h"

namespace pome::models {
namespace {

// FNV-1a: changes must show, nobody has to be kept from making two models look alike.
class Fingerprint {
 public:
  void add(std::string_view bytes) {
    for (const char c : bytes) hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  }
  void add(std::uint64_t n) {
    for (int shift = 0; shift < 64; shift += 8) hash_ = (hash_ ^ ((n >> shift) & 0xff)) * 0x100000001b3U;
  }
  std::string text() const { return fmt::format("{:016x}", hash_); }

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325U;
};

std::string fingerprint(const Json& config, const formats::ModelTensors& files) {
  Fingerprint print;
  print.add(config.dump(-1, ' ', false, Json::error_handler_t::replace));
  for (const fs::path& file : files.files) {
    struct stat status{};
    if (::stat(file.c_str(), &status) != 0) continue;
    print.add(static_cast<std::uint64_t>(status.st_size));
#ifdef __APPLE__
    const timespec& modified = status.st_mtimespec;
#else
    const timespec& modified = status.st_mtim;
#endif
    print.add(static_cast<std::uint64_t>(modified.tv_sec));
    print.add(static_cast<std::uint64_t>(modified.tv_nsec));
  }
  for (const formats::Tensor& tensor : files.tensors) {
    print.add(tensor.name);
    print.add(dtype_name(tensor.dtype));
    for (const std::int64_t n : tensor.shape) print.add(static_cast<std::uint64_t>(n));
  }
  return print.text();
}

// Overrides are named after the files' modules, which the table may rename.
nn::QuantizationConfig renamed_modules(nn::QuantizationConfig config, std::span<const formats::Rename> table,
                                       const Json& text) {
  constexpr std::string_view weight = ".weight";
  const auto modules = std::exchange(config.modules, {});
  for (const auto& [module, settings] : modules) {
    if (auto name = formats::renamed(module + std::string(weight), table, text)) {
      if (name->ends_with(weight)) name->resize(name->size() - weight.size());
      config.modules.emplace(std::move(*name), settings);
    }
  }
  return config;
}

}  // namespace

std::shared_ptr<LoadedModel> load_model(const fs::path& folder, const LoadOptions& options) {
  auto loaded = std::make_shared<LoadedModel>();
  loaded->folder = folder;
  loaded->config = load_json(folder / "config.json");
  try {
    loaded->arch = &find_arch(loaded->config);
  } catch (Error& e) {
    throw std::move(e).in(folder.string());
  }

  const std::string subject = (folder / "config.json").string();
  const bool wrapped = is_wrapped(loaded->config);
  const bool meta_form = is_meta_form(loaded->config);
  Json& text = loaded->text_config;
  text = wrapped ? unwrapped_config(loaded->config, subject) : loaded->config;
  std::vector<formats::Rename>& table = loaded->table;
  if (wrapped) table.assign(wrapped_renames().begin(), wrapped_renames().end());
  if (meta_form) table.assign(meta_renames().begin(), meta_renames().end());
  table.insert(table.end(), loaded->arch->renames.begin(), loaded->arch->renames.end());

  formats::ModelTensors files = formats::open_model_tensors(folder);
  loaded->fingerprint = fingerprint(loaded->config, files);
  loaded->tensors = std::move(files.tensors);
  loaded->readable = loaded->tensors;
  if (is_fp8(text)) {
    const Fp8 fp8 = parse_fp8(text, subject);
    formats::TensorTable wanted(loaded->tensors.source());  // of what is dropped nothing is decoded
    for (const formats::Tensor& tensor : loaded->tensors) {
      if (formats::renamed(tensor.name, table, text)) {
        wanted.add(tensor);
      } else {
        loaded->unused_tensors.push_back(tensor.name);
      }
    }
    loaded->decoded_bytes = decoded_bytes(wanted);
    if (options.admit) options.admit(weight_bytes(*loaded));
    loaded->readable = decode_fp8(wanted, fp8, !options.facts_only);
  }
  const formats::Layout layout(loaded->readable, table, text);
  if (meta_form) text = from_meta_form(loaded->config, layout, subject);
  // Wrappers leave it to their library's defaults whether the head is the embedding.
  if (wrapped && !text.contains("tie_word_embeddings")) {
    text["tie_word_embeddings"] = !layout.contains("lm_head.weight");
  }

  Config config(text, subject);
  config.mark_read("quantization");
  config.mark_read("quantization_config");
  Weights weights(layout, renamed_modules(nn::parse_quantization(text, subject), table, text),
                  loaded->arch->name);
  loaded->model = loaded->arch->build(config, weights);
  config.finish();
  weights.finish();
  loaded->linears = weights.linears();
  loaded->left_out = weights.dropped();
  std::set<std::string> unused(loaded->unused_tensors.begin(), loaded->unused_tensors.end());
  unused.insert(layout.dropped().begin(), layout.dropped().end());
  for (const formats::Recipe& recipe : layout) {
    if (!loaded->left_out.contains(recipe.name) && !weights.left().contains(recipe.name)) continue;
    for (const formats::Tensor& tensor : recipe.sources) unused.insert(tensor.name);
  }
  loaded->unused_tensors.assign(unused.begin(), unused.end());
  return loaded;
}

formats::Layout mlx_layout(const LoadedModel& model) {
  formats::Layout layout(model.readable, model.table, model.text_config, formats::Folds::folded);
  layout.remove(model.left_out);
  return layout;
}

std::string mlx_name(const LoadedModel& model, std::string_view name) {
  constexpr std::string_view inner = "model.";
  if (!is_wrapped(model.config)) return std::string(name);
  if (!name.starts_with(inner)) return fmt::format("language_model.{}", name);
  return std::string(model.arch->mlx_wrapped) + std::string(name.substr(inner.size()));
}

std::size_t weight_bytes(const LoadedModel& model) {
  std::size_t bytes = model.tensors.total_bytes();
  for (const std::string& name : model.unused_tensors) {
    if (const formats::Tensor* tensor = model.tensors.find(name)) bytes -= tensor->size_bytes;
  }
  // What was decoded is twice as large as what the files hold of it, and is all that is read from then on.
  return bytes + model.decoded_bytes / 2;
}

}  // namespace pome::models
