// A cache as tensors. `length` int32 [1]; per layer `layers.<i>.blocks` int32 [n], the indices of the full
// blocks held, and its arrays `layers.<i>.keys` (or .codes, .scales, .offsets of them) and `.values` alike:
// [K, 64·n + length mod 64, C], those blocks end to end, then the tail; of layers with a state `.state`
// [size] and nothing else.
#include <algorithm>
#include <cstring>

#include "graph/mlx/cache.h"
#include "graph/mlx/weights.h"

namespace pome::graph {
namespace {

formats::Tensor owned_tensor(std::string name, Dtype dtype, std::vector<std::int64_t> shape, const void* data,
                             std::size_t size_bytes) {
  auto bytes = std::make_shared<std::vector<std::byte>>(size_bytes);
  if (size_bytes > 0) std::memcpy(bytes->data(), data, size_bytes);
  formats::Tensor tensor;
  tensor.name = std::move(name);
  tensor.dtype = dtype;
  tensor.shape = std::move(shape);
  tensor.data = bytes->data();
  tensor.size_bytes = size_bytes;
  tensor.owner = std::move(bytes);
  return tensor;
}

formats::Tensor index_tensor(std::string name, const std::vector<std::int32_t>& values) {
  return owned_tensor(std::move(name), Dtype::i32, {static_cast<std::int64_t>(values.size())}, values.data(),
                      values.size() * sizeof(std::int32_t));
}

std::vector<std::int32_t> read_indices(const formats::Tensor& tensor) {
  if (tensor.dtype != Dtype::i32 || tensor.shape.size() != 1) {
    fail(ErrorKind::corrupt, "{}: tensor \"{}\" is {} {}, expected a list of I32", tensor.file, tensor.name,
         dtype_name(tensor.dtype), tensor.shape_text());
  }
  std::vector<std::int32_t> values(static_cast<std::size_t>(tensor.shape[0]));
  if (!values.empty()) std::memcpy(values.data(), tensor.data, tensor.size_bytes);
  return values;
}

std::string part_name(std::size_t layer, std::size_t part, std::size_t parts) {
  static constexpr std::string_view plain[] = {"keys", "values"};
  static constexpr std::string_view quantized[] = {"keys.codes",   "keys.scales",   "keys.offsets",
                                                   "values.codes", "values.scales", "values.offsets"};
  return fmt::format("layers.{}.{}", layer, parts % 3 == 0 ? quantized[part] : plain[part]);
}

}  // namespace

std::vector<formats::Tensor> MlxCache::save() const {
  mx::StreamContext context(device_);
  return at_seam("cache", [&] {
    std::vector<formats::Tensor> saved{index_tensor("length", {length_})};
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      if (plan_[i].is_state()) {
        if (!layers_[i].state) continue;
        mx::array state = *layers_[i].state;
        state.eval();
        saved.push_back(owned_tensor(state_name(i), Dtype::f32, {plan_[i].state_size},
                                     state.data<std::byte>(), state.nbytes()));
        continue;
      }
      std::vector<std::int32_t> held;
      std::vector<const KvParts*> pieces;
      for (std::size_t b = 0; b < layers_[i].blocks.size(); ++b) {
        if (layers_[i].blocks[b] == nullptr) continue;
        held.push_back(static_cast<std::int32_t>(b));
        pieces.push_back(layers_[i].blocks[b].get());
      }
      if (layers_[i].tail) pieces.push_back(&*layers_[i].tail);
      saved.push_back(index_tensor(fmt::format("layers.{}.blocks", i), held));
      for (std::size_t part = 0; part < part_count(i) && !pieces.empty(); ++part) {
        std::vector<mx::array> arrays;
        for (const KvParts* piece : pieces) arrays.push_back((*piece)[part]);
        mx::array whole = mx::contiguous(mx::concatenate(std::move(arrays), 1));
        whole.eval();
        const Dtype dtype = whole.dtype() == mx::uint32 ? Dtype::u32 : Dtype::f32;
        saved.push_back(owned_tensor(part_name(i, part, part_count(i)), dtype,
                                     {whole.shape(0), whole.shape(1), whole.shape(2)},
                                     whole.data<std::byte>(), whole.nbytes()));
      }
    }
    return saved;
  });
}

