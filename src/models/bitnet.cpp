// BitNet b1.58: Llama's block with squared ReLU, a norm before attention's output and before the MLP's, and
// weights of -1, 0 and 1 times one scale per matrix. As published, four rows of a matrix share a row of
// bytes; they become quantized weights of 2 bits here, exactly. Follows transformers'
// models/bitnet/modeling_bitnet.py and, for the packing, integrations/bitnet.py, which also rounds
// activations to 8 bits; here, as in mlx-lm, they stay as they are.
#include "models/decoder.h"
#include "models/registry.h"
#include "nn/dense.h"

namespace pome::models {
namespace {

struct Layer {
  Tensor input_norm;
  nn::LinearPtr q, k, v, o;
  Tensor attention_sub_norm;
  Tensor post_attention_norm;
  nn::LinearPtr gate, up, down;
  Tensor ffn_sub_norm;  // [I]
};

// `linear_class` "autobitlinear" multiplies by the scale, the older "bitlinear" divides by it.
bool divides_by_scale(Config& config) {
  const Json* quantization = config.find("quantization_config");
  if (quantization == nullptr || !quantization->is_object()) return false;
  return json_value<std::string>(*quantization, "linear_class", "") != "autobitlinear";
}

// Row r of the matrix is bits 2·(r / rows) of packed row r mod rows, one more than the weight. As quantized
// codes: scale·code - scale.
nn::LinearPtr take_ternary(Weights& weights, const std::string& module, int out, int in, bool bias,
                           bool divides) {
  const int rows = (out + 3) / 4;
  const Tensor packed = weights.take_bytes(module + ".weight", {rows, in});
  const float stored = nn::to_floats(weights.take_scalar(module + ".weight_scale"))[0];
  const float scale = divides ? 1 / stored : stored;
  int group = 128;
  while (group > 32 && in % group != 0) group /= 2;
  if (in % group != 0) {
    fail(ErrorKind::unsupported, "{}: tensor \"{}\" has rows of {}, expected a multiple of 32", packed.file,
         packed.name, in);
  }
  const auto words = static_cast<std::size_t>(in / 16);
  std::vector<std::uint32_t> codes(static_cast<std::size_t>(out) * words);
  for (int r = 0; r < out; ++r) {
    const std::byte* row = packed.data + static_cast<std::ptrdiff_t>(r % rows) * in;
    for (int c = 0; c < in; ++c) {
      const unsigned code = std::to_integer<unsigned>(row[c]) >> 2 * (r / rows) & 3;
      codes[static_cast<std::size_t>(r) * words + static_cast<std::size_t>(c) / 16] |= code << c % 16 * 2;
    }
  }
  graph::Linear linear{.name = module, .weight = {}, .bias = {}, .adapters = {}};
  linear.weight.quantization = graph::Quantization{.mode = "affine", .bits = 2, .group_size = group};
  linear.weight.weight = nn::owned_tensor(packed, Dtype::u32, {out, in / 16}, std::move(codes));
  const std::vector<float> scales(static_cast<std::size_t>(out) * static_cast<std::size_t>(in / group),
                                  scale);
  std::vector<float> biases(scales.size(), -scale);
  linear.weight.scales = nn::float_tensor(packed, {out, in / group}, scales);
  linear.weight.biases = nn::float_tensor(packed, {out, in / group}, std::move(biases));
  if (bias) linear.bias = weights.take(module + ".bias", {out});
  return weights.keep(std::move(linear));
}

class Bitnet final : public Decoder {
 public:
  Bitnet(Config& config, Weights& weights)
      : Decoder(
            read_decoder_config(config, {.norm_eps = 1e-5F, .hidden_act = graph::Activation::relu_squared}),
            weights) {
    const bool attention_bias = config.get<bool>("attention_bias", false);
    const bool mlp_bias = config.get<bool>("mlp_bias", false);
    divides_ = divides_by_scale(config);
    const int width = c_.hidden_size;
    const int inner = c_.intermediate_size;
    for (std::size_t i = 0; i < plan_.size(); ++i) {
      const std::string at = layer_path(i);
      Layer& layer = layers_.emplace_back();
      layer.input_norm = weights.take(at + "input_layernorm.weight", {c_.hidden_size});
      layer.q = linear(weights, at + "self_attn.q_proj", c_.q_width(), width, attention_bias);
      layer.k = linear(weights, at + "self_attn.k_proj", c_.kv_width(), width, attention_bias);
      layer.v = linear(weights, at + "self_attn.v_proj", c_.kv_width(), width, attention_bias);
      layer.o = linear(weights, at + "self_attn.o_proj", width, c_.q_width(), attention_bias);
      layer.attention_sub_norm = weights.take(at + "self_attn.attn_sub_norm.weight", {c_.q_width()});
      layer.post_attention_norm = weights.take(at + "post_attention_layernorm.weight", {c_.hidden_size});
      layer.gate = linear(weights, at + "mlp.gate_proj", inner, width, mlp_bias);
      layer.up = linear(weights, at + "mlp.up_proj", inner, width, mlp_bias);
      layer.down = linear(weights, at + "mlp.down_proj", width, inner, mlp_bias);
      layer.ffn_sub_norm = weights.take(at + "mlp.ffn_sub_norm.weight", {inner});
    }
    norm_ = weights.take("model.norm.weight", {c_.hidden_size});
  }

 private:
  nn::LinearPtr linear(Weights& weights, const std::string& module, int out, int in, bool bias) const {
    if (!weights.contains(module + ".weight_scale")) return weights.linear(module, out, in, bias);
    return take_ternary(weights, module, out, in, bias, divides_);
  }

  Value block(Graph& g, Value x, std::size_t i) const override {
    const Layer& layer = layers_[i];
    const Value h = g.rms_norm(x, layer.input_norm, c_.norm_eps);
    const Value q = g.rope(g.linear(*layer.q, h), c_.rope);
    const Value k = g.rope(g.linear(*layer.k, h), c_.rope);
    const Value a = attend(g, i, q, k, g.linear(*layer.v, h));
    x = g.add(x, g.linear(*layer.o, g.rms_norm(a, layer.attention_sub_norm, c_.norm_eps)));
    const Value f = g.rms_norm(x, layer.post_attention_norm, c_.norm_eps);
    const Value gate = g.activate(c_.hidden_act, g.linear(*layer.gate, f));
    const Value inner = g.multiply(gate, g.linear(*layer.up, f));
    return g.add(x, g.linear(*layer.down, g.rms_norm(inner, layer.ffn_sub_norm, c_.norm_eps)));
  }

  Value norm(Graph& g, Value x) const override { return g.rms_norm(x, norm_, c_.norm_eps); }

  bool divides_ = false;  // by the scale
  std::vector<Layer> layers_;
  Tensor norm_;
};

constexpr std::string_view model_types[] = {"bitnet"};

}  // namespace

const Arch bitnet_arch{
    .name = "bitnet",
    .model_types = model_types,
    .summary = "BitNet b1.58",
    .caches = {.full = true},
    .renames = {},
    .build = build<Bitnet>,
};

}  // namespace pome::models
