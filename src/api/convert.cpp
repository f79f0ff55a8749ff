#include "api/convert.h"

#include "base/error.h"

namespace pome::api {
namespace {

Json parse_value(const std::string& text, const std::string& subject) {
  try {
    return parse_json(text, subject);
  } catch (const Error& error) {
    throw Error(ErrorKind::usage, error.message());
  }
}

}  // namespace

services::Settings settings(const GenerateOptions& options) {
  services::Settings result;
  for (const auto& [key, value] : options.more) result.set(key, parse_value(value, key));
  const auto take = [](auto& target, const auto& field) {
    if (field) target = field;
  };
  take(result.system_prompt, options.system_prompt);
  take(result.prefill_response, options.prefill_response);
  take(result.max_tokens, options.max_tokens);
  take(result.temperature, options.temperature);
  take(result.top_k, options.top_k);
  take(result.top_p, options.top_p);
  take(result.min_p, options.min_p);
  take(result.repetition_penalty, options.repetition_penalty);
  take(result.seed, options.seed);
  take(result.stop, options.stop);
  return result;
}

services::GenerateRequest request(const GenerateOptions& options) {
  services::GenerateRequest result;
  result.settings = settings(options);
  result.adapter = options.adapter;
  result.prompt_cache_file = options.prompt_cache_file;
  if (!options.json_schema.empty()) result.json_schema = parse_value(options.json_schema, "json_schema");
  return result;
}

Answer answer(services::Answer answer) {
  return {.text = std::move(answer.text),
          .finish_reason = std::string(services::finish_reason_name(answer.reason)),
          .stats = {.prompt_tokens = answer.stats.prompt_tokens,
                    .cached_tokens = answer.stats.cached_tokens,
                    .generated_tokens = answer.stats.generated_tokens,
                    .prompt_tokens_per_second = answer.stats.prompt_tps,
                    .generated_tokens_per_second = answer.stats.generation_tps,
                    .first_token_ms = answer.stats.first_token_ms,
                    .peak_memory_bytes = answer.stats.peak_memory_bytes,
                    .seed = answer.stats.seed}};
}

services::OnPiece on_piece(const OnText& on_text) {
  if (!on_text) return {};
  return [&on_text](const services::Piece& piece) { return piece.text.empty() || on_text(piece.text); };
}

}  // namespace pome::api
