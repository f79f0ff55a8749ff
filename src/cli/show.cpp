#include "base/units.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "services/inspect.h"

namespace pome::cli {
namespace {

constexpr Example examples[]{
    {"pome show demo", ""},
    {"pome show ./my-model --context 32768", "memory at that many tokens"},
    {"pome show mlx-community/Qwen3-0.6B-4bit --json", ""},
};

struct Show {
  std::vector<std::string> words;
  int context = 0;
  int kv_bits = 0;
  bool json = false;
};

std::string text(const services::ModelFacts& f) {
  std::vector<std::vector<std::string>> rows;
  const auto row = [&](std::string_view name, std::string value) {
    if (!value.empty()) rows.push_back({std::string(name), std::move(value)});
  };
  row("model", f.name);
  row("folder", f.folder.string());
  row("revision", f.commit);
  row("architecture", fmt::format("{} ({}, model_type {})", f.architecture, f.family, f.model_type));
  row("parameters", fmt::format("{} ({})", count_text(f.parameters), f.parameters));
  row("weights", fmt::format("{}, {:.2f} bits per weight", size_text(f.weight_bytes), f.bits_per_weight));
  row("quantization", f.quantization);
  row("dtype", f.dtype);
  row("layers", fmt::format("{} of width {}, vocabulary of {}{}", f.layers, f.hidden_size, f.vocab_size,
                            f.tied_embeddings ? ", tied embeddings" : ""));
  row("context",
      fmt::format("{} tokens, {} of cache each", f.context_length, size_text(f.kv_bytes_per_token)));
  if (f.state_bytes > 0) row("state", size_text(f.state_bytes));
  row("memory", fmt::format("{} at {} tokens", size_text(f.memory_bytes), f.memory_context));
  row("tokenizer", f.tokenizer);
  row("chat template", f.chat_template ? "yes" : "no");
  row("adapter", f.adapter);
  row("licence", f.licence.empty() ? "not stated" : f.licence);
  const Json defaults = f.generation_defaults.to_json();
  for (const auto& [key, value] : defaults.items()) row(key, value.dump());
  if (!f.unused_tensors.empty()) row("unused tensors", fmt::format("{}", fmt::join(f.unused_tensors, " ")));
  std::string out = table(rows);
  rows.clear();
  for (const services::FileFact& file : f.files) rows.push_back({file.name, size_text(file.bytes)});
  return out + fmt::format("files ({})\n", size_text(f.total_bytes)) + table(rows, "  ");
}

Action declare(Options& options) {
  auto show = std::make_shared<Show>();
  options.words({"MODEL"}, show->words, 1, 1);
  options.option("--context", show->context, "N",
                 "tokens at which memory is estimated (default: the model's own)");
  options.option("--kv-bits", show->kv_bits, "4|8", "the same with a quantized cache");
  options.flag("--json", show->json, "one object");
  return [show] {
    graph::CacheOptions cache;
    cache.kv_bits = show->kv_bits;
    const auto place = store::resolve(show->words.front(), store::Paths::from_environment());
    const services::ModelFacts facts = services::inspect(place, show->context, cache);
    if (show->json) {
      print_json(facts.to_json());
    } else {
      print(text(facts));
    }
  };
}

}  // namespace

extern constexpr Verb show_verb{"show", Group::get_and_keep,
                                "architecture, size, memory, files and licence of a model", examples,
                                declare};

}  // namespace pome::cli
