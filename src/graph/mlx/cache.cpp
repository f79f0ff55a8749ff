#include "graph/mlx/cache.h"

#include <algorithm>

namespace pome::graph {
namespace {

// Rows [begin, end) of every part, as arrays of their own.
KvParts slice_positions(const KvParts& parts, int begin, int end) {
  KvParts slices;
  for (const mx::array& part : parts) {
    slices.push_back(mx::contiguous(mx::slice(part, {0, begin, 0}, {part.shape(0), end, part.shape(2)})));
  }
  return slices;
}

KvParts join_positions(const std::vector<const KvParts*>& pieces) {
  if (pieces.size() == 1) return *pieces[0];
  KvParts joined;
  for (std::size_t i = 0; i < pieces[0]->size(); ++i) {
    std::vector<mx::array> arrays;
    for (const KvParts* piece : pieces) arrays.push_back((*piece)[i]);
    joined.push_back(mx::concatenate(std::move(arrays), 1));
  }
  return joined;
}

}  // namespace

MlxCache::MlxCache(CachePlan plan, CacheOptions options, mx::Device device)
    : plan_(std::move(plan)), options_(options), device_(device), layers_(plan_.size()) {
  check_cache_options(plan_, options_);
}

KvParts MlxCache::encode(std::size_t layer, const mx::array& keys,
                         const std::optional<mx::array>& values) const {
  KvParts parts;
  const auto encode_one = [&](const mx::array& vectors) {
    if (options_.kv_bits == 0) return parts.push_back(vectors);
    for (mx::array& part : mx::quantize(vectors, kv_group(vectors.shape(2), options_), options_.kv_bits)) {
      parts.push_back(std::move(part));
    }
  };
  encode_one(keys);
  if (plan_[layer].own_values) encode_one(values.value());
  return parts;
}

mx::array MlxCache::decode(std::size_t layer, const KvParts& parts, bool values) const {
  if (values && !plan_[layer].own_values) {
    const mx::array keys = decode(layer, parts, false);
    return mx::slice(keys, {0, 0, 0}, {keys.shape(0), keys.shape(1), plan_[layer].value_size()});
  }
  const std::size_t first = values ? parts_per_vector() : 0;
  if (options_.kv_bits == 0) return parts[first];
  const int width = values ? plan_[layer].value_size() : plan_[layer].head_dim;
  return mx::dequantize(parts[first], parts[first + 1], parts[first + 2], kv_group(width, options_),
                        options_.kv_bits);
}

KvView MlxCache::append(int layer, const mx::array& keys, const std::optional<mx::array>& values) {
  const auto index = static_cast<std::size_t>(layer);
  pending_.resize(layers_.size());
  KvLayer next = layers_[index];
  const KvParts fresh = encode(index, keys, values);
  const int rows = keys.shape(1);
  const int tail_begin = static_cast<int>(next.blocks.size()) * cache_block;
  const KvParts open = next.tail ? join_positions({&*next.tail, &fresh}) : fresh;

  std::vector<const KvParts*> pieces;
  std::vector<std::int32_t> positions;
  for (std::size_t b = 0; b < next.blocks.size(); ++b) {
    if (next.blocks[b] == nullptr) continue;
    pieces.push_back(next.blocks[b].get());
    for (int i = 0; i < cache_block; ++i) positions.push_back(static_cast<int>(b) * cache_block + i);
  }
  pieces.push_back(&open);
  const int end = length_ + rows;
  for (int p = tail_begin; p < end; ++p) positions.push_back(p);
  const KvParts all = join_positions(pieces);
  KvView view{decode(index, all, false), decode(index, all, true), std::move(positions)};

  int begin = 0;
  const int open_rows = end - tail_begin;
  for (; open_rows - begin >= cache_block; begin += cache_block) {
    next.blocks.push_back(std::make_shared<KvParts>(slice_positions(open, begin, begin + cache_block)));
  }
  next.tail.reset();
  if (begin < open_rows) next.tail = slice_positions(open, begin, open_rows);
  pending_[index] = std::move(next);
  return view;
}

mx::array MlxCache::state(int layer) const {
  const auto index = static_cast<std::size_t>(layer);
  if (layers_[index].state) return *layers_[index].state;
  return mx::zeros({static_cast<int>(plan_[index].state_size)});
}

void MlxCache::replace_state(int layer, const mx::array& next) {
  pending_.resize(layers_.size());
  KvLayer changed;
  // An array of its own, which keeps nothing else alive.
  changed.state = mx::contiguous(mx::flatten(next));
  pending_[static_cast<std::size_t>(layer)] = std::move(changed);
}

void MlxCache::collect(std::vector<mx::array>& arrays) const {
  for (std::size_t i = 0; i < pending_.size(); ++i) {
    if (!pending_[i]) continue;
    for (std::size_t b = layers_[i].blocks.size(); b < pending_[i]->blocks.size(); ++b) {
      arrays.insert(arrays.end(), pending_[i]->blocks[b]->begin(), pending_[i]->blocks[b]->end());
    }
    if (pending_[i]->state) arrays.push_back(*pending_[i]->state);
    if (pending_[i]->tail) arrays.insert(arrays.end(), pending_[i]->tail->begin(), pending_[i]->tail->end());
  }
}

void MlxCache::commit(int rows) {
  length_ += rows;
  for (std::size_t i = 0; i < pending_.size(); ++i) {
    if (pending_[i]) layers_[i] = std::move(*pending_[i]);
    if (plan_[i].is_state()) continue;
    const Visibility seen = visible(i);
    if (!seen.limited()) continue;
    auto& blocks = layers_[i].blocks;
    for (std::size_t b = 0; b < blocks.size(); ++b) {
      const int begin = static_cast<int>(b) * cache_block;
      if (!seen.needs(begin, begin + cache_block, length_)) blocks[b] = nullptr;
    }
  }
  pending_.clear();
}

int MlxCache::first_held(std::size_t layer) const {
  const auto& blocks = layers_[layer].blocks;
  std::size_t first = blocks.size();
  while (first > 0 && blocks[first - 1] != nullptr) --first;
  return static_cast<int>(first) * cache_block;
}

bool MlxCache::can_resume(int n) const {
  if (n == 0 || n == length_) return true;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    if (plan_[i].is_state()) return false;
    const int first = first_held(i);
    // The kept first positions are never dropped.
    if (first > 0 && visible(i).first(n) < first) return false;
  }
  return n > 0 && n < length_;
}

