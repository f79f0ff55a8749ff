// What the instruction-set files of qmm share: orders of codes and of additions. Constants and functions with
// internal linkage only, since those files are compiled for different processors.
//
// Codes of 2, 4 and 8 bits are picked out of lanes by shift and mask: 64 bytes of them (a "chunk") are seen
// as lanes of 16 bits, or of 8, with s codes each, and shift j yields the codes j, s + j, 2s + j … Quantized
// activations are stored in that order, [chunk][j][lane], so that nothing is shuffled in the inner loop. The
// lanes of a dword, two or four, are what one instruction multiplies and adds; a unit fills `dwords` dwords
// of every j. Codes of 3, 5 and 6 bits are unpacked into natural order: s = 1.
//
// Where q is stored as planes, a block has its high bytes in that order and then its low ones, both signed:
// q = 256·high + low.
//
// Stored unit by unit, a unit is whole and units come in the order in which gemm adds them up (place_of); so
// do its scale, sum and pair products. Within a unit the order is [j][lane], and codes that are unpacked
// first count as codes of 8 bits; in planes, the high bytes of eight lanes come before their low ones;
// split, those of the unit. Where
// the format says `pairs`, dwords 0 and 1, 3 and 4, 6 and 7 of every eight are pairs, for which
//
//   x0·w0 + x1·w1 = (x0 + w1)·(x1 + w0) - x0·x1 - w0·w1
//
// (S. Winograd, 1968): one multiplication instead of two, for two additions, of which processors do twice as
// many; x0·x1 is summed up once per row of x (pair_products), w0·w1 once per row of W. Sums are exact modulo
// 2^32. Bytes of x0 are stored with pair_offset added and those of x1 with code_offset, so that x0 + w1 is an
// unsigned byte and x1 + w0 a signed one.
#pragma once

#include <cstdint>

#include "kernels/qmm/qmm.h"

namespace pome::kernels::qmm {

constexpr int units_per_block = 16;

// The order in which a binary counter has to see 16 lanes to add them by halves.
constexpr int counter_order[units_per_block] = {0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15};

static constexpr bool unpacked_first(int bits) { return 16 % bits != 0; }

static constexpr int interleave_of(int bits, bool bytes) {
  return unpacked_first(bits) ? 1 : (bytes ? 8 : 16) / bits;
}

// A unit as it is stored in a row of activations, or in one of its planes.
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

static constexpr UnitLayout unit_layout(int interleave, int unit, bool bytes) {
  const int dwords = unit / ((bytes ? 4 : 2) * interleave);
  if (dwords > 16) return {1, dwords, 0, 1, dwords};
  return {interleave, dwords, 16, 16 / dwords, 16 * interleave};
}

static constexpr int unit_interleave(int bits, bool bytes) {
  return (bytes ? 8 : 16) / (unpacked_first(bits) ? 8 : bits);
}

// Where unit `unit` of `units` stands: counter_order, which reverses four bits, is its own inverse.
static constexpr int place_of(int unit, int units) {
  return counter_order[unit % units_per_block] * (units / units_per_block) + unit / units_per_block;
}

constexpr int pair_offset = 120, code_offset = -8;

// Where element k of a row of 16-bit words stands in q.
static constexpr std::int64_t stored_at(int interleave, std::int64_t k) {
  const std::int64_t chunk = 32 * interleave;
  const std::int64_t in_chunk = k % chunk;
  return k - in_chunk + in_chunk % interleave * 32 + in_chunk / interleave;
}

// Below this largest magnitude a unit counts as zeros, since its reciprocal would overflow.
constexpr float smallest_magnitude = 0x1p-100f;

// A panel: some rows of W, unpacked for gemm. codes[unit][dword][row], scales, biases and, for x stored unit
// by unit, sums of w0·w1 [unit][row], with zeros behind K up to whole blocks.
static constexpr std::int64_t panel_bytes(int rows, const Activations& x, bool bytes) {
  const std::int64_t codes = std::int64_t{x.units} * x.format.unit * (bytes ? 1 : 2);
  return rows * (codes + std::int64_t{12} * x.units);
}

// How many panels are unpacked before x is multiplied by them: as many as leave half of a usual second-level
// cache to x and y. More of them mean fewer passes over x.
static constexpr int panels_at_once(std::int64_t bytes_of_one) {
  constexpr std::int64_t budget = 512 << 10;
  return bytes_of_one >= budget ? 1 : static_cast<int>(budget / bytes_of_one);
}

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
