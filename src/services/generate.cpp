#include "services/generate.h"

#include <algorithm>

#include "base/error.h"
#include "services/memory.h"
#include "services/prompt_cache.h"

namespace pome::services {
namespace {

// What the model is asked: a turn of a conversation, or tokens as they are.
Turn first_turn(const OpenModel& model, const GenerateRequest& request, const Settings& settings) {
  const int given =
      (request.messages.is_null() ? 0 : 1) + (request.prompt ? 1 : 0) + (request.tokens ? 1 : 0);
  if (given != 1) fail(ErrorKind::usage, "expected one of messages, prompt and tokens, found {}", given);
  if (!request.messages.is_null()) return model.text->turn(request.messages, settings, request.tools);
  Turn turn;
  turn.tokens = request.tokens ? *request.tokens
                               : model.text->encode(*request.prompt + settings.prefill_response.value_or(""));
  return turn;
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

// How long prompt and answer may become together. Throws Error(resource) where memory has no room for what is
// asked for, or for a short conversation.
int room_for(const Library& library, const OpenModel& model, const GenerateRequest& request,
             const engine::Request& job) {
  const std::int64_t context = model.info().context_length;
  const std::int64_t wanted = job.max_tokens >= 0 ? job.max_tokens : short_conversation;
  const std::int64_t positions = std::min(static_cast<std::int64_t>(job.prompt.size()) + wanted, context);
  const MemoryNeed whole = library.memory_need(model, {.positions = positions, .cache = job.cache});
  MemoryNeed more = whole;
  more.weight_bytes = more.process_bytes = 0;
  const std::uint64_t available = library.available_memory();
  check_memory(more, available);
  const std::int64_t room = job.max_tokens >= 0 ? context : fitting_positions(more, available, context);
  if (request.on_memory) request.on_memory(whole, static_cast<int>(room));
  return static_cast<int>(room);
}

// Early, rather than after minutes of computing.
void check_can_be_written(const fs::path& file) {
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  std::error_code none;
  if (!fs::is_directory(folder, none)) {
    fail(ErrorKind::not_found, "{}: there is no folder {}", file.string(), folder.string());
  }
}

// Text as it comes from the engine, to pieces and the answer that they add up to.
class Distributor {
 public:
  Distributor(std::unique_ptr<text::chat::Stream> stream, std::function<void(const Piece&)> on_piece)
      : stream_(std::move(stream)), on_piece_(std::move(on_piece)) {}

  void hand_out(Piece piece) {
    answer.text += piece.text;
    answer.reasoning += piece.reasoning;
    if (piece.tool_call) answer.tool_calls.push_back(*piece.tool_call);
    on_piece_(piece);
  }

  // A token, whose piece gets the first of what its text made certain.
  void take(const std::string& text, Piece piece) {
    std::vector<text::chat::Part> parts = take_apart(text);
    if (parts.empty()) parts.emplace_back();
    hand_out_parts(std::move(parts), std::move(piece));
  }

  void finish(const std::string& text) {
    hand_out_parts(take_apart(text), {});
    if (stream_) hand_out_parts(stream_->finish(), {});
  }

  Answer answer;

 private:
  std::vector<text::chat::Part> take_apart(const std::string& text) {
    if (stream_) return stream_->feed(text);
    std::vector<text::chat::Part> parts;
    if (!text.empty()) parts.push_back({text::chat::Part::Kind::content, text, {}});
    return parts;
  }

  void hand_out_parts(std::vector<text::chat::Part> parts, Piece piece) {
    for (text::chat::Part& part : parts) {
      switch (part.kind) {
        case text::chat::Part::Kind::content:
          piece.text = std::move(part.text);
          break;
        case text::chat::Part::Kind::reasoning:
          piece.reasoning = std::move(part.text);
          break;
        case text::chat::Part::Kind::tool_call:
          piece.tool_call = std::move(part.call);
          break;
      }
      hand_out(std::exchange(piece, {}));
    }
  }

  std::unique_ptr<text::chat::Stream> stream_;
  std::function<void(const Piece&)> on_piece_;
};

}  // namespace

Json tool_calls_json(const std::vector<text::chat::ToolCall>& calls) {
  Json list = Json::array();
  for (const text::chat::ToolCall& call : calls) {
    list.push_back({{"name", call.name}, {"arguments", call.arguments}});
    if (!call.id.empty()) list.back()["id"] = call.id;
  }
  return list;
}

Json assistant_message(const Answer& answer) {
  Json result = message("assistant", answer.text);
  if (!answer.reasoning.empty()) result["reasoning_content"] = answer.reasoning;
  for (std::size_t i = 0; i < answer.tool_calls.size(); ++i) {
    const text::chat::ToolCall& call = answer.tool_calls[i];
    // Nine letters and digits, which Mistral's templates insist on.
    result["tool_calls"].push_back({{"type", "function"},
                                    {"id", call.id.empty() ? fmt::format("call{:05}", i) : call.id},
                                    {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
  }
  return result;
}

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
  Turn turn = first_turn(model, request, settings);
  job.prompt = std::move(turn.tokens);
  job.sampling = settings.sampling();
  job.max_tokens = settings.max_tokens.value_or(-1);
  job.stop = settings.stop.value_or(std::vector<std::string>{});
  job.end_tokens = end_tokens(model, settings);
  job.end_tokens.insert(job.end_tokens.end(), turn.end_tokens.begin(), turn.end_tokens.end());
  job.ignore_end = request.ignore_end;
  job.logprobs = request.logprobs;
  job.deadline = request.deadline;
  job.cache = settings.cache();
  job.grammar = grammar(model, request);
  if (job.grammar) turn.stream = nullptr;
  if (turn.stream) job.shown_tokens = std::move(turn.shown_tokens);
  if (!request.adapter.empty()) job.adapter = library.adapter(model, request.adapter);

  const auto prompt_size = static_cast<std::int64_t>(job.prompt.size());
  job.context_length = room_for(library, model, request, job);

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

  std::string prefix = request.tokens ? "" : settings.prefill_response.value_or("");
  const std::unique_ptr<engine::Stream> stream = library.engine().submit(std::move(job));
  Distributor distributor(std::move(turn.stream), [&](const Piece& piece) {
    if (on_piece && !on_piece(piece)) stream->cancel();
  });
  Answer& answer = distributor.answer;
  while (std::optional<engine::Event> event = stream->next()) {
    switch (event->kind) {
      case engine::Event::Kind::prompt_progress: {
        Piece piece;
        piece.prompt_done = event->done;
        piece.prompt_total = event->total;
        distributor.hand_out(std::move(piece));
        break;
      }
      case engine::Event::Kind::token: {
        answer.tokens.push_back(event->token);
        Piece piece;
        piece.token = event->token;
        piece.logprob = event->logprob;
        piece.top_logprobs = std::move(event->top_logprobs);
        distributor.take(std::exchange(prefix, {}) + event->text, std::move(piece));
        break;
      }
      case engine::Event::Kind::finished:
        distributor.finish(std::exchange(prefix, {}) + event->text);
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
  return std::move(answer);
}

}  // namespace pome::services
