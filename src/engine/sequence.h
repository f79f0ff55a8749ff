// One request on its way through the engine.
//
// A sequence is its tokens (prompt, then output) and a cache of the first of them. Each step computes some
// more tokens; once all are computed the last row's logits give the next token. A sequence whose cache was
// taken away computes it again and goes on as if nothing had happened: nothing else of its state depends on
// it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/channel.h"
#include "engine/engine.h"
#include "engine/prefix_cache.h"
#include "engine/sampler.h"
#include "engine/stops.h"
#include "text/detokenizer.h"

namespace pome::engine {

class Sequence {
 public:
  using Clock = std::chrono::steady_clock;

  // Checks the request; throws what Engine::submit documents, the queue apart. May run on any thread; all
  // else is for the engine's.
  Sequence(Request request, std::uint64_t id, std::shared_ptr<Channel> channel);

  const Request& request() const { return request_; }
  std::span<const std::int32_t> tokens() const { return tokens_; }
  int prompt_tokens() const { return static_cast<int>(request_.prompt.size()); }
  int planned_length() const { return planned_length_; }
  PrefixKey prefix_key() const;

  // ---- the cache

  bool started() const { return cache_ != nullptr; }
  // `cache` may hold a prefix of the tokens, short of the last.
  void start(std::unique_ptr<graph::Cache> cache);
  graph::Cache* cache() const { return cache_.get(); }
  std::unique_ptr<graph::Cache> release_cache() { return std::move(cache_); }

  int computed() const { return cache_ ? cache_->length() : 0; }
  int pending() const { return static_cast<int>(tokens_.size()) - computed(); }
  // Tokens up to the next checkpoint, or all pending ones.
  int next_stretch() const;
  // Whether the state at this point of the prompt is worth keeping.
  bool at_checkpoint() const;

  // ---- a step

  // Whether `rows` more tokens end in a row whose logits choose the next one.
  bool wants_logits(int rows) const { return rows == pending() && request_.max_tokens != 0; }
  // After a step: the cache has grown. `logits` [V] is used up; empty where wants_logits was false.
  void advance(std::span<float> logits);

  // ---- the end

  // Ends the sequence where its reader has gone or its time is up.
  void check_reader(Clock::time_point now);
  void finish(FinishReason reason);
  void fail(Error error);
  bool done() const { return final_.has_value(); }
  bool failed() const { return final_ && final_->kind == Event::Kind::failed; }
  // Sends the last event; with keep_cache the cache goes along.
  void publish(std::shared_ptr<graph::Cache> cache);

 private:
  void check_request() const;
  std::string model_name() const;
  void choose_token(std::span<float> logits);

  Request request_;
  std::uint64_t id_;
  std::shared_ptr<Channel> channel_;
  std::vector<std::int32_t> tokens_;
  std::vector<int> checkpoints_;  // ascending, within the prompt
  int context_length_ = 0;
  int planned_length_ = 0;
  std::unique_ptr<graph::Cache> cache_;
  std::optional<Sampler> sampler_;
  std::optional<text::Detokenizer> detokenizer_;
  StopMatcher stops_;
  std::vector<std::uint32_t> mask_;
  int generated_ = 0;
  bool prompt_done_ = false;
  Stats stats_;
  Clock::time_point submitted_ = Clock::now();
  Clock::time_point begun_{};
  Clock::time_point first_token_{};
  std::optional<Event> final_;
};

}  // namespace pome::engine
