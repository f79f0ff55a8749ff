#include "cli/settings_options.h"

namespace pome::cli {
namespace {

// "ID=BIAS", or a JSON object {"ID": BIAS, …}; may be given several times.
void take_logit_bias(services::Settings& settings, std::string_view option, const std::string& text) {
  auto& biases = settings.logit_bias.emplace(settings.logit_bias.value_or(std::map<std::int32_t, float>{}));
  if (text.starts_with('{')) {
    const Json object = parse_json(text, option);
    for (const auto& [id, bias] : object.items()) {
      biases[parse_value<std::int32_t>(option, id)] = json_as<float>(bias, option);
    }
    return;
  }
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos) {
    throw error(ErrorKind::usage, "{}: \"{}\" is not TOKEN=BIAS", option, text)
        .with_hint(fmt::format("{} 17=-5", option));
  }
  biases[parse_value<std::int32_t>(option, text.substr(0, equals))] =
      parse_value<float>(option, text.substr(equals + 1));
}

Json parse_object(std::string_view option, const std::string& text) {
  try {
    Json object = parse_json(text, option);
    if (object.is_object()) return object;
  } catch (const Error& e) {
    throw Error(ErrorKind::usage, e.what());
  }
  throw error(ErrorKind::usage, "{}: {} is not a JSON object", option, text)
      .with_hint(fmt::format("{} '{{\"enable_thinking\": false}}'", option));
}

}  // namespace

void declare_prompt_settings(Options& options, services::Settings& s) {
  options.group("the prompt");
  options.option("--system-prompt", s.system_prompt, "TEXT", "what the model is told before everything else");
  options.option("--prefill-response", s.prefill_response, "TEXT", "the answer begins with this");
  options.add({"--chat-template-config", "JSON", "variables for the chat template", "the prompt", {}},
              [&s](std::string_view option, const std::string& text) {
                s.chat_template_config = parse_object(option, text);
              });
  options.add({"--chat-template", "FILE", "a Jinja template instead of the model's own", "the prompt", {}},
              [&s](std::string_view, const std::string& text) { s.chat_template = read_file(text); });
  options.add_flag("--ignore-chat-template", "the prompt goes to the model as it is",
                   [&s] { s.ignore_chat_template = true; });
}

void declare_settings(Options& options, services::Settings& s) {
  declare_prompt_settings(options, s);

  options.group("when to end");
  options.option("--max-tokens,-n", s.max_tokens, "N",
                 "at most N tokens (default: -1, as long as the context)");
  options.option("--stop", s.stop, "TEXT", "end before this text; may be repeated");
  options.option("--extra-eos-token", s.extra_eos_tokens, "TOKEN",
                 "one more token that ends the answer; may be repeated");

  options.group("sampling");
  options.option("--temp,--temperature", s.temperature, "T",
                 "0 takes the likeliest token (default), 1 draws as trained");
  options.option("--top-k", s.top_k, "N", "draw from the N likeliest tokens");
  options.option("--top-p", s.top_p, "P", "draw from the likeliest that sum to P");
  options.option("--min-p", s.min_p, "P", "drop what is less likely than P times the likeliest");
  options.option("--typical-p", s.typical_p, "P", "draw from the most typical that sum to P");
  options.option("--top-n-sigma", s.top_n_sigma, "N", "drop logits N deviations below the highest");
  options.option("--xtc-probability", s.xtc_probability, "P", "how often the likeliest are excluded");
  options.option("--xtc-threshold", s.xtc_threshold, "P", "which those are: more likely than P");
  options.option("--min-tokens-to-keep", s.min_tokens_to_keep, "N", "what no filter goes below");
  options.option("--mirostat", s.mirostat, "0|2", "2 steers the surprise of every token");
  options.option("--mirostat-tau", s.mirostat_tau, "BITS", "the surprise that mirostat aims at");
  options.option("--mirostat-eta", s.mirostat_eta, "RATE", "how fast mirostat learns");
  options.option("--seed", s.seed, "N", "draws the same tokens each time");

  options.group("repetition");
  options.option("--repetition-penalty", s.repetition_penalty, "X",
                 "divides the logits of tokens that were there");
  options.option("--repetition-context-size", s.repetition_context_size, "N", "how far back it looks");
  options.option("--presence-penalty", s.presence_penalty, "X", "subtracted from tokens that were there");
  options.option("--presence-context-size", s.presence_context_size, "N", "how far back it looks");
  options.option("--frequency-penalty", s.frequency_penalty, "X",
                 "subtracted for every time they were there");
  options.option("--frequency-context-size", s.frequency_context_size, "N", "how far back it looks");
  options.option("--dry-multiplier", s.dry_multiplier, "X", "penalty on continuing what was said before");
  options.option("--dry-base", s.dry_base, "X", "its growth with the length of the repetition");
  options.option("--dry-allowed-length", s.dry_allowed_length, "N", "repetitions up to N tokens are free");
  options.option("--dry-penalty-last-n", s.dry_penalty_last_n, "N", "how far back it looks (-1: everything)");
  options.option("--dry-sequence-breaker", s.dry_sequence_breakers, "TEXT",
                 "no repetition goes across this; may be repeated");
  options.add(
      {"--logit-bias", "TOKEN=BIAS", "added to the logit of a token id; may be repeated", "repetition", {}},
      [&s](std::string_view option, const std::string& text) { take_logit_bias(s, option, text); });

  options.group("memory");
  options.option("--kv-bits", s.kv_bits, "4|8", "quantize the cache");
  options.option("--kv-group-size", s.kv_group_size, "32|64|128",
                 "elements that share a scale (default: 64)");
  options.option("--max-kv-size", s.max_kv_size, "N", "keep at most N positions, the oldest go");
}

Json json_or_text(const std::string& text) {
  Json value = Json::parse(text, nullptr, false);
  return value.is_discarded() ? Json(text) : value;
}

}  // namespace pome::cli
