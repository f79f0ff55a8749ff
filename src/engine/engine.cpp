#include "engine/engine.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "base/error.h"
#include "engine/channel.h"
#include "engine/prefix_cache.h"
#include "engine/scheduler.h"
#include "engine/sequence.h"

namespace pome::engine {

namespace {

using Clock = Sequence::Clock;

// A step may last this long while others wait for it; a prompt that is alone may use larger steps, which
// compute more tokens per second, and still be cancelled soon.
constexpr double shared_step_ms = 50;
constexpr double lonely_step_ms = 250;

// Below so many rows products compute clearly less per second (each step reads and unpacks all weights); a
// slow machine may take this long for them.
constexpr int efficient_rows = 256;
constexpr double efficient_step_ms = 1000;

// Anything thrown, as the Error that its request gets to see.
Error as_error(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const Error& e) {
    return e;
  } catch (const std::bad_alloc&) {
    return Error(ErrorKind::resource, "out of memory");
  } catch (const std::exception& e) {
    return Error(ErrorKind::internal, e.what());
  } catch (...) {
    return Error(ErrorKind::internal, "unknown exception");
  }
}

class ChannelStream final : public Stream {
 public:
  explicit ChannelStream(std::shared_ptr<Channel> channel) : channel_(std::move(channel)) {}
  ~ChannelStream() override { channel_->cancel(); }

  std::optional<Event> next() override { return channel_->next(); }
  void cancel() override { channel_->cancel(); }
  std::shared_ptr<graph::Cache> take_cache(std::vector<std::int32_t>& tokens) override {
    return channel_->take(tokens);
  }

 private:
  std::shared_ptr<Channel> channel_;
};

// A caller of run_job waits for it. What the job threw leaves the engine's thread altogether, so that the
// caller alone ends its life.
class Job {
 public:
  explicit Job(const std::function<bool()>& run) : run_(&run) {}

  // One call of the job. True when it is done.
  bool proceed() {
    std::exception_ptr thrown;
    try {
      if ((*run_)()) return false;
    } catch (...) {
      thrown = std::current_exception();
    }
    end(std::move(thrown));
    return true;
  }

  void end(std::exception_ptr thrown) {
    const std::lock_guard lock(mutex_);
    thrown_ = std::move(thrown);
    done_ = true;
    changed_.notify_all();
  }

  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return done_; });
    if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
  }

 private:
  const std::function<bool()>* run_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
  std::exception_ptr thrown_;
};

// What the engine has learnt about a model.
struct ModelState {
  std::weak_ptr<const Instance> instance;
  StepBudget budget;
  std::uint64_t last_turn = 0;
};

}  // namespace

class Engine::Impl {
 public:
  explicit Impl(Options options) : options_(options), prefixes_(options.prefix_cache_bytes) {
    thread_ = std::thread([this] { loop(); });
  }

