// Any bytes as a safetensors file whose tensors go through a table with every kind of row: Error, or recipes
// whose tensors have the promised sizes, whole and in pieces.
#include <cstdlib>

#include "base/error.h"
#include "formats/layout.h"
#include "formats/safetensors.h"

namespace {

using pome::formats::Rename;
using Kind = Rename::Kind;

constexpr Rename rows[] = {
    {.kind = Kind::drop, .pattern = "drop*"},
    {.kind = Kind::prefix, .pattern = "p.", .to = "m."},
    {.kind = Kind::stack, .pattern = ".e.#.", .to = ".s."},
    {.kind = Kind::words, .pattern = ".blocks", .to = ".weight"},
    {.kind = Kind::transpose, .pattern = ".t", .to = ".both"},
    {.kind = Kind::halves, .pattern = ".both", .to = ".up", .second = ".gate"},
    {.kind = Kind::alternate, .pattern = ".mixed", .to = ".even", .second = ".odd"},
    {.kind = Kind::alternate, .pattern = ".bias", .to = ".even", .second = ".odd", .axis = -1},
    {.kind = Kind::heads, .pattern = ".b.weight", .to = ".heads", .key = "heads"},
    {.kind = Kind::split, .pattern = ".heads", .to = ".k", .second = ".v", .otherwise = 2},
    {.kind = Kind::squeeze, .pattern = ".one"},
    {.kind = Kind::taps, .pattern = ".conv"},
    {.kind = Kind::add_one, .pattern = ".norm"},
    {.kind = Kind::scale,
     .pattern = ".up",
     .factors = [](const pome::Json&) { return std::vector{2.0F, 3.0F}; }},
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pome;
  const pome::Json config{{"heads", 2}};
  try {
    const auto file = formats::parse_safetensors(std::as_bytes(std::span(data, size)), nullptr, "input");
    const formats::Layout layout(file.tensors, rows, config, formats::Folds::folded);
    for (const formats::Recipe& recipe : layout) {
      try {
        const formats::Tensor whole = formats::make(recipe);
        if (whole.shape != recipe.shape || whole.dtype != recipe.dtype) std::abort();
        if (formats::tensor_size_bytes(whole.dtype, whole.shape) != whole.size_bytes) std::abort();
        std::size_t covered = 0;
        for (std::int64_t i = 0; i < recipe.pieces(); ++i)
          covered += formats::make_piece(recipe, i).size_bytes;
        if (covered != whole.size_bytes) std::abort();
      } catch (const Error&) {
      }
    }
  } catch (const Error&) {
  }
  return 0;
}
