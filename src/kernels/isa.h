// Instruction-set levels of the kernels, and the choice between them at run time.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/error.h"

namespace pome::kernels {

// In rising order, within a family of processors: a level executes everything below it. But for avxvnni,
// which few processors with AVX-512 have: what has a row for it has one for avx512vl too, the same source
// encoded for AVX-512, by which it is tested where avxvnni is missing.
enum class Isa : std::uint8_t {
  scalar,
  avx2,
  avxvnni,
  avx512vl,
  avx512vnni,
  avx512bf16,
  amx,
  neondot,   // NEON with dot products of bytes: Armv8.2
  neoni8mm,  // with products of matrices of bytes: Armv8.6
  neonbf16,  // and of bfloat16
};

struct IsaRow {
  Isa isa;
  std::string_view name;  // as POME_ISA spells it
  bool (*executable)();   // on this processor, under this operating system
};

// Every level this build knows, lowest first.
std::span<const IsaRow> isa_table();
bool executes(Isa isa);  // this processor
std::string_view isa_name(Isa isa);

// The level in use: the highest that is executable, or the one POME_ISA names. Decided on the first call.
// Throws Error: usage (POME_ISA names no level), unsupported (this processor lacks it).
Isa active_isa();

// Whether this processor adds more vectors at a time than it multiplies, so that products in pairs
// (qmm/layout.h) pay.
bool pairs_pay();

// Of an operation's rows, lowest level first, the highest that `isa` executes. Every operation has a scalar
// row.
template <class Row>
const Row& choose_row(std::span<const Row> rows, Isa isa) {
  const Row* best = &rows.front();
  for (const Row& row : rows) {
    if (row.isa <= isa) best = &row;
  }
  return *best;
}

}  // namespace pome::kernels
