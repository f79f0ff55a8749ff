#include "graph/cpu/cache.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "base/error.h"

namespace pome::graph {
namespace {

using kernels::CacheType;

constexpr std::align_val_t alignment{64};

CacheType stored_type(const CacheOptions& options, CacheType plain) {
  if (options.kv_bits == 0) return plain;
  return options.kv_bits == 4 ? CacheType::u4 : CacheType::i8;
}

// Under 4 bits keys and values have groups of one size.
int shared_group(const CacheLayer& layer, const CacheOptions& options) {
  return std::min(kv_group(layer.head_dim, options), kv_group(layer.value_size(), options));
}

std::size_t vectors_of(const CacheLayer& layer) {
  return static_cast<std::size_t>(layer.kv_heads) * cache_block;
}

}  // namespace

KvBlock::KvBlock(const CacheLayer& layer, CacheType type, const CacheOptions& options) {
  const auto aligned = [&](int elements) {
    return (vectors_of(layer) * kernels::vector_bytes(type, elements) + 63) / 64 * 64;
  };
  const auto scales = [&](int elements) {
    return vectors_of(layer) * kernels::scale_bytes(type, elements, shared_group(layer, options));
  };
  const std::size_t keys = aligned(layer.head_dim);
  key_scales_ = keys + aligned(layer.stored_value_size());
  values_ = layer.own_values ? keys : 0;
  value_scales_ = layer.own_values ? key_scales_ + scales(layer.head_dim) : key_scales_;
  size_ = value_scales_ + scales(layer.own_values ? layer.value_size() : layer.head_dim);
  bytes_ = static_cast<std::byte*>(::operator new(size_, alignment));
  std::memset(bytes_, 0, size_);
}

KvBlock::KvBlock(const KvBlock& other)
    : values_(other.values_),
      key_scales_(other.key_scales_),
      value_scales_(other.value_scales_),
      size_(other.size_),
      bytes_(static_cast<std::byte*>(::operator new(size_, alignment))) {
  std::memcpy(bytes_, other.bytes_, size_);
}

KvBlock::~KvBlock() { ::operator delete(bytes_, alignment); }

StateBuffer::StateBuffer(std::int64_t size)
    : data_(static_cast<float*>(::operator new(static_cast<std::size_t>(size) * sizeof(float), alignment))) {}

StateBuffer::~StateBuffer() { ::operator delete(data_, alignment); }

CpuCache::CpuCache(CachePlan plan, CacheOptions options, CacheType type)
    : plan_(std::move(plan)), options_(options), type_(stored_type(options, type)), layers_(plan_.size()) {
  check_cache_options(plan_, options_);
}

int CpuCache::scale_group(std::size_t layer) const { return shared_group(plan_[layer], options_); }

void CpuCache::put(Layer& layer, std::size_t index, std::shared_ptr<KvBlock> block) {
  if (index >= layer.blocks.size()) {
    layer.blocks.resize(index + 1);
    layer.keys.resize(index + 1);
    layer.values.resize(index + 1);
    layer.key_scales.resize(index + 1);
    layer.value_scales.resize(index + 1);
  }
  layer.keys[index] = block ? block->keys() : nullptr;
  layer.values[index] = block ? block->values() : nullptr;
  layer.key_scales[index] = block ? block->key_scales() : nullptr;
  layer.value_scales[index] = block ? block->value_scales() : nullptr;
  layer.blocks[index] = std::move(block);
}

void CpuCache::prepare(int rows) {
  const auto wanted = static_cast<std::size_t>((length_ + rows + cache_block - 1) / cache_block);
  const auto tail = static_cast<std::size_t>(length_ / cache_block);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    Layer& layer = layers_[i];
    if (plan_[i].is_state()) {
      if (!layer.next) layer.next = std::make_shared<StateBuffer>(plan_[i].state_size);
      continue;
    }
    // The block that both a cache and its fork end in belongs to neither: the first to write copies it.
    if (length_ % cache_block != 0 && layer.blocks[tail].use_count() > 1) {
      put(layer, tail, std::make_shared<KvBlock>(*layer.blocks[tail]));
    }
    for (std::size_t b = layer.blocks.size(); b < wanted; ++b) {
      put(layer, b, std::make_shared<KvBlock>(plan_[i], type_, options_));
    }
  }
}

void CpuCache::store(int layer, int position, int first_head, int heads, const float* keys,
                     const float* values) {
  const CacheLayer& shape = plan_[static_cast<std::size_t>(layer)];
  const KvBlock& block =
      *layers_[static_cast<std::size_t>(layer)].blocks[static_cast<std::size_t>(position / cache_block)];
  const auto store_heads = [&](const float* from, int elements, std::byte* to, std::byte* scales) {
    const int group = shared_group(shape, options_);
    const std::size_t bytes = kernels::vector_bytes(type_, elements);
    const std::size_t scale = kernels::scale_bytes(type_, elements, group);
    for (int head = 0; head < heads; ++head) {
      const auto vector =
          static_cast<std::size_t>((first_head + head) * cache_block + position % cache_block);
      kernels::store_head(type_, from + std::ptrdiff_t{head} * elements, elements, group, to + vector * bytes,
                          scales + vector * scale);
    }
  };
  store_heads(keys, shape.head_dim, block.keys(), block.key_scales());
  if (values != nullptr) store_heads(values, shape.value_size(), block.values(), block.value_scales());
}

