// What the instruction-set files of qmm share: orders of codes and of additions. Constants and functions with
// internal linkage only, since those files are compiled for different processors.
//
// Codes of 2, 4 and 8 bits are picked out of lanes of 16 bits by shift and mask: 32 lanes (64 bytes, a
// "chunk") hold 32·s codes, s = 16/bits, and shift j yields the codes j, s + j, 2s + j … Quantized
// activations are stored in that order, [chunk][j][lane], so that nothing is shuffled in the inner loop. Two
// neighbouring lanes make a dword, the pair of products that one instruction adds; a unit fills `dwords`
// dwords of every j. Activations of 8 bits go with 64 lanes of 8 bits in the same way, four to a dword. Codes
// of 3, 5 and 6 bits are unpacked into natural order: s = 1.
#pragma once

#include <cstdint>

#include "kernels/qmm/qmm.h"

namespace pome::kernels::qmm {

inline constexpr int units_per_block = 16;

// The order in which a binary counter has to see the units of a block to add them by halves.
inline constexpr int counter_order[units_per_block] = {0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15};

static constexpr bool unpacked_first(int bits) { return 16 % bits != 0; }

static constexpr int interleave_of(int bits, bool bytes = false) {
  return unpacked_first(bits) ? 1 : (bytes ? 8 : 16) / bits;
}

// A unit as it is stored in a row of activations.
struct UnitLayout {
  int runs;             // s
  int dwords;           // length of a run
  int run_stride;       // dwords from run to run
  int units_per_chunk;  // 1 where a unit is longer than a chunk
  int chunk_dwords;     // s·16, or the whole unit

  constexpr int first(int unit) const {  // dword of a unit's first run, counted from its block's first
    return unit / units_per_chunk * chunk_dwords + unit % units_per_chunk * dwords;
  }
};

static constexpr UnitLayout unit_layout(int interleave, int unit, bool bytes = false) {
  const int dwords = unit / ((bytes ? 4 : 2) * interleave);
  if (dwords > 16) return {1, dwords, 0, 1, dwords};
  return {interleave, dwords, 16, 16 / dwords, 16 * interleave};
}

// Where element k of a row of 16-bit activations stands in q.
static constexpr std::int64_t stored_at(int interleave, std::int64_t k) {
  const std::int64_t chunk = 32 * interleave;
  const std::int64_t in_chunk = k % chunk;
  return k - in_chunk + in_chunk % interleave * 32 + in_chunk / interleave;
}

// Rows of q are dealt out in spans that hold whole chunks and whole units of every format.
inline constexpr int span = 256;

template <class Stored, int Interleave>
static inline void deal_span(const std::int16_t* natural, Stored* q) {
  constexpr int lanes = 64 / sizeof(Stored);
  constexpr int chunk = lanes * Interleave;
  for (int first = 0; first < span; first += chunk) {
    for (int j = 0; j < Interleave; ++j) {
      for (int lane = 0; lane < lanes; ++lane) {
        q[first + j * lanes + lane] = static_cast<Stored>(natural[first + lane * Interleave + j]);
      }
    }
  }
}

template <class Stored>
static inline void deal_span(int interleave, const std::int16_t* natural, Stored* q) {
  switch (interleave) {
    case 2:
      return deal_span<Stored, 2>(natural, q);
    case 4:
      return deal_span<Stored, 4>(natural, q);
    case 8:
      if constexpr (sizeof(Stored) == 2) return deal_span<Stored, 8>(natural, q);
      return;  // lanes of 8 bits hold at most 4 codes
    default:
      return deal_span<Stored, 1>(natural, q);
  }
}

// Below this largest magnitude a unit counts as zeros, since its reciprocal would overflow.
inline constexpr float smallest_magnitude = 0x1p-100f;

}  // namespace pome::kernels::qmm

// Calls `function` with the bits of `w` and the unit of `x` as template arguments.
#define POME_QMM_DISPATCH(function, ...)   \
  switch (w.bits * 1000 + x.format.unit) { \
    case 2032:                             \
      return function<2, 32>(__VA_ARGS__); \
    case 2064:                             \
      return function<2, 64>(__VA_ARGS__); \
    case 3032:                             \
      return function<3, 32>(__VA_ARGS__); \
    case 3064:                             \
      return function<3, 64>(__VA_ARGS__); \
    case 4032:                             \
      return function<4, 32>(__VA_ARGS__); \
    case 4064:                             \
      return function<4, 64>(__VA_ARGS__); \
    case 5032:                             \
      return function<5, 32>(__VA_ARGS__); \
    case 5064:                             \
      return function<5, 64>(__VA_ARGS__); \
    case 6032:                             \
      return function<6, 32>(__VA_ARGS__); \
    case 6064:                             \
      return function<6, 64>(__VA_ARGS__); \
    case 8032:                             \
      return function<8, 32>(__VA_ARGS__); \
    case 8064:                             \
      return function<8, 64>(__VA_ARGS__); \
    default:                               \
      return;                              \
  }
