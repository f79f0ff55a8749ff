// What can be said about a model without computing: the facts of `pome show`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "graph/cache.h"
#include "services/settings.h"
#include "store/resolve.h"

namespace pome::services {

struct FileFact {
  std::string name;
  std::uint64_t bytes = 0;
};

struct ModelFacts {
  std::string name;
  fs::path folder;
  std::string commit;
  std::string architecture;  // architectures[0]
  std::string family;        // models::Arch::name
  std::string model_type;
  std::uint64_t parameters = 0;  // logical: unpacked, without scales and biases of quantization
  std::uint64_t weight_bytes = 0;
  double bits_per_weight = 0;  // weight_bytes · 8 / parameters: scales and biases count
  std::string quantization;    // "affine 4 bit, groups of 64" (most parameters), "none"
  int quantization_bits = 0;
  int quantization_group_size = 0;
  std::string dtype;  // of most dense elements: "BF16"
  int context_length = 0;
  int vocab_size = 0, hidden_size = 0, layers = 0;
  bool tied_embeddings = false;
  std::uint64_t kv_bytes_per_token = 0;
  std::uint64_t state_bytes = 0;   // of a sequence of whatever length: recurrences, convolutions
  int memory_context = 0;          // tokens
  std::uint64_t memory_bytes = 0;  // weights + cache at memory_context
  std::uint64_t total_bytes = 0;   // of all files
  std::vector<FileFact> files;
  std::string licence;  // of README.md's front matter; empty: it does not say
  std::string adapter;  // "lora, rank 8, scale 20" where the folder holds one
  std::vector<std::string> unused_tensors;
  std::string tokenizer;  // "BPE, 4096 tokens"
  bool chat_template = false;
  Settings generation_defaults;

  Json to_json() const;
};

// context_tokens: where memory is estimated; 0: the model's own context. Throws what models::load_model
// throws.
ModelFacts inspect(const store::Place& place, int context_tokens = 0, const graph::CacheOptions& cache = {});

}  // namespace pome::services
