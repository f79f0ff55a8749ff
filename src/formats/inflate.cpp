#include "formats/inflate.h"

#define ZLIB_CONST
#include <zlib.h>

#include <algorithm>

namespace pome::formats {
namespace {

constexpr std::size_t most_at_once = std::size_t{1} << 30;  // zlib counts in 32 bits

template <class Byte>
std::span<Byte> piece(std::span<Byte>& rest) {
  const std::span<Byte> taken = rest.first(std::min(rest.size(), most_at_once));
  rest = rest.subspan(taken.size());
  return taken;
}

}  // namespace

bool inflate(std::span<const std::byte> packed, std::span<std::byte> out) {
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return false;
  int status = Z_OK;
  while (status == Z_OK) {
    if (stream.avail_in == 0) {
      const auto next = piece(packed);
      stream.next_in = reinterpret_cast<const Bytef*>(next.data());
      stream.avail_in = static_cast<uInt>(next.size());
    }
    if (stream.avail_out == 0) {
      const auto next = piece(out);
      stream.next_out = reinterpret_cast<Bytef*>(next.data());
      stream.avail_out = static_cast<uInt>(next.size());
    }
    status = ::inflate(&stream, Z_NO_FLUSH);  // Z_BUF_ERROR where neither side has anything left
  }
  const bool whole = status == Z_STREAM_END && stream.avail_in == 0 && stream.avail_out == 0;
  inflateEnd(&stream);
  return whole && packed.empty() && out.empty();
}

std::uint32_t crc32(std::span<const std::byte> bytes) {
  uLong sum = ::crc32(0, nullptr, 0);
  while (!bytes.empty()) {
    const auto next = piece(bytes);
    sum = ::crc32(sum, reinterpret_cast<const Bytef*>(next.data()), static_cast<uInt>(next.size()));
  }
  return static_cast<std::uint32_t>(sum);
}

}  // namespace pome::formats
