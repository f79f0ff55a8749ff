#include "formats/gguf.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <set>

#include "base/error.h"
#include "formats/tensor.h"

namespace pome::formats {
namespace {

constexpr std::uint64_t most_values = 1 << 16, most_tensors = 1 << 18;
constexpr std::uint64_t longest_name = 1 << 12;  // of keys; published ones have fewer than 100 bytes
constexpr std::uint64_t longest_kept = 1 << 16;  // of strings whose text is kept: templates are longer
constexpr std::uint64_t most_dimensions = 4;
constexpr std::uint64_t largest_alignment = 1 << 20;

// ggml/src/ggml.c, type_traits
constexpr GgufType types[]{
    {0, "F32", 1, 4},         {1, "F16", 1, 2},         {2, "Q4_0", 32, 18},      {3, "Q4_1", 32, 20},
    {6, "Q5_0", 32, 22},      {7, "Q5_1", 32, 24},      {8, "Q8_0", 32, 34},      {9, "Q8_1", 32, 36},
    {10, "Q2_K", 256, 84},    {11, "Q3_K", 256, 110},   {12, "Q4_K", 256, 144},   {13, "Q5_K", 256, 176},
    {14, "Q6_K", 256, 210},   {15, "Q8_K", 256, 292},   {16, "IQ2_XXS", 256, 66}, {17, "IQ2_XS", 256, 74},
    {18, "IQ3_XXS", 256, 98}, {19, "IQ1_S", 256, 50},   {20, "IQ4_NL", 32, 18},   {21, "IQ3_S", 256, 110},
    {22, "IQ2_S", 256, 82},   {23, "IQ4_XS", 256, 136}, {24, "I8", 1, 1},         {25, "I16", 1, 2},
    {26, "I32", 1, 4},        {27, "I64", 1, 8},        {28, "F64", 1, 8},        {29, "IQ1_M", 256, 56},
    {30, "BF16", 1, 2},       {34, "TQ1_0", 256, 54},   {35, "TQ2_0", 256, 66},   {39, "MXFP4", 32, 17},
    {40, "NVFP4", 64, 36},
};

enum class Kind : std::uint32_t {
  u8,
  i8,
  u16,
  i16,
  u32,
  i32,
  f32,
  boolean,
  string,
  array,
  u64,
  i64,
  f64,
};
constexpr std::uint32_t kind_count = 13;

// Bytes of a value of constant size; 0: string, array.
constexpr std::uint64_t kind_bytes[kind_count]{1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

// More bytes are needed than were given.
struct Short {};

class Reader {
 public:
  Reader(std::span<const std::byte> start, std::uint64_t size, std::string_view subject)
      : start_(start), size_(size), subject_(subject) {}

  std::uint64_t at() const { return at_; }

  template <class... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) const {
    fail(ErrorKind::corrupt, "{}: {}", subject_, fmt::format(format, std::forward<Args>(args)...));
  }

  // The next `count` bytes, which lie within the file, or Short.
  std::span<const std::byte> take(std::uint64_t count) {
    if (count > size_ - at_) {
      refuse("the header needs {} bytes at byte {}, the file has {} (download incomplete?)", count, at_,
             size_);
    }
    if (count > start_.size() - std::min<std::uint64_t>(at_, start_.size())) throw Short{};
    const auto bytes = start_.subspan(at_, count);
    at_ += count;
    return bytes;
  }

  void skip(std::uint64_t count) { take(count); }

  template <class T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }

