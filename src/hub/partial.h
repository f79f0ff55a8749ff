// A file that arrives in any order and is hashed while it does.
#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

#include "hub/digest.h"
#include "hub/journal.h"

namespace pome::hub {

struct Span {
  std::uint64_t begin = 0, end = 0;  // bytes [begin, end)
  std::uint64_t size() const { return end - begin; }
};

// <folder>/<etag>.partial and <folder>/<etag>.journal. What an earlier process left there is taken over. One
// thread writes; another one, its own, reads what has been written back from the page cache and hashes it in
// order, so that a slow hash never keeps a socket waiting. Two processes on the same partial do no harm: both
// write the same bytes, and nothing counts before the digest of the whole.
//
// Errors: resource (disk full), refused, internal. After one everything that was journalled is kept.
class Partial {
 public:
  // Makes the folder. etag is a digest (names.h).
  Partial(fs::path folder, std::string etag, std::uint64_t size_bytes);
  ~Partial();
  Partial(const Partial&) = delete;

  std::uint64_t size_bytes() const { return journal_.size_bytes; }
  std::uint64_t bytes_there() const;  // of whole blocks

  // What has to be fetched: runs of missing blocks, in order.
  std::vector<Span> missing() const;

  // Puts bytes at their place; a block counts once done() is called for all of it.
  void write(std::uint64_t at, std::span<const std::byte> bytes);
  void done(std::uint64_t block, std::uint64_t count = 1);
  bool has(std::uint64_t block) const;

  // Once nothing is missing: waits for the hash and returns whether it is the etag. false from `wait` gives
  // up (returns false).
  bool verify(const std::function<bool()>& wait);

  // After a verify() that failed: the digest's state after so many segments, as the file is now.
  std::string state_after(std::uint64_t segments) const;
  // Replaces a stretch that turned out to be different, and hashes from there on anew.
  void replace(std::uint64_t at, std::span<const std::byte> bytes);
  // Nothing of the file can be relied on.
  void discard();

  // Gives the verified file its name, synced to disk, and ends the partial. Where segments() > 1 the states
  // of the digest stay in <folder>/<etag>.states, so that a bad stretch can be told from good ones later
  // (begin_with_damaged).
  void publish(const fs::path& target);

  std::uint64_t segments() const { return (size_bytes() + segment_bytes - 1) / segment_bytes; }

 private:
  void open();
  void check_after_boot();
  void append(const std::string& lines);
  void start_hashing(std::uint64_t segment);
  void stop_hashing();
  void hash_loop();
  void hash_blocks(Digest& digest, std::uint64_t first, std::uint64_t end,
                   std::vector<std::byte>& buffer) const;

  fs::path folder_;
  Journal journal_;
  int file_ = -1;
  int journal_file_ = -1;

  mutable std::mutex mutex_;  // guards what follows, and journal_
  std::condition_variable changed_;
  std::thread thread_;
  bool stop_ = false;
  std::uint64_t frontier_ = 0;  // blocks hashed
  std::string digest_;          // of the whole, when known
  std::exception_ptr failed_;   // of the thread
};

// Makes what is left of a damaged file the beginning of a new download: the stretches that the states of its
// digest confirm (<folder>/<etag>.states, from when it arrived whole) will not be fetched again. Does nothing
// where there are no states, or a download has begun.
void begin_with_damaged(const fs::path& folder, const std::string& etag, std::uint64_t size_bytes,
                        const fs::path& damaged);

// What is unfinished in a folder: etags of partials.
std::vector<std::string> unfinished(const fs::path& folder);

// Removes the journals of processes that were killed just after they had published. A download under way has
// its partial before its journal, so that it is never taken for one.
void remove_stray_journals(const fs::path& folder);

}  // namespace pome::hub
