#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/safetensors.h"

namespace pome::formats {
namespace {

// The order in which the reference implementation writes types: by size, then as its enumeration has them.
constexpr std::array<Dtype, 22> writing_order{
    Dtype::u64,         Dtype::i64,     Dtype::f64,     Dtype::c64,     Dtype::f32, Dtype::u32,
    Dtype::i32,         Dtype::bf16,    Dtype::f16,     Dtype::u16,     Dtype::i16, Dtype::f8_e5m2fnuz,
    Dtype::f8_e4m3fnuz, Dtype::f8_e8m0, Dtype::f8_e4m3, Dtype::f8_e5m2, Dtype::i8,  Dtype::u8,
    Dtype::f6_e3m2,     Dtype::f6_e2m3, Dtype::f4,      Dtype::boolean,
};

std::ptrdiff_t rank_of(Dtype dtype) {
  return std::find(writing_order.begin(), writing_order.end(), dtype) - writing_order.begin();
}

std::vector<const Tensor*> in_writing_order(std::span<const Tensor> tensors) {
  std::vector<const Tensor*> order;
  for (const Tensor& tensor : tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const Tensor* a, const Tensor* b) {
    const std::ptrdiff_t rank_a = rank_of(a->dtype);
    const std::ptrdiff_t rank_b = rank_of(b->dtype);
    return rank_a != rank_b ? rank_a < rank_b : a->name < b->name;
  });
  return order;
}

void check_writable(std::span<const Tensor> tensors, std::string_view subject) {
  std::vector<std::string_view> names;
  for (const Tensor& tensor : tensors) {
    if (tensor.name == "__metadata__")
      fail(ErrorKind::internal, "{}: a tensor cannot be named __metadata__", subject);
    const auto size = tensor_size_bytes(tensor.dtype, tensor.shape);
    if (!size || *size != tensor.size_bytes) {
      fail(ErrorKind::internal, "{}: tensor {} has {} bytes, {} {} takes {}", subject,
           shown_name(tensor.name), tensor.size_bytes, dtype_name(tensor.dtype), tensor.shape_text(),
           size ? std::to_string(*size) : "none");
    }
    names.push_back(tensor.name);
  }
  std::sort(names.begin(), names.end());
  const auto twin = std::adjacent_find(names.begin(), names.end());
  if (twin != names.end())
    fail(ErrorKind::internal, "{}: tensor {} occurs twice", subject, shown_name(*twin));
}

// The header as text; members follow each other as given, so it is put together by hand.
std::string header_text(const std::vector<const Tensor*>& order, const Metadata& metadata) {
  const auto text = [](const auto& value) { return nlohmann::json(value).dump(); };
  std::string header = "{";
  if (!metadata.empty()) header += "\"__metadata__\":" + text(metadata);
  std::uint64_t offset = 0;
  for (const Tensor* tensor : order) {
    if (header.size() > 1) header += ',';
    header +=
        fmt::format(R"({}:{{"dtype":"{}","shape":{},"data_offsets":[{},{}]}})", text(tensor->name),
                    dtype_name(tensor->dtype), text(tensor->shape), offset, offset + tensor->size_bytes);
    offset += tensor->size_bytes;
  }
  header += '}';
  header.resize((header.size() + 7) / 8 * 8, ' ');
  return header;
}

// The page cache keeps a file in pages as large as its writes, and small ones are read slowly: whatever the
// tensors' sizes, this writes pieces of 256 KiB, or whole numbers of them, at multiples of it.
class Pieces {
 public:
  explicit Pieces(AtomicFile& file) : file_(file) {}

  void write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      std::size_t taken = bytes.size() / piece_bytes * piece_bytes;
      if (held_.empty() && taken > 0) {
        file_.write(bytes.first(taken));
      } else {
        taken = std::min(piece_bytes - held_.size(), bytes.size());
        held_.insert(held_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(taken));
        if (held_.size() == piece_bytes) flush();
      }
      bytes = bytes.subspan(taken);
    }
  }

  void flush() {
    file_.write(held_);
    held_.clear();
  }

 private:
  static constexpr std::size_t piece_bytes = std::size_t{256} << 10;
  AtomicFile& file_;
  std::vector<std::byte> held_;
};

}  // namespace

void write_safetensors(const fs::path& path, std::span<const Tensor> tensors, const Metadata& metadata) {
  check_writable(tensors, path.string());
  const std::vector<const Tensor*> order = in_writing_order(tensors);
  std::string header;
  try {
    header = header_text(order, metadata);
  } catch (const nlohmann::json::exception&) {
    fail(ErrorKind::internal, "{}: a tensor name or metadata is not UTF-8", path.string());
  }
  if (header.size() > safetensors_max_header_bytes) {
    fail(ErrorKind::unsupported, "{}: header of {} bytes, at most {} can be read back", path.string(),
         header.size(), safetensors_max_header_bytes);
  }
  std::array<char, safetensors_prefix_bytes> prefix{};
  for (std::size_t i = 0; i < prefix.size(); ++i)
    prefix[i] = static_cast<char>(header.size() >> (8 * i) & 0xff);

  AtomicFile file(path);
  Pieces pieces(file);
  pieces.write(std::as_bytes(std::span(prefix)));
  pieces.write(std::as_bytes(std::span(header)));
  for (const Tensor* tensor : order) pieces.write(tensor->bytes());
  pieces.flush();
  file.commit();
}

}  // namespace pome::formats
