// Products of a panel's dwords with those of some rows of x, for gemm: of qmm, and of blockfloat by words.
//
// Zen 4 multiplies one vector of 512 bits per cycle and does two other operations, so that three pairs of
// dwords in eight, and two dwords that stay alone, take 5.5 cycles and not 8.
#pragma once

#include "kernels/qmm/avx512vnni.h"

namespace pome::kernels::qmm::avx512vnni {
namespace {

// Volatile, so that the compiler keeps the order in which they are written: it would load all of a loop's
// dwords first and spill most of them.
[[gnu::always_inline]] inline __m512i broadcast(const Dword* p) {
  __m512i v;
  asm volatile("vpbroadcastd %1, %0" : "=v"(v) : "m"(*p));
  return v;
}
[[gnu::always_inline]] inline __m512i load(const Dword* p) {
  __m512i v;
  asm volatile("vmovdqa64 %1, %0" : "=v"(v) : "m"(*reinterpret_cast<const __m512i*>(p)));
  return v;
}

// How products are computed: of words or of bytes, with or without pairs, from a panel of words or bytes or
// from one of codes of 4 bits, packed as they were. Packed codes are unpacked for each tile, which costs less
// than to unpack them into a panel where there is but one.
template <bool Bytes, bool Pairs, bool Packed>
struct Kind {
  static constexpr bool bytes = Bytes, pairs = Pairs, packed = Packed;
  static constexpr int vectors = Packed ? 1 : 2;  // of 16 rows of W, that a tile meets at once
  static constexpr int step = 16 * vectors;       // from dword to dword of a panel

  [[gnu::always_inline]] static void multiply_add(__m512i& sums, __m512i codes, __m512i x) {
    if constexpr (Bytes) {
      asm volatile("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(codes), "v"(x));
    } else {
      asm volatile("vpdpwssd %2, %1, %0" : "+v"(sums) : "v"(codes), "v"(x));
    }
  }
  [[gnu::always_inline]] static __m512i add(__m512i a, __m512i b) {
    __m512i sum;
    if constexpr (Bytes) {
      asm volatile("vpaddb %2, %1, %0" : "=v"(sum) : "v"(a), "v"(b));
    } else {
      asm volatile("vpaddw %2, %1, %0" : "=v"(sum) : "v"(a), "v"(b));
    }
    return sum;
  }
  // Sixteen rows' codes, those of run `Run` where they are packed.
  template <int Run>
  [[gnu::always_inline]] static __m512i codes(const Dword* p) {
    __m512i v = load(p);
    if constexpr (Packed) {
      if constexpr (Run > 0) v = _mm512_srli_epi32(v, 4 * Run);
      v = _mm512_and_si512(v, Bytes ? _mm512_set1_epi8(15) : _mm512_set1_epi16(15));
    }
    return v;
  }
};

constexpr bool starts_pair(int dword) { return dword % 3 == 0; }

// sums += the products of dword `I` of eight, or of the pair that it starts, and of those behind it.
template <class Kind, int Rows, int Run, int I = 0>
[[gnu::always_inline]] inline void multiply_group(const Dword* codes, const Dword* x, std::int64_t stride,
                                                  __m512i (&sums)[Kind::vectors * Rows]) {
  constexpr int vectors = Kind::vectors;
  constexpr bool pair = Kind::pairs && starts_pair(I);
  __m512i w0[vectors], w1[vectors];
#pragma clang loop unroll(full)
  for (int h = 0; h < vectors; ++h) {
    w0[h] = Kind::template codes<Run>(codes + 16 * h);
    if constexpr (pair) w1[h] = Kind::template codes<Run>(codes + Kind::step + 16 * h);
  }
#pragma clang loop unroll(full)
  for (int m = 0; m < Rows; ++m) {
    const __m512i x0 = broadcast(x + m * stride);
    if constexpr (pair) {
      const __m512i x1 = broadcast(x + m * stride + 1);
#pragma clang loop unroll(full)
      for (int h = 0; h < vectors; ++h) {
        const __m512i sum = Kind::add(x0, w1[h]);
        Kind::multiply_add(sums[vectors * m + h], sum, Kind::add(x1, w0[h]));
      }
    } else {
#pragma clang loop unroll(full)
      for (int h = 0; h < vectors; ++h) Kind::multiply_add(sums[vectors * m + h], w0[h], x0);
    }
  }
  constexpr int next = I + (pair ? 2 : 1);
  if constexpr (next < group_dwords) {
    multiply_group<Kind, Rows, Run, next>(codes + (next - I) * Kind::step, x + next - I, stride, sums);
  }
}

}  // namespace
}  // namespace pome::kernels::qmm::avx512vnni