  ~Impl() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      wake_.notify_all();
    }
    thread_.join();
  }

  std::unique_ptr<Stream> submit(Request request) {
    auto channel = std::make_shared<Channel>();
    auto sequence = std::make_unique<Sequence>(std::move(request), ++last_id_, channel);
    auto stream = std::make_unique<ChannelStream>(std::move(channel));
    {
      const std::lock_guard lock(mutex_);
      if (std::cmp_greater_equal(queue_.size(), options_.max_queue)) {
        fail(ErrorKind::resource, "the queue is full: {} requests wait", queue_.size());
      }
      queue_.push_back(std::move(sequence));
      wake_.notify_all();
    }
    return stream;
  }

  void run_job(const std::function<bool()>& run) {
    const auto job = std::make_shared<Job>(run);
    {
      const std::lock_guard lock(mutex_);
      jobs_.push_back(job);
      wake_.notify_all();  // under the lock: once the job runs, its caller may end the engine
    }
    job->wait();
  }

  void forget(const Instance& instance) {
    run_job([&] {
      prefixes_.forget(instance);
      return false;
    });
  }

 private:
  using Sequences = std::vector<std::unique_ptr<Sequence>>;

  void loop() {
    while (admit()) {
      try {
        run_one_job();
        step();
      } catch (...) {  // nothing of the kind is expected: whatever it was, the engine lives on
        const Error error = as_error(std::current_exception());
        for (auto& sequence : running_) sequence->fail(error);
      }
      retire();
    }
    for (auto& sequence : running_) sequence->finish(FinishReason::cancelled);
    retire();
  }

  // Waits for work and takes what may run now. False when the engine ends.
  bool admit() {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [&] { return stopping_ || !queue_.empty() || !running_.empty() || !jobs_.empty(); });
    if (stopping_) {
      for (const auto& job : jobs_) {
        job->end(
            std::make_exception_ptr(Error(ErrorKind::interrupted, "the engine ended before a job was done")));
      }
      jobs_.clear();
      std::move(queue_.begin(), queue_.end(), std::back_inserter(running_));
      queue_.clear();
      return false;
    }
    const auto now = Clock::now();
    while (!queue_.empty() && std::cmp_less(running_.size(), options_.max_running) && fits(*queue_.front())) {
      running_.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
    for (auto waiting = queue_.begin(); waiting != queue_.end();) {
      (*waiting)->check_reader(now);
      if ((*waiting)->done()) {
        (*waiting)->publish(nullptr);
        waiting = queue_.erase(waiting);
      } else {
        ++waiting;
      }
    }
    others_wait_ = !jobs_.empty() || !queue_.empty() || running_.size() > 1;
    lock.unlock();
    for (auto& sequence : running_) sequence->check_reader(now);
    return true;
  }

  void run_one_job() {
    std::shared_ptr<Job> job;
    {
      const std::lock_guard lock(mutex_);
      if (jobs_.empty()) return;
      job = jobs_.front();
      jobs_.pop_front();
    }
    if (job->proceed()) return;
    const std::lock_guard lock(mutex_);
    jobs_.push_back(job);
  }

  // ---- memory

  std::size_t running_bytes() const {
    std::size_t sum = 0;
    for (const auto& sequence : running_) sum += sequence->started() ? sequence->cache()->bytes() : 0;
    return sum;
  }

  // Whether one more sequence is likely to find room, judged by the caches there are.
  bool fits(const Sequence& next) const {
    if (options_.running_cache_bytes == 0 || running_.empty()) return true;
    double largest = 0;  // bytes of a position
    for (const auto& sequence : running_) {
      if (sequence->computed() == 0) continue;
      largest = std::max(largest, static_cast<double>(sequence->cache()->bytes()) / sequence->computed());
    }
    const double wanted = largest * static_cast<double>(next.tokens().size() + graph::cache_block);
    return static_cast<double>(running_bytes()) + wanted <= static_cast<double>(options_.running_cache_bytes);
  }

  // Takes the cache of the newest sequences away until the rest fit; they go back to the head of the queue.
  void make_room() {
    const std::size_t limit = options_.running_cache_bytes;
    if (limit == 0) return;
    std::size_t bytes = running_bytes();
    while (bytes > limit && running_.size() > 1) {
      auto newest = std::move(running_.back());
      running_.pop_back();
      bytes -= newest->started() ? newest->cache()->bytes() : 0;
      newest->release_cache();
      const std::lock_guard lock(mutex_);
      queue_.push_front(std::move(newest));
    }
    if (bytes > limit && !running_.empty()) {
      running_.front()->fail(error(ErrorKind::resource,
                                   "the cache of {} tokens takes {} bytes, the limit is {}",
                                   running_.front()->computed(), bytes, limit));
    }
  }

  // ---- steps

  void step() {
    make_room();
    Instance* instance = next_instance();
    if (instance == nullptr) return;
    std::vector<Sequence*> runnable;
    for (auto& sequence : running_) {
      if (!sequence->done() && sequence->request().instance.get() == instance)
        runnable.push_back(sequence.get());
    }
    ModelState& model = state(*runnable.front());
    model.last_turn = ++turn_;
    const int budget = others_wait_
                           ? model.budget.rows(shared_step_ms)
                           : std::max(model.budget.rows(lonely_step_ms),
                                      std::min(model.budget.rows(efficient_step_ms), efficient_rows));
    std::vector<Share> shares = share_out(runnable, budget);
    while (start_new(shares)) {  // the prefix cache may leave less to compute, and room for others
      std::erase_if(runnable, [](const Sequence* sequence) { return sequence->done(); });
      shares = share_out(runnable, budget);
    }
    if (shares.empty()) return;

    const auto begin = Clock::now();
    run_shares(shares);
    int rows = 0;
    for (const Share& share : shares) rows += share.rows;
    model.budget.record(rows, std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
  }

  // The model whose turn it is among those with something to do.
  Instance* next_instance() {
    Sequence* next = nullptr;
    for (auto& sequence : running_) {
      if (sequence->done()) continue;
      if (next == nullptr || state(*sequence).last_turn < state(*next).last_turn) next = sequence.get();
    }
    return next == nullptr ? nullptr : next->request().instance.get();
  }

  ModelState& state(const Sequence& sequence) {
    const auto& instance = sequence.request().instance;
    const auto found = models_.find(instance.get());
    if (found != models_.end() && !found->second.instance.expired()) return found->second;
    const int own = instance->max_step_tokens;
    const int ceiling =
        std::max(1, own > 0 ? std::min(own, options_.max_step_tokens) : options_.max_step_tokens);
    return models_.insert_or_assign(instance.get(), ModelState{instance, StepBudget(ceiling), 0})
        .first->second;
  }

  // Gives the sequences that run for the first time their caches, late, so that they find what was computed
  // while they waited. True where there was one.
  bool start_new(std::span<const Share> shares) {
    bool any = false;
    for (const Share& share : shares) {
      Sequence& sequence = *share.sequence;
      if (sequence.started()) continue;
      any = true;
      try {
        sequence.start(starting_cache(sequence));
      } catch (...) {
        sequence.fail(as_error(std::current_exception()));
      }
    }
    return any;
  }

  std::unique_ptr<graph::Cache> starting_cache(const Sequence& sequence) {
    const Request& request = sequence.request();
    const int most = static_cast<int>(sequence.tokens().size()) - 1;  // the last one's logits are needed
    std::unique_ptr<graph::Cache> cache;
    if (request.share_prefix) cache = prefixes_.find(sequence.prefix_key(), sequence.tokens(), most);
    if (request.initial_cache) {
      const int usable = request.initial_cache->resume_point(std::min(most, request.initial_cache->length()));
      if (usable > (cache ? cache->length() : 0)) cache = request.initial_cache->fork(usable);
    }
    return cache ? std::move(cache) : request.instance->runner->new_cache(request.cache);
  }

  // Runs a packed step; where it fails, each sequence alone, so that only the guilty one fails.
  void run_shares(std::span<const Share> shares) {
    try {
      compute(shares);
      return;
    } catch (...) {
      if (shares.size() == 1) {
        shares[0].sequence->fail(as_error(std::current_exception()));
        return;
      }
    }
    for (const Share& share : shares) {
      try {
        compute({&share, 1});
      } catch (...) {
        share.sequence->fail(as_error(std::current_exception()));
      }
    }
  }

  // One call of the runner, then the sequences' own work, whose errors are theirs alone.
  void compute(std::span<const Share> shares) {
    const graph::Step step = make_step(shares);
    std::vector<int> lengths;
    for (const Share& share : shares) lengths.push_back(share.sequence->computed() + share.rows);
    const Instance& instance = *shares[0].sequence->request().instance;
    instance.runner->run(step, outputs_);

    const int vocabulary = instance.loaded->model->info().vocab_size;
    const auto found = outputs_.find("logits");
    graph::Matrix* logits = found == outputs_.end() ? nullptr : &found->second;
    int row = 0;
    for (std::size_t i = 0; i < shares.size(); ++i) {
      Sequence& sequence = *shares[i].sequence;
      const bool wants = row < static_cast<int>(step.out_rows.size()) &&
                         step.out_rows[static_cast<std::size_t>(row)] ==
                             step.segments[i].begin + step.segments[i].length - 1;
      const int own_row = row;
      row += wants ? 1 : 0;
      try {
        if (sequence.computed() != lengths[i]) {
          fail(ErrorKind::internal, "the cache holds {} positions after a step, expected {}",
               sequence.computed(), lengths[i]);
        }
        std::span<float> values;
        if (wants) {
          if (logits == nullptr || logits->width != vocabulary ||
              logits->rows != static_cast<int>(step.out_rows.size())) {
            fail(ErrorKind::internal, "a step gave logits [{}, {}], expected [{}, {}]",
                 logits ? logits->rows : 0, logits ? logits->width : 0, step.out_rows.size(), vocabulary);
          }
          const auto width = static_cast<std::size_t>(vocabulary);
          values = std::span(logits->values).subspan(static_cast<std::size_t>(own_row) * width, width);
        }
        remember(sequence);
        sequence.advance(values);
      } catch (...) {
        sequence.fail(as_error(std::current_exception()));
      }
    }
  }

  // ---- the prefix cache

  void remember(Sequence& sequence) {
    if (!sequence.request().share_prefix || !sequence.at_checkpoint()) return;
    const int length = sequence.computed();
    const auto tokens = sequence.tokens().first(static_cast<std::size_t>(length));
    prefixes_.insert(sequence.prefix_key(), {tokens.begin(), tokens.end()}, sequence.cache()->fork(length));
  }

  // Sends the last events of the sequences that are done, after their caches have found their new places.
  void retire() {
    for (auto& sequence : running_) {
      if (!sequence->done()) continue;
      std::shared_ptr<graph::Cache> kept;
      try {
        kept = hand_over(*sequence);
      } catch (...) {
        sequence->fail(as_error(std::current_exception()));
      }
      sequence->publish(std::move(kept));
    }
    std::erase_if(running_, [](const auto& sequence) { return sequence->done(); });
    prefixes_.drop_expired();
    std::erase_if(models_, [](const auto& model) { return model.second.instance.expired(); });
  }

  std::shared_ptr<graph::Cache> hand_over(Sequence& sequence) {
    std::shared_ptr<graph::Cache> kept;
    std::unique_ptr<graph::Cache> cache = sequence.release_cache();
    if (!cache || sequence.failed()) return kept;
    const Request& request = sequence.request();
    const auto length = static_cast<std::size_t>(cache->length());
    if (request.keep_cache) kept = request.share_prefix ? cache->fork(cache->length()) : std::move(cache);
    if (request.share_prefix) {
      const auto tokens = sequence.tokens().first(length);
      prefixes_.insert(sequence.prefix_key(), {tokens.begin(), tokens.end()}, std::move(cache));
    }
    return kept;
  }

  const Options options_;
  std::atomic<std::uint64_t> last_id_ = 0;

  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::deque<std::unique_ptr<Sequence>> queue_;
  std::deque<std::shared_ptr<Job>> jobs_;
  bool stopping_ = false;

  // The engine's thread only.
  Sequences running_;  // oldest first
  PrefixCache prefixes_;
  std::unordered_map<const Instance*, ModelState> models_;
  graph::Outputs outputs_;  // of the latest step: its memory serves the next
  std::uint64_t turn_ = 0;
  bool others_wait_ = false;

  std::thread thread_;
};

Engine::Engine(Options options) : impl_(std::make_unique<Impl>(options)) {}
Engine::~Engine() = default;

std::unique_ptr<Stream> Engine::submit(Request request) { return impl_->submit(std::move(request)); }
void Engine::run_job(const std::function<bool()>& job) { impl_->run_job(job); }
void Engine::forget(const Instance& instance) { impl_->forget(instance); }

}  // namespace pome::engine
