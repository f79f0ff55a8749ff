// The queue of events between the engine and the reader of one request.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>

#include "engine/engine.h"

namespace pome::engine {

// Never blocks the engine: a reader that stops reading delays nobody, and what waits for it is bounded by the
// tokens its request may generate. Thread-safe.
class Channel {
 public:
  // The last event is the one of kind finished or failed.
  void push(Event event) {
    {
      const std::lock_guard lock(mutex_);
      closed_ = event.kind == Event::Kind::finished || event.kind == Event::Kind::failed;
      events_.push_back(std::move(event));
    }
    changed_.notify_all();  // not under the lock, which the reader would wait for at once
  }

  std::optional<Event> next() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !events_.empty() || closed_; });
    if (events_.empty()) return std::nullopt;
    Event event = std::move(events_.front());
    events_.pop_front();
    return event;
  }

  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

  void keep(std::shared_ptr<graph::Cache> cache, std::vector<std::int32_t> tokens) {
    const std::lock_guard lock(mutex_);
    cache_ = std::move(cache);
    tokens_ = std::move(tokens);
  }

  std::shared_ptr<graph::Cache> take(std::vector<std::int32_t>& tokens) {
    const std::lock_guard lock(mutex_);
    tokens = std::exchange(tokens_, {});
    return std::exchange(cache_, nullptr);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Event> events_;
  bool closed_ = false;
  std::atomic<bool> cancelled_ = false;
  std::shared_ptr<graph::Cache> cache_;
  std::vector<std::int32_t> tokens_;
};

}  // namespace pome::engine
