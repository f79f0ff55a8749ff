// HTTP requests side by side on one thread, over libcurl's multi interface.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "hub/failure.h"
#include "hub/headers.h"
#include "hub/options.h"

namespace pome::hub {

struct Request {
  std::string url;
  bool head = false;                 // without the body
  std::vector<std::string> headers;  // "Range: bytes=0-9"
};

// Who takes one answer. Called from Transfers::step only; what is thrown comes out of step().
class Receiver {
 public:
  virtual ~Receiver() = default;
  // Status and headers, once. False: the answer is not wanted; on_end is not called any more.
  virtual bool on_head(int status, const Headers& headers) = 0;
  // The body's next bytes. False: enough, likewise.
  virtual bool on_bytes(std::span<const std::byte> bytes) = 0;
  // The answer is complete, or why not.
  virtual void on_end(const std::optional<Failure>& failure) = 0;
};

// Redirects are answers like others. A token goes to the endpoint and nowhere else. Headers of one answer are
// bounded (256 KiB). Connections are kept for later requests. Belongs to one thread.
class Transfers {
 public:
  explicit Transfers(const Options& options);
  ~Transfers();
  Transfers(const Transfers&) = delete;

  // The receiver must outlive its answer or be cancelled.
  void start(const Request& request, Receiver& receiver);
  void cancel(Receiver& receiver);
  std::size_t active() const;

  // Waits for up to `wait`, then hands out what has come. Throws Error(interrupted) once options.cancelled().
  void step(std::chrono::milliseconds wait);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pome::hub
