// safetensors on disk: round trips, Python's bytes, mutated files.
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "base/error.h"
#include "base/scratch_folder.h"
#include "formats/safetensors.h"

namespace pome::formats {
namespace {

const fs::path golden_folder = fs::path(POME_SOURCE_DIR) / "tests/golden";

using Random = std::mt19937_64;

std::int64_t below(Random& random, std::int64_t n) {
  return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n));
}

// Up to 12 tensors of any type, some without elements, names in all scripts; every fourth of misaligned
// bytes.
std::vector<Tensor> random_tensors(Random& random) {
  static const std::vector<std::string> parts{"model.", "layers.", "7",  "é",    "模型",
                                              "\"",     "\\",      "\n", "\x7f", "weight"};
  auto bytes = std::make_shared<std::vector<std::byte>>(1 << 16);
  for (std::byte& b : *bytes) b = static_cast<std::byte>(random());
  std::vector<Tensor> tensors(static_cast<std::size_t>(below(random, 13)));
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    Tensor& tensor = tensors[i];
    for (std::int64_t n = below(random, 5); n > 0; --n) tensor.name += parts[random() % parts.size()];
    tensor.name += std::to_string(i);
    tensor.dtype = static_cast<Dtype>(below(random, 22));
    for (std::int64_t n = below(random, 4); n > 0; --n) tensor.shape.push_back(below(random, 6));
    if (dtype_bits(tensor.dtype) < 8) tensor.shape.push_back(8);
    tensor.size_bytes = tensor_size_bytes(tensor.dtype, tensor.shape).value();
    tensor.data = bytes->data() + random() % 1000;
    tensor.owner = bytes;
  }
  return tensors;
}

void expect_equal(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.dtype, b.dtype);
  EXPECT_EQ(a.shape, b.shape);
  ASSERT_EQ(a.size_bytes, b.size_bytes);
  if (a.size_bytes > 0) {
    EXPECT_EQ(std::memcmp(a.data, b.data, a.size_bytes), 0) << a.name;
  }
}

TEST(SafetensorsFile, RandomTablesComeBack) {
  const ScratchFolder folder;
  const fs::path path = folder.path() / "a.safetensors";
  Random random(1);
  for (int round = 0; round < 60; ++round) {
    const std::vector<Tensor> tensors = random_tensors(random);
    Metadata metadata;
    for (std::int64_t n = below(random, 3); n > 0; --n) metadata.emplace("k\n" + std::to_string(n), "é\"");
    write_safetensors(path, tensors, metadata);
    const SafetensorsFile file = open_safetensors(path);
    EXPECT_EQ(file.metadata, metadata);
    ASSERT_EQ(file.tensors.size(), tensors.size());
    for (const Tensor& tensor : tensors) {
      const Tensor& read = file.tensors.at(tensor.name);
      expect_equal(read, tensor);
      const auto address = reinterpret_cast<std::uintptr_t>(read.data);
      const int bits = dtype_bits(read.dtype);
      if (bits >= 8 && read.size_bytes > 0) {
        EXPECT_EQ(address % static_cast<std::uintptr_t>(bits / 8), 0u);
      }
    }
  }
}

