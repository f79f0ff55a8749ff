// How much memory a model needs, known before any is taken: what run, bench and logits refuse by, and what
// show, doctor, pull and recommend say.
//
//   weights   as the files' headers have them: they are mapped, and used where they lie
//   cache     of the positions, by kinds of layers (graph::cache_bytes)
//   working   of the largest step, as its recorded program lays it out (graph::Backend::working_bytes)
//   process   program, libraries, threads' stacks and heaps: about the same whatever the model
//
// docs/memory.md compares it with measured peaks.
#pragma once

#include <cstdint>
#include <string>

#include "graph/backend.h"
#include "models/model.h"

namespace pome::services {

// How long a conversation must have room where nobody says how long it will be.
inline constexpr int short_conversation = 4096;

// What a model is to be used for.
struct MemoryUse {
  std::int64_t positions = 0;  // of each sequence
  int sequences = 1;           // at once
  int step_rows = 0;           // the most tokens in one step; 0: best_step_rows()
  int out_rows = 0;            // of them, that give logits; 0: one of each sequence
  bool keeps_prefixes = true;  // a checkpoint of the prompt stays (Request::share_prefix)
  bool text = true;            // with a tokenizer
  graph::CacheOptions cache;
};

struct MemoryNeed {
  std::string subject;             // the model, for messages
  std::uint64_t weight_bytes = 0;  // 0: they are there already
  std::uint64_t working_bytes = 0;
  std::uint64_t process_bytes = 0;  // 0: it is there already
  graph::CachePlan plan;
  MemoryUse use;
  int cache_element_bytes = 0;

  std::uint64_t cache_bytes() const;
  std::uint64_t total_bytes() const;
};

// How many tokens of prompts a step of this model had better have: `most`, or as many as can be worked on in
// little memory, but enough for full speed. A multiple of 16 where `most` is one.
int best_step_rows(const models::LoadedModel& loaded, const graph::Backend& backend, int most);

// Of a process that opens this model. Records the largest step, and computes nothing.
MemoryNeed memory_need(const models::LoadedModel& loaded, const graph::Backend& backend,
                       const MemoryUse& use);

// The same of a model that is not here: the bytes of its weight files, and what is known of its cache. Steps
// and tokenizer are taken to be of common size.
MemoryNeed distant_memory_need(std::uint64_t weight_bytes, graph::CachePlan plan, std::int64_t positions);

// The most positions, up to `most`, at which the need is no more than available_bytes; 0 where none are.
std::int64_t fitting_positions(const MemoryNeed& need, std::uint64_t available_bytes, std::int64_t most);

// Throws Error(resource) with the numbers where it is more than available_bytes; the hint is a context that
// would fit, if there is one.
void check_memory(const MemoryNeed& need, std::uint64_t available_bytes);

}  // namespace pome::services
