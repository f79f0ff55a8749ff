// One verified file from the Hub.
#pragma once

#include <atomic>

#include "hub/hub.h"

namespace pome::hub {

struct Download {
  std::string subject;  // "org/name: model.safetensors", before errors
  std::string address;  // Hub::file_address
  std::string commit;   // that the address names
  std::string etag;     // the digest of the content
  std::uint64_t size_bytes = 0;
  fs::path folder;  // of the partial file (partial.h); on the file system of target
  fs::path target;  // gets its name when it is verified, never before
};

// What the whole world may watch while it happens.
struct Received {
  std::atomic<std::uint64_t> bytes = 0;  // over the network, everything
  std::atomic<std::uint64_t> good = 0;   // that count for their file, those found there included
};

// Fetches files one after the other over up to `connections` connections, each asking for ranges of 16 MiB;
// the connections are kept for the next file. Belongs to one thread.
//
// A range that ends early is asked for again from where it ended; only failures without progress in between
// are counted. A server that sends the whole instead of a range is taken at its word. Where the digest of the
// whole turns out wrong, stretches are fetched a second time and compared, by the states of the digest, until
// the one that differs is found, and only that is replaced.
class Downloader {
 public:
  explicit Downloader(Hub& hub) : hub_(hub), transfers_(hub.options()) {}

  // Throws Error: network, refused, not_found (of the Hub), corrupt (the content is not what its digest says,
  // twice; the Hub names another digest), resource (disk full), interrupted. What has arrived is kept.
  void fetch(const Download& download, int connections, Received& received);

 private:
  Hub& hub_;
  Transfers transfers_;
};

}  // namespace pome::hub
