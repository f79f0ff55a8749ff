#include "formats/npz.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "pome/error.h"

namespace pome::formats {
namespace {

void append(std::string& bytes, std::uint64_t value, int size) {
  for (int i = 0; i < size; ++i) bytes += static_cast<char>(i < 8 ? value >> 8 * i & 0xff : 0);
}

std::string npy(const std::string& header, const std::string& data) {
  std::string bytes = "\x93NUMPY";
  append(bytes, 1, 1);
  append(bytes, 0, 1);
  append(bytes, header.size(), 2);
  return bytes + header + data;
}

struct Options {
  int method = 0;
  int flags = 0;
  bool wide = false;  // sizes and offsets in 64-bit records
};

// An archive as zip writers make it.
std::string archive(const std::vector<std::pair<std::string, std::string>>& members, Options options = {}) {
  std::string bytes, directory;
  for (const auto& [name, data] : members) {
    const std::uint64_t offset = bytes.size();
    append(bytes, 0x04034b50, 4);
    bytes += std::string(22, '\0');
    append(bytes, name.size(), 2);
    append(bytes, 0, 2);
    bytes += name + data;
    append(directory, 0x02014b50, 4);
    append(directory, 0, 4);
    append(directory, static_cast<std::uint64_t>(options.flags), 2);
    append(directory, static_cast<std::uint64_t>(options.method), 2);
    append(directory, 0, 8);
    append(directory, options.wide ? 0xffffffff : data.size(), 4);
    append(directory, options.wide ? 0xffffffff : data.size(), 4);
    append(directory, name.size(), 2);
    append(directory, options.wide ? 28 : 0, 2);
    append(directory, 0, 10);
    append(directory, options.wide ? 0xffffffff : offset, 4);
    directory += name;
    if (!options.wide) continue;
    append(directory, 1, 2);
    append(directory, 24, 2);
    append(directory, data.size(), 8);
    append(directory, data.size(), 8);
    append(directory, offset, 8);
  }
  const std::uint64_t begin = bytes.size();
  bytes += directory;
  if (options.wide) {
    const std::uint64_t end64 = bytes.size();
    append(bytes, 0x06064b50, 4);
    bytes += std::string(28, '\0');
    append(bytes, members.size(), 8);
    append(bytes, directory.size(), 8);
    append(bytes, begin, 8);
    append(bytes, 0x07064b50, 4);
    append(bytes, 0, 4);
    append(bytes, end64, 8);
    append(bytes, 1, 4);
  }
  append(bytes, 0x06054b50, 4);
  append(bytes, 0, 6);
  append(bytes, members.size(), 2);
  append(bytes, directory.size(), 4);
  append(bytes, options.wide ? 0xffffffff : begin, 4);
  append(bytes, 0, 2);
  return bytes;
}

TensorTable parse(const std::string& bytes) {
  return parse_npz(std::as_bytes(std::span(bytes)), nullptr, "weights.npz");
}

std::string refusal(const std::string& bytes, ErrorKind kind) {
  try {
    parse(bytes);
  } catch (const Error& e) {
    EXPECT_EQ(error_row(e.kind()).name, error_row(kind).name) << e.what();
    return e.what();
  }
  ADD_FAILURE() << "was taken";
  return {};
}

const std::string halves = "{'descr': '<f2', 'fortran_order': False, 'shape': (2, 3), }          \n";

TEST(Npz, ReadsStoredArraysInPlace) {
  const std::string data = "abcdefghijkl";
  for (const bool wide : {false, true}) {
    const std::string bytes =
        archive({{"a.weight.npy", npy(halves, data)},
                 {"scalar.npy", npy("{'shape': (), 'fortran_order': True, 'descr': \"|u1\"}", "x")},
                 {"bf16.npy", npy("{'descr': '<V2', 'fortran_order': False, 'shape': (1,)}", "xy")}},
                {.wide = wide});
    const TensorTable tensors = parse(bytes);
    ASSERT_EQ(tensors.size(), 3U);
    const Tensor& a = tensors.at("a.weight");
    EXPECT_EQ(a.dtype, Dtype::f16);
    EXPECT_EQ(a.shape, (std::vector<std::int64_t>{2, 3}));
    EXPECT_EQ(std::memcmp(a.data, data.data(), data.size()), 0);
    EXPECT_EQ(a.file, "weights.npz");
    EXPECT_TRUE(tensors.at("scalar").shape.empty());
    EXPECT_EQ(tensors.at("bf16").dtype, Dtype::bf16);
  }
}

// numpy.savez_compressed(a=arange(3000, dtype=float32).reshape(30, 100), b=zeros(5000, float16),
// c=uint32(7)).
fs::path compressed() {
  return fs::path(POME_SOURCE_DIR) / "tests" / "golden" / "formats" / "compressed.npz";
}

TEST(Npz, CompressedMembersAreUnpacked) {
  const TensorTable tensors = open_npz(compressed());
  ASSERT_EQ(tensors.size(), 3U);
  const Tensor& a = tensors.at("a");
  EXPECT_EQ(a.shape, (std::vector<std::int64_t>{30, 100}));
  for (int i = 0; i < 3000; ++i) {
    float value = 0;
    std::memcpy(&value, a.data + 4 * i, 4);
    ASSERT_EQ(value, static_cast<float>(i));
  }
  const Tensor& b = tensors.at("b");
  EXPECT_EQ(b.dtype, Dtype::f16);
  EXPECT_TRUE(std::all_of(b.bytes().begin(), b.bytes().end(), [](std::byte v) { return v == std::byte{0}; }));
  std::uint32_t c = 0;
  std::memcpy(&c, tensors.at("c").data, 4);
  EXPECT_EQ(c, 7U);
}

TEST(Npz, DamagedCompressionIsAnErrorOrTheSame) {
  const std::string sound = read_file(compressed());
  const auto parse = [](const std::string& bytes) {
    parse_npz({reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()}, nullptr, "damaged.npz");
  };
  parse(sound);
  int refused = 0;
  for (std::size_t i = 100; i < sound.size(); i += 7) {
    std::string damaged = sound;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x40);
    try {
      parse(damaged);
    } catch (const Error& e) {
      ++refused;
      EXPECT_NE(e.kind(), ErrorKind::internal);
    }
  }
  EXPECT_GT(refused, 100);
  // A size of four gigabytes: more than so small a file may become.
  std::string bomb = sound;
  const std::size_t entry = bomb.find("PK\x01\x02");
  bomb.replace(entry + 24, 4, "\xfe\xff\xff\xff");
  refusal(bomb, ErrorKind::resource);
}

TEST(Npz, RefusesWhatItCannotUse) {
  const std::string sound = npy(halves, "abcdefghijkl");
  const auto header = [](const char* text) { return archive({{"a.npy", npy(text, "abcd")}}); };
  EXPECT_NE(refusal(archive({{"a.npy", sound}}, {.method = 9}), ErrorKind::unsupported).find("compressed"),
            std::string::npos);
  refusal(archive({{"a.npy", sound}}, {.method = 8}), ErrorKind::corrupt);
  refusal(archive({{"a.npy", sound}}, {.flags = 1}), ErrorKind::unsupported);
  refusal(archive({{"a.txt", "hello"}}), ErrorKind::unsupported);
  refusal(archive({{"a.npy", sound}, {"a.npy", sound}}), ErrorKind::corrupt);
  refusal(header("{'descr': '>f2', 'fortran_order': False, 'shape': (2,)}"), ErrorKind::unsupported);
  refusal(header("{'descr': '<c8', 'fortran_order': False, 'shape': (2,)}"), ErrorKind::unsupported);
  refusal(header("{'descr': '<f2', 'fortran_order': True, 'shape': (2, 1)}"), ErrorKind::unsupported);
  refusal(header("{'descr': '<f2', 'fortran_order': False, 'shape': (3,)}"), ErrorKind::corrupt);
  refusal(header("{'descr': '<f2', 'fortran_order': False, 'shape': (-2,)}"), ErrorKind::corrupt);
  refusal(header("{'descr': '<f2', 'fortran_order': False}"), ErrorKind::corrupt);
  refusal(header("{'descr': '<f2'"), ErrorKind::corrupt);
  refusal(header(""), ErrorKind::corrupt);
  refusal(archive({{"a.npy", "short"}}), ErrorKind::corrupt);
}

TEST(Npz, EveryTruncationIsAnError) {
  for (const bool wide : {false, true}) {
    const std::string bytes = archive({{"a.npy", npy(halves, "abcdefghijkl")}}, {.wide = wide});
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      EXPECT_THROW(parse(bytes.substr(0, length)), Error) << length;
    }
    EXPECT_NE(refusal(bytes.substr(0, 30), ErrorKind::corrupt).find("download incomplete"),
              std::string::npos);
  }
}

}  // namespace
}  // namespace pome::formats