  std::string string(std::uint64_t longest, std::string_view what) {
    const auto length = number<std::uint64_t>();
    if (length > longest) refuse("{} has {} bytes, expected at most {}", what, length, longest);
    const auto bytes = take(length);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

 private:
  std::span<const std::byte> start_;
  std::uint64_t size_, at_ = 0;
  std::string_view subject_;
};

static_assert(std::endian::native == std::endian::little);

Kind read_kind(Reader& in, std::string_view key) {
  const auto kind = in.number<std::uint32_t>();
  if (kind >= kind_count)
    in.refuse("{} has type {}, expected 0 to {}", shown_name(key), kind, kind_count - 1);
  return static_cast<Kind>(kind);
}

GgufArray read_array(Reader& in, std::string_view key) {
  const Kind kind = read_kind(in, key);
  if (kind == Kind::array) in.refuse("{} is an array of arrays", shown_name(key));
  const auto length = in.number<std::uint64_t>();
  const std::uint64_t bytes = kind_bytes[static_cast<std::uint32_t>(kind)];
  if (bytes > 0) {
    std::uint64_t all = 0;
    if (__builtin_mul_overflow(length, bytes, &all)) in.refuse("{} has {} elements", shown_name(key), length);
    in.skip(all);
  } else {
    for (std::uint64_t i = 0; i < length; ++i) in.skip(in.number<std::uint64_t>());
  }
  return {length};
}

GgufValue read_value(Reader& in, std::string_view key) {
  const auto whole = [](auto n) -> GgufValue {
    if constexpr (std::is_signed_v<decltype(n)>) return std::int64_t{n};
    return std::uint64_t{static_cast<std::make_unsigned_t<decltype(n)>>(n)};
  };
  switch (read_kind(in, key)) {
    case Kind::u8:
      return whole(in.number<std::uint8_t>());
    case Kind::i8:
      return whole(in.number<std::int8_t>());
    case Kind::u16:
      return whole(in.number<std::uint16_t>());
    case Kind::i16:
      return whole(in.number<std::int16_t>());
    case Kind::u32:
      return whole(in.number<std::uint32_t>());
    case Kind::i32:
      return whole(in.number<std::int32_t>());
    case Kind::u64:
      return whole(in.number<std::uint64_t>());
    case Kind::i64:
      return whole(in.number<std::int64_t>());
    case Kind::f32:
      return double{in.number<float>()};
    case Kind::f64:
      return in.number<double>();
    case Kind::boolean:
      return in.number<std::uint8_t>() != 0;
    case Kind::array:
      return read_array(in, key);
    case Kind::string:
      break;
  }
  const auto length = in.number<std::uint64_t>();
  const auto bytes = in.take(length);
  return std::string(reinterpret_cast<const char*>(bytes.data()), std::min(length, longest_kept));
}

GgufTensor read_tensor(Reader& in, std::string_view subject) {
  GgufTensor tensor;
  tensor.name = in.string(longest_name, "a tensor's name");
  const auto dimensions = in.number<std::uint32_t>();
  if (dimensions > most_dimensions) {
    in.refuse("tensor {} has {} dimensions, expected at most {}", shown_name(tensor.name), dimensions,
              most_dimensions);
  }
  tensor.elements = 1;
  for (std::uint32_t i = 0; i < dimensions; ++i) {
    tensor.shape.push_back(in.number<std::uint64_t>());
    if (__builtin_mul_overflow(tensor.elements, tensor.shape.back(), &tensor.elements) ||
        tensor.elements > (std::uint64_t{1} << 60)) {
      in.refuse("tensor {} has more elements than any file", shown_name(tensor.name));
    }
  }
  const auto type = in.number<std::uint32_t>();
  tensor.type = gguf_type(type);
  if (tensor.type == nullptr) {
    fail(ErrorKind::unsupported, "{}: tensor {} has type {}, which nothing here knows", subject,
         shown_name(tensor.name), type);
  }
  const std::uint64_t row = tensor.shape.empty() ? 1 : tensor.shape.front();
  if (row % tensor.type->block_elements != 0) {
    in.refuse("tensor {} has rows of {}, expected a multiple of {} for {}", shown_name(tensor.name), row,
              tensor.type->block_elements, tensor.type->name);
  }
  tensor.size_bytes = tensor.elements / tensor.type->block_elements * tensor.type->block_bytes;
  tensor.offset = in.number<std::uint64_t>();
  return tensor;
}

std::uint64_t alignment_of(const GgufHeader& header, const Reader& in) {
  const auto found = header.values.find("general.alignment");
  if (found == header.values.end()) return 32;
  const auto* value = std::get_if<std::uint64_t>(&found->second);
  if (value == nullptr || !std::has_single_bit(*value) || *value > largest_alignment) {
    in.refuse("general.alignment is not a power of two up to {}", largest_alignment);
  }
  return *value;
}

// Each where the one before it ends, the last within the file.
void check_places(const GgufHeader& header, std::uint64_t alignment, std::uint64_t file_size_bytes,
                  const Reader& in) {
  std::uint64_t expected = 0;
  for (const GgufTensor& tensor : header.tensors) {
    if (tensor.offset != expected) {
      in.refuse("tensor {} lies at {}, expected {}", shown_name(tensor.name), tensor.offset, expected);
    }
    if (header.data_start > file_size_bytes || tensor.offset > file_size_bytes - header.data_start ||
        tensor.size_bytes > file_size_bytes - header.data_start - tensor.offset) {
      in.refuse("tensor {} needs {} bytes at byte {}, file has {} (download incomplete?)",
                shown_name(tensor.name), tensor.size_bytes, header.data_start + tensor.offset,
                file_size_bytes);
    }
    expected = (tensor.offset + tensor.size_bytes + alignment - 1) / alignment * alignment;
  }
}

GgufHeader read_header(Reader& in, std::uint64_t file_size_bytes, std::string_view subject) {
  const auto magic = in.take(4);
  if (std::memcmp(magic.data(), "GGUF", 4) != 0) in.refuse("does not begin with GGUF");
  GgufHeader header;
  header.version = in.number<std::uint32_t>();
  if (header.version != 2 && header.version != 3) {
    const bool turned = (header.version & 0xffff) == 0;
    fail(ErrorKind::unsupported, "{}: GGUF {}, expected version 2 or 3", subject,
         turned ? std::string("in big-endian order") : fmt::format("version {}", header.version));
  }
  const auto tensors = in.number<std::uint64_t>(), values = in.number<std::uint64_t>();
  if (tensors > most_tensors || values > most_values) {
    in.refuse("has {} tensors and {} values, expected at most {} and {}", tensors, values, most_tensors,
              most_values);
  }
  for (std::uint64_t i = 0; i < values; ++i) {
    std::string key = in.string(longest_name, "a key");
    GgufValue value = read_value(in, key);
    if (header.values.contains(key)) in.refuse("key {} occurs twice", shown_name(key));
    header.values.emplace(std::move(key), std::move(value));
  }
  std::set<std::string, std::less<>> names;
  for (std::uint64_t i = 0; i < tensors; ++i) {
    header.tensors.push_back(read_tensor(in, subject));
    if (!names.insert(header.tensors.back().name).second) {
      in.refuse("tensor {} occurs twice", shown_name(header.tensors.back().name));
    }
  }
  const std::uint64_t alignment = alignment_of(header, in);
  header.data_start = (in.at() + alignment - 1) / alignment * alignment;
  check_places(header, alignment, file_size_bytes, in);
  return header;
}

}  // namespace

const GgufType* gguf_type(std::uint32_t id) {
  const auto found =
      std::find_if(std::begin(types), std::end(types), [&](const GgufType& t) { return t.id == id; });
  return found == std::end(types) ? nullptr : found;
}

std::string GgufHeader::text(std::string_view key) const {
  const auto found = values.find(key);
  const auto* text = found == values.end() ? nullptr : std::get_if<std::string>(&found->second);
  return text == nullptr ? "" : *text;
}

std::uint64_t GgufHeader::number(std::string_view key) const {
  const auto found = values.find(key);
  if (found == values.end()) return 0;
  if (const auto* n = std::get_if<std::uint64_t>(&found->second)) return *n;
  if (const auto* n = std::get_if<std::int64_t>(&found->second))
    return static_cast<std::uint64_t>(std::max<std::int64_t>(*n, 0));
  if (const auto* array = std::get_if<GgufArray>(&found->second)) return array->length;
  return 0;
}

std::optional<GgufHeader> parse_gguf_header(std::span<const std::byte> start, std::uint64_t file_size_bytes,
                                            std::string_view subject) {
  start = start.first(std::min<std::uint64_t>(start.size(), file_size_bytes));
  Reader in(start, file_size_bytes, subject);
  try {
    return read_header(in, file_size_bytes, subject);
  } catch (const Short&) {
    return std::nullopt;
  }
}

}  // namespace pome::formats
