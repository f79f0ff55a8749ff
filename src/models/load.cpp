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
nn::QuantizationConfig renamed_modules(nn::QuantizationConfig config,
                                       std::span<const formats::Rename> table) {
  constexpr std::string_view weight = ".weight";
  const auto modules = std::exchange(config.modules, {});
  for (const auto& [module, settings] : modules) {
    if (auto name = formats::renamed(module + std::string(weight), table)) {
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
  Json text = wrapped ? unwrapped_config(loaded->config, subject) : loaded->config;
  std::vector<formats::Rename> renames;
  if (wrapped) renames.assign(wrapped_renames().begin(), wrapped_renames().end());
  if (meta_form) renames.assign(meta_renames().begin(), meta_renames().end());
  renames.insert(renames.end(), loaded->arch->renames.begin(), loaded->arch->renames.end());

  formats::ModelTensors files = formats::open_model_tensors(folder);
  loaded->fingerprint = fingerprint(loaded->config, files);
  loaded->tensors = std::move(files.tensors);
  formats::TensorTable renamed = formats::apply_renames(loaded->tensors, renames, loaded->unused_tensors);
  if (is_fp8(text)) {
    const Fp8 fp8 = parse_fp8(text, subject);
    loaded->decoded_bytes = decoded_bytes(renamed);
    if (options.admit) options.admit(weight_bytes(*loaded));
    renamed = decode_fp8(renamed, fp8, !options.facts_only);
  }
  if (meta_form) text = from_meta_form(loaded->config, renamed, subject);
  // Wrappers leave it to their library's defaults whether the head is the embedding.
  if (wrapped && !text.contains("tie_word_embeddings")) {
    text["tie_word_embeddings"] = !renamed.contains("lm_head.weight");
  }

  Config config(text, subject);
  config.mark_read("quantization");
  config.mark_read("quantization_config");
  Weights weights(renamed, renamed_modules(nn::parse_quantization(text, subject), renames),
                  loaded->arch->name);
  loaded->model = loaded->arch->build(config, weights);
  config.finish();
  weights.finish();
  loaded->linears = weights.linears();
  loaded->unused_tensors.insert(loaded->unused_tensors.end(), weights.dropped().begin(),
                                weights.dropped().end());
  return loaded;
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
