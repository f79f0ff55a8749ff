// What can be said about a model without computing: the facts of `pome show`. The same code reads models that
// are here and those that are not (services/remote_model.h): what it needs lies in a folder either way.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "graph/cache.h"
#include "services/settings.h"
#include "services/weight_facts.h"
#include "store/resolve.h"
#include "store/summary.h"

namespace pome::services {

// What only the Hub knows.
struct HubFacts {
  std::string host;        // "huggingface.co"
  std::string renamed_to;  // not empty: what the Hub calls the model now
  std::string modified;    // "2026-11-20T09:00:00.000Z"
  std::uint64_t downloads = 0, likes = 0;
  bool gated = false;
  std::uint64_t parameters = 0;  // as the Hub counts them; 0: it does not, or they are packed
  std::uint64_t pull_bytes = 0;  // of the files that `pull` fetches
};

// A model to look at.
struct ModelSource {
  std::string name;
  fs::path folder;
  std::string file;  // not empty: this file of the folder alone
  std::string commit;
  std::vector<store::FolderFile> files;  // all there are
  // Of a model that is not here the folder has the small files, and the weights as files of their own size of
  // which nothing but the header was ever fetched.
  std::optional<HubFacts> hub;
  bool headers = true;  // false: the folder has no weights, there were too many
};

ModelSource local_source(const store::Place& place);

// Of a repository's GGUF files those that are described for all: with the quantization that most people take,
// else the first; of a model in parts all parts. Pointers into `files`.
std::vector<const store::FolderFile*> gguf_files(const std::vector<store::FolderFile>& files);

struct FileFact {
  std::string name;
  std::uint64_t bytes = 0;
};

// Numbers are 0 and texts empty where nothing is known.
struct ModelFacts {
  std::string name;
  fs::path folder;  // empty: not here
  std::string commit;
  std::optional<HubFacts> hub;       // of a model that is not here
  std::string format;                // store::Summary::format
  std::string task;                  // store::Summary::task
  std::vector<std::string> missing;  // what it cannot do without
  std::optional<bool> runs;          // in pome; nothing: that could not be found out
  std::string why_not;
  std::string next;          // the one command that helps
  std::string architecture;  // architectures[0]
  std::string family;        // models::Arch::name
  std::string model_type;
  WeightFacts weights;
  double bits_per_weight = 0;  // weights.bytes · 8 / parameters: scales and biases count
  int context_length = 0;
  int vocab_size = 0, hidden_size = 0, layers = 0;
  bool tied_embeddings = false;
  std::uint64_t kv_bytes_per_token = 0;
  std::uint64_t state_bytes = 0;    // of a sequence of whatever length: recurrences, convolutions
  int memory_context = 0;           // tokens
  std::uint64_t memory_bytes = 0;   // MemoryNeed at memory_context, of which …
  std::uint64_t cache_bytes = 0;    // … this is the cache
  std::uint64_t working_bytes = 0;  // … and this what the program and its steps take
  std::uint64_t total_bytes = 0;    // of all files
  std::vector<FileFact> files;
  std::vector<std::string> described_files;  // of several GGUF files those that weights are about
  std::string licence;                       // empty: it does not say
  std::vector<std::string> base_models;
  std::string library;       // "mlx": what the card says it was made with
  std::string adapter;       // "lora, rank 8, scale 20" where the folder holds one
  bool allows_lora = false;  // adapters can be added
  bool fused = false;        // one was merged into the weights
  std::string fused_from;
  std::vector<std::string> unused_tensors;
  std::string tokenizer;  // "BPE, 4096 tokens"
  bool chat_template = false;
  Settings generation_defaults;

  Json to_json() const;
};

// context_tokens: where memory is estimated; 0: the model's own context. What pome cannot run is described
// all the same, with the reason. Throws Error: corrupt (files that contradict themselves), usage.
ModelFacts inspect(const ModelSource& source, int context_tokens = 0, const graph::CacheOptions& cache = {});

}  // namespace pome::services
