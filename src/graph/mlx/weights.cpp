#include "graph/mlx/weights.h"

#include <limits>

namespace pome::graph {
namespace {

mx::Dtype mlx_dtype(const formats::Tensor& tensor) {
  switch (tensor.dtype) {
    case Dtype::boolean:
      return mx::bool_;
    case Dtype::u8:
    case Dtype::f8_e8m0:
    case Dtype::f8_e4m3:
      return mx::uint8;
    case Dtype::i8:
      return mx::int8;
    case Dtype::u16:
      return mx::uint16;
    case Dtype::i16:
      return mx::int16;
    case Dtype::u32:
      return mx::uint32;
    case Dtype::i32:
      return mx::int32;
    case Dtype::u64:
      return mx::uint64;
    case Dtype::i64:
      return mx::int64;
    case Dtype::f16:
      return mx::float16;
    case Dtype::bf16:
      return mx::bfloat16;
    case Dtype::f32:
      return mx::float32;
    case Dtype::f64:
      return mx::float64;
    default:
      fail(ErrorKind::unsupported, "{}: tensor \"{}\" has elements of type {}, which cannot be computed with",
           tensor.file, tensor.name, dtype_name(tensor.dtype));
  }
}

mx::Shape mlx_shape(const formats::Tensor& tensor) {
  mx::Shape shape;
  for (const std::int64_t n : tensor.shape) {
    if (n > std::numeric_limits<mx::ShapeElem>::max()) {
      fail(ErrorKind::unsupported, "{}: tensor \"{}\" of shape {} has more than 2^31 - 1 rows or columns",
           tensor.file, tensor.name, tensor.shape_text());
    }
    shape.push_back(static_cast<mx::ShapeElem>(n));
  }
  return shape;
}

// MLX's CPU allocator keeps a buffer's size in the 8 bytes before its data, and a Buffer points there. Only
// owned buffers have their size read, and a Data with a deleter of its own is never owned.
constexpr std::size_t buffer_header = 8;

mx::array wrap(const formats::Tensor& tensor, const mx::Device& device) {
  auto* data = const_cast<std::byte*>(tensor.data);  // NOLINT: MLX has no read-only arrays
  if (device == mx::Device::cpu) {
    mx::allocator::Buffer buffer(data - buffer_header);
    return mx::array(mx::allocator::Data(buffer, [owner = tensor.owner](mx::allocator::Buffer) {}),
                     mlx_shape(tensor), mlx_dtype(tensor));
  }
  return mx::array(static_cast<void*>(data), mlx_shape(tensor), mlx_dtype(tensor),
                   [owner = tensor.owner](void*) {});
}

bool matches(const mx::array& array, const formats::Tensor& tensor) {
  return array.nbytes() == tensor.size_bytes && array.shape() == mlx_shape(tensor) &&
         array.dtype() == mlx_dtype(tensor);
}

}  // namespace

mx::array WeightArrays::get(const formats::Tensor& tensor) {
  const auto known = arrays_.find(tensor.data);
  if (known != arrays_.end() && matches(known->second, tensor)) return known->second;
  return arrays_.insert_or_assign(tensor.data, wrap(tensor, device_)).first->second;
}

mx::array WeightArrays::as_float(const formats::Tensor& tensor) {
  return mx::astype(get(tensor), mx::float32);
}

}  // namespace pome::graph
