// The two digests by which the Hub names content: SHA-256 (large files) and git's SHA-1 of a blob (small
// ones).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace pome::hub {

enum class DigestKind : std::uint8_t { sha256, git_sha1 };

// The kind that a name of 64 or 40 hex digits is of; nothing for any other text.
std::optional<DigestKind> digest_kind(std::string_view name);

// A digest over content in order. Its state between blocks can be taken out and put back: so a download goes
// on where it was, and one wrong stretch of a file is told from its neighbours without a second hash
// (partial.h). Not thread-safe; cheap to copy. SHA-256 as FIPS 180-4, git's blob header as in gitformat.
class Digest {
 public:
  static constexpr std::size_t block_bytes = 64;  // state() is defined at multiples of this

  // size_bytes is that of the whole content: git hashes it first.
  Digest(DigestKind kind, std::uint64_t size_bytes);

  void update(std::span<const std::byte> bytes);
  std::uint64_t position() const { return position_; }

  // After a multiple of block_bytes of content. What it returns goes back by resume() only.
  std::string state() const;  // hex digits
  // position is that of the content. Throws Error(corrupt) for a state of another kind or shape.
  void resume(std::string_view state, std::uint64_t position);

  std::string finish();  // lower hex; the object is spent

 private:
  template <class Context>
  Context& context();
  template <class Context>
  const Context& context() const;
  void begin();

  DigestKind kind_;
  std::uint64_t size_bytes_;
  std::uint64_t position_ = 0;
  alignas(8) std::array<std::byte, 112> context_{};  // OpenSSL's, whose header stays out of ours
};

}  // namespace pome::hub