int MlxCache::resume_point(int n) const {
  const int m = std::clamp(n, 0, length_);
  return can_resume(m) ? m : 0;
}

std::unique_ptr<Cache> MlxCache::fork(int n) const {
  if (n > length_ || !can_resume(n)) {
    fail(ErrorKind::internal, "cache of {} positions: cannot resume from {}", length_, n);
  }
  auto copy = std::make_unique<MlxCache>(plan_, options_, device_);
  copy->length_ = n;
  const std::size_t full = static_cast<std::size_t>(n) / cache_block;
  const int rest = n % cache_block;
  mx::StreamContext context(device_);
  std::vector<mx::array> made;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const KvLayer& from = layers_[i];
    KvLayer& to = copy->layers_[i];
    if (plan_[i].is_state()) {
      if (n > 0) to.state = from.state;
      continue;
    }
    to.blocks.assign(from.blocks.begin(), from.blocks.begin() + static_cast<std::ptrdiff_t>(full));
    if (rest == 0) continue;
    const KvParts& source = full < from.blocks.size() ? *from.blocks[full] : from.tail.value();
    to.tail = source[0].shape(1) == rest ? source : slice_positions(source, 0, rest);
    made.insert(made.end(), to.tail->begin(), to.tail->end());
  }
  at_seam("cache", [&] { mx::eval(made); });
  return copy;
}

std::size_t MlxCache::bytes() const {
  std::size_t sum = 0;
  const auto count = [&sum](const KvParts& parts) {
    for (const mx::array& part : parts) sum += part.nbytes();
  };
  for (const KvLayer& layer : layers_) {
    for (const auto& block : layer.blocks) {
      if (block != nullptr) count(*block);
    }
    if (layer.tail) count(*layer.tail);
    if (layer.state) sum += layer.state->nbytes();
  }
  return sum;
}

}  // namespace pome::graph
