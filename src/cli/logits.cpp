#include "services/logits.h"

#include "cli/output.h"
#include "cli/verb.h"

namespace pome::cli {
namespace {

constexpr Example examples[]{
    {"pome logits demo --tokens-file ids.json --out logits.safetensors", "ids.json: [1, 2, 3]"},
    {"pome logits demo --tokens-file ids.json --out logits.safetensors --layers",
     "with every block's output"},
};

struct LogitsVerb {
  std::vector<std::string> words;
  fs::path tokens_file, out;
  services::LogitsOptions options;
  bool json = false;
};

void logits(const LogitsVerb& o) {
  if (o.tokens_file.empty()) throw Error(ErrorKind::usage, "--tokens-file missing");
  if (o.out.empty()) throw Error(ErrorKind::usage, "--out missing");
  const auto tokens = services::load_token_ids(o.tokens_file);
  services::LibraryOptions options;
  // Whoever compares with a reference wants what the checkpoint says, not what is quick.
  options.computing.precision = graph::preferred_precision(graph::Precision::exact);
  services::Library library(options);
  const auto model =
      library.open(o.words.front(), static_cast<int>(tokens.size()), {}, services::Needs::token_ids);
  const services::Logits result = services::compute_logits(library, *model, tokens, o.options);
  services::write_logits(o.out, tokens, result);
  if (o.json) {
    print_json({{"file", o.out.string()},
                {"tokens", result.logits.rows},
                {"vocabulary", result.logits.width},
                {"layers", result.layers.size()}});
  } else {
    const auto& [matrix, layers] = result;
    talk(fmt::format("{}: logits [{}, {}]\n", o.out.string(), matrix.rows, matrix.width));
    if (!layers.empty()) {
      talk(fmt::format("{}: layers [{}, {}, {}]\n", o.out.string(), layers.size(), layers[0].rows,
                       layers[0].width));
    }
  }
}

Action declare(Options& options) {
  auto o = std::make_shared<LogitsVerb>();
  options.words({"MODEL"}, o->words, 1, 1);
  options.option("--tokens-file", o->tokens_file, "FILE", "a JSON array of token ids");
  options.option("--out", o->out, "FILE", "safetensors: tokens, logits float32 [L, V]");
  options.flag("--layers", o->options.layers, "also layers float32 [layers, L, width]");
  options.option("--adapter-path", o->options.adapter, "FOLDER", "a LoRA or DoRA adapter to run with");
  declare_computing(options, "exact");
  options.flag("--json", o->json, "one object: file, tokens, vocabulary, layers");
  return [o] { logits(*o); };
}

}  // namespace

extern constexpr Verb logits_verb{"logits", Group::look_inside,
                                  "what a model computes for given tokens, as a file", examples, declare};

}  // namespace pome::cli
