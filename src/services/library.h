// What a process has open: one engine, one backend, and the models in use.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "engine/engine.h"
#include "graph/backend.h"
#include "services/memory.h"
#include "services/memory_need.h"
#include "services/settings.h"
#include "services/text_model.h"
#include "store/resolve.h"

namespace pome::services {

// A model ready to answer. Immutable and shared; its weights are freed with their last user.
struct OpenModel {
  store::Place place;
  std::shared_ptr<engine::Instance> instance;
  std::shared_ptr<const TextModel> text;
  Settings defaults;  // alias over pome's config over generation_config.json
  std::uint64_t weight_bytes = 0;

  const models::Info& info() const { return instance->loaded->model->info(); }

  // A new place in a grammar over this model's tokens, for Request::grammar. Throws as text::Grammar does.
  std::shared_ptr<text::Grammar> grammar(text::GrammarLanguage language, std::string_view source) const;

  struct Shared;  // what all who opened the same folder have in common
  std::shared_ptr<Shared> shared;
};

struct LibraryOptions {
  std::string backend;              // graph::make_backend
  graph::BackendOptions computing;  // of the backend
  engine::Options engine;
  store::Paths paths = store::Paths::from_environment();
  std::function<std::uint64_t()> available_memory = services::available_memory;
};

// What a model is opened for. Token ids alone need no tokenizer: OpenModel::text may then be null.
enum class Needs : std::uint8_t { text, token_ids };

// Thread-safe.
class Library {
 public:
  explicit Library(LibraryOptions options = {});
  ~Library();
  Library(const Library&) = delete;

  // Opens MODEL as store::resolve finds it; a model that is open already is shared. context_tokens (0: a
  // short conversation, 4096 or the model's own if less) and cache say how much memory must be there besides
  // the weights. Throws Error: what resolve and models::load_model throw; resource with the numbers before
  // anything is loaded.
  std::shared_ptr<const OpenModel> open(std::string_view model, int context_tokens = 0,
                                        const graph::CacheOptions& cache = {}, Needs needs = Needs::text);

  // What an open model needs for this use: all of it, though its weights are there.
  MemoryNeed memory_need(const OpenModel& model, const MemoryUse& use) const;

  // Throws Error(resource) where what this use needs beyond the weights does not fit into what memory is
  // left.
  void check_fits(const OpenModel& model, const MemoryUse& use) const;

  // The id for requests that use this adapter with this model; loaded once. Throws as models::add_adapter
  // does.
  int adapter(const OpenModel& model, const fs::path& folder);

  std::uint64_t available_memory() const;

  engine::Engine& engine();
  const graph::Backend& backend() const;
  const store::Paths& paths() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pome::services
