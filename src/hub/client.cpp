#include "hub/client.h"

#include <algorithm>
#include <ctime>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "hub/status.h"
#include "hub/url.h"

namespace pome::hub {
namespace {

constexpr int tries_unreached = 3;  // where nobody answers at all, somebody waits before a terminal

bool is_transient(int status) {
  return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

struct Collector : Receiver {
  Answer answer;
  Bounds bounds;
  std::optional<Failure> failure;
  bool done = false;

  bool on_head(int status, const Headers& headers) override {
    answer.status = status;
    answer.headers = headers;
    return true;
  }
  bool on_bytes(std::span<const std::byte> bytes) override {
    const std::uint64_t left = bounds.most_body_bytes - answer.body.size();
    if (bytes.size() > left && !bounds.cut) {
      fail(ErrorKind::network, "{}: the answer has more than {} bytes", shown_address(answer.url),
           bounds.most_body_bytes);
    }
    answer.body.append(reinterpret_cast<const char*>(bytes.data()),
                       std::min<std::uint64_t>(left, bytes.size()));
    done = bytes.size() > left;
    return !done;
  }
  void on_end(const std::optional<Failure>& why) override {
    failure = why;
    done = true;
  }
};

}  // namespace

std::optional<std::chrono::milliseconds> Retries::next(std::string reason, int tries,
                                                       std::optional<std::chrono::milliseconds> asked) {
  if (++failed_ >= tries) return std::nullopt;
  std::chrono::milliseconds wait = options_.first_wait * (1 << std::min(failed_ - 1, 10));
  wait = std::min(wait, std::chrono::milliseconds(8000));
  if (asked) {
    if (*asked > options_.longest_wait) {
      fail(ErrorKind::network, "{}; it asks to wait {} s, at most {} s are waited", reason,
           asked->count() / 1000, options_.longest_wait.count() / 1000);
    }
    wait = *asked;
  }
  options_.on_retry({.reason = std::move(reason), .wait = wait, .attempt = failed_});
  return wait;
}

void pause(const Options& options, std::chrono::milliseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (true) {
    if (options.cancelled()) throw Error(ErrorKind::interrupted, "interrupted");
    const auto left = end - std::chrono::steady_clock::now();
    if (left.count() <= 0) return;
    std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(left, std::chrono::milliseconds(100)));
  }
}

std::optional<std::chrono::milliseconds> Retries::after(const Failure& failure) {
  if (failure.hopeless) return std::nullopt;
  return next(failure.text, failure.reached ? options_.tries : std::min(options_.tries, tries_unreached), {});
}

std::optional<std::chrono::milliseconds> Retries::after(const std::string& url, int status,
                                                        const Headers& headers) {
  if (!is_transient(status)) return std::nullopt;
  std::optional<std::chrono::milliseconds> asked;
  if (const auto after = headers.find("retry-after")) {
    asked = parse_retry_after(*after, std::time(nullptr));
  } else if (const auto limit = headers.find("ratelimit"); limit && status == 429) {
    // One second more, as huggingface_hub: the window is full until its end.
    if (const auto seconds = parse_rate_limit(*limit)) asked = *seconds + std::chrono::seconds(1);
  }
  return next(fmt::format("{}: {}", host_of(url), status_text(status)), options_.tries, asked);
}

struct Client::Pool {
  std::mutex mutex;
  std::vector<std::unique_ptr<Transfers>> idle;
};

Client::Client(Options options) : options_(std::move(options)), pool_(std::make_unique<Pool>()) {}
Client::~Client() = default;

Answer Client::fetch_once(Transfers& transfers, const Request& request, const Bounds& bounds,
                          Retries& retries) {
  while (true) {
    Collector collector;
    collector.bounds = bounds;
    collector.answer.url = request.url;
    transfers.start(request, collector);
    try {
      while (!collector.done) transfers.step(std::chrono::milliseconds(100));
    } catch (...) {
      transfers.cancel(collector);
      throw;
    }
    if (collector.failure) {
      if (const auto wait = retries.after(*collector.failure)) {
        pause(options_, *wait);
        continue;
      }
      throw collector.failure->as_error();
    }
    Answer& answer = collector.answer;
    const auto wait = retries.after(request.url, answer.status, answer.headers);
    if (!wait) return std::move(answer);
    pause(options_, *wait);
  }
}

Answer Client::fetch(const Request& request, const Bounds& bounds) {
  std::unique_ptr<Transfers> transfers;
  {
    const std::lock_guard lock(pool_->mutex);
    if (!pool_->idle.empty()) {
      transfers = std::move(pool_->idle.back());
      pool_->idle.pop_back();
    }
  }
  if (!transfers) {
    Options asking = options_;
    asking.stall_timeout = options_.answer_timeout;
    transfers = std::make_unique<Transfers>(asking);
  }
  Retries retries(options_);
  Request next = request;
  for (int hop = 0;; ++hop) {
    Answer answer = fetch_once(*transfers, next, bounds, retries);
    const auto location = answer.headers.find("location");
    bool followed = is_redirect(answer.status) && location && bounds.redirects != Follow::none;
    if (followed) {
      std::string to = follow(next.url, *location);
      followed = bounds.redirects == Follow::all || same_origin(next.url, to);
      if (followed) next.url = std::move(to);
    }
    if (!followed) {
      const std::lock_guard lock(pool_->mutex);
      pool_->idle.push_back(std::move(transfers));
      return answer;
    }
    if (hop == most_redirects) {
      fail(ErrorKind::network, "{}: more than {} redirects", shown_address(request.url), most_redirects);
    }
  }
}

}  // namespace pome::hub
