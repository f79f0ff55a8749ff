// Low-rank adapters: mlx-lm's files and PEFT's.
//
// LoRA adds scale·(x·a)·b to a linear. DoRA (arXiv:2402.09353) also brings every row of the adapted weight
// W + scale·(a·b)ᵀ to a length m of its own; what that multiplies a row by is computed here, once, in double.
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "formats/safetensors.h"
#include "models/model.h"
#include "nn/dense.h"
#include "nn/linear.h"

namespace pome::models {
namespace {

using formats::Tensor;

// One module's tensors under the names of mlx-lm, and its factor.
struct Entry {
  std::optional<Tensor> a;  // [in, r]
  std::optional<Tensor> b;  // [r, out]
  std::optional<Tensor> m;  // [out]
  float scale = 1;
};

using Entries = std::map<std::string, Entry>;

Tensor transposed(const Tensor& tensor) {
  if (tensor.shape.size() != 2) {
    fail(ErrorKind::corrupt, "{}: tensor \"{}\" has shape {}, expected a matrix", tensor.file, tensor.name,
         tensor.shape_text());
  }
  const auto rows = static_cast<std::size_t>(tensor.shape[0]);
  const auto columns = static_cast<std::size_t>(tensor.shape[1]);
  const std::vector<float> values = nn::to_floats(tensor);
  std::vector<float> turned(values.size());
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < columns; ++c) turned[c * rows + r] = values[r * columns + c];
  }
  return nn::float_tensor(tensor, {tensor.shape[1], tensor.shape[0]}, turned);
}

Entry& entry_of(Entries& entries, std::string_view name, std::string_view suffix) {
  return entries[std::string(name.substr(0, name.size() - suffix.size()))];
}

[[noreturn]] void refuse(const Tensor& tensor) {
  fail(ErrorKind::unsupported, "{}: tensor \"{}\" is no part of a LoRA or DoRA adapter; nothing was loaded",
       tensor.file, tensor.name);
}

Entries read_mlx(const Json& config, const std::string& subject, const formats::TensorTable& tensors) {
  const auto type = json_value<std::string>(config, "fine_tune_type", "lora");
  if (type != "lora" && type != "dora") {
    throw error(ErrorKind::unsupported, "{}: fine_tune_type \"{}\" is no adapter that can be added", subject,
                type)
        .with_hint("pome fuse writes it into the model");
  }
  const auto parameters = config.find("lora_parameters");
  if (parameters == config.end() || !parameters->is_object() || !parameters->contains("scale")) {
    fail(ErrorKind::corrupt, "{}: lora_parameters.scale is missing", subject);
  }
  const float scale = json_as<float>((*parameters)["scale"], "lora_parameters.scale");
  Entries entries;
  for (const Tensor& tensor : tensors) {
    const std::string_view name = tensor.name;
    if (name.ends_with(".lora_a")) {
      entry_of(entries, name, ".lora_a").a = tensor;
    } else if (name.ends_with(".lora_b")) {
      entry_of(entries, name, ".lora_b").b = tensor;
    } else if (name.ends_with(".m") && type == "dora") {
      entry_of(entries, name, ".m").m = tensor;
    } else {
      refuse(tensor);
    }
  }
  for (auto& [name, entry] : entries) entry.scale = scale;
  return entries;
}

// PEFT lets ranks and alphas differ: a pattern is a module path, or the end of one.
double pattern_value(const Json& config, const char* key, std::string_view module, double fallback) {
  const auto patterns = config.find(key);
  if (patterns == config.end() || !patterns->is_object()) return fallback;
  for (const auto& [pattern, value] : patterns->items()) {
    const bool whole = module == pattern;
    if (whole || (module.ends_with(pattern) && module[module.size() - pattern.size() - 1] == '.')) {
      return json_as<double>(value, key);
    }
  }
  return fallback;
}

Entries read_peft(const Json& config, const std::string& subject, const formats::TensorTable& tensors) {
  const auto type = json_value<std::string>(config, "peft_type", "");
  if (type != "LORA") {
    fail(ErrorKind::unsupported, "{}: peft_type \"{}\" is not implemented, LORA is", subject, type);
  }
  if (const auto bias = json_value<std::string>(config, "bias", "none"); bias != "none") {
    fail(ErrorKind::unsupported, "{}: bias \"{}\" is not implemented; nothing was loaded", subject, bias);
  }
  Entries entries;
  for (const Tensor& tensor : tensors) {
    std::string_view name = tensor.name;
    for (const std::string_view prefix : {"base_model.model.", "base_model."}) {
      if (name.starts_with(prefix)) {
        name.remove_prefix(prefix.size());
        break;
      }
    }
    for (const std::string_view end : {".weight", ".default"}) {
      if (name.ends_with(end)) name.remove_suffix(end.size());
    }
    if (name.ends_with(".lora_A")) {
      entry_of(entries, name, ".lora_A").a = transposed(tensor);
    } else if (name.ends_with(".lora_B")) {
      entry_of(entries, name, ".lora_B").b = transposed(tensor);
    } else if (name.ends_with(".lora_magnitude_vector")) {
      entry_of(entries, name, ".lora_magnitude_vector").m = tensor;
    } else {
      refuse(tensor);
    }
  }
  const double rank = json_value(config, "r", 8.0);
  const double alpha = json_value(config, "lora_alpha", 8.0);
  const bool root = json_value(config, "use_rslora", false);
  for (auto& [name, entry] : entries) {
    const double r = pattern_value(config, "rank_pattern", name, rank);
    if (!(r > 0)) fail(ErrorKind::corrupt, "{}: rank {} of \"{}\" is not above 0", subject, r, name);
    const double a = pattern_value(config, "alpha_pattern", name, alpha);
    entry.scale = static_cast<float>(a / (root ? std::sqrt(r) : r));
  }
  return entries;
}

