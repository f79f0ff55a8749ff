#include "services/generate.h"

#include <algorithm>

#include "base/error.h"
#include "services/memory.h"
#include "services/prompt_cache.h"

namespace pome::services {
namespace {

// How far an answer without max_tokens is expected to go, when its memory is estimated.
constexpr int expected_answer_tokens = 4096;

std::vector<std::int32_t> prompt_tokens(const OpenModel& model, const GenerateRequest& request,
                                        const Settings& settings) {
  const int given =
      (request.messages.is_null() ? 0 : 1) + (request.prompt ? 1 : 0) + (request.tokens ? 1 : 0);
  if (given != 1) fail(ErrorKind::usage, "expected one of messages, prompt and tokens, found {}", given);
  if (request.tokens) return *request.tokens;
  if (request.prompt) return model.text->encode(*request.prompt + settings.prefill_response.value_or(""));
  return model.text->prompt(request.messages, settings);
}

std::vector<std::int32_t> end_tokens(const OpenModel& model, const Settings& settings) {
  std::vector<std::int32_t> ids = model.text->end_tokens();
  for (const std::string& name : settings.extra_eos_tokens.value_or(std::vector<std::string>{})) {
    if (const auto id = model.text->tokenizer().id_of(name)) {
      ids.push_back(*id);
      continue;
    }
    // "\n" is spelled otherwise in most vocabularies.
    const std::vector<std::int32_t> pieces = model.text->tokenizer().encode(name, false);
    if (pieces.size() != 1) {
      fail(ErrorKind::usage, "extra_eos_tokens: \"{}\" is {} tokens of this model, expected 1", name,
           pieces.size());
    }
    ids.push_back(pieces[0]);
  }
  return ids;
}

Stats make_stats(const engine::Stats& raw) {
  Stats stats;
  stats.prompt_tokens = raw.prompt_tokens;
  stats.cached_tokens = raw.cached_tokens;
  stats.generated_tokens = raw.generated_tokens;
  const int computed = raw.prompt_tokens - raw.cached_tokens;
  if (raw.prompt_ms > 0) stats.prompt_tps = computed * 1000.0 / raw.prompt_ms;
  if (raw.generated_tokens > 1 && raw.generation_ms > 0) {
    stats.generation_tps = (raw.generated_tokens - 1) * 1000.0 / raw.generation_ms;
  }
  stats.first_token_ms = raw.queued_ms + raw.prompt_ms;
  stats.peak_memory_bytes = peak_memory_bytes();
  stats.seed = raw.seed;
  return stats;
}

// What the answer is held to, or nullptr. Errors name the field that they are about.
std::shared_ptr<text::Grammar> grammar(const OpenModel& model, const GenerateRequest& request) {
  if (request.json_schema && request.regex) {
    fail(ErrorKind::usage, "json_schema and regex exclude each other");
  }
  try {
    if (request.json_schema) {
      return model.grammar(text::GrammarLanguage::json_schema, request.json_schema->dump());
    }
    if (request.regex) return model.grammar(text::GrammarLanguage::regex, *request.regex);
  } catch (Error& error) {
    throw std::move(error).in(request.regex ? "regex" : "json_schema");
  }
  return nullptr;
}

// Early, rather than after minutes of computing.
void check_can_be_written(const fs::path& file) {
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  std::error_code none;
  if (!fs::is_directory(folder, none)) {
    fail(ErrorKind::not_found, "{}: there is no folder {}", file.string(), folder.string());
  }
}

}  // namespace

Json Stats::to_json() const {
  return {{"prompt_tokens", prompt_tokens},         {"cached_tokens", cached_tokens},
          {"generated_tokens", generated_tokens},   {"prompt_tps", prompt_tps},
          {"generation_tps", generation_tps},       {"first_token_ms", first_token_ms},
          {"peak_memory_bytes", peak_memory_bytes}, {"seed", seed}};
}

std::string_view finish_reason_name(engine::FinishReason reason) {
  switch (reason) {
    case engine::FinishReason::stop:
      return "stop";
    case engine::FinishReason::length:
      return "length";
    case engine::FinishReason::cancelled:
      return "cancelled";
    case engine::FinishReason::deadline:
      return "deadline";
  }
  return "";
}

Answer generate(Library& library, const OpenModel& model, const GenerateRequest& request,
                const OnPiece& on_piece) {
  const Settings settings = request.settings.over(model.defaults);
  engine::Request job;
  job.instance = model.instance;
  job.prompt = prompt_tokens(model, request, settings);
  job.sampling = settings.sampling();
  job.max_tokens = settings.max_tokens.value_or(-1);
  job.stop = settings.stop.value_or(std::vector<std::string>{});
  job.end_tokens = end_tokens(model, settings);
  job.ignore_end = request.ignore_end;
  job.logprobs = request.logprobs;
  job.deadline = request.deadline;
  job.cache = settings.cache();
  job.grammar = grammar(model, request);
  if (!request.adapter.empty()) job.adapter = library.adapter(model, request.adapter);

  const std::int64_t wanted = job.max_tokens >= 0 ? job.max_tokens : expected_answer_tokens;
  const auto prompt_size = static_cast<std::int64_t>(job.prompt.size());
  library.check_cache_fits(model, std::min<std::int64_t>(prompt_size + wanted, model.info().context_length),
                           job.cache);

  const bool keeps = !request.prompt_cache_file.empty();
  PromptCacheKey key;
  if (keeps) {
    check_can_be_written(request.prompt_cache_file);
    const int unscaled = model.info().unscaled_length;
    if (unscaled > 0 && prompt_size + std::max(job.max_tokens, 1) > unscaled) {
      fail(ErrorKind::unsupported,
           "{}: no prompt cache beyond {} tokens, where this model's rope scaling begins",
           request.prompt_cache_file.string(), unscaled);
    }
    key = prompt_cache_key(library, model, job.cache, request.adapter);
    std::error_code none;
    if (fs::exists(request.prompt_cache_file, none)) {
      PromptCache held = load_prompt_cache(library, model, request.prompt_cache_file, key, job.prompt);
      job.initial_cache = std::move(held.cache);
      job.initial_tokens = std::move(held.tokens);
    }
    job.keep_cache = true;
  }

  Answer answer;
  std::string prefix = request.tokens ? "" : settings.prefill_response.value_or("");
  const std::unique_ptr<engine::Stream> stream = library.engine().submit(std::move(job));
  const auto hand_out = [&](Piece piece) {
    if (piece.token >= 0 || !piece.text.empty()) piece.text.insert(0, std::exchange(prefix, {}));
    answer.text += piece.text;
    if (on_piece && !on_piece(piece)) stream->cancel();
  };
  while (std::optional<engine::Event> event = stream->next()) {
    switch (event->kind) {
      case engine::Event::Kind::prompt_progress:
        hand_out({.prompt_done = event->done, .prompt_total = event->total, .text = {}, .top_logprobs = {}});
        break;
      case engine::Event::Kind::token:
        answer.tokens.push_back(event->token);
        hand_out({.token = event->token,
                  .text = std::move(event->text),
                  .logprob = event->logprob,
                  .top_logprobs = std::move(event->top_logprobs)});
        break;
      case engine::Event::Kind::finished:
        if (!event->text.empty() || !prefix.empty()) {
          event->text.insert(0, std::exchange(prefix, {}));
          hand_out({.text = std::move(event->text), .top_logprobs = {}});
        }
        answer.reason = event->reason;
        answer.stop_sequence = std::move(event->stop_sequence);
        answer.stats = make_stats(event->stats);
        break;
      case engine::Event::Kind::failed:
        throw *event->error;
    }
  }
  if (keeps) {
    PromptCache held;
    held.cache = stream->take_cache(held.tokens);
    if (held.cache) save_prompt_cache(library, request.prompt_cache_file, key, held);
  }
  return answer;
}

}  // namespace pome::services
