#include "services/weight_facts.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/letters.h"
#include "nn/linear.h"

namespace pome::services {
namespace {

struct KindRow {
  std::string_view part, kind;
};
// The first that occurs in the name.
constexpr KindRow kinds[]{
    {"norm", "norms"},
    {"ln_", "norms"},
    {"vision", "vision"},
    {"visual", "vision"},
    {"audio", "audio"},
    {"lm_head", "head"},
    {"embed_out", "head"},
    {"embed_tokens", "embeddings"},
    {"token_embd", "embeddings"},
    {"tok_embeddings", "embeddings"},
    {"word_embeddings", "embeddings"},
    {"position_embeddings", "embeddings"},
    {"wte.", "embeddings"},
    {"wpe.", "embeddings"},
    {"shared_expert", "mlp"},
    {"_shexp", "mlp"},
    {"experts", "experts"},
    {"switch_mlp", "experts"},
    {"_exps", "experts"},
    {"router", "router"},
    {"gate_inp", "router"},
    {".gate.", "router"},
    {"linear_attn", "recurrence"},
    {"mamba", "recurrence"},
    {"mixer", "recurrence"},
    {"ssm", "recurrence"},
    {"conv", "recurrence"},
    {"attn", "attention"},
    {"attention", "attention"},
    {"mlp", "mlp"},
    {"ffn", "mlp"},
    {"feed_forward", "mlp"},
};

// How methods other than MLX's call what belongs to a packed weight and is no parameter of its own.
constexpr std::string_view companions[]{
    ".scales",
    ".qzeros",
    ".g_idx",
    ".weight_scale",
    ".weight_scale_inv",
    ".weight_scale_2",
    ".input_scale",
    ".weight_shape",
    ".weight_zero_point",
    ".weight_g_idx",
    ".weight_global_scale",
    ".absmax",
    ".quant_map",
    ".nested_absmax",
    ".nested_quant_map",
    ".quant_state.bitsandbytes__nf4",
    ".quant_state.bitsandbytes__fp4",
    ".SCB",
};

class Counter {
 public:
  Counter(const formats::TensorTable& tensors, const Json& config, const std::string& other, int other_bits)
      : tensors_(tensors), other_(other), other_bits_(other_bits) {
    try {
      mlx_ = nn::parse_quantization(config, "config.json");
    } catch (const Error&) {  // a method that is not MLX's
    }
  }

  // Parameters that the tensor stands for; none: it belongs to another tensor.
  std::uint64_t parameters(const formats::Tensor& tensor) {
    const auto dot = tensor.name.rfind('.');
    const std::string module = dot == std::string::npos ? "" : tensor.name.substr(0, dot);
    const std::string part = tensor.name.substr(dot == std::string::npos ? 0 : dot + 1);
    const auto elements = static_cast<std::uint64_t>(tensor.elements());
    if (tensors_.contains(module + ".scales") && tensors_.contains(module + ".weight")) {
      if (part == "scales" || part == "biases") return 0;
      if (part == "weight") return unpacked(module, elements);
    }
    if (const auto n = other_parameters(tensor, elements)) return *n;
    dtypes_[std::string(dtype_name(tensor.dtype))] += elements;
    return elements;
  }

  void tell(WeightFacts& facts) const {
    if (!dtypes_.empty()) facts.dtype = commonest(dtypes_);
    if (!quantizations_.empty()) {
      const auto [mode, bits, group_size] = commonest(quantizations_);
      facts.quantization = fmt::format("{} {} bit, groups of {}", mode, bits, group_size);
      if (quantizations_.size() > 1) facts.quantization += ", some modules otherwise";
      facts.bits = bits;
      facts.group_size = group_size;
    } else if (packed_) {
      facts.quantization = other_;
    }
  }

 private:
  template <class Key>
  static Key commonest(const std::map<Key, std::uint64_t>& counts) {
    return std::max_element(counts.begin(), counts.end(),
                            [](const auto& a, const auto& b) { return a.second < b.second; })
        ->first;
  }

  std::uint64_t unpacked(const std::string& module, std::uint64_t words) {
    const auto own = mlx_.modules.find(module);
    const auto& setting = own != mlx_.modules.end() && own->second ? own->second : mlx_.general;
    const graph::Quantization quantization = setting.value_or(graph::Quantization{});
    const std::uint64_t elements = words * 32 / static_cast<std::uint64_t>(quantization.bits);
    quantizations_[{quantization.mode, quantization.bits, quantization.group_size}] += elements;
    return elements;
  }

