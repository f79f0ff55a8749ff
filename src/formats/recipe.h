// A tensor that is yet to be made out of others: of which, and how. Nothing is read or copied before it is
// asked for.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "formats/tensor.h"

namespace pome::formats {

// One step from a tensor as it is stored to the wanted one. Axes count from the end: -1 is the last.
struct Step {
  enum class Kind : std::uint8_t {
    view,       // the same bytes as `dtype` and `shape`
    take,       // along `axis`: `count` slices from `first` on, every `stride`-th
    transpose,  // the last two axes
    add_one,    // to every element
    scale,      // by values[0], or by one value per row of a matrix or element of a vector
  };
  Kind kind = Kind::view;
  Dtype dtype = Dtype::u8;
  std::vector<std::int64_t> shape = {};
  int axis = -2;
  std::int64_t first = 0;
  std::int64_t stride = 1;
  std::int64_t count = 0;
  std::vector<float> values = {};

  bool operator==(const Step&) const = default;
};

// Every source goes through all steps; where `stacked`, the results become one tensor with a first axis more,
// else there is one source. Plain values, cheap to copy; they keep their files mapped.
struct Recipe {
  std::string name;
  Dtype dtype = Dtype::u8;
  std::vector<std::int64_t> shape;
  std::vector<Tensor> sources;
  std::vector<Step> steps;
  bool stacked = false;

  const std::string& file() const { return sources.front().file; }
  bool as_stored() const { return steps.empty() && !stacked; }

  // How many pieces along the first axis: the parts of a stack, the matrices of a tensor of three axes,
  // else 1.
  std::int64_t pieces() const;
};

// The tensor: a view where its bytes lie together in a file, else a copy that it owns. Throws
// Error(unsupported) for elements that a step cannot compute with.
Tensor make(const Recipe& recipe);

// The same piece by piece, without the first axis where there are several: what it takes to write a tensor
// that does not fit in memory.
Tensor make_piece(const Recipe& recipe, std::int64_t piece);

// Adds a step and updates dtype and shape. Throws Error(corrupt) where the tensor does not have the axes or
// sizes that the step needs.
void add_step(Recipe& recipe, Step step);

}  // namespace pome::formats
