#include "formats/gguf.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/error.h"
#include "base/file.h"

namespace pome::formats {
namespace {

// Writes what the format's document says, value by value.
struct Writer {
  std::string bytes;

  template <class T>
  Writer& put(T value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Writer& text(std::string_view text) {
    put(std::uint64_t{text.size()});
    bytes += text;
    return *this;
  }
  Writer& begin(std::uint64_t tensors, std::uint64_t values, std::uint32_t version = 3) {
    bytes = "GGUF";
    return put(version).put(tensors).put(values);
  }
  Writer& tensor(std::string_view name, std::vector<std::uint64_t> shape, std::uint32_t type,
                 std::uint64_t offset) {
    text(name).put(static_cast<std::uint32_t>(shape.size()));
    for (const std::uint64_t n : shape) put(n);
    return put(type).put(offset);
  }
};

std::optional<GgufHeader> parse(const Writer& file, std::uint64_t size) {
  return parse_gguf_header(std::as_bytes(std::span(file.bytes)), size, "x.gguf");
}

std::string refusal(const Writer& file, std::uint64_t size = 1 << 20) {
  try {
    parse(file, size);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

Writer sound() {
  Writer file;
  file.begin(2, 5);
  file.text("general.architecture").put(8u).text("llama");
  file.text("llama.context_length").put(4u).put(4096u);
  file.text("tokenizer.ggml.tokens").put(9u).put(8u).put(std::uint64_t{2}).text("a").text("bc");
  file.text("scale").put(6u).put(0.5f);
  file.text("flags").put(9u).put(7u).put(std::uint64_t{3}).put('\1').put('\0').put('\1');
  file.tensor("token_embd.weight", {256, 2}, 12, 0);  // Q4_K: a block of 144 bytes a row
  return file.tensor("output_norm.weight", {256}, 0, 288);
}

TEST(Gguf, ReadsValuesAndTensors) {
  const auto header = parse(sound(), 1 << 20);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->version, 3u);
  EXPECT_EQ(header->text("general.architecture"), "llama");
  EXPECT_EQ(header->number("llama.context_length"), 4096u);
  EXPECT_EQ(header->number("tokenizer.ggml.tokens"), 2u);
  EXPECT_EQ(header->number("flags"), 3u);
  EXPECT_EQ(header->number("general.architecture"), 0u);
  ASSERT_EQ(header->tensors.size(), 2u);
  EXPECT_EQ(header->tensors[0].type->name, "Q4_K");
  EXPECT_EQ(header->tensors[0].elements, 512u);
  EXPECT_EQ(header->tensors[0].size_bytes, 288u);
  EXPECT_EQ(header->tensors[1].size_bytes, 1024u);
  EXPECT_EQ(header->data_start % 32, 0u);
}

TEST(Gguf, ReadsWhatTheReferenceWrites) {
  const auto file = MappedFile::open(fs::path(POME_SOURCE_DIR) / "tests/fuzz/gguf/llama");
  const auto header = parse_gguf_header(file->bytes(), file->bytes().size(), "llama.gguf");
  ASSERT_TRUE(header);
  EXPECT_EQ(header->text("general.base_model.0.repo_url"), "https://huggingface.co/maker/Tiny");
  EXPECT_EQ(header->number("tokenizer.ggml.tokens"), 32u);
  ASSERT_EQ(header->tensors.size(), 11u);
  EXPECT_EQ(header->tensors[0].name, "token_embd.weight");
  EXPECT_EQ(header->tensors[0].type->name, "Q8_0");
  EXPECT_EQ(header->tensors[0].size_bytes, 34u * 32);
}

TEST(Gguf, AsksForMoreAtEveryByteOfTheHeader) {
  const Writer file = sound();
  const auto bytes = std::as_bytes(std::span(file.bytes));
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_FALSE(parse_gguf_header(bytes.first(n), 1 << 20, "x.gguf")) << n;
  }
  EXPECT_TRUE(parse_gguf_header(bytes, 1 << 20, "x.gguf"));
}

TEST(Gguf, RefusesWhatContradictsItself) {
  EXPECT_NE(refusal(sound(), 600).find("download incomplete?"), std::string::npos);
  EXPECT_NE(refusal(sound(), 100).find("download incomplete?"), std::string::npos);
  Writer file;
  file.bytes = "GGML" + std::string(100, '\0');
  EXPECT_EQ(refusal(file), "x.gguf: does not begin with GGUF");
  EXPECT_EQ(refusal(Writer().begin(0, 0, 1)), "x.gguf: GGUF version 1, expected version 2 or 3");
  EXPECT_EQ(refusal(Writer().begin(0, 0, 3u << 24)),
            "x.gguf: GGUF in big-endian order, expected version 2 or 3");
  EXPECT_NE(refusal(Writer().begin(std::uint64_t{1} << 40, 0)).find("expected at most"), std::string::npos);

  file.begin(0, 2).text("k").put(0u).put('x').text("k").put(0u).put('x');
  EXPECT_EQ(refusal(file), "x.gguf: key \"k\" occurs twice");
  file.begin(0, 1).text("k").put(9u).put(9u).put(std::uint64_t{1});
  EXPECT_EQ(refusal(file), "x.gguf: \"k\" is an array of arrays");
  file.begin(0, 1).text("k").put(9u).put(10u).put(~std::uint64_t{0});
  EXPECT_NE(refusal(file), "");
  file.begin(0, 1).text("k").put(13u);
  EXPECT_EQ(refusal(file), "x.gguf: \"k\" has type 13, expected 0 to 12");
  file.begin(0, 1).text("general.alignment").put(4u).put(33u);
  EXPECT_NE(refusal(file), "");

  file.begin(1, 0).tensor("t", {255, 2}, 12, 0);
  EXPECT_EQ(refusal(file), "x.gguf: tensor \"t\" has rows of 255, expected a multiple of 256 for Q4_K");
  file.begin(1, 0).tensor("t", {1u << 31, 1u << 31, 1u << 31}, 0, 0);
  EXPECT_NE(refusal(file), "");
  file.begin(1, 0).tensor("t", {1, 1, 1, 1, 1}, 0, 0);
  EXPECT_NE(refusal(file), "");
  file.begin(1, 0).tensor("t", {1}, 0, 32);
  EXPECT_EQ(refusal(file), "x.gguf: tensor \"t\" lies at 32, expected 0");
  file.begin(2, 0).tensor("t", {1}, 0, 0).tensor("t", {1}, 0, 32);
  EXPECT_EQ(refusal(file), "x.gguf: tensor \"t\" occurs twice");
  file.begin(1, 0).tensor("t", {1}, 999, 0);
  EXPECT_EQ(refusal(file), "x.gguf: tensor \"t\" has type 999, which nothing here knows");
}

}  // namespace
}  // namespace pome::formats
