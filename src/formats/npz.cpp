#include "formats/npz.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/error.h"
#include "formats/inflate.h"

namespace pome::formats {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::uint32_t end_mark = 0x06054b50;
constexpr std::uint32_t end64_mark = 0x06064b50;
constexpr std::uint32_t locator64_mark = 0x07064b50;
constexpr std::uint32_t directory_mark = 0x02014b50;
constexpr std::uint32_t local_mark = 0x04034b50;
constexpr std::size_t end_bytes = 22;
constexpr std::size_t locator64_bytes = 20;
constexpr std::size_t end64_bytes = 56;
constexpr std::size_t directory_bytes = 46;
constexpr std::size_t local_bytes = 30;
constexpr std::size_t max_comment_bytes = 0xffff;
constexpr std::size_t max_npy_header_bytes = 1 << 16;
constexpr int stored = 0, deflated = 8;
// What compressed members may become: a hostile file of a megabyte could claim a gigabyte.
constexpr std::uint64_t most_growth = 64;
constexpr std::uint64_t always_allowed_bytes = std::uint64_t{64} << 20;
constexpr std::uint32_t in_extra = 0xffffffff;  // a 32-bit field whose value is in the 64-bit record

// Little-endian numbers at places that were checked to lie inside.
std::uint64_t number(Bytes bytes, std::size_t at, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = size; i-- > 0;) value = value << 8 | std::to_integer<std::uint64_t>(bytes[at + i]);
  return value;
}
std::uint16_t u16(Bytes bytes, std::size_t at) { return static_cast<std::uint16_t>(number(bytes, at, 2)); }
std::uint32_t u32(Bytes bytes, std::size_t at) { return static_cast<std::uint32_t>(number(bytes, at, 4)); }
std::uint64_t u64(Bytes bytes, std::size_t at) { return number(bytes, at, 8); }

struct Member {
  std::string name;
  std::uint64_t size = 0;
  std::uint64_t packed = 0;  // bytes in the file: fewer where it is compressed
  std::uint32_t checksum = 0;
  bool compressed = false;
  std::uint64_t local_header = 0;
};

class Archive {
 public:
  Archive(Bytes file, std::string_view subject) : file_(file), subject_(subject) {}

  std::vector<Member> members() const {
    const std::size_t end = find_end();
    std::uint64_t count = u16(file_, end + 10);
    std::uint64_t size = u32(file_, end + 12);
    std::uint64_t begin = u32(file_, end + 16);
    if (u16(file_, end + 4) != 0) fail(ErrorKind::unsupported, "{}: an archive in parts", subject_);
    if (end >= locator64_bytes && u32(file_, end - locator64_bytes) == locator64_mark) {
      const std::uint64_t end64 = u64(file_, end - locator64_bytes + 8);
      if (end64 > file_.size() || file_.size() - end64 < end64_bytes || u32(file_, end64) != end64_mark) {
        fail(ErrorKind::corrupt, "{}: its 64-bit end record is not at byte {}", subject_, end64);
      }
      count = u64(file_, end64 + 32);
      size = u64(file_, end64 + 40);
      begin = u64(file_, end64 + 48);
    }
    if (begin > end || size > end - begin || count > size / directory_bytes) {
      fail(ErrorKind::corrupt, "{}: a directory of {} members from byte {} to {}, the file has {}", subject_,
           count, begin, begin + size, file_.size());
    }
    std::vector<Member> all;
    Bytes directory = file_.subspan(begin, size);
    for (std::uint64_t i = 0; i < count; ++i) all.push_back(next_member(directory));
    return all;
  }

  // As it lies in the file.
  Bytes data(const Member& member) const {
    const std::uint64_t at = member.local_header;
    if (at > file_.size() || file_.size() - at < local_bytes || u32(file_, at) != local_mark) {
      fail(ErrorKind::corrupt, "{}: {} does not begin at byte {}", subject_, shown_name(member.name), at);
    }
    const std::uint64_t begin = at + local_bytes + u16(file_, at + 26) + u16(file_, at + 28);
    if (begin > file_.size() || member.packed > file_.size() - begin) {
      fail(ErrorKind::corrupt, "{}: {} ends at byte {}, file has {} (download incomplete?)", subject_,
           shown_name(member.name), begin + member.packed, file_.size());
    }
    return file_.subspan(begin, member.packed);
  }

 private:
  // The last end record: a comment of up to 64 KiB may stand behind it.
  std::size_t find_end() const {
    if (file_.size() >= end_bytes) {
      const std::size_t last = file_.size() - end_bytes;
      const std::size_t first = last > max_comment_bytes ? last - max_comment_bytes : 0;
      for (std::size_t at = last + 1; at-- > first;) {
        if (u32(file_, at) == end_mark && at + end_bytes + u16(file_, at + 20) == file_.size()) return at;
      }
    }
    fail(ErrorKind::corrupt, "{}: no end of an archive in {} bytes (download incomplete?)", subject_,
         file_.size());
  }