  // GPTQ and AWQ (.qweight), compressed-tensors (.weight_packed), bitsandbytes (.weight beside .absmax), the
  // published gpt-oss (_blocks beside _scales), BitNet and FP8 (.weight beside .weight_scale).
  std::optional<std::uint64_t> other_parameters(const formats::Tensor& tensor, std::uint64_t elements) {
    const std::string& name = tensor.name;
    const auto ends = [&](std::string_view ending) { return name.ends_with(ending); };
    const auto stem = [&](std::string_view ending) { return name.substr(0, name.size() - ending.size()); };
    if (std::any_of(std::begin(companions), std::end(companions), ends)) return 0;
    if (ends("_scales") && tensors_.contains(stem("_scales") + "_blocks")) return 0;
    const bool packed =
        ends(".qweight") || ends(".weight_packed") ||
        (ends("_blocks") && tensors_.contains(stem("_blocks") + "_scales")) ||
        (dtype_bits(tensor.dtype) == 8 &&
         std::any_of(std::begin(companions), std::end(companions), [&](std::string_view ending) {
           return (ends(".weight") && tensors_.contains(stem(".weight") + std::string(ending))) ||
                  tensors_.contains(name + std::string(ending));
         }));
    if (!packed) return std::nullopt;
    packed_ = true;
    // A byte or word holds as many as fit.
    const auto bits = static_cast<std::uint64_t>(dtype_bits(tensor.dtype));
    const auto width = static_cast<std::uint64_t>(other_bits_);
    return width > 0 && width < bits ? elements * bits / width : elements;
  }

  const formats::TensorTable& tensors_;
  const std::string& other_;
  int other_bits_;
  nn::QuantizationConfig mlx_;
  bool packed_ = false;
  std::map<std::tuple<std::string, int, int>, std::uint64_t> quantizations_;
  std::map<std::string, std::uint64_t> dtypes_;
};

void add(WeightFacts& facts, const std::string& kind, std::uint64_t parameters, std::uint64_t bytes) {
  facts.parameters += parameters;
  facts.bytes += bytes;
  auto row =
      std::find_if(facts.layers.begin(), facts.layers.end(), [&](const auto& l) { return l.kind == kind; });
  if (row == facts.layers.end()) row = facts.layers.insert(facts.layers.end(), {.kind = kind});
  row->parameters += parameters;
  row->bytes += bytes;
}

void sort_layers(WeightFacts& facts) {
  std::sort(facts.layers.begin(), facts.layers.end(), [](const auto& a, const auto& b) {
    return a.parameters != b.parameters ? a.parameters > b.parameters : a.kind < b.kind;
  });
}

}  // namespace

std::string layer_kind(std::string_view tensor) {
  const std::string name = lower(tensor);
  if (name.starts_with("output.")) return "head";
  for (const KindRow& row : kinds) {
    if (name.find(row.part) != std::string::npos) return std::string(row.kind);
  }
  return "other";
}

void count_weights(const formats::TensorTable& tensors, const Json& config, const std::string& other,
                   int other_bits, const std::set<std::string>& unused, const std::string& component,
                   WeightFacts& facts) {
  Counter counter(tensors, config, other, other_bits);
  for (const formats::Tensor& tensor : tensors) {
    if (unused.contains(tensor.name)) continue;
    add(facts, component.empty() ? layer_kind(tensor.name) : component, counter.parameters(tensor),
        tensor.size_bytes);
  }
  counter.tell(facts);
  sort_layers(facts);
}

void count_weights(const formats::GgufHeader& header, WeightFacts& facts) {
  std::map<std::string_view, std::uint64_t> packed, dense;
  for (const formats::GgufTensor& tensor : header.tensors) {
    add(facts, layer_kind(tensor.name), tensor.elements, tensor.size_bytes);
    (tensor.type->block_elements > 1 ? packed : dense)[tensor.type->name] += tensor.elements;
  }
  const auto most = [](const auto& counts) {
    return std::max_element(counts.begin(), counts.end(),
                            [](const auto& a, const auto& b) { return a.second < b.second; })
        ->first;
  };
  if (!dense.empty()) facts.dtype = most(dense);
  if (!packed.empty()) {
    facts.quantization = most(packed);
    if (packed.size() > 1) facts.quantization += ", some tensors otherwise";
  }
  sort_layers(facts);
}

}  // namespace pome::services
