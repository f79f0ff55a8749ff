// The EVP interface, which OpenSSL would rather have one use, cannot give its state away.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "hub/digest.h"

#include <openssl/sha.h>

#include <cstring>
#include <type_traits>

#include "base/error.h"
#include "hub/names.h"

namespace pome::hub {
namespace {

std::string hex(std::span<const unsigned char> bytes) {
  std::string text;
  text.reserve(2 * bytes.size());
  for (const unsigned char byte : bytes) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

unsigned nibble(char c) { return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10); }

}  // namespace

std::optional<DigestKind> digest_kind(std::string_view name) {
  if (is_sha256(name)) return DigestKind::sha256;
  if (is_git_sha1(name)) return DigestKind::git_sha1;
  return std::nullopt;
}

template <class Context>
Context& Digest::context() {
  static_assert(std::is_trivially_copyable_v<Context> && sizeof(Context) <= sizeof context_);
  return *reinterpret_cast<Context*>(context_.data());
}

template <class Context>
const Context& Digest::context() const {
  return *reinterpret_cast<const Context*>(context_.data());
}

Digest::Digest(DigestKind kind, std::uint64_t size_bytes) : kind_(kind), size_bytes_(size_bytes) { begin(); }

void Digest::begin() {
  position_ = 0;
  if (kind_ == DigestKind::sha256) {
    SHA256_Init(&context<SHA256_CTX>());
  } else {
    SHA1_Init(&context<SHA_CTX>());
    const std::string header = fmt::format("blob {}", size_bytes_);
    SHA1_Update(&context<SHA_CTX>(), header.c_str(), header.size() + 1);
  }
}

void Digest::update(std::span<const std::byte> bytes) {
  if (kind_ == DigestKind::sha256) {
    SHA256_Update(&context<SHA256_CTX>(), bytes.data(), bytes.size());
  } else {
    SHA1_Update(&context<SHA_CTX>(), bytes.data(), bytes.size());
  }
  position_ += bytes.size();
}

// The words, 8 digits each, then what waits for its block to be full (git's header moves content out of
// step).
std::string Digest::state() const {
  const auto write = [](std::span<const SHA_LONG> words, const void* waiting, unsigned count) {
    std::string text;
    for (const SHA_LONG word : words) text += fmt::format("{:08x}", word);
    return text + hex({static_cast<const unsigned char*>(waiting), count});
  };
  if (kind_ == DigestKind::sha256) {
    const auto& c = context<SHA256_CTX>();
    return write(c.h, c.data, c.num);
  }
  const auto& c = context<SHA_CTX>();
  return write(std::array{c.h0, c.h1, c.h2, c.h3, c.h4}, c.data, c.num);
}

void Digest::resume(std::string_view state, std::uint64_t position) {
  begin();
  const unsigned waiting = kind_ == DigestKind::sha256 ? 0 : context<SHA_CTX>().num;
  const std::size_t words = kind_ == DigestKind::sha256 ? 8 : 5;
  if (position % block_bytes != 0 || position > size_bytes_ || state.size() != 8 * words + 2 * waiting ||
      !is_lower_hex(state)) {
    fail(ErrorKind::corrupt, "a digest's state of {} characters at byte {} is none of ours", state.size(),
         position);
  }
  std::array<SHA_LONG, 8> h{};
  for (std::size_t i = 0; i < 8 * words; ++i) h[i / 8] = h[i / 8] << 4 | nibble(state[i]);
  std::array<unsigned char, 64> rest{};
  for (std::size_t i = 0; i < 2 * waiting; ++i) {
    rest[i / 2] = static_cast<unsigned char>(rest[i / 2] << 4 | nibble(state[8 * words + i]));
  }
  const auto set_length = [&](auto& c, std::uint64_t before) {
    const std::uint64_t bits = 8 * (before + position);
    c.Nl = static_cast<SHA_LONG>(bits);
    c.Nh = static_cast<SHA_LONG>(bits >> 32);
    std::memcpy(c.data, rest.data(), rest.size());
    c.num = waiting;
  };
  if (kind_ == DigestKind::sha256) {
    auto& c = context<SHA256_CTX>();
    std::memcpy(c.h, h.data(), sizeof c.h);
    set_length(c, 0);
  } else {
    auto& c = context<SHA_CTX>();
    c.h0 = h[0], c.h1 = h[1], c.h2 = h[2], c.h3 = h[3], c.h4 = h[4];
    set_length(c, fmt::formatted_size("blob {}", size_bytes_) + 1);
  }
  position_ = position;
}

std::string Digest::finish() {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  if (kind_ == DigestKind::sha256) {
    SHA256_Final(digest.data(), &context<SHA256_CTX>());
    return hex(digest);
  }
  SHA1_Final(digest.data(), &context<SHA_CTX>());
  return hex({digest.data(), SHA_DIGEST_LENGTH});
}

}  // namespace pome::hub