  // Takes one entry off the directory.
  Member next_member(Bytes& directory) const {
    if (directory.size() < directory_bytes || u32(directory, 0) != directory_mark) {
      fail(ErrorKind::corrupt, "{}: its directory is cut short", subject_);
    }
    const std::size_t name_bytes = u16(directory, 28);
    const std::size_t extra_bytes = u16(directory, 30);
    const std::size_t whole = directory_bytes + name_bytes + extra_bytes + u16(directory, 32);
    if (directory.size() < whole) fail(ErrorKind::corrupt, "{}: its directory is cut short", subject_);
    Member member;
    member.name.assign(reinterpret_cast<const char*>(directory.data() + directory_bytes), name_bytes);
    member.checksum = u32(directory, 16);
    member.packed = u32(directory, 20);
    member.size = u32(directory, 24);
    member.local_header = u32(directory, 42);
    read_extra(directory.subspan(directory_bytes + name_bytes, extra_bytes), member);
    if ((u16(directory, 8) & 1) != 0) {
      fail(ErrorKind::unsupported, "{}: {} is encrypted", subject_, shown_name(member.name));
    }
    const int method = u16(directory, 10);
    member.compressed = method == deflated;
    if (method != stored && method != deflated) {
      fail(ErrorKind::unsupported,
           "{}: {} is compressed by method {}, only stored and deflated ones are read", subject_,
           shown_name(member.name), method);
    }
    if (!member.compressed && member.packed != member.size) {
      fail(ErrorKind::corrupt, "{}: {} is stored in {} bytes, but has {}", subject_, shown_name(member.name),
           member.packed, member.size);
    }
    directory = directory.subspan(whole);
    return member;
  }

  // The 64-bit record holds, in this order, the fields that did not fit 32 bits.
  void read_extra(Bytes extra, Member& member) const {
    while (extra.size() >= 4) {
      const std::size_t size = u16(extra, 2);
      if (extra.size() - 4 < size) break;
      if (u16(extra, 0) == 1) {
        Bytes fields = extra.subspan(4, size);
        for (std::uint64_t* field : {&member.size, &member.packed, &member.local_header}) {
          if (*field != in_extra) continue;
          if (fields.size() < 8) {
            fail(ErrorKind::corrupt, "{}: {} lacks its 64-bit sizes", subject_, shown_name(member.name));
          }
          *field = u64(fields, 0);
          fields = fields.subspan(8);
        }
      }
      extra = extra.subspan(4 + size);
    }
  }

  Bytes file_;
  std::string_view subject_;
};

// The header of a npy file: "{'descr': '<f2', 'fortran_order': False, 'shape': (2, 3), }".
class Header {
 public:
  Header(std::string_view text, std::string where) : text_(text), where_(std::move(where)) {}

  void read(Tensor& tensor) {
    expect("{");
    bool has_type = false, has_shape = false;
    while (!accept("}")) {
      const std::string_view key = quoted();
      expect(":");
      if (key == "descr") {
        tensor.dtype = type_of(quoted());
        has_type = true;
      } else if (key == "fortran_order") {
        if (accept("True"))
          column_major_ = true;
        else
          expect("False");
      } else if (key == "shape") {
        tensor.shape = shape();
        has_shape = true;
      } else {
        malformed();
      }
      accept(",");
    }
    if (!has_type || !has_shape) malformed();
    if (column_major_ && tensor.shape.size() > 1) {
      fail(ErrorKind::unsupported, "{}: a column-major array; nothing was loaded", where_);
    }
  }

 private:
  [[noreturn]] void malformed() const {
    fail(ErrorKind::corrupt, "{}: no header of an array: {}", where_, shown_name(text_.substr(0, 60)));
  }

  void skip_space() { text_.remove_prefix(std::min(text_.find_first_not_of(" \t\n\r"), text_.size())); }

  bool accept(std::string_view token) {
    skip_space();
    if (!text_.starts_with(token)) return false;
    text_.remove_prefix(token.size());
    return true;
  }

  void expect(std::string_view token) {
    if (!accept(token)) malformed();
  }

  std::string_view quoted() {
    skip_space();
    if (text_.empty() || (text_[0] != '\'' && text_[0] != '"')) malformed();
    const std::size_t end = text_.find(text_[0], 1);
    if (end == std::string_view::npos) malformed();
    const std::string_view inner = text_.substr(1, end - 1);
    text_.remove_prefix(end + 1);
    return inner;
  }

  std::vector<std::int64_t> shape() {
    std::vector<std::int64_t> dimensions;
    expect("(");
    while (!accept(")")) {
      std::int64_t n = 0;
      const auto [end, code] = std::from_chars(text_.data(), text_.data() + text_.size(), n);
      if (code != std::errc() || n < 0 || dimensions.size() >= 32) malformed();
      text_.remove_prefix(static_cast<std::size_t>(end - text_.data()));
      dimensions.push_back(n);
      if (!accept(",")) {
        expect(")");
        break;
      }
      skip_space();
    }
    return dimensions;
  }

