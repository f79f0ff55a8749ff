#include "services/library.h"

#include <future>
#include <map>
#include <mutex>

#include "base/error.h"
#include "store/leases.h"

namespace pome::services {

struct OpenModel::Shared {
  std::shared_ptr<graph::Backend> backend;    // first: the instance's runner computes with it
  std::shared_ptr<const store::Lease> lease;  // before what it protects
  std::shared_ptr<engine::Instance> instance;
  std::shared_ptr<const TextModel> text;
  std::uint64_t weight_bytes = 0;
  std::once_flag vocabulary_once;
  std::unique_ptr<const text::Vocabulary> vocabulary;  // made for the first grammar
  std::mutex adapters_mutex;
  std::map<fs::path, int> adapters;

  void set_text(std::shared_ptr<const TextModel> opened) {
    text = std::move(opened);
    instance->tokenizer = text->shared_tokenizer();
  }
};

std::shared_ptr<text::Grammar> OpenModel::grammar(text::GrammarLanguage language,
                                                  std::string_view source) const {
  std::call_once(shared->vocabulary_once, [&] {
    const std::int32_t logits = std::max(info().vocab_size, text->tokenizer().size());
    shared->vocabulary =
        std::make_unique<const text::Vocabulary>(text->tokenizer(), logits, text->end_tokens());
  });
  return std::make_shared<text::Grammar>(*shared->vocabulary, language, source);
}

struct Library::Impl {
  explicit Impl(LibraryOptions given)
      : options(std::move(given)),
        backend(graph::make_backend(options.backend, options.computing)),
        engine(engine_options()) {}

  // What is kept for later prompts must not crowd out the models.
  engine::Options engine_options() const {
    engine::Options result = options.engine;
    result.prefix_cache_bytes =
        std::min<std::size_t>(result.prefix_cache_bytes, options.available_memory() / 8);
    return result;
  }

  std::shared_ptr<OpenModel::Shared> load(const store::Place& place, int context_tokens,
                                          const graph::CacheOptions& cache, Needs needs);
  std::uint64_t weights_in_use();

  LibraryOptions options;
  std::shared_ptr<graph::Backend> backend;
  std::mutex mutex;
  std::map<fs::path, std::weak_ptr<OpenModel::Shared>> open;
  engine::Engine engine;  // last: it stops before what it computes with goes away
};

// Weights are mapped, so that the system counts their pages as available although they are in use.
std::uint64_t Library::Impl::weights_in_use() {
  std::uint64_t bytes = 0;
  for (const auto& [folder, weak] : open) {
    if (const auto shared = weak.lock()) bytes += shared->weight_bytes;
  }
  return bytes;
}

std::shared_ptr<OpenModel::Shared> Library::Impl::load(const store::Place& place, int context_tokens,
                                                       const graph::CacheOptions& cache, Needs needs) {
  // A large vocabulary takes about as long to read as the headers of the weights.
  std::future<std::shared_ptr<const TextModel>> text;
  if (needs == Needs::text) {
    text = std::async(std::launch::async, [&] { return TextModel::open(place.folder); });
  }
  auto shared = std::make_shared<OpenModel::Shared>();
  shared->backend = backend;
  shared->lease = store::Lease::acquire(options.paths, place.name, place.folder);
  shared->instance = std::make_shared<engine::Instance>();
  const std::uint64_t available = options.available_memory();
  const auto admit = [&](std::size_t bytes) {
    MemoryNeed weights;
    weights.subject = place.name;
    weights.weight_bytes = bytes;
    check_memory(weights, available - std::min(available, weights_in_use()));
  };
  shared->instance->loaded = models::load_model(place.folder, {.admit = admit});
  const models::LoadedModel& loaded = *shared->instance->loaded;
  shared->weight_bytes = models::weight_bytes(loaded);

  shared->instance->max_step_tokens = best_step_rows(loaded, *backend, options.engine.max_step_tokens);

  MemoryNeed need = services::memory_need(
      loaded, *backend,
      {.positions = context_tokens > 0 ? context_tokens
                                       : std::min(short_conversation, loaded.model->info().context_length),
       .step_rows = shared->instance->max_step_tokens,
       .text = needs == Needs::text,
       .cache = cache});
  need.subject = place.name;
  check_memory(need, available - std::min(available, weights_in_use()));

  if (text.valid()) shared->set_text(text.get());
  // The loaded model outlives its runner: Instance declares it first.
  const models::Model& model = *loaded.model;
  engine.run_job([&] {
    shared->instance->runner =
        backend->load([&model](graph::Graph& g) { model.forward(g); }, model.cache_plan());
    return false;
  });
  return shared;
}

Library::Library(LibraryOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Library::~Library() = default;

std::shared_ptr<const OpenModel> Library::open(std::string_view model, int context_tokens,
                                               const graph::CacheOptions& cache, Needs needs) {
  auto result = std::make_shared<OpenModel>();
  result->place = store::resolve(model, paths());
  const store::Place& place = result->place;
  const std::string plain_name =
      place.kind == store::Place::Kind::hub ? place.name.substr(0, place.name.find('@')) : place.name;
  result->defaults = config_settings(paths(), plain_name).over(generation_config_settings(place.folder));
  if (place.alias) {
    const std::string subject = fmt::format("alias {}", place.alias->name);
    result->defaults = settings_from_json(place.alias->settings, subject).over(result->defaults);
  }

  const std::lock_guard lock(impl_->mutex);
  std::erase_if(impl_->open, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<OpenModel::Shared>& known = impl_->open[fs::weakly_canonical(place.folder)];
  result->shared = known.lock();
  const bool was_open = result->shared != nullptr;
  if (!was_open) known = result->shared = impl_->load(place, context_tokens, cache, needs);
  if (needs == Needs::text && !result->shared->text) {  // opened for token ids before
    auto text = TextModel::open(place.folder);
    impl_->engine.run_job([&] {
      result->shared->set_text(text);
      return false;
    });
  }
  result->instance = result->shared->instance;
  result->text = result->shared->text;
  result->weight_bytes = result->shared->weight_bytes;
  if (was_open) check_fits(*result, {.positions = context_tokens, .cache = cache});
  return result;
}

MemoryNeed Library::memory_need(const OpenModel& model, const MemoryUse& use) const {
  MemoryUse whole = use;
  if (whole.step_rows == 0) whole.step_rows = model.instance->max_step_tokens;
  MemoryNeed need = services::memory_need(*model.instance->loaded, *impl_->backend, whole);
  need.subject = model.place.name;
  return need;
}

void Library::check_fits(const OpenModel& model, const MemoryUse& use) const {
  MemoryNeed need = memory_need(model, use);
  need.weight_bytes = need.process_bytes = 0;
  check_memory(need, impl_->options.available_memory());
}

int Library::adapter(const OpenModel& model, const fs::path& folder) {
  OpenModel::Shared& shared = *model.shared;
  const std::lock_guard lock(shared.adapters_mutex);
  const auto [known, is_new] = shared.adapters.try_emplace(fs::weakly_canonical(folder), 0);
  if (!is_new) return known->second;
  try {
    impl_->engine.run_job([&] {
      known->second = models::add_adapter(*shared.instance->loaded, folder);
      return false;
    });
  } catch (...) {
    shared.adapters.erase(known);
    throw;
  }
  return known->second;
}

std::uint64_t Library::available_memory() const { return impl_->options.available_memory(); }

engine::Engine& Library::engine() { return impl_->engine; }
const graph::Backend& Library::backend() const { return *impl_->backend; }
const store::Paths& Library::paths() const { return impl_->options.paths; }

}  // namespace pome::services
