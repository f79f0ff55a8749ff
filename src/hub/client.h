// Whole answers: requests with redirects followed, transient failures tried again, and every answer bounded.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "hub/transfers.h"

namespace pome::hub {

struct Answer {
  int status = 0;
  Headers headers;
  std::string body;
  std::string url;  // of the last request

  bool good() const { return status >= 200 && status < 300; }
};

enum class Follow {
  none,         // a redirect is the answer
  same_origin,  // as far as they stay on the host: renamed repositories
  all,
};

struct Bounds {
  std::uint64_t most_body_bytes = std::uint64_t{16} << 20;
  Follow redirects = Follow::all;
  bool cut = false;  // a longer body is cut there instead of refused
};

// Whether to ask again, and when: connections that fail, 408, 429, 500, 502, 503 and 504, with twice the wait
// each time or what Retry-After and RateLimit say. Not thread-safe.
class Retries {
 public:
  explicit Retries(const Options& options) : options_(options) {}

  // How long to wait before asking again; nothing where it is no use. Throws Error(network) where a server
  // asks to wait longer than options.longest_wait.
  std::optional<std::chrono::milliseconds> after(const Failure& failure);
  std::optional<std::chrono::milliseconds> after(const std::string& url, int status, const Headers& headers);

  void progress() { failed_ = 0; }  // the next failure counts as the first

 private:
  std::optional<std::chrono::milliseconds> next(std::string reason, int tries,
                                                std::optional<std::chrono::milliseconds> asked);
  const Options& options_;
  int failed_ = 0;
};

// Throws Error(interrupted) as soon as options.cancelled().
void pause(const Options& options, std::chrono::milliseconds time);

constexpr int most_redirects = 10;

// Thread-safe; connections are kept between calls.
class Client {
 public:
  explicit Client(Options options);
  ~Client();

  const Options& options() const { return options_; }

  // Any status is an answer. Throws Error: network (no answer, too many redirects, an answer beyond its
  // bounds), not_found (offline), interrupted.
  Answer fetch(const Request& request, const Bounds& bounds = {});

 private:
  Answer fetch_once(Transfers& transfers, const Request& request, const Bounds& bounds, Retries& retries);

  Options options_;
  struct Pool;
  std::unique_ptr<Pool> pool_;
};

}  // namespace pome::hub
