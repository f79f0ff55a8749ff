#include "hub/partial.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/scratch_folder.h"

namespace pome::hub {
namespace {

const auto patient = [] { return true; };

std::string content(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 2654435761u >> 13);
  return text;
}

std::string digest_of(const std::string& text) {
  Digest digest(DigestKind::sha256, text.size());
  digest.update(std::as_bytes(std::span(text)));
  return digest.finish();
}

void put(Partial& partial, const std::string& text, std::uint64_t block, std::uint64_t count) {
  const auto bytes = std::as_bytes(std::span(text)).subspan(block * block_bytes);
  partial.write(block * block_bytes, bytes.first(std::min<std::size_t>(count * block_bytes, bytes.size())));
  partial.done(block, count);
}

TEST(Partial, TakesBlocksInAnyOrderAndGoesOnWhereAnotherEnded) {
  const ScratchFolder scratch;
  const std::string text = content(35 * block_bytes + 5), etag = digest_of(text);
  const fs::path folder = scratch.path() / "unfinished", target = scratch.path() / "target";
  {
    Partial partial(folder, etag, text.size());
    EXPECT_EQ(partial.bytes_there(), 0u);
    put(partial, text, 30, 6);
    put(partial, text, 0, 17);
    EXPECT_EQ(partial.bytes_there(), 22 * block_bytes + 5);
  }
  EXPECT_EQ(unfinished(folder), std::vector{etag});
  Partial partial(folder, etag, text.size());
  const std::vector<Span> missing = partial.missing();
  ASSERT_EQ(missing.size(), 1u);
  EXPECT_EQ(missing[0].begin, 17 * block_bytes);
  EXPECT_EQ(missing[0].end, 30 * block_bytes);
  put(partial, text, 17, 13);
  EXPECT_TRUE(partial.verify(patient));
  partial.publish(target);
  EXPECT_TRUE(read_file(target, std::size_t{1} << 30) == text);
  EXPECT_TRUE(unfinished(folder).empty());
  EXPECT_TRUE(fs::exists(folder / (etag + ".states")));
}

TEST(Partial, AWrongStretchIsReplacedAndHashedFromThere) {
  const ScratchFolder scratch;
  const std::string text = content(3 * segment_bytes), etag = digest_of(text);
  std::string wrong = text;
  wrong[segment_bytes + 9] ^= 1;
  Partial partial(scratch.path(), etag, text.size());
  put(partial, wrong, 0, 3 * segment_blocks);
  EXPECT_FALSE(partial.verify(patient));
  Digest digest(DigestKind::sha256, text.size());
  digest.update(std::as_bytes(std::span(text)).first(segment_bytes));
  EXPECT_EQ(partial.state_after(1), digest.state());
  digest.update(std::as_bytes(std::span(text)).subspan(segment_bytes, segment_bytes));
  EXPECT_NE(partial.state_after(2), digest.state());
  partial.replace(segment_bytes, std::as_bytes(std::span(text)).subspan(segment_bytes, segment_bytes));
  EXPECT_TRUE(partial.verify(patient));
  EXPECT_EQ(partial.state_after(2), digest.state());
}

TEST(Partial, OfADamagedFileOnlyTheBadStretchIsMissing) {
  const ScratchFolder scratch;
  const std::string text = content(3 * segment_bytes + 77), etag = digest_of(text);
  const fs::path target = scratch.path() / "target";
  {
    Partial partial(scratch.path(), etag, text.size());
    put(partial, text, 0, 3 * segment_blocks + 1);
    ASSERT_TRUE(partial.verify(patient));
    partial.publish(target);
  }
  std::string damaged = text;
  damaged[segment_bytes + 5] ^= 1;
  write_file_atomic(target, damaged);
  begin_with_damaged(scratch.path(), etag, text.size(), target);
  Partial partial(scratch.path(), etag, text.size());
  const std::vector<Span> missing = partial.missing();
  ASSERT_EQ(missing.size(), 2u);
  EXPECT_EQ(missing[0].begin, segment_bytes);
  EXPECT_EQ(missing[0].end, 2 * segment_bytes);
  EXPECT_EQ(missing[1].begin, 3 * segment_bytes);  // no state after it says that it is right
  put(partial, text, segment_blocks, segment_blocks);
  put(partial, text, 3 * segment_blocks, 1);
  EXPECT_TRUE(partial.verify(patient));
}

TEST(Partial, JournalsWithoutTheirPartialAreRemoved) {
  const ScratchFolder scratch;
  const fs::path journal = scratch.path() / (std::string(64, 'a') + ".journal");
  write_file_atomic(journal, "x");
  EXPECT_TRUE(unfinished(scratch.path()).empty());
  remove_stray_journals(scratch.path());
  EXPECT_FALSE(fs::exists(journal));
}

TEST(Journal, ATornEndCostsOnlyItself) {
  const std::string etag(64, 'a');
  const std::string text =
      fmt::format("pome-download 1 {} {} boot\nw 0 3\nw 5 1\nw 1", etag, 9 * block_bytes);
  const auto journal = parse_journal(text, etag, 9 * block_bytes);
  ASSERT_TRUE(journal);
  EXPECT_EQ(std::count(journal->written.begin(), journal->written.end(), true), 4);
  EXPECT_EQ(journal->boot, "boot");
  EXPECT_FALSE(parse_journal(text, std::string(64, 'b'), 9 * block_bytes));
  EXPECT_FALSE(parse_journal(text, etag, 8 * block_bytes));
  EXPECT_EQ(boot_id(), boot_id());
}

}  // namespace
}  // namespace pome::hub
