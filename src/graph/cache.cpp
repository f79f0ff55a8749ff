#include "graph/cache.h"

#include <algorithm>

#include "base/error.h"

namespace pome::graph {

Visibility visibility(const CacheLayer& layer, const CacheOptions& options) {
  if (layer.chunk > 0) return {.window = 0, .keep = 0, .chunk = layer.chunk};
  if (layer.window > 0) return {.window = layer.window, .keep = 0, .chunk = 0};
  if (options.max_kv_size > 0) {
    return {.window = options.max_kv_size - options.keep, .keep = options.keep, .chunk = 0};
  }
  return {};
}

bool forgets(const CacheLayer& layer, const CacheOptions& options) {
  return layer.is_state() || visibility(layer, options).limited();
}

int kv_group(int elements, const CacheOptions& options) {
  for (const int group : {128, 64, 32}) {
    if (group <= options.kv_group_size && elements % group == 0) return group;
  }
  return 0;
}

void check_cache_options(const CachePlan& plan, const CacheOptions& options) {
  if (options.max_kv_size < 0 || options.keep < 0 ||
      (options.max_kv_size > 0 && options.keep >= options.max_kv_size)) {
    fail(ErrorKind::usage, "max_kv_size {} leaves no room beside the first {} positions, which are kept",
         options.max_kv_size, options.keep);
  }
  if (options.kv_bits == 0) return;
  if (options.kv_bits != 4 && options.kv_bits != 8) {
    fail(ErrorKind::usage, "kv_bits is {}, expected 4 or 8, or 0 for none", options.kv_bits);
  }
  for (const CacheLayer& layer : plan) {
    if (layer.is_state()) continue;
    for (const int elements : {layer.head_dim, layer.value_size()}) {
      if (kv_group(elements, options) > 0) continue;
      throw error(ErrorKind::unsupported,
                  "kv_bits {}: heads of {} elements cannot be divided into groups of {} or less",
                  options.kv_bits, elements, options.kv_group_size)
          .with_hint("leave out --kv-bits");
    }
  }
}

namespace {

// Of a layer that is no state.
std::size_t position_bytes(const CacheLayer& layer, const CacheOptions& options, int element_bytes) {
  std::size_t bytes = 0;
  for (const int elements : {layer.head_dim, layer.stored_value_size()}) {
    const auto width = static_cast<std::size_t>(elements);
    if (options.kv_bits == 0) {
      // 16 bits count steps of their vector.
      const std::size_t step = element_bytes == 2 && elements > 0 ? sizeof(float) : 0;
      bytes += width * static_cast<std::size_t>(element_bytes) + step;
      continue;
    }
    const auto groups = width / static_cast<std::size_t>(std::max(1, kv_group(elements, options)));
    bytes += width * static_cast<std::size_t>(options.kv_bits) / 8 +
             2 * groups * static_cast<std::size_t>(element_bytes);
  }
  return bytes * static_cast<std::size_t>(layer.kv_heads);
}

// In whole blocks, of which the first may be half out of sight.
std::size_t held_positions(const Visibility& visible, std::int64_t positions, int step_rows) {
  const auto whole = [](std::int64_t n) { return (n + cache_block - 1) / cache_block * cache_block; };
  std::int64_t held = std::max<std::int64_t>(positions, 0);
  if (visible.limited()) {
    const std::int64_t window = std::max(visible.window, visible.chunk);
    held = std::min(held, window + visible.keep + cache_block + step_rows);
  }
  return static_cast<std::size_t>(whole(held));
}

}  // namespace

std::size_t cache_bytes(const CachePlan& plan, const CacheOptions& options, std::int64_t positions,
                        int element_bytes, int step_rows) {
  std::size_t sum = 0;
  for (const CacheLayer& layer : plan) {
    if (layer.is_state()) {  // the one that a step reads and the one that it writes
      sum += 2 * static_cast<std::size_t>(layer.state_size) * sizeof(float);
      continue;
    }
    sum += held_positions(visibility(layer, options), positions, step_rows) *
           position_bytes(layer, options, element_bytes);
  }
  return sum;
}

std::size_t fork_bytes(const CachePlan& plan, const CacheOptions& options, std::int64_t positions,
                       int element_bytes) {
  std::size_t sum = 0;
  for (const CacheLayer& layer : plan) {
    if (layer.is_state()) {
      sum += static_cast<std::size_t>(layer.state_size) * sizeof(float);
    } else if (forgets(layer, options)) {
      sum += held_positions(visibility(layer, options), positions, 0) *
             position_bytes(layer, options, element_bytes);
    }
  }
  return sum;
}

std::string state_name(std::size_t layer) { return fmt::format("layers.{}.state", layer); }

const formats::Tensor& saved_state(const formats::TensorTable& saved, std::size_t layer, std::int64_t size) {
  const formats::Tensor& tensor = saved.at(state_name(layer));
  if (tensor.dtype != Dtype::f32 || tensor.shape != std::vector{size}) {
    fail(ErrorKind::corrupt, "{}: tensor \"{}\" is {} {}, expected F32 [{}]", saved.source(), tensor.name,
         dtype_name(tensor.dtype), tensor.shape_text(), size);
  }
  return tensor;
}

}  // namespace pome::graph
