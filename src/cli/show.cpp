#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "base/units.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "services/show.h"

namespace pome::cli {
namespace {

constexpr Example examples[]{
    {"pome show demo", ""},
    {"pome show ./my-model --context 32768", "memory at that many tokens"},
    {"pome show mlx-community/Qwen3-0.6B-4bit", "before any download: asks the Hub for headers only"},
    {"pome show ./model.gguf --json", "one object"},
};

struct NameRow {
  std::string_view format, name;
};
constexpr NameRow formats[]{
    {"mlx", "MLX"},
    {"safetensors", "Hugging Face (safetensors)"},
    {"diffusers", "Diffusers pipeline"},
    {"gguf", "GGUF"},
    {"pytorch", "PyTorch (pickle)"},
    {"numpy", "MLX, first form (NumPy)"},
};

struct Show {
  std::vector<std::string> words;
  int context = 0;
  int kv_bits = 0;
  bool json = false, offline = false;
};

std::string format_text(const services::ModelFacts& f) {
  const auto row = std::find_if(std::begin(formats), std::end(formats),
                                [&](const NameRow& r) { return r.format == f.format; });
  std::string name(row == std::end(formats) ? std::string_view("no weights") : row->name);
  if (!f.task.empty()) name += ", for " + f.task;
  return name;
}

std::string runs_text(const services::ModelFacts& f) {
  if (!f.runs) return "not known: its weights are in too many parts to look at";
  return *f.runs ? "yes" : "no: " + f.why_not;
}

std::string weights_text(const services::ModelFacts& f) {
  if (f.weights.bytes == 0) return "";
  return fmt::format("{}, {:.2f} bits per weight", size_text(f.weights.bytes), f.bits_per_weight);
}

std::string bits_text(const services::ModelFacts& f) {
  std::vector<std::string> parts;
  std::set<std::string> different;
  for (const services::LayerFacts& layer : f.weights.layers) {
    if (layer.parameters == 0) continue;
    const std::string bits = fmt::format("{:.2f}", layer.bits());
    parts.push_back(fmt::format("{} {}", layer.kind, bits));
    different.insert(bits);
  }
  return different.size() < 2 ? "" : fmt::format("{}", fmt::join(parts, ", "));
}

std::string shape_text(const services::ModelFacts& f) {
  if (f.layers == 0) return "";
  std::string text = fmt::format("{} of width {}", f.layers, f.hidden_size);
  if (f.vocab_size > 0) text += fmt::format(", vocabulary of {}", f.vocab_size);
  return text + (f.tied_embeddings ? ", tied embeddings" : "");
}

std::string adapter_text(const services::ModelFacts& f) {
  if (!f.adapter.empty()) return f.adapter;
  if (!f.fused_from.empty()) return "merged into the weights: " + f.fused_from;
  if (f.fused) return "one is merged into the weights";
  return f.allows_lora ? "can be added (--adapter-path)" : "";
}

void rows_of_hub(const services::HubFacts& hub, std::vector<std::vector<std::string>>& rows) {
  rows.push_back({"at", fmt::format("{}, not here{}", hub.host, hub.gated ? "; gated" : "")});
  if (!hub.renamed_to.empty()) rows.push_back({"renamed to", hub.renamed_to});
  if (!hub.modified.empty()) rows.push_back({"changed", hub.modified.substr(0, 10)});
}

std::string text(const services::ModelFacts& f) {
  std::vector<std::vector<std::string>> rows;
  const auto row = [&](std::string_view name, std::string value) {
    if (!value.empty()) rows.push_back({std::string(name), std::move(value)});
  };
  row("model", f.name);
  row("folder", f.folder.string());
  if (f.hub) rows_of_hub(*f.hub, rows);
  row("revision", f.commit);
  row("format", format_text(f));
  row("missing", fmt::format("{}", fmt::join(f.missing, ", ")));
  row("runs", runs_text(f));
  if (!f.model_type.empty()) {
    const std::string type = "model_type " + f.model_type;
    const std::string family = f.family.empty() ? type : fmt::format("{}, {}", f.family, type);
    row("architecture", f.architecture.empty() ? family : fmt::format("{} ({})", f.architecture, family));
  }
  if (f.described_files.size() < f.files.size())
    row("of", fmt::format("{}", fmt::join(f.described_files, " ")));
  if (f.weights.parameters > 0) {
    row("parameters", fmt::format("{} ({})", count_text(f.weights.parameters), f.weights.parameters));
  }
  row("weights", weights_text(f));
  row("bits", bits_text(f));
  if (f.weights.bytes > 0) row("quantization", f.weights.quantization);
  row("dtype", f.weights.dtype);
  row("layers", shape_text(f));
  if (f.context_length > 0) {
    const std::string cache =
        f.memory_bytes > 0 ? fmt::format(", {} of cache each", size_text(f.kv_bytes_per_token)) : "";
    row("context", fmt::format("{} tokens{}", f.context_length, cache));
  }
  if (f.state_bytes > 0) row("state", size_text(f.state_bytes));
  if (f.memory_bytes > 0) {
    row("memory", fmt::format("{} at {} tokens: weights {}, cache {}, {} to work with",
                              size_text(f.memory_bytes), f.memory_context, size_text(f.weights.bytes),
                              size_text(f.cache_bytes), size_text(f.working_bytes)));
  }
  row("tokenizer", f.tokenizer);
  if (!f.tokenizer.empty()) row("chat template", f.chat_template ? "yes" : "no");
  row("adapters", adapter_text(f));
  row("licence", f.licence.empty() ? "not stated" : f.licence);
  row("made from", fmt::format("{}", fmt::join(f.base_models, ", ")));
  row("made with", f.library);
  const Json defaults = f.generation_defaults.to_json();
  for (const auto& [key, value] : defaults.items()) row(key, value.dump());
  if (!f.unused_tensors.empty()) row("unused tensors", fmt::format("{}", fmt::join(f.unused_tensors, " ")));
  std::string out = table(rows);
  rows.clear();
  for (const services::FileFact& file : f.files) rows.push_back({file.name, size_text(file.bytes)});
  const bool some = f.hub && f.hub->pull_bytes > 0 && f.hub->pull_bytes < f.total_bytes;
  out += fmt::format("files ({}{})\n", size_text(f.total_bytes),
                     some ? fmt::format(", {} to pull", size_text(f.hub->pull_bytes)) : "");
  out += table(rows, "  ");
  return f.next.empty() ? out : out + f.next + "\n";
}

Action declare(Options& options) {
  auto show = std::make_shared<Show>();
  options.words({"MODEL"}, show->words, 1, 1);
  options.option("--context", show->context, "N",
                 "tokens at which memory is estimated (default: the model's own)");
  options.option("--kv-bits", show->kv_bits, "4|8", "the same with a quantized cache");
  options.flag("--offline", show->offline, "ask nobody: only what is here");
  options.flag("--json", show->json, "one object");
  return [show] {
    graph::CacheOptions cache;
    cache.kv_bits = show->kv_bits;
    services::PullOptions pull;
    if (show->offline) pull.hub.offline = true;
    const services::ModelFacts facts =
        services::show({.model = show->words.front(), .context_tokens = show->context, .cache = cache}, pull);
    if (show->json) {
      print_json(facts.to_json());
    } else {
      print(text(facts));
    }
  };
}

}  // namespace

extern constexpr Verb show_verb{"show", Group::get_and_keep,
                                "what a model is, here or on the Hub: size, memory, files", examples,
                                declare};

}  // namespace pome::cli