  // numpy has no bfloat16: MLX writes it as two raw bytes.
  Dtype type_of(std::string_view descr) const {
    constexpr std::array<std::pair<std::string_view, Dtype>, 13> types{{{"f2", Dtype::f16},
                                                                        {"f4", Dtype::f32},
                                                                        {"f8", Dtype::f64},
                                                                        {"V2", Dtype::bf16},
                                                                        {"u1", Dtype::u8},
                                                                        {"i1", Dtype::i8},
                                                                        {"u2", Dtype::u16},
                                                                        {"i2", Dtype::i16},
                                                                        {"u4", Dtype::u32},
                                                                        {"i4", Dtype::i32},
                                                                        {"u8", Dtype::u64},
                                                                        {"i8", Dtype::i64},
                                                                        {"b1", Dtype::boolean}}};
    const std::string_view type = descr.substr(std::min<std::size_t>(1, descr.size()));
    const auto known =
        std::find_if(types.begin(), types.end(), [&](const auto& t) { return t.first == type; });
    if (descr.empty() || (descr[0] != '<' && descr[0] != '|') || known == types.end()) {
      fail(ErrorKind::unsupported, "{}: elements of type {} are not implemented; nothing was loaded", where_,
           shown_name(descr));
    }
    return known->second;
  }

  std::string_view text_;
  std::string where_;
  bool column_major_ = false;
};

Tensor parse_npy(Bytes npy, std::string name, std::string_view subject) {
  const std::string where = fmt::format("{}: {}", subject, shown_name(name));
  constexpr std::string_view magic = "\x93NUMPY";
  const std::string_view text(reinterpret_cast<const char*>(npy.data()), npy.size());
  const int version = npy.size() > magic.size() ? std::to_integer<int>(npy[magic.size()]) : 0;
  const std::size_t prefix = version == 1 ? 10 : 12;
  if (!text.starts_with(magic) || version < 1 || version > 3 || npy.size() < prefix) {
    fail(ErrorKind::corrupt, "{}: not an npy file", where);
  }
  const std::size_t length = version == 1 ? u16(npy, 8) : u32(npy, 8);
  if (length > max_npy_header_bytes || length > npy.size() - prefix) {
    fail(ErrorKind::corrupt, "{}: a header of {} bytes in {}", where, length, npy.size());
  }
  Tensor tensor;
  tensor.name = std::move(name);
  Header(text.substr(prefix, length), where).read(tensor);
  const Bytes data = npy.subspan(prefix + length);
  const auto size = tensor_size_bytes(tensor.dtype, tensor.shape);
  if (!size || *size != data.size()) {
    fail(ErrorKind::corrupt, "{}: shape {} of {} does not fill {} bytes", where, tensor.shape_text(),
         dtype_name(tensor.dtype), data.size());
  }
  tensor.data = data.data();
  tensor.size_bytes = data.size();
  return tensor;
}

// A compressed member's bytes.
std::shared_ptr<std::byte[]> unpacked(Bytes packed, const Member& member, std::string_view subject) {
  std::shared_ptr<std::byte[]> bytes(new (std::nothrow) std::byte[member.size]);
  if (bytes == nullptr) {
    fail(ErrorKind::resource, "{}: no memory for the {} bytes of {}", subject, member.size,
         shown_name(member.name));
  }
  const std::span<std::byte> out(bytes.get(), member.size);
  if (!inflate(packed, out) || crc32(out) != member.checksum) {
    fail(ErrorKind::corrupt, "{}: the {} bytes of {} do not unpack to {}", subject, packed.size(),
         shown_name(member.name), member.size);
  }
  return bytes;
}

}  // namespace

TensorTable parse_npz(std::span<const std::byte> file, std::shared_ptr<const void> owner,
                      std::string_view subject) {
  const Archive archive(file, subject);
  TensorTable tensors{std::string(subject)};
  constexpr std::string_view suffix = ".npy";
  std::uint64_t allowed_bytes = std::max(most_growth * file.size(), always_allowed_bytes);
  for (const Member& member : archive.members()) {
    if (!member.name.ends_with(suffix)) {
      fail(ErrorKind::unsupported, "{}: {} is no array; nothing was loaded", subject,
           shown_name(member.name));
    }
    std::string name = member.name.substr(0, member.name.size() - suffix.size());
    Bytes npy = archive.data(member);
    std::shared_ptr<const void> holder = owner;
    if (member.compressed) {
      if (member.size > allowed_bytes) {
        fail(ErrorKind::resource, "{}: {} would unpack to {} bytes, more than {} times the file", subject,
             shown_name(member.name), member.size, most_growth);
      }
      allowed_bytes -= member.size;
      const auto bytes = unpacked(npy, member, subject);
      npy = {bytes.get(), member.size};
      holder = bytes;
    }
    Tensor tensor = parse_npy(npy, std::move(name), subject);
    tensor.owner = std::move(holder);
    tensor.file = subject;
    tensors.add(std::move(tensor));
  }
  return tensors;
}

TensorTable open_npz(const fs::path& path) {
  const std::shared_ptr<const MappedFile> file = MappedFile::open(path);
  return parse_npz(file->bytes(), file, path.string());
}

}  // namespace pome::formats