kernels::KeyValues CpuCache::view(int layer) const {
  const Layer& from = layers_[static_cast<std::size_t>(layer)];
  const CacheLayer& shape = plan_[static_cast<std::size_t>(layer)];
  const int value_stride = shape.own_values ? shape.value_size() : shape.head_dim;
  const int group = shared_group(shape, options_);
  const auto groups = [&](int elements) { return type_ == CacheType::u4 ? elements / group : 0; };
  return {.keys = from.keys.data(),
          .values = from.values.data(),
          .key_scales = from.key_scales.data(),
          .value_scales = from.value_scales.data(),
          .type = type_,
          .block_positions = cache_block,
          .head_stride = std::int64_t{cache_block} * shape.head_dim,
          .position_stride = shape.head_dim,
          .value_head_stride = std::int64_t{cache_block} * value_stride,
          .value_position_stride = value_stride,
          .group = group,
          .key_groups = groups(shape.head_dim),
          .value_groups = groups(shape.own_values ? shape.value_size() : shape.head_dim)};
}

const float* CpuCache::state(int layer) const {
  const auto& held = layers_[static_cast<std::size_t>(layer)].state;
  return held ? held->data() : nullptr;
}

float* CpuCache::next_state(int layer) const { return layers_[static_cast<std::size_t>(layer)].next->data(); }

void CpuCache::commit(int rows) {
  length_ += rows;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    if (plan_[i].is_state()) {
      std::swap(layers_[i].state, layers_[i].next);
      if (layers_[i].next.use_count() > 1) layers_[i].next = nullptr;  // a fork's now
      continue;
    }
    const Visibility seen = visible(i);
    if (!seen.limited()) continue;
    for (std::size_t b = 0; b < layers_[i].blocks.size(); ++b) {
      if (layers_[i].blocks[b] == nullptr) continue;
      const int begin = static_cast<int>(b) * cache_block;
      if (!seen.needs(begin, begin + cache_block, length_)) put(layers_[i], b, nullptr);
    }
  }
}

void CpuCache::discard() {
  const auto held = static_cast<std::size_t>((length_ + cache_block - 1) / cache_block);
  for (Layer& layer : layers_) {
    if (layer.blocks.size() <= held) continue;
    layer.blocks.resize(held);
    layer.keys.resize(held);
    layer.values.resize(held);
    layer.key_scales.resize(held);
    layer.value_scales.resize(held);
  }
}

int CpuCache::first_held(std::size_t layer) const {
  const auto& blocks = layers_[layer].blocks;
  std::size_t first = blocks.size();
  while (first > 0 && blocks[first - 1] != nullptr) --first;
  return static_cast<int>(first) * cache_block;
}

bool CpuCache::can_resume(int n) const {
  if (n == 0 || n == length_) return true;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    if (plan_[i].is_state()) return false;
    const int first = first_held(i);
    // The kept first positions are never dropped.
    if (first > 0 && visible(i).first(n) < first) return false;
  }
  return n > 0 && n < length_;
}

int CpuCache::resume_point(int n) const {
  const int m = std::clamp(n, 0, length_);
  return can_resume(m) ? m : 0;
}

std::unique_ptr<Cache> CpuCache::fork(int n) const {
  if (n > length_ || !can_resume(n)) {
    fail(ErrorKind::internal, "cache of {} positions: cannot resume from {}", length_, n);
  }
  auto copy = std::make_unique<CpuCache>(plan_, options_, type_);
  copy->length_ = n;
  const auto count = static_cast<std::size_t>((n + cache_block - 1) / cache_block);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    if (plan_[i].is_state()) {
      if (n > 0) copy->layers_[i].state = layers_[i].state;
      continue;
    }
    for (std::size_t b = 0; b < count; ++b) copy->put(copy->layers_[i], b, layers_[i].blocks[b]);
  }
  return copy;
}

std::size_t CpuCache::bytes() const {
  std::size_t sum = 0;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const CacheLayer& shape = plan_[i];
    const auto state = static_cast<std::size_t>(shape.state_size) * sizeof(float);
    for (const auto& held : {layers_[i].state, layers_[i].next}) sum += held ? state : 0;
    std::size_t position = 0;
    for (const int elements : {shape.head_dim, shape.stored_value_size()}) {
      if (elements == 0) continue;
      position += kernels::vector_bytes(type_, elements) +
                  kernels::scale_bytes(type_, elements, shared_group(shape, options_));
    }
    const auto block = position * vectors_of(shape);
    sum += block * static_cast<std::size_t>(
                       std::count_if(layers_[i].blocks.begin(), layers_[i].blocks.end(),
                                     [](const std::shared_ptr<KvBlock>& held) { return held != nullptr; }));
  }
  return sum;
}

}  // namespace pome::graph
