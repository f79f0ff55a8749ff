#include "formats/safetensors.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <random>

#include "base/error.h"
#include "base/scratch_folder.h"

namespace pome::formats {
namespace {

// A file with the given header and data bytes; length, where given, is what the first eight bytes claim.
std::string file_of(std::string_view header, std::size_t data_bytes = 0,
                    std::optional<std::uint64_t> length = {}) {
  std::string file;
  const std::uint64_t claimed = length.value_or(header.size());
  for (int i = 0; i < 8; ++i) file += static_cast<char>(claimed >> (8 * i) & 0xff);
  file += header;
  for (std::size_t i = 0; i < data_bytes; ++i) file += static_cast<char>(i);
  return file;
}

SafetensorsFile parse(std::string_view file) {
  return parse_safetensors(std::as_bytes(std::span(file)), nullptr, "f");
}

std::string error_of(std::string_view file, ErrorKind kind = ErrorKind::corrupt) {
  try {
    parse(file);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), kind) << e.what();
    return e.message();
  }
  return "nothing was thrown";
}

std::string entry(std::string_view name, std::string_view dtype, std::string_view shape,
                  std::string_view offsets) {
  return fmt::format(R"("{}":{{"dtype":"{}","shape":{},"data_offsets":{}}})", name, dtype, shape, offsets);
}

TEST(Safetensors, ReadsTensorsInTheOrderOfTheirBytes) {
  const std::string bytes =
      file_of("{\"__metadata__\":{\"format\":\"mlx\"}," + entry("b", "F16", "[2,3]", "[4,16]") + "," +
                  entry("a", "I32", "[]", "[0,4]") + "}",
              16);
  const SafetensorsFile file = parse(bytes);
  ASSERT_EQ(file.tensors.size(), 2u);
  const Tensor& first = *file.tensors.begin();
  EXPECT_EQ(first.name, "a");
  EXPECT_EQ(first.dtype, Dtype::i32);
  EXPECT_TRUE(first.shape.empty());
  EXPECT_EQ(std::memcmp(first.data, "\0\1\2\3", 4), 0);
  const Tensor& b = file.tensors.at("b");
  EXPECT_EQ(b.shape_text(), "[2, 3]");
  EXPECT_EQ(b.size_bytes, 12u);
  EXPECT_EQ(std::to_integer<int>(b.data[0]), 4);
  EXPECT_EQ(file.metadata.at("format"), "mlx");
}

TEST(Safetensors, AcceptsWhatTheReferenceAccepts) {
  EXPECT_TRUE(parse(file_of("{}")).tensors.empty());
  EXPECT_TRUE(parse(file_of("\t\n{}\r \t\n")).tensors.empty());
  EXPECT_TRUE(parse(file_of("{\"__metadata__\":null}")).metadata.empty());
  EXPECT_TRUE(parse(file_of("{\"__metadata__\":{}}")).metadata.empty());
  EXPECT_EQ(parse(file_of("{" + entry("t", "I32", "[2,0]", "[0,0]") + "}")).tensors.at("t").size_bytes, 0u);
  const std::string zeros = "{" + entry("c", "U8", "[3]", "[2,5]") + "," + entry("z", "F32", "[0]", "[2,2]") +
                            "," + entry("y", "F32", "[0]", "[2,2]") + "," +
                            entry("e", "F32", "[0,9]", "[5,5]") + "," + entry("a", "U8", "[2]", "[0,2]") +
                            "}";
  EXPECT_EQ(parse(file_of(zeros, 5)).tensors.size(), 5u);
  const std::string packed =
      "{" + entry("f4", "F4", "[3,2]", "[0,3]") + "," + entry("f6", "F6_E3M2", "[4]", "[3,6]") + "}";
  EXPECT_EQ(parse(file_of(packed, 6)).tensors.size(), 2u);
  const std::string escaped = "{" + entry("\\u00e9\\n\\u0000", "U8", "[1]", "[0,1]") + "}";
  EXPECT_TRUE(parse(file_of(escaped, 1)).tensors.contains(std::string_view("\u00e9\n\0", 4)));
}

