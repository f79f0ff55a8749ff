#include "quant/mode.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/error.h"
#include "quant/affine.h"
#include "quant/mxfp4.h"
#include "quant/mxfp8.h"
#include "quant/nvfp4.h"

namespace pome::quant {
namespace {

constexpr std::array<const Mode*, 4> table{
    &affine,
    &mxfp4,
    &mxfp8,
    &nvfp4,
};

template <class T>
bool contains(std::span<const T> list, const T& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

std::string part_text(const Part& part) {
  return fmt::format("{} [{}]", dtype_name(part.dtype), fmt::join(part.shape, ", "));
}

void check_parts(std::string_view subject, const Part& weight, const Part& scales,
                 const std::optional<Part>& biases, const Mode& mode) {
  if (weight.dtype != Dtype::u32) {
    fail(ErrorKind::corrupt, "{}: weight is {}, packed codes are U32", subject, part_text(weight));
  }
  if (!contains(mode.scale_dtypes, scales.dtype)) {
    std::vector<std::string_view> names;
    for (const Dtype dtype : mode.scale_dtypes) names.push_back(dtype_name(dtype));
    fail(ErrorKind::corrupt, "{}: scales are {}, mode {} has {}", subject, part_text(scales), mode.name,
         fmt::join(names, ", "));
  }
  if (mode.has_biases != biases.has_value()) {
    fail(ErrorKind::corrupt, "{}: {} biases, mode {} has {}", subject, biases ? "with" : "without", mode.name,
         mode.has_biases ? "them" : "none");
  }
  if (biases && (biases->dtype != scales.dtype || !std::ranges::equal(biases->shape, scales.shape))) {
    fail(ErrorKind::corrupt, "{}: biases are {}, scales {}", subject, part_text(*biases), part_text(scales));
  }
  if (weight.shape.size() < 2 || weight.shape.size() != scales.shape.size() ||
      !std::equal(weight.shape.begin(), weight.shape.end() - 1, scales.shape.begin())) {
    fail(ErrorKind::corrupt,
         "{}: weight is {}, scales are {}; all axes but the last should be equal, 2 or more", subject,
         part_text(weight), part_text(scales));
  }
  // Without this the other axes need not be backed by bytes, and whoever counts their elements could
  // overflow.
  if (std::ranges::any_of(weight.shape, [](std::int64_t n) { return n <= 0; }) || scales.shape.back() <= 0) {
    fail(ErrorKind::corrupt, "{}: weight is {}, scales are {}: an axis is empty", subject, part_text(weight),
         part_text(scales));
  }
}

// Whether words and groups per row are those of columns inputs in this layout (of any number of inputs where
// columns is 0).
bool fits(int bits, int group_size, std::int64_t words, std::int64_t groups, std::int64_t columns) {
  return words % groups == 0 && words / groups == bits * group_size / 32 &&
         (columns == 0 || (columns % group_size == 0 && columns / group_size == groups));
}

}  // namespace

std::span<const Mode* const> modes() { return table; }

const Mode* find_mode(std::string_view name) {
  const auto found =
      std::find_if(table.begin(), table.end(), [&](const Mode* mode) { return mode->name == name; });
  return found == table.end() ? nullptr : *found;
}

Layout find_layout(std::string_view mode, int bits, int group_size, std::string_view subject) {
  const Mode* found = find_mode(mode);
  if (found == nullptr) {
    std::vector<std::string_view> names;
    for (const Mode* known : table) names.push_back(known->name);
    fail(ErrorKind::unsupported, "{}: mode \"{}\" is unknown, known are {}", subject, mode,
         fmt::join(names, ", "));
  }
  if (!contains(found->bits, bits)) {
    fail(ErrorKind::unsupported, "{}: {} bits, mode {} has {}", subject, bits, mode,
         fmt::join(found->bits, ", "));
  }
  if (!contains(found->group_sizes, group_size)) {
    fail(ErrorKind::unsupported, "{}: groups of {}, mode {} has {}", subject, group_size, mode,
         fmt::join(found->group_sizes, ", "));
  }
  return {found, bits, group_size};
}

Layout infer_layout(std::string_view subject, const Part& weight, const Part& scales,
                    const std::optional<Part>& biases, const Layout& configured, std::int64_t columns) {
  const Mode& mode = *configured.mode;
  check_parts(subject, weight, scales, biases, mode);
  const std::int64_t words = weight.shape.back();
  const std::int64_t groups = scales.shape.back();
  if (fits(configured.bits, configured.group_size, words, groups, columns)) return configured;
  std::vector<Layout> found;
  for (const int group_size : mode.group_sizes) {
    for (const int bits : mode.bits) {
      if (fits(bits, group_size, words, groups, columns)) found.push_back({&mode, bits, group_size});
    }
  }
  const auto same_group = std::find_if(found.begin(), found.end(), [&](const Layout& layout) {
    return layout.group_size == configured.group_size;
  });
  if (same_group != found.end()) return *same_group;
  if (found.size() == 1) return found.front();
  const std::string inputs = columns == 0 ? "" : fmt::format(" with {} inputs", columns);
  fail(ErrorKind::corrupt,
       "{}: weight is {}, scales are {}: {} {} layout{}; configured are {} bits in groups of {}", subject,
       part_text(weight), part_text(scales), found.empty() ? "no" : "more than one", mode.name, inputs,
       configured.bits, configured.group_size);
}

}  // namespace pome::quant
