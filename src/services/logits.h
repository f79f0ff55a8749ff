// Teacher-forced passes: what a model computes for given tokens, for porting and measuring.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "services/library.h"

namespace pome::services {

struct LogitsOptions {
  bool layers = false;  // also every block's output
  int chunk = 256;      // rows of one step; the result does not depend on it beyond rounding
  fs::path adapter;
};

struct Logits {
  graph::Matrix logits;               // [L, V]
  std::vector<graph::Matrix> layers;  // each [L, hidden]
};

// Of any length, as the references compute it: the context of the model is no limit. Throws Error: usage (no
// tokens, ids outside the vocabulary), resource (more tokens than there is memory for).
Logits compute_logits(Library& library, const OpenModel& model, std::span<const std::int32_t> tokens,
                      const LogitsOptions& options = {});

// safetensors: "tokens" i32 [L], "logits" f32 [L, V], "layers" f32 [layers, L, hidden] where asked for.
// Atomic.
void write_logits(const fs::path& file, std::span<const std::int32_t> tokens, const Logits& logits);

// [1, 2, 3], or {"tokens": [1, 2, 3]} as `pome tokenize --json` prints it. Throws Error(corrupt) naming the
// subject.
std::vector<std::int32_t> parse_token_ids(std::string_view json, std::string_view subject);
std::vector<std::int32_t> load_token_ids(const fs::path& file);

}  // namespace pome::services