std::unique_ptr<MlxCache> MlxCache::restore(CachePlan plan, CacheOptions options, mx::Device device,
                                            const formats::TensorTable& saved) {
  auto cache = std::make_unique<MlxCache>(std::move(plan), options, device);
  const std::vector<std::int32_t> length = read_indices(saved.at("length"));
  if (length.size() != 1 || length[0] < 0) fail(ErrorKind::corrupt, "{}: no valid length", saved.source());
  cache->length_ = length[0];
  const int full = length[0] / cache_block;
  const int rest = length[0] % cache_block;
  mx::StreamContext context(device);
  std::vector<mx::array> made;
  for (std::size_t i = 0; i < cache->layers_.size() && length[0] > 0; ++i) {
    KvLayer& layer = cache->layers_[i];
    if (const std::int64_t size = cache->plan_[i].state_size; size > 0) {
      std::vector<float> state(static_cast<std::size_t>(size));
      std::memcpy(state.data(), saved_state(saved, i, size).data, state.size() * sizeof(float));
      layer.state = mx::array(state.data(), {static_cast<int>(size)});
      continue;
    }
    layer.blocks.resize(static_cast<std::size_t>(full));
    const std::vector<std::int32_t> held = read_indices(saved.at(fmt::format("layers.{}.blocks", i)));
    const Visibility seen = cache->visible(i);
    for (int b = 0; b < full; ++b) {  // what the next row looks at must be there
      if (seen.needs(b * cache_block, (b + 1) * cache_block, length[0]) &&
          std::find(held.begin(), held.end(), b) == held.end()) {
        fail(ErrorKind::corrupt, "{}: layer {} lacks positions {} to {}", saved.source(), i, b * cache_block,
             (b + 1) * cache_block - 1);
      }
    }
    if (!std::is_sorted(held.begin(), held.end(), std::less_equal<>()) ||
        (!held.empty() && (held.front() < 0 || held.back() >= full))) {
      fail(ErrorKind::corrupt, "{}: layer {} lists blocks that a cache of {} positions cannot hold",
           saved.source(), i, length[0]);
    }
    const std::int64_t positions = static_cast<std::int64_t>(held.size()) * cache_block + rest;
    const CacheLayer& expected = cache->plan_[i];
    KvParts parts;
    for (std::size_t part = 0; part < cache->part_count(i); ++part) {
      const formats::Tensor& tensor = saved.at(part_name(i, part, cache->part_count(i)));
      const int elements = part < cache->parts_per_vector() ? expected.head_dim : expected.value_size();
      std::int64_t width = elements;
      const bool codes = options.kv_bits > 0 && part % 3 == 0;
      if (codes) width = width * options.kv_bits / 32;
      if (options.kv_bits > 0 && !codes) width /= kv_group(elements, options);
      const std::vector<std::int64_t> shape{expected.kv_heads, positions, width};
      if (tensor.shape != shape || tensor.dtype != (codes ? Dtype::u32 : Dtype::f32)) {
        fail(ErrorKind::corrupt, "{}: tensor \"{}\" is {} {}, expected {} {}", tensor.file, tensor.name,
             dtype_name(tensor.dtype), tensor.shape_text(), codes ? "U32" : "F32",
             formats::shape_text(shape));
      }
      // A copy: the file may go away, and slices of it would keep it mapped.
      parts.push_back(WeightArrays(device).get(tensor));
    }
    const auto copy = [&](std::int64_t begin, std::int64_t end) {
      KvParts slices;
      for (const mx::array& part : parts) {
        const mx::array piece = mx::slice(part, {0, static_cast<int>(begin), 0},
                                          {part.shape(0), static_cast<int>(end), part.shape(2)});
        slices.push_back(mx::contiguous(piece));
        made.push_back(slices.back());
      }
      return slices;
    };
    std::int64_t begin = 0;
    for (const std::int32_t b : held) {
      layer.blocks[static_cast<std::size_t>(b)] = std::make_shared<KvParts>(copy(begin, begin + cache_block));
      begin += cache_block;
    }
    if (rest > 0) layer.tail = copy(begin, begin + rest);
  }
  at_seam("cache", [&] { mx::eval(std::move(made)); });
  return cache;
}

}  // namespace pome::graph