TEST(SafetensorsFile, ReadsAndRewritesPythonsBytes) {
  const fs::path golden = golden_folder / "formats/all_dtypes.safetensors";
  const SafetensorsFile file = open_safetensors(golden);
  EXPECT_EQ(file.tensors.size(), 23u);
  EXPECT_EQ(file.metadata, (Metadata{{"format", "pt"}}));
  EXPECT_EQ(file.tensors.at("scalar").shape_text(), "[]");
  EXPECT_EQ(file.tensors.at("empty").shape_text(), "[4, 0]");
  EXPECT_EQ(std::to_integer<int>(file.tensors.at("née \"q\"\n\\ 模型").data[0]), 101);
  const Tensor& f4 = file.tensors.at("float4_e2m1fn_x2");
  EXPECT_EQ(f4.dtype, Dtype::f4);
  EXPECT_EQ(f4.shape_text(), "[2, 6]");
  EXPECT_EQ(std::to_integer<int>(f4.data[5]), 19 + 5);
  const Tensor& bf16 = file.tensors.at("bfloat16");
  EXPECT_EQ(bf16.dtype, Dtype::bf16);
  EXPECT_EQ(std::to_integer<int>(bf16.data[11]), 10 + 11);

  const ScratchFolder folder;
  const std::vector<Tensor> tensors(file.tensors.begin(), file.tensors.end());
  write_safetensors(folder.path() / "again", tensors, file.metadata);
  EXPECT_EQ(read_file(folder.path() / "again"), read_file(golden));
}

TEST(SafetensorsFile, WriterRefusesWhatNobodyCouldRead) {
  const ScratchFolder folder;
  const fs::path path = folder.path() / "a";
  const std::byte byte{};
  const Tensor good{"a", Dtype::u8, {1}, &byte, 1, nullptr, ""};
  const auto refused = [&](const std::vector<Tensor>& tensors, const Metadata& metadata = {}) {
    EXPECT_THROW(write_safetensors(path, tensors, metadata), Error);
    EXPECT_TRUE(fs::is_empty(folder.path()));
  };
  refused({good, good});
  Tensor bad = good;
  bad.name = "__metadata__";
  refused({bad});
  bad.name = "\xff";
  refused({bad});
  refused({good}, {{"k", "\xff"}});
  bad = good;
  bad.shape = {2};
  refused({bad});
  bad.dtype = Dtype::f4;
  bad.shape = {1};
  refused({bad});
}

// Whatever bytes change, the reader throws Error or gives views that lie within the file.
TEST(SafetensorsFile, MutatedFilesGiveErrorsOrValidViews) {
  Random random(2);
  const std::string original = read_file(golden_folder / "formats/all_dtypes.safetensors");
  const std::string telling = "{}[]\",:0123456789-.eE \\u\x00\xff";
  int accepted = 0;
  for (int round = 0; round < 6000; ++round) {
    std::string file = original;
    for (std::int64_t n = 1 + below(random, 3); n > 0; --n) {
      // Most changes go to the header, where they matter.
      const std::size_t at = random() % (round % 4 != 0 ? 1700 : file.size());
      const char c = round % 2 != 0 ? telling[random() % telling.size()] : static_cast<char>(random());
      const auto kind = random() % 4;
      if (kind == 0) file.insert(at, 1, c);
      if (kind == 1) file.erase(at, 1 + random() % 9);
      if (kind >= 2) file[at % file.size()] = c;
    }
    const auto bytes = std::as_bytes(std::span(file));
    try {
      const SafetensorsFile parsed = parse_safetensors(bytes, nullptr, "f");
      ++accepted;
      std::size_t covered = 0;
      for (const Tensor& tensor : parsed.tensors) {
        ASSERT_GE(tensor.data, bytes.data());
        ASSERT_LE(tensor.data + tensor.size_bytes, bytes.data() + bytes.size());
        covered += tensor.size_bytes;
      }
      ASSERT_LE(covered, bytes.size());
    } catch (const Error& e) {
      ASSERT_TRUE(e.kind() == ErrorKind::corrupt || e.kind() == ErrorKind::unsupported) << e.what();
    }
  }
  EXPECT_GT(accepted, 0);
  EXPECT_LT(accepted, 20000);
}

TEST(SafetensorsFile, TruncationIsNoticedAtEveryByte) {
  const std::string original = read_file(golden_folder / "formats/all_dtypes.safetensors");
  for (std::size_t n = 0; n < original.size(); ++n) {
    EXPECT_THROW(parse_safetensors(std::as_bytes(std::span(original).first(n)), nullptr, "f"), Error) << n;
  }
}

}  // namespace
}  // namespace pome::formats
