// A cache as tensors. `length` int32 [1]; per layer `layers.<i>.blocks` int32 [n], the indices of the full
// blocks held, and `layers.<i>.keys` [K, 64·n + length mod 64, C] and, unless they lie in the keys, `.values`
// [K, …, Cv]: those blocks end to end, then the tail. Caches other than float32 have `.codes` and `.scales`
// [K, positions, …] of each instead, and layers with a state `.state` [size] and nothing else.
#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "graph/cpu/cache.h"

namespace pome::graph {
namespace {

using kernels::CacheType;

formats::Tensor new_tensor(std::string name, Dtype dtype, std::vector<std::int64_t> shape, std::byte** data) {
  formats::Tensor tensor;
  tensor.name = std::move(name);
  tensor.dtype = dtype;
  tensor.shape = std::move(shape);
  tensor.size_bytes =
      static_cast<std::size_t>(tensor.elements()) * static_cast<std::size_t>(dtype_bits(dtype)) / 8;
  auto bytes = std::make_shared<std::vector<std::byte>>(tensor.size_bytes);
  *data = bytes->data();
  tensor.data = bytes->data();
  tensor.owner = std::move(bytes);
  return tensor;
}

formats::Tensor index_tensor(std::string name, const std::vector<std::int32_t>& values) {
  std::byte* data = nullptr;
  formats::Tensor tensor =
      new_tensor(std::move(name), Dtype::i32, {static_cast<std::int64_t>(values.size())}, &data);
  if (!values.empty()) std::memcpy(data, values.data(), tensor.size_bytes);
  return tensor;
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

// One of the arrays that a layer consists of.
struct Part {
  std::string name;
  Dtype dtype;
  std::int64_t width;  // elements per head and position
  std::byte* (*at)(const KvBlock&);
  std::size_t vector_bytes;
};

std::vector<Part> parts_of(std::size_t layer, const CacheLayer& shape, CacheType type, int group) {
  const auto keys = [](const KvBlock& block) { return block.keys(); };
  const auto values = [](const KvBlock& block) { return block.values(); };
  const auto key_scales = [](const KvBlock& block) { return block.key_scales(); };
  const auto value_scales = [](const KvBlock& block) { return block.value_scales(); };
  const std::string at = fmt::format("layers.{}.", layer);
  const auto width = static_cast<std::size_t>(shape.head_dim);
  const auto value_width = static_cast<std::size_t>(shape.value_size());
  std::vector<Part> parts;
  if (type == CacheType::i8 || type == CacheType::i16) {
    const Dtype dtype = type == CacheType::i8 ? Dtype::i8 : Dtype::i16;
    const std::size_t size = type == CacheType::i8 ? 1 : 2;
    parts = {{at + "keys.codes", dtype, shape.head_dim, keys, width * size},
             {at + "keys.scales", Dtype::f32, 1, key_scales, 4},
             {at + "values.codes", dtype, shape.value_size(), values, value_width * size},
             {at + "values.scales", Dtype::f32, 1, value_scales, 4}};
  } else if (type == CacheType::u4) {
    const std::int64_t scales = 2 * shape.head_dim / group,
                       value_scale_count = 2 * shape.value_size() / group;
    parts = {{at + "keys.codes", Dtype::u8, shape.head_dim / 2, keys, width / 2},
             {at + "keys.scales", Dtype::f16, scales, key_scales, static_cast<std::size_t>(scales) * 2},
             {at + "values.codes", Dtype::u8, shape.value_size() / 2, values, value_width / 2},
             {at + "values.scales", Dtype::f16, value_scale_count, value_scales,
              static_cast<std::size_t>(value_scale_count) * 2}};
  } else {
    parts = {{at + "keys", Dtype::f32, shape.head_dim, keys, width * 4},
             {at + "values", Dtype::f32, shape.value_size(), values, value_width * 4}};
  }
  if (!shape.own_values) parts.resize(parts.size() / 2);
  return parts;
}

// Calls move(bytes in the block, bytes in the array, size) for each head of a block's positions.
template <class Move>
void for_heads(const Part& part, const KvBlock& block, int heads, std::byte* array, std::int64_t positions,
               std::int64_t first, int count, Move move) {
  for (int head = 0; head < heads; ++head) {
    std::byte* inside = part.at(block) + static_cast<std::size_t>(head) * cache_block * part.vector_bytes;
    std::byte* outside = array + static_cast<std::size_t>(head * positions + first) * part.vector_bytes;
    move(inside, outside, static_cast<std::size_t>(count) * part.vector_bytes);
  }
}

}  // namespace

std::vector<formats::Tensor> CpuCache::save() const {
  std::vector<formats::Tensor> saved{index_tensor("length", {length_})};
  const auto full = static_cast<std::size_t>(length_ / cache_block);
  const int rest = length_ % cache_block;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    if (plan_[i].is_state()) {
      if (!layers_[i].state) continue;
      std::byte* data = nullptr;
      saved.push_back(new_tensor(state_name(i), Dtype::f32, {plan_[i].state_size}, &data));
      std::memcpy(data, layers_[i].state->data(), saved.back().size_bytes);
      continue;
    }
    const auto& blocks = layers_[i].blocks;
    std::vector<std::int32_t> held;
    for (std::size_t b = 0; b < full; ++b) {
      if (blocks[b] != nullptr) held.push_back(static_cast<std::int32_t>(b));
    }
    saved.push_back(index_tensor(fmt::format("layers.{}.blocks", i), held));
    const std::int64_t positions = static_cast<std::int64_t>(held.size()) * cache_block + rest;
    if (positions == 0) continue;
    for (const Part& part : parts_of(i, plan_[i], type_, scale_group(i))) {
      std::byte* data = nullptr;
      saved.push_back(new_tensor(part.name, part.dtype, {plan_[i].kv_heads, positions, part.width}, &data));
      const auto copy = [&](std::size_t block, std::int64_t first, int count) {
        for_heads(
            part, *blocks[block], plan_[i].kv_heads, data, positions, first, count,
            [](std::byte* inside, std::byte* outside, std::size_t n) { std::memcpy(outside, inside, n); });
      };
      std::int64_t first = 0;
      for (const std::int32_t b : held) {
        copy(static_cast<std::size_t>(b), first, cache_block);
        first += cache_block;
      }
      if (rest > 0) copy(full, first, rest);
    }
  }
  return saved;
}

std::unique_ptr<CpuCache> CpuCache::restore(CachePlan plan, CacheOptions options, CacheType type,
                                            const formats::TensorTable& saved) {
  auto cache = std::make_unique<CpuCache>(std::move(plan), options, type);
  const std::vector<std::int32_t> length = read_indices(saved.at("length"));
  if (length.size() != 1 || length[0] < 0) fail(ErrorKind::corrupt, "{}: no valid length", saved.source());
  const int full = length[0] / cache_block;
  const int rest = length[0] % cache_block;
  for (std::size_t i = 0; i < cache->layers_.size() && length[0] > 0; ++i) {
    if (const std::int64_t size = cache->plan_[i].state_size; size > 0) {
      const formats::Tensor& tensor = saved_state(saved, i, size);
      cache->layers_[i].state = std::make_shared<StateBuffer>(size);
      std::memcpy(cache->layers_[i].state->data(), tensor.data, tensor.size_bytes);
      continue;
    }
    const std::vector<std::int32_t> held = read_indices(saved.at(fmt::format("layers.{}.blocks", i)));
    if (!std::is_sorted(held.begin(), held.end(), std::less_equal<>()) ||
        (!held.empty() && (held.front() < 0 || held.back() >= full))) {
      fail(ErrorKind::corrupt, "{}: layer {} lists blocks that a cache of {} positions cannot hold",
           saved.source(), i, length[0]);
    }
    const CacheLayer& shape = cache->plan_[i];
    const std::int64_t positions = static_cast<std::int64_t>(held.size()) * cache_block + rest;
    // save() writes nothing where nothing is held.
    const std::vector<Part> parts =
        positions == 0 ? std::vector<Part>{} : parts_of(i, shape, cache->type_, cache->scale_group(i));
    for (const Part& part : parts) {
      const formats::Tensor& tensor = saved.at(part.name);
      const std::vector<std::int64_t> expected{shape.kv_heads, positions, part.width};
      if (tensor.dtype != part.dtype || tensor.shape != expected) {
        fail(ErrorKind::corrupt, "{}: tensor \"{}\" is {} {}, expected {} {}", saved.source(), part.name,
             dtype_name(tensor.dtype), tensor.shape_text(), dtype_name(part.dtype),
             formats::shape_text(expected));
      }
    }
    const Visibility seen = cache->visible(i);
    std::int64_t first = 0;
    const auto take = [&](int block, int count) {
      auto made = std::make_shared<KvBlock>(shape, cache->type_, cache->options_);
      for (const Part& part : parts) {
        auto* data = const_cast<std::byte*>(saved.at(part.name).data);
        for_heads(
            part, *made, shape.kv_heads, data, positions, first, count,
            [](std::byte* inside, std::byte* outside, std::size_t n) { std::memcpy(inside, outside, n); });
      }
      first += count;
      cache->put(cache->layers_[i], static_cast<std::size_t>(block), std::move(made));
    };
    for (int b = 0; b < full; ++b) {
      if (std::binary_search(held.begin(), held.end(), b)) {
        take(b, cache_block);
        continue;
      }
      // What the next row looks at must be there.
      if (seen.needs(b * cache_block, (b + 1) * cache_block, length[0])) {
        fail(ErrorKind::corrupt, "{}: layer {} lacks positions {} to {}", saved.source(), i, b * cache_block,
             (b + 1) * cache_block - 1);
      }
      cache->put(cache->layers_[i], static_cast<std::size_t>(b), nullptr);
    }
    if (rest > 0) take(full, rest);
  }
  cache->length_ = length[0];
  return cache;
}

}  // namespace pome::graph
