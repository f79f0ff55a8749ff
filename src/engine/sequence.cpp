#include "engine/sequence.h"

#include <algorithm>
#include <random>

#include "base/error.h"
#include "engine/logits.h"

namespace pome::engine {

namespace {

double milliseconds(Sequence::Clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

std::uint64_t fresh_seed() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

const models::Info& info(const Request& request) { return request.instance->loaded->model->info(); }

TokenBytes token_bytes(const std::shared_ptr<const text::Tokenizer>& tokenizer) {
  if (!tokenizer) return {};
  return [tokenizer, &table = tokenizer->table()](std::int32_t id) -> std::string_view {
    if (id < 0 || std::cmp_greater_equal(id + 1, table.offsets.size())) return {};
    return table.bytes(id);
  };
}

// Where the state must be kept while the prompt is computed, because the cache cannot go back there later.
std::vector<int> find_checkpoints(const Request& request) {
  const graph::CachePlan plan = request.instance->loaded->model->cache_plan();
  const auto forgets = [&](const graph::CacheLayer& layer) { return graph::forgets(layer, request.cache); };
  if (!request.share_prefix || std::none_of(plan.begin(), plan.end(), forgets)) return {};
  const int prompt = static_cast<int>(request.prompt.size());
  std::vector<int> points = request.checkpoints;
  points.push_back((prompt - 1) / graph::cache_block * graph::cache_block);
  std::sort(points.begin(), points.end());
  points.erase(std::unique(points.begin(), points.end()), points.end());
  std::erase_if(points, [&](int point) { return point <= 0 || point >= prompt; });
  return points;
}

}  // namespace

Sequence::Sequence(Request request, std::uint64_t id, std::shared_ptr<Channel> channel)
    : request_(std::move(request)), id_(id), channel_(std::move(channel)), stops_(request_.stop) {
  check_request();
  checkpoints_ = find_checkpoints(request_);
  tokens_ = request_.prompt;
  context_length_ = request_.context_length > 0 ? request_.context_length : info(request_).context_length;
  if (prompt_tokens() > context_length_) {
    throw error(ErrorKind::resource, "prompt has {} tokens, the context of {} has {}", prompt_tokens(),
                model_name(), context_length_)
        .with_hint("shorten the prompt");
  }
  const auto planned = std::int64_t{prompt_tokens()} + request_.max_tokens;
  // Without max_tokens a prompt that needs no rope scaling gets an answer that needs none.
  const int unscaled = info(request_).unscaled_length;
  const int open_end = prompt_tokens() < unscaled ? std::min(unscaled, context_length_) : context_length_;
  planned_length_ =
      request_.max_tokens < 0 ? open_end : static_cast<int>(std::min<std::int64_t>(planned, context_length_));
  stats_.prompt_tokens = prompt_tokens();
  stats_.seed = request_.sampling.seed ? *request_.sampling.seed : fresh_seed();
  const auto& tokenizer = request_.instance->tokenizer;
  if (tokenizer) detokenizer_.emplace(tokenizer, true, request_.shown_tokens);
  std::vector<std::int32_t> xtc_exempt = request_.end_tokens;
  if (tokenizer && request_.sampling.xtc_probability > 0) {
    const std::vector<std::int32_t> line_break = tokenizer->encode("\n", false);
    xtc_exempt.insert(xtc_exempt.end(), line_break.begin(), line_break.end());
  }
  const bool dry = request_.sampling.dry_multiplier > 0;
  sampler_.emplace(request_.sampling, stats_.seed, dry ? token_bytes(tokenizer) : TokenBytes(),
                   std::move(xtc_exempt));
  if (request_.grammar) mask_.resize(request_.grammar->mask_words());
}

std::string Sequence::model_name() const {
  const fs::path& folder = request_.instance->loaded->folder;
  return folder.empty() ? info(request_).family : folder.filename().string();
}

void Sequence::check_request() const {
  request_.sampling.validate();
  const int vocabulary = info(request_).vocab_size;
  if (request_.prompt.empty()) pome::fail(ErrorKind::usage, "the prompt is empty");
  for (const std::int32_t id : request_.prompt) {
    if (id < 0 || id >= vocabulary) {
      pome::fail(ErrorKind::usage, "token {} is unknown to {}, which has {}", id, model_name(), vocabulary);
    }
  }
  for (const auto& [id, bias] : request_.sampling.logit_bias) {
    if (id >= vocabulary) {
      pome::fail(ErrorKind::usage, "logit_bias: token {} is unknown to {}, which has {}", id, model_name(),
                 vocabulary);
    }
  }
  if (request_.logprobs > vocabulary) {
    pome::fail(ErrorKind::usage, "logprobs is {}, {} has {} tokens", request_.logprobs, model_name(),
               vocabulary);
  }
  if (!request_.stop.empty() && !request_.instance->tokenizer) {
    pome::fail(ErrorKind::usage, "stop strings need a tokenizer, {} was opened without", model_name());
  }
  if (request_.context_length < 0) {
    pome::fail(ErrorKind::usage, "context_length is {}, expected 0 or more", request_.context_length);
  }
  const auto& initial = request_.initial_tokens;
  if (request_.initial_cache && (request_.initial_cache->length() != static_cast<int>(initial.size()) ||
                                 initial.size() > request_.prompt.size() ||
                                 !std::equal(initial.begin(), initial.end(), request_.prompt.begin()))) {
    pome::fail(ErrorKind::usage, "the prompt does not begin with the {} tokens of the prompt cache",
               request_.initial_cache->length());
  }
  graph::check_cache_options(request_.instance->loaded->model->cache_plan(), request_.cache);
}

PrefixKey Sequence::prefix_key() const {
  const int unscaled = info(request_).unscaled_length;
  return {request_.instance, request_.instance->loaded->fingerprint, request_.adapter, request_.cache,
          unscaled == 0 ? 0 : std::max(planned_length_, unscaled)};
}

void Sequence::start(std::unique_ptr<graph::Cache> cache) {
  cache_ = std::move(cache);
  if (begun_ != Clock::time_point{}) return;  // again, after its cache was taken away
  begun_ = Clock::now();
  stats_.queued_ms = milliseconds(begun_ - submitted_);
  stats_.cached_tokens = cache_->length();
}

int Sequence::next_stretch() const {
  const int at = computed();
  const auto next = std::upper_bound(checkpoints_.begin(), checkpoints_.end(), at);
  return next == checkpoints_.end() ? pending() : *next - at;
}

bool Sequence::at_checkpoint() const {
  // The end of the prompt too, so that requests which come while this one generates can share it.
  const int at = computed();
  constexpr int worthwhile = 32;
  return std::binary_search(checkpoints_.begin(), checkpoints_.end(), at) ||
         (at == prompt_tokens() && generated_ <= 1 && at >= worthwhile);
}

void Sequence::advance(std::span<float> logits) {
  if (!prompt_done_) {
    prompt_done_ = computed() >= prompt_tokens();
    Event event;
    event.kind = Event::Kind::prompt_progress;
    event.done = computed();
    event.total = prompt_tokens();
    channel_->push(std::move(event));
    if (prompt_done_ && request_.max_tokens == 0) {
      stats_.prompt_ms = milliseconds(Clock::now() - begun_);
      finish(FinishReason::length);
    }
  }
  if (!logits.empty()) choose_token(logits);
}

void Sequence::choose_token(std::span<float> logits) {
  const std::vector<float> raw =
      request_.logprobs >= 0 ? std::vector(logits.begin(), logits.end()) : std::vector<float>();
  if (request_.grammar) request_.grammar->mask(mask_);
  const std::int32_t token = sampler_->sample(logits, tokens_, static_cast<std::uint64_t>(generated_), mask_);

  const auto now = Clock::now();
  if (generated_ == 0) {
    first_token_ = now;
    stats_.prompt_ms = milliseconds(now - begun_);
  }
  stats_.generation_ms = milliseconds(now - first_token_);
  const auto& ends = request_.end_tokens;
  if (!request_.ignore_end && std::find(ends.begin(), ends.end(), token) != ends.end()) {
    return finish(FinishReason::stop);
  }

  tokens_.push_back(token);
  stats_.generated_tokens = ++generated_;
  if (request_.grammar) request_.grammar->commit(token);
  Event event;
  event.kind = Event::Kind::token;
  event.token = token;
  if (request_.logprobs >= 0) {
    event.logprob = logprob(raw, token);
    for (const Scored& top : top_logprobs(raw, request_.logprobs)) {
      event.top_logprobs.push_back({top.id, top.logit});
    }
  }
  if (detokenizer_) event.text = stops_.push(detokenizer_->feed(token));
  channel_->push(std::move(event));

  const bool complete = request_.grammar && request_.grammar->is_stopped();
  if (stops_.matched() != nullptr || complete) {
    finish(FinishReason::stop);
  } else if (generated_ == request_.max_tokens || std::cmp_greater_equal(tokens_.size(), planned_length_)) {
    finish(FinishReason::length);
  }
}

void Sequence::check_reader(Clock::time_point now) {
  if (done()) return;
  if (channel_->cancelled()) {
    finish(FinishReason::cancelled);
  } else if (request_.deadline && now >= *request_.deadline) {
    finish(FinishReason::deadline);
  }
}

void Sequence::finish(FinishReason reason) {
  if (done()) return;
  Event event;
  event.kind = Event::Kind::finished;
  if (detokenizer_) {
    event.text = stops_.push(detokenizer_->flush());
    event.text += stops_.flush();
  }
  if (stops_.matched() != nullptr) {
    reason = FinishReason::stop;
    event.stop_sequence = *stops_.matched();
  }
  event.reason = reason;
  event.stats = stats_;
  if (begun_ == Clock::time_point{}) event.stats.queued_ms = milliseconds(Clock::now() - submitted_);
  final_ = std::move(event);
}

void Sequence::fail(Error error) {
  if (done()) return;
  Event event;
  event.kind = Event::Kind::failed;
  event.error = std::move(error.in(fmt::format("request {}", id_)));
  final_ = std::move(event);
}

void Sequence::publish(std::shared_ptr<graph::Cache> cache) {
  if (request_.keep_cache && cache && !failed()) {
    const auto held = tokens().first(static_cast<std::size_t>(cache->length()));
    channel_->keep(std::move(cache), {held.begin(), held.end()});
  }
  channel_->push(std::move(*final_));
}

}  // namespace pome::engine
