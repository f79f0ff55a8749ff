// The one thread that computes.
//
// Callers submit requests from any thread and read events from the Stream they get back. The engine's thread
// packs one step after another: the next token of every running sequence, then chunks of waiting prompts up
// to a token budget that keeps a step near 50 ms. Equal prefixes are taken from a cache of finished
// sequences and of prompts already computed. Results do not depend on what else runs: every request draws
// from its own seeded generator. A step that fails costs only the request that made it fail.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/sampling.h"
#include "graph/backend.h"
#include "models/model.h"
#include "text/grammar.h"
#include "text/tokenizer.h"

namespace pome::engine {

// A model made ready to compute: shared by the requests that use it, freed with the last. Without a tokenizer
// events carry no text.
struct Instance {
  std::shared_ptr<models::LoadedModel> loaded;
  std::shared_ptr<const text::Tokenizer> tokenizer;
  std::unique_ptr<graph::Runner> runner;  // the engine's thread only
  int max_step_tokens = 0;                // > 0: fewer rows of a step than Options allow, to save memory
};

enum class FinishReason : std::uint8_t { stop, length, cancelled, deadline };

struct TokenLogprob {
  std::int32_t token = 0;
  float logprob = 0;
};

struct Stats {
  int prompt_tokens = 0;
  int cached_tokens = 0;  // of the prompt, taken from the prefix cache
  int generated_tokens = 0;
  double queued_ms = 0;
  double prompt_ms = 0;      // from first computing to the first token
  double generation_ms = 0;  // from the first token to the last
  std::uint64_t seed = 0;
};

struct Event {
  enum class Kind : std::uint8_t { prompt_progress, token, finished, failed } kind = Kind::token;
  int done = 0, total = 0;  // prompt_progress: tokens computed
  std::int32_t token = 0;   // token
  std::string text;         // token: whole characters only, may be empty; finished: what was held back
  float logprob = 0;        // token, when asked for
  std::vector<TokenLogprob> top_logprobs;    // token: the most likely, best first
  FinishReason reason = FinishReason::stop;  // finished
  std::string stop_sequence;                 // finished by a stop string: which
  Stats stats;                               // finished
  std::optional<Error> error;                // failed
};

struct Request {
  std::shared_ptr<Instance> instance;
  std::vector<std::int32_t> prompt;
  SamplingParams sampling;
  int max_tokens = -1;            // -1: until an end token or the end of the context; 0: only the prompt
  std::vector<std::string> stop;  // matched on text, across token borders; not part of the output
  std::vector<std::int32_t> end_tokens;    // finish before these; not part of the output
  std::vector<std::int32_t> shown_tokens;  // special tokens that are part of the text
  bool ignore_end = false;                 // for benchmarks
  int logprobs = -1;                       // -1: none; n: the token's and the n most likely
  std::optional<std::chrono::steady_clock::time_point> deadline;
  std::shared_ptr<text::Grammar>
      grammar;      // constrains the output; this request's alone, used on the engine's thread
  int adapter = 0;  // id from models::add_adapter
  graph::CacheOptions cache;
  int context_length = 0;  // 0: the model's own
  // Where later requests may branch off (ends of messages): a cache with sliding windows can resume only
  // where its state was kept, so it is kept there. Positions in the prompt, ascending.
  std::vector<int> checkpoints;
  // Of initial_tokens, which the prompt must begin with (prompt-cache files); left as it is.
  std::shared_ptr<const graph::Cache> initial_cache;
  std::vector<std::int32_t> initial_tokens;
  bool keep_cache = false;   // hand the cache back in Stream::take_cache once finished
  bool share_prefix = true;  // read and feed the prefix cache
};

// The reading end of one request. Thread-safe; dropping it cancels the request.
class Stream {
 public:
  virtual ~Stream() = default;
  // Waits for the next event; none after finished or failed.
  virtual std::optional<Event> next() = 0;
  // The request finishes as cancelled before its next step.
  virtual void cancel() = 0;
  // After finished, with Request::keep_cache: the cache and the tokens it holds, once. Look into it on the
  // engine's thread only (run_job).
  virtual std::shared_ptr<graph::Cache> take_cache(std::vector<std::int32_t>& tokens) = 0;
};

struct Options {
  int max_step_tokens = 512;  // rows of one step, beyond the next tokens of running sequences
  int max_running = 64;       // sequences decoded together; more wait
  int max_queue = 256;        // requests waiting; more are refused (resource)
  std::size_t prefix_cache_bytes = std::size_t{2} << 30;
  // Caches of running sequences; 0: no limit. Beyond it the newest sequences wait and are computed again
  // later; a sequence that does not fit alone fails (resource).
  std::size_t running_cache_bytes = 0;
};

class Engine {
 public:
  explicit Engine(Options options = {});
  ~Engine();  // cancels what runs
  Engine(const Engine&) = delete;

  // Checks the request here and now, then queues it. Thread-safe. Throws Error: usage (empty prompt, unknown
  // ids, a sampling parameter out of range), resource (prompt longer than the context, queue full), and what
  // check_cache_options throws.
  std::unique_ptr<Stream> submit(Request request);

  // Runs `job` on the engine's thread between steps until it returns false. Each call should take at most 50
  // ms. Returns when it is done; rethrows what it throws. Thread-safe, but not from within a job. Throws
  // Error(interrupted) where the engine ends first.
  void run_job(const std::function<bool()>& job);

  // Drops what the prefix cache holds of this model, so that its memory is free once its last user is gone.
  void forget(const Instance& instance);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pome::engine