TEST(Safetensors, MisalignedDataIsAccepted) {
  const std::string header = "{" + entry("t", "F64", "[2]", "[0,16]") + "}";
  for (std::size_t pad = 0; pad < 8; ++pad) {
    const std::string bytes = file_of(header + std::string(pad, ' '), 16);
    EXPECT_EQ(std::to_integer<int>(parse(bytes).tensors.at("t").data[1]), 1);
  }
}

struct Attack {
  std::string_view name;
  std::string file;
  std::string_view message;
};

// What others have found, or tested for, in readers of this format: the reference implementation and its
// audit, and the loaders of MLX (ml-explore/mlx#3363, #3409).
std::vector<Attack> attacks() {
  const std::string good = "{" + entry("t", "I32", "[2,2]", "[0,16]") + "}";
  const auto one = [](std::string_view dtype, std::string_view shape, std::string_view offsets,
                      std::size_t data) {
    return file_of("{" + entry("t", dtype, shape, offsets) + "}", data);
  };
  std::string many_ones = "[1";
  for (int i = 0; i < 64; ++i) many_ones += ",1";
  many_ones += "]";
  const auto two = [](std::string_view a, std::string_view b, std::size_t data) {
    return file_of("{" + entry("a", "U8", "[8]", a) + "," + entry("b", "U8", "[8]", b) + "}", data);
  };
  const auto fields = [](std::string_view text, std::size_t data = 4) {
    return file_of(fmt::format("{{\"t\":{{{}}}}}", text), data);
  };
  return {
      {"empty file", "", "f: 0 bytes, a safetensors file has at least 8 (download incomplete?)"},
      {"prefix cut", std::string("<\0\0", 3),
       "f: 3 bytes, a safetensors file has at least 8 (download incomplete?)"},
      {"header missing", file_of("", 0, 60), "f: header ends at byte 68, file has 8 (download incomplete?)"},
      {"header cut", file_of("{}", 0, 3), "f: header ends at byte 11, file has 10 (download incomplete?)"},
      {"header length 2^64-1", file_of(good, 16, ~std::uint64_t{0}),
       "f: header of 18446744073709551615 bytes, at most 100000000 are allowed; not a safetensors file?"},
      {"header length wraps to 0", file_of(good, 16, ~std::uint64_t{0} - 7),
       "f: header of 18446744073709551608 bytes, at most 100000000 are allowed; not a safetensors file?"},
      {"header over the limit", file_of(good, 16, 100'000'001),
       "f: header of 100000001 bytes, at most 100000000 are allowed; not a safetensors file?"},
      {"header of no bytes", file_of(""), "f: header does not begin with {"},
      {"Git LFS pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:00",
       "f: a Git LFS pointer, not the weights it stands for"},
      {"not UTF-8", file_of("\xff"), "f: header does not begin with {"},
      {"name not UTF-8", file_of("{" + entry("\xff", "U8", "[1]", "[0,1]") + "}", 1),
       "f: header: not valid JSON"},
      {"overlong UTF-8", file_of("{" + entry("\xc0\xaf", "U8", "[1]", "[0,1]") + "}", 1),
       "f: header: not valid JSON"},
      {"lone surrogate", file_of("{" + entry("\\ud800", "U8", "[1]", "[0,1]") + "}", 1),
       "f: header: not valid JSON"},
      {"unfinished", file_of("{"), "f: header: not valid JSON"},
      {"byte order mark", file_of("\xef\xbb\xbf{}"), "f: header does not begin with {"},
      {"NUL after the object", file_of(std::string_view("{}\0xx", 5)), "f: header holds a NUL byte at 2"},
      {"something after the object", file_of("{}{}"), "f: header: not valid JSON"},
      {"comment", file_of("{/**/}"), "f: header: not valid JSON"},
      {"an array", file_of("[]"), "f: header does not begin with {"},
      {"deep array", file_of("{\"t\":" + std::string(1'000'000, '[')),
       "f: tensor \"t\": expected an object, found an array"},
      {"deep object", file_of(std::string("{\"t\":{\"shape\":") + std::string(1000, '{')),
       "f: tensor \"t\": shape: expected an array, found an object"},
      {"nested shape", one("I32", "[[2],2]", "[0,16]", 16),
       "f: tensor \"t\": shape: expected a non-negative integer, found an array"},
      {"metadata a number", file_of("{\"__metadata__\":1}"),
       "f: __metadata__: expected an object or null, found 1"},
      {"metadata value a number", file_of("{\"__metadata__\":{\"a\":1}}"),
       "f: __metadata__: \"a\": expected a string, found 1"},
      {"metadata value null", file_of("{\"__metadata__\":{\"a\":null}}"),
       "f: __metadata__: \"a\": expected a string, found null"},
      {"metadata value nested", file_of("{\"__metadata__\":{\"a\":{}}}"),
       "f: __metadata__: \"a\": expected a string, found an object"},
      {"metadata twice", file_of("{\"__metadata__\":{},\"__metadata__\":{}}"),
       "f: __metadata__ occurs twice"},
      {"metadata key twice", file_of("{\"__metadata__\":{\"a\":\"\",\"a\":\"\"}}"),
       "f: __metadata__: \"a\" occurs twice"},
      {"tensor null", file_of("{\"t\":null}"), "f: tensor \"t\": expected an object, found null"},
      {"tensor twice",
       file_of("{" + entry("t", "U8", "[0]", "[0,0]") + "," + entry("t", "U8", "[1]", "[0,1]") + "}", 1),
       "f: tensor \"t\" occurs twice"},
      {"tensor twice, one name escaped",
       file_of("{" + entry("t", "U8", "[0]", "[0,0]") + "," + entry("\\u0074", "U8", "[1]", "[0,1]") + "}",
               1),
       "f: tensor \"t\" occurs twice"},
      {"dtype twice", fields(R"("dtype":"I32","dtype":"U8","shape":[1],"data_offsets":[0,4])"),
       "f: tensor \"t\": dtype occurs twice"},
      {"shape twice", fields(R"("dtype":"I32","shape":[9],"shape":[1],"data_offsets":[0,4])"),
       "f: tensor \"t\": shape occurs twice"},
      {"offsets twice", fields(R"("dtype":"I32","shape":[1],"data_offsets":[0,4],"data_offsets":[0,4])"),
       "f: tensor \"t\": data_offsets occurs twice"},
      {"unknown key", fields(R"("dtype":"I32","shape":[1],"data_offsets":[0,4],"strides":[1])"),
       "f: tensor \"t\": unknown key \"strides\""},
      {"no dtype", fields(R"("shape":[1],"data_offsets":[0,4])"), "f: tensor \"t\": no dtype"},
      {"no shape", fields(R"("dtype":"I32","data_offsets":[0,4])"), "f: tensor \"t\": no shape"},
      {"no offsets", fields(R"("dtype":"I32","shape":[1])"), "f: tensor \"t\": no data_offsets"},
      {"dtype a number", fields(R"("dtype":4,"shape":[1],"data_offsets":[0,4])"),
       "f: tensor \"t\": dtype: expected a string, found 4"},
      {"one offset", one("I32", "[1]", "[4]", 4),
       "f: tensor \"t\": data_offsets: expected 2 numbers, found 1"},
      {"no offset", one("I32", "[0]", "[]", 0), "f: tensor \"t\": data_offsets: expected 2 numbers, found 0"},
      {"three offsets", one("I32", "[1]", "[0,4,8]", 4),
       "f: tensor \"t\": data_offsets: more than 2 numbers"},
      {"negative offset", one("I32", "[1]", "[-4,0]", 4),
       "f: tensor \"t\": data_offsets: expected a non-negative integer, found -4"},
      {"negative dimension", one("I32", "[-1,-4]", "[0,16]", 16),
       "f: tensor \"t\": shape: expected a non-negative integer, found -1"},
      {"fraction", one("I32", "[1.5]", "[0,4]", 4),
       "f: tensor \"t\": shape: expected a non-negative integer, found 1.5"},
      {"exponent", one("I32", "[1]", "[0,4e0]", 4),
       "f: tensor \"t\": data_offsets: expected a non-negative integer, found 4e0"},
      {"beyond 64 bits", one("I32", "[1]", "[0,18446744073709551620]", 4),
       "f: tensor \"t\": data_offsets: expected a non-negative integer, found 18446744073709551620"},
      {"dimension a string", one("I32", "[\"1\"]", "[0,4]", 4),
       "f: tensor \"t\": shape: expected a non-negative integer, found \"1\""},
      {"reversed offsets", one("I32", "[1]", "[4,0]", 4),
       "f: tensor \"t\": I32 [1] takes 4 bytes, data_offsets are [4, 0]"},
      {"more shape than bytes", one("F32", "[1000,1000]", "[0,4]", 4),
       "f: tensor \"t\": F32 [1000, 1000] takes 4000000 bytes, data_offsets are [0, 4]"},
      {"fewer bytes than shape", one("I32", "[2,2]", "[0,4]", 4),
       "f: tensor \"t\": I32 [2, 2] takes 16 bytes, data_offsets are [0, 4]"},
      {"dimension over 63 bits", one("I32", "[2,18446744073709551614]", "[0,16]", 16),
       "f: tensor \"t\": shape: expected a non-negative integer, found 18446744073709551614"},
      {"product wraps", one("I32", "[4611686018427387904,4]", "[0,0]", 0),
       "f: tensor \"t\": I32 [4611686018427387904, 4] takes more bytes than 64 bits can count"},
      {"bytes wrap", one("F64", "[2305843009213693952]", "[0,0]", 0),
       "f: tensor \"t\": F64 [2305843009213693952] takes more bytes than 64 bits can count"},
      {"half a byte", one("F4", "[3]", "[0,2]", 2), "f: tensor \"t\": F4 [3] does not fill whole bytes"},
      {"65 dimensions", one("U8", many_ones, "[0,1]", 1), "f: tensor \"t\": shape: more than 64 dimensions"},
      {"beyond the file", one("F32", "[1000,1000]", "[0,4000000]", 4),
       "f: tensor \"t\" ends at byte 4000076, file has 80 (download incomplete?)"},
      {"far beyond the file", one("U8", "[1152921504606846976]", "[0,1152921504606846976]", 4),
       "f: tensor \"t\" ends at byte 1152921504606847073, file has 101 (download "
       "incomplete?)"},
      {"two bytes short", file_of(good, 14),
       "f: tensor \"t\" ends at byte 81, file has 79 (download incomplete?)"},
      {"polyglot", file_of(good, 16) + "PK\3\4", "f: tensors end at byte 81, file has 85"},
      {"data of nobody", file_of("{}", 1), "f: tensors end at byte 10, file has 11"},
      {"same bytes twice", two("[0,8]", "[0,8]", 8),
       "f: tensor \"b\" begins at data byte 0, inside tensor \"a\", which ends at 8"},
      {"overlap", two("[0,8]", "[4,12]", 12),
       "f: tensor \"b\" begins at data byte 4, inside tensor \"a\", which ends at 8"},
      {"hole", two("[0,8]", "[9,17]", 17),
       "f: data bytes 8 to 9 belong to no tensor; tensor \"b\" begins after them"},
      {"hole at the start", two("[1,9]", "[9,17]", 17),
       "f: data bytes 0 to 1 belong to no tensor; tensor \"a\" begins after them"},
      {"empty tensor in a hole", one("U8", "[0]", "[7,7]", 7),
       "f: data bytes 0 to 7 belong to no tensor; tensor \"t\" begins after them"},
      {"name is shown as JSON", file_of("{\"\\u001b[2J\":1}"),
       "f: tensor \"\\u001b[2J\": expected an object, found 1"},
  };
}

TEST(Safetensors, RefusesAttacks) {
  for (const Attack& attack : attacks()) {
    const std::string message = error_of(attack.file);
    EXPECT_TRUE(message.starts_with(attack.message)) << attack.name << ": " << message;
    if (attack.message.find("JSON") == std::string_view::npos) {
      EXPECT_EQ(message, attack.message) << attack.name;
    }
  }
  EXPECT_EQ(error_of(file_of("{" + entry("t", "F2", "[4]", "[0,1]") + "}", 1), ErrorKind::unsupported),
            "f: tensor \"t\": dtype \"F2\" is unknown");
}

}  // namespace
}  // namespace pome::formats