// m / ‖W + scale·(a·b)ᵀ‖ for every output row.
Tensor row_scale(const graph::Linear& linear, const graph::LowRank& low_rank, const Tensor& m) {
  const auto in = static_cast<std::size_t>(linear.weight.in_features());
  const auto out = static_cast<std::size_t>(linear.weight.out_features());
  const std::vector<float> a = nn::to_floats(low_rank.a);
  const std::vector<float> b = nn::to_floats(low_rank.b);
  const std::vector<float> lengths = nn::to_floats(m);
  const std::size_t rank = b.size() / out;
  std::vector<float> scales(out);
  std::vector<float> row(in);
  for (std::size_t o = 0; o < out; ++o) {
    nn::decode_row(linear.weight, static_cast<std::int64_t>(o), row);
    double squares = 0;
    for (std::size_t i = 0; i < in; ++i) {
      double change = 0;
      for (std::size_t r = 0; r < rank; ++r) {
        change += static_cast<double>(a[i * rank + r]) * b[r * out + o];
      }
      const double value = row[i] + low_rank.scale * change;
      squares += value * value;
    }
    scales[o] = static_cast<float>(lengths[o] / std::sqrt(squares));
  }
  return nn::float_tensor(m, {static_cast<std::int64_t>(out)}, scales);
}

graph::LowRank make_low_rank(const graph::Linear& linear, const Entry& entry, const std::string& subject) {
  if (!entry.a || !entry.b) {
    fail(ErrorKind::corrupt, "{}: \"{}\" has only one of its two matrices", subject, linear.name);
  }
  const std::int64_t rank = entry.b->shape.empty() ? 0 : entry.b->shape[0];
  if (rank < 1) fail(ErrorKind::corrupt, "{}: \"{}\" has rank {}", subject, linear.name, rank);
  nn::check_dense(*entry.a, {linear.weight.in_features(), rank});
  nn::check_dense(*entry.b, {rank, linear.weight.out_features()});
  graph::LowRank low_rank{.a = *entry.a, .b = *entry.b, .scale = entry.scale, .row_scale = {}};
  if (entry.m) {
    nn::check_dense(*entry.m, {linear.weight.out_features()});
    low_rank.row_scale = row_scale(linear, low_rank, *entry.m);
  }
  return low_rank;
}

}  // namespace

int add_adapter(LoadedModel& model, const fs::path& folder) {
  const std::string subject = (folder / "adapter_config.json").string();
  const Json config = load_json(folder / "adapter_config.json");
  if (!config.is_object()) fail(ErrorKind::corrupt, "{}: no object", subject);
  const bool peft = config.contains("peft_type");
  const fs::path file = folder / (peft ? "adapter_model.safetensors" : "adapters.safetensors");
  const formats::TensorTable tensors = formats::open_safetensors(file).tensors;
  const Entries entries = peft ? read_peft(config, subject, tensors) : read_mlx(config, subject, tensors);
  if (entries.empty()) fail(ErrorKind::corrupt, "{}: no tensors, expected an adapter", file.string());

  std::map<std::string, graph::Linear*, std::less<>> linears;
  int id = 1;
  for (const auto& linear : model.linears) {
    linears.emplace(linear->name, linear.get());
    if (!linear->adapters.empty()) id = std::max(id, linear->adapters.rbegin()->first + 1);
  }
  std::vector<std::pair<graph::Linear*, graph::LowRank>> made;
  for (const auto& [name, entry] : entries) {
    const auto linear = linears.find(name);
    const bool expert =
        name.find(".experts.") != std::string::npos || name.find(".switch_mlp.") != std::string::npos;
    if (linear == linears.end() && expert) {
      fail(ErrorKind::unsupported, "{}: \"{}\" adapts experts, which is not implemented; nothing was loaded",
           file.string(), name);
    }
    if (linear == linears.end()) {
      fail(ErrorKind::corrupt, "{}: \"{}\" is no linear layer of this {}; is the adapter another model's?",
           file.string(), name, model.arch->name);
    }
    made.emplace_back(linear->second, make_low_rank(*linear->second, entry, file.string()));
  }
  for (auto& [linear, low_rank] : made) linear->adapters.emplace(id, std::move(low_rank));
  return id;
}

}  // namespace pome::models
