#include "hub/digest.h"

#include <gtest/gtest.h>

#include <random>

#include "base/error.h"

namespace pome::hub {
namespace {

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string digest(DigestKind kind, std::string_view text) {
  Digest d(kind, text.size());
  d.update(bytes(text));
  return d.finish();
}

TEST(Digest, KnownAnswers) {
  EXPECT_EQ(digest(DigestKind::sha256, ""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(digest(DigestKind::sha256, "abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  // git hash-object of an empty file, and of "hello\n".
  EXPECT_EQ(digest(DigestKind::git_sha1, ""), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
  EXPECT_EQ(digest(DigestKind::git_sha1, "hello\n"), "ce013625030ba8dba906f756967f9e9ca394464a");
}

TEST(Digest, GoesOnFromItsStateAtEveryBlock) {
  std::mt19937 random(7);
  std::string text(64 * 9 + 13, '\0');
  for (char& c : text) c = static_cast<char>(random());
  for (const DigestKind kind : {DigestKind::sha256, DigestKind::git_sha1}) {
    const std::string whole = digest(kind, text);
    for (std::size_t at = 0; at <= text.size(); at += Digest::block_bytes) {
      Digest first(kind, text.size());
      first.update(bytes(text).first(at));
      EXPECT_EQ(first.position(), at);
      Digest second(kind, text.size());
      second.resume(first.state(), at);
      EXPECT_EQ(second.state(), first.state());
      second.update(bytes(text).subspan(at));
      EXPECT_EQ(second.finish(), whole) << at;
    }
  }
}

TEST(Digest, ForeignStatesAreRefused) {
  Digest sha256(DigestKind::sha256, 1000), sha1(DigestKind::git_sha1, 1000);
  EXPECT_THROW(sha256.resume("", 64), Error);
  EXPECT_THROW(sha256.resume(std::string(64, 'g'), 64), Error);
  EXPECT_THROW(sha256.resume(std::string(64, 'a'), 63), Error);
  EXPECT_THROW(sha256.resume(std::string(64, 'a'), 1024), Error);
  EXPECT_THROW(sha1.resume(std::string(40, 'a'), 64), Error);
}

TEST(Digest, TheNameSaysTheKind) {
  EXPECT_EQ(digest_kind(std::string(64, 'a')), DigestKind::sha256);
  EXPECT_EQ(digest_kind(std::string(40, 'a')), DigestKind::git_sha1);
  EXPECT_EQ(digest_kind("main"), std::nullopt);
}

}  // namespace
}  // namespace pome::hub
