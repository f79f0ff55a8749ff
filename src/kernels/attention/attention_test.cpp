#include "kernels/attention/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <span>

#include "base/error.h"
#include "base/thread_pool.h"
#include "kernels/attention/levels.h"
#include "kernels/test_data.h"

namespace pome::kernels {
namespace {

using attention::Functions;
using attention::Row;

std::vector<const Row*> levels() { return executable(attention::rows()); }
const Functions& scalar() { return *attention::rows().front().functions; }

// Random keys and values [length, K, C] and the cache that holds them, plus what the cache says they are.
struct Cache {
  std::vector<float> keys, values;
  std::vector<std::vector<std::uint8_t>> blocks[2];
  std::vector<std::vector<std::uint8_t>> scales[2];
  std::vector<const void*> pointers[2];
  std::vector<const void*> scale_pointers[2];
  KeyValues view;
  AttentionSpec spec;
  static constexpr int group = 16;

  // 4 bits need heads of whole groups.
  static bool can(const AttentionSpec& spec, CacheType type) {
    return type != CacheType::u4 || (spec.head_dim % group == 0 && spec.value_size() % group == 0);
  }

  Cache(const AttentionSpec& with, int length, CacheType type, int block = 64)
      : keys(gaussian(length, with.kv_heads * with.head_dim, false, 11)),
        values(gaussian(length, with.kv_heads * with.value_size(), false, 12)),
        spec(with) {
    const auto kv_heads = spec.kv_heads;
    for (int side = 0; side < 2; ++side) {
      const int head_dim = side == 0 ? spec.head_dim : spec.value_size();
      for (int first = 0; first < length; first += block) {
        const auto vectors = static_cast<std::size_t>(kv_heads * block);
        blocks[side].emplace_back(vectors * vector_bytes(type, head_dim));
        scales[side].emplace_back(vectors * scale_bytes(type, head_dim, group));
      }
      for (int p = 0; p < length; ++p) {
        for (int h = 0; h < kv_heads; ++h) {
          float* x = (side == 0 ? keys : values).data() + (p * kv_heads + h) * head_dim;
          const auto at = static_cast<std::size_t>(p / block),
                     vector = static_cast<std::size_t>(h * block + p % block);
          std::uint8_t* to = blocks[side][at].data() + vector * vector_bytes(type, head_dim);
          std::uint8_t* scale = scales[side][at].data() + vector * scale_bytes(type, head_dim, group);
          scalar().store_head(type, x, head_dim, group, to, scale);
          for (int c = 0; c < head_dim; ++c) {
            if (type == CacheType::i8)
              x[c] = static_cast<float>(reinterpret_cast<std::int8_t*>(to)[c]) *
                     get_element(scale, 0, Element::f32);
            if (type == CacheType::u4) {
              const int code = c % 16 < 8 ? to[c / 16 * 8 + c % 8] & 15 : to[c / 16 * 8 + c % 8] >> 4;
              x[c] = std::fma(static_cast<float>(code), get_element(scale, c / group * 2, Element::f16),
                              get_element(scale, c / group * 2 + 1, Element::f16));
            }
            if (type == CacheType::i16)
              x[c] = static_cast<float>(reinterpret_cast<std::int16_t*>(to)[c]) *
                     get_element(scale, 0, Element::f32);
          }
        }
      }
      for (const auto& bytes : blocks[side]) pointers[side].push_back(bytes.data());
      for (const auto& bytes : scales[side]) scale_pointers[side].push_back(bytes.data());
    }
    view = {pointers[0].data(),
            pointers[1].data(),
            scale_pointers[0].data(),
            scale_pointers[1].data(),
            type,
            block,
            std::int64_t{block} * spec.head_dim,
            spec.head_dim,
            std::int64_t{block} * spec.value_size(),
            spec.value_size(),
            group,
            spec.head_dim / group,
            spec.value_size() / group};
  }
};

struct Case {
  AttentionSpec spec;
  int rows, first, length;
};

std::vector<float> run(const Functions& functions, const Case& c, const Cache& cache,
                       const std::vector<float>& q, int begin, int count, int length) {
  const int width = c.spec.heads * c.spec.head_dim, out_width = c.spec.heads * c.spec.value_size();
  std::vector<float> out(static_cast<std::size_t>(count * out_width), 77.0f);
  const AttentionRows rows = {q.data() + begin * width, width, out.data(), out_width, count,
                              c.first + begin,          length};
  for (int unit = 0; unit < attention_units(c.spec, rows); ++unit) {
    attention::attend(functions, c.spec, cache.view, rows, unit);
  }
  return out;
}

double reference_error(const Case& c, const Cache& cache, const std::vector<float>& q,
                       const std::vector<float>& out) {
  const auto& s = c.spec;
  const int group = s.heads / s.kv_heads;
  double worst = 0;
  for (int r = 0; r < c.rows; ++r) {
    const int position = c.first + r;
    for (int h = 0; h < s.heads; ++h) {
      std::vector<double> weights(static_cast<std::size_t>(c.length), 0.0);
      std::vector<bool> visible(weights.size());
      double top = s.sinks == nullptr ? -1e300 : double{s.sinks[h]};
      for (int p = 0; p < c.length; ++p) {
        const auto at = static_cast<std::size_t>(p);
        visible[at] = (!s.causal || p <= position) &&
                      (s.window == 0 || p > position - s.window || p < s.keep) &&
                      (s.chunk == 0 || p / s.chunk == position / s.chunk);
        if (const BlockSparse& sparse = s.sparse; sparse.block > 0) {
          const int block = p / sparse.block;
          visible[at] = visible[at] && (position / sparse.block - block < sparse.local ||
                                        (block + 1 + h * sparse.head_step) % sparse.stride == 0);
        }
        if (!visible[at]) continue;
        for (int i = 0; i < s.head_dim; ++i) {
          weights[at] +=
              double{q[static_cast<std::size_t>((r * s.heads + h) * s.head_dim + i)]} *
              double{cache.keys[static_cast<std::size_t>((p * s.kv_heads + h / group) * s.head_dim + i)]};
        }
        weights[at] *= double{s.scale};
        if (s.soft_cap > 0) weights[at] = std::tanh(weights[at] / double{s.soft_cap}) * double{s.soft_cap};
        top = std::max(top, weights[at]);
      }
      double total = s.sinks == nullptr ? 0 : std::exp(double{s.sinks[h]} - top);
      for (std::size_t p = 0; p < weights.size(); ++p) {
        weights[p] = visible[p] ? std::exp(weights[p] - top) : 0;
        total += weights[p];
      }
      for (int i = 0; i < s.value_size(); ++i) {
        double expected = 0;
        for (int p = 0; p < c.length; ++p) {
          expected +=
              weights[static_cast<std::size_t>(p)] / total *
              double{
                  cache.values[static_cast<std::size_t>((p * s.kv_heads + h / group) * s.value_size() + i)]};
        }
        worst = std::max(
            worst, std::fabs(expected -
                             double{out[static_cast<std::size_t>((r * s.heads + h) * s.value_size() + i)]}));
      }
    }
  }
  return worst;
}

const float sinks[] = {0.5f, -1.0f, 2.0f, 0.0f, 1.0f, 3.0f, -2.0f, 0.1f};

// Where keys are codes, the reference knows nothing of rounded queries: their steps grow with the vector.
double tolerance(const Case& c, CacheType type) {
  const bool rounds = type == CacheType::i16 || type == CacheType::i8;
  return 4e-6 + (rounds ? 2e-5 * std::sqrt(c.spec.head_dim) : 0);
}

AttentionSpec spec_of(int heads, int kv_heads, int head_dim) {
  AttentionSpec spec;
  spec.heads = heads;
  spec.kv_heads = kv_heads;
  spec.head_dim = head_dim;
  spec.scale = 1 / std::sqrt(static_cast<float>(head_dim));
  return spec;
}

std::vector<Case> cases() {
  std::vector<Case> all = {
      {spec_of(4, 2, 64), 20, 0, 20},    {spec_of(4, 2, 128), 5, 600, 605}, {spec_of(6, 1, 80), 33, 230, 263},
      {spec_of(2, 2, 72), 3, 255, 258},  {spec_of(3, 3, 10), 300, 0, 300},  {spec_of(2, 1, 512), 40, 3, 43},
      {spec_of(71, 1, 16), 2, 100, 102},
  };
  Case window = {spec_of(4, 2, 32), 70, 500, 570};
  window.spec.window = 100;
  all.push_back(window);
  window.spec.keep = 4;
  all.push_back(window);
  window.spec.window = 1;
  window.spec.keep = 0;
  all.push_back(window);
  Case chunked = {spec_of(4, 2, 32), 70, 500, 570};
  chunked.spec.chunk = 48;
  all.push_back(chunked);
  Case sparse = {spec_of(4, 2, 32), 70, 500, 570};
  for (const BlockSparse blocks :
       {BlockSparse{64, 2, 3, 1}, BlockSparse{5, 3, 4, 2}, BlockSparse{16, 1, 8, 0}}) {
    sparse.spec.sparse = blocks;
    all.push_back(sparse);
  }
  sparse.spec.window = 200;
  sparse.spec.keep = 20;
  all.push_back(sparse);
  for (const auto& [dim, value_dim] : {std::pair(192, 128), std::pair(576, 512), std::pair(24, 40)}) {
    Case uneven = {spec_of(6, 2, dim), 5, 260, 265};
    uneven.spec.value_dim = value_dim;
    all.push_back(uneven);
  }
  Case encoder = {spec_of(2, 2, 48), 290, 0, 290};
  encoder.spec.causal = false;
  all.push_back(encoder);
  Case capped = {spec_of(8, 4, 64), 9, 260, 269};
  capped.spec.soft_cap = 2;
  capped.spec.sinks = sinks;
  all.push_back(capped);
  return all;
}

TEST(Attention, EveryLevelIsCloseToFloat64AndEqualsTheScalarTwin) {
  for (const Case& c : cases()) {
    const std::vector<float> q = gaussian(c.rows, c.spec.heads * c.spec.head_dim, false, 3);
    for (CacheType type : {CacheType::i16, CacheType::f32, CacheType::i8, CacheType::u4}) {
      if (!Cache::can(c.spec, type)) continue;
      const Cache cache(c.spec, c.length, type);
      const std::vector<float> expected = run(scalar(), c, cache, q, 0, c.rows, c.length);
      EXPECT_LE(reference_error(c, cache, q, expected), tolerance(c, type))
          << "heads " << c.spec.heads << ", C " << c.spec.head_dim;
      for (const Row* row : levels()) {
        if (row->isa == Isa::scalar) continue;  // the twin itself, which takes the most time
        EXPECT_TRUE(same_bits(run(*row->functions, c, cache, q, 0, c.rows, c.length), expected))
            << isa_name(row->isa) << ", C " << c.spec.head_dim << ", cache type " << static_cast<int>(type);
      }
    }
  }
}

TEST(Attention, ChunksOfThePromptGiveTheSameBits) {
  for (const Case& c : cases()) {
    if (!c.spec.causal) continue;
    const std::vector<float> q = gaussian(c.rows, c.spec.heads * c.spec.head_dim, false, 3);
    const Cache cache(c.spec, c.length, CacheType::i16);
    for (const Row* row : levels()) {
      if (row->isa == Isa::scalar) continue;
      const std::vector<float> whole = run(*row->functions, c, cache, q, 0, c.rows, c.length);
      for (int chunk : {1, 7, 50}) {
        std::vector<float> parts;
        for (int begin = 0; begin < c.rows; begin += chunk) {
          const int count = std::min(chunk, c.rows - begin);
          const std::vector<float> part =
              run(*row->functions, c, cache, q, begin, count, c.first + begin + count);
          parts.insert(parts.end(), part.begin(), part.end());
        }
        EXPECT_TRUE(same_bits(parts, whole))
            << isa_name(row->isa) << ", C " << c.spec.head_dim << ", chunk " << chunk;
      }
    }
  }
}

TEST(Attention, ThreadsAndSplitTilesGiveTheSameBits) {
  for (Case c : {Case{spec_of(2, 1, 64), 1, 1500, 1501}, Case{spec_of(8, 2, 32), 100, 700, 800}}) {
    for (int window : {0, 300}) {
      c.spec.window = window;
      const std::vector<float> q = gaussian(c.rows, c.spec.heads * c.spec.head_dim, false, 3);
      const Cache cache(c.spec, c.length, CacheType::i16, 256);
      const std::vector<float> expected = run(scalar(), c, cache, q, 0, c.rows, c.length);
      for (int threads = 1; threads <= 4; ++threads) {
        ThreadPool pool(threads);
        const int width = c.spec.heads * c.spec.head_dim;
        std::vector<float> out(expected.size());
        const AttentionRows rows = {q.data(), width, out.data(), width, c.rows, c.first, c.length};
        std::vector<float> scratch(attention_scratch_bytes(c.spec, rows) / sizeof(float));
        attend(pool, c.spec, cache.view, rows, scratch.data());
        EXPECT_TRUE(same_bits(out, expected)) << threads << " threads, split";
        std::fill(out.begin(), out.end(), 0.0f);
        attend(pool, c.spec, cache.view, rows, nullptr);
        EXPECT_TRUE(same_bits(out, expected)) << threads << " threads";
      }
    }
  }
}

TEST(Attention, BlocksThatNobodySeesMayBeGone) {
  Case c = {spec_of(2, 2, 32), 10, 600, 610};
  c.spec.window = 64;
  c.spec.keep = 4;
  const std::vector<float> q = gaussian(c.rows, 64, false, 3);
  Cache cache(c.spec, c.length, CacheType::i16);
  for (const Row* row : levels()) {
    const std::vector<float> expected = run(*row->functions, c, cache, q, 0, c.rows, c.length);
    Cache thinned(c.spec, c.length, CacheType::i16);
    for (int side = 0; side < 2; ++side) {
      for (std::size_t b = 1; b < 8; ++b) thinned.pointers[side][b] = nullptr;  // positions 64 … 511
    }
    EXPECT_TRUE(same_bits(run(*row->functions, c, thinned, q, 0, c.rows, c.length), expected))
        << isa_name(row->isa);
  }
}

TEST(Attention, ReadsKeysAndValuesOfAForwardPassInPlace) {
  Case c = {spec_of(4, 2, 48), 100, 0, 100};
  c.spec.causal = false;
  const std::vector<float> q = gaussian(c.rows, 192, false, 3);
  const Cache cache(c.spec, c.length, CacheType::f32);
  const void* keys[] = {cache.keys.data()};
  const void* values[] = {cache.values.data()};
  Cache in_place(c.spec, 0, CacheType::f32);
  in_place.view = {keys, values, nullptr, nullptr, CacheType::f32, 1 << 20, 48, 96};
  for (const Row* row : levels()) {
    EXPECT_TRUE(same_bits(run(*row->functions, c, in_place, q, 0, c.rows, c.length),
                          run(*row->functions, c, cache, q, 0, c.rows, c.length)))
        << isa_name(row->isa);
  }
}

TEST(Attention, ValuesMayBeTheBeginningsOfKeys) {
  for (CacheType type : {CacheType::i16, CacheType::i8, CacheType::u4}) {
    const int dim = type == CacheType::u4 ? 80 : 72, value_dim = type == CacheType::u4 ? 64 : 56;
    Case c = {spec_of(8, 1, dim), 20, 250, 270};
    c.spec.value_dim = value_dim;
    const std::vector<float> q = gaussian(c.rows, 8 * dim, false, 3);
    Cache cache(c.spec, c.length, type);
    for (int p = 0; p < c.length; ++p) {
      std::copy_n(cache.keys.begin() + p * dim, value_dim, cache.values.begin() + p * value_dim);
    }
    cache.view.values = cache.view.keys;
    cache.view.value_scales = cache.view.key_scales;
    cache.view.value_head_stride = cache.view.value_position_stride = 0;
    for (const Row* row : levels()) {
      const std::vector<float> out = run(*row->functions, c, cache, q, 0, c.rows, c.length);
      EXPECT_LE(reference_error(c, cache, q, out), tolerance(c, type)) << isa_name(row->isa);
    }
  }
}

TEST(Attention, StoredHeadsAreTheSameOnEveryLevel) {
  for (int head_dim : {1, 16, 40, 128}) {
    std::vector<float> x = gaussian(1, head_dim, true, 9);
    x[0] = 1e6f;
    for (CacheType type : {CacheType::i16, CacheType::f32, CacheType::i8, CacheType::u4}) {
      if (!Cache::can(spec_of(1, 1, head_dim), type)) continue;
      std::vector<std::uint8_t> expected(static_cast<std::size_t>(head_dim * 4), 7), expected_scales(64, 7);
      scalar().store_head(type, x.data(), head_dim, Cache::group, expected.data(), expected_scales.data());
      for (const Row* row : levels()) {
        std::vector<std::uint8_t> to(expected.size(), 7), scales(expected_scales.size(), 7);
        row->functions->store_head(type, x.data(), head_dim, Cache::group, to.data(), scales.data());
        EXPECT_EQ(to, expected) << isa_name(row->isa);
        EXPECT_EQ(scales, expected_scales) << isa_name(row->isa);
      }
    }
  }
}

TEST(Attention, FourBitsAreWithinHalfAStep) {
  std::vector<float> x = gaussian(1, 64, false, 9);
  for (std::size_t i = 16; i < 32; ++i) x[i] = 3;         // a group without a spread
  for (std::size_t i = 32; i < 48; ++i) x[i] += 1000.0f;  // far from zero
  std::uint8_t codes[32], scales[16];
  for (const Row* row : levels()) {
    row->functions->store_head(CacheType::u4, x.data(), 64, 16, codes, scales);
    for (int c = 0; c < 64; ++c) {
      const float step = get_element(scales, c / 16 * 2, Element::f16),
                  least = get_element(scales, c / 16 * 2 + 1, Element::f16);
      const int code = c % 16 < 8 ? codes[c / 16 * 8 + c % 8] & 15 : codes[c / 16 * 8 + c % 8] >> 4;
      // float16 rounds the least element too: by half a unit of 1,000 at most.
      EXPECT_NEAR(least + step * static_cast<float>(code), x[static_cast<std::size_t>(c)],
                  0.51f * step + (c / 16 == 2 ? 0.5f : 2e-3f));
    }
    x[40] = INFINITY;
    row->functions->store_head(CacheType::u4, x.data(), 64, 16, codes, scales);
    EXPECT_TRUE(std::isnan(get_element(scales, 4, Element::f16))) << isa_name(row->isa);
    EXPECT_FALSE(std::isnan(get_element(scales, 2, Element::f16))) << isa_name(row->isa);
    x[40] = 1000;
  }
}

TEST(Attention, WhatIsNotFiniteStaysSoInAnInt8Cache) {
  for (const Row* row : levels()) {
    for (float bad : {std::nanf(""), INFINITY}) {
      for (std::size_t at : {std::size_t{0}, std::size_t{17}, std::size_t{39}}) {
        std::vector<float> x = gaussian(1, 40);
        x[at] = bad;
        std::vector<std::int8_t> to(40);
        float scale = 0;
        row->functions->store_head(CacheType::i8, x.data(), 40, 0, to.data(), &scale);
        EXPECT_TRUE(std::isnan(scale)) << isa_name(row->isa);
      }
    }
  }
}

TEST(Attention, AScoreThatIsNoNumberIsNotForgotten) {
  for (CacheType type : {CacheType::f32, CacheType::i16, CacheType::i8}) {
    for (const auto& [length, rows] :
         {std::pair(1, 1), std::pair(40, 1), std::pair(300, 1), std::pair(300, 9)}) {
      for (int at : {0, 5, 17, 39, 299}) {
        if (at >= length) continue;
        const Case c = {spec_of(1, 1, 16), rows, length - rows, length};
        Cache cache(c.spec, length, type);
        const auto block = static_cast<std::size_t>(at / 64);
        auto* floats =
            reinterpret_cast<float*>((type == CacheType::f32 ? cache.blocks : cache.scales)[0][block].data());
        floats[type == CacheType::f32 ? at % 64 * 16 + 3 : at % 64] = std::nanf("");
        const std::vector<float> q = gaussian(rows, 16);
        for (const Row* row : levels()) {
          const std::vector<float> out = run(*row->functions, c, cache, q, 0, rows, length);
          for (const float y : std::span(out).last(16)) {
            EXPECT_TRUE(std::isnan(y)) << isa_name(row->isa) << ", position " << at << " of " << length;
          }
        }
      }
    }
  }
}

TEST(Attention, RefusesImpossibleShapes) {
  EXPECT_NO_THROW(check(spec_of(8, 2, 128)));
  EXPECT_THROW(check(spec_of(8, 3, 128)), Error);
  EXPECT_THROW(check(spec_of(8, 0, 128)), Error);
  EXPECT_THROW(check(spec_of(8, 2, 577)), Error);
}

}  // namespace
}  // namespace pome::kernels
