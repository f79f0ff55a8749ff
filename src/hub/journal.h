// What is known about an unfinished download, kept beside it so that any end of the process costs next to
// nothing. docs/design/downloads.md has the format.
//
// The partial file is as large as the whole, with holes. Its journal is a text that only grows:
//
//   pome-download 1 <etag> <size in bytes> <boot>
//   w <block> <count>      these blocks of 1 MiB are in the file
//   h <segment> <state>    the digest's state after so many segments of 16 blocks, all of the file before
//   them x <block> <count>      these blocks are not in the file after all
//
// A line counts when it is whole, and nothing after a line that is not. While the machine runs, what a
// process has written is there even if it was killed; after another boot the blocks are checked against the
// states.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace pome::hub {

constexpr std::uint64_t block_bytes = std::uint64_t{1} << 20;
constexpr std::uint64_t segment_blocks = 16;
constexpr std::uint64_t segment_bytes = segment_blocks * block_bytes;

struct Journal {
  std::string etag;
  std::uint64_t size_bytes = 0;
  std::string boot;
  std::vector<bool> written;                    // by block
  std::map<std::uint64_t, std::string> states;  // by number of segments before it

  std::uint64_t blocks() const { return (size_bytes + block_bytes - 1) / block_bytes; }
};

// Nothing where it is another download's, or no journal.
std::optional<Journal> parse_journal(std::string_view text, std::string_view etag, std::uint64_t size_bytes);

// The shortest text that says the same.
std::string journal_text(const Journal& journal);

// The single lines.
std::string written_line(std::uint64_t block, std::uint64_t count);
std::string state_line(std::uint64_t segments, std::string_view state);
std::string lost_line(std::uint64_t block, std::uint64_t count);

// Another one after every start of the machine.
std::string boot_id();

}  // namespace pome::hub
