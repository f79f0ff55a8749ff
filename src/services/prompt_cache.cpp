#include "services/prompt_cache.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "formats/safetensors.h"

namespace pome::services {
namespace {

constexpr std::string_view tokens_name = "pome.tokens";
constexpr std::string_view version_key = "pome.prompt_cache";
constexpr std::string_view version = "1";

formats::Metadata metadata_of(const PromptCacheKey& key) {
  return {{std::string(version_key), std::string(version)},
          {"model", key.model},
          {"adapter", key.adapter},
          {"backend", key.backend},
          {"kv_bits", std::to_string(key.cache.kv_bits)},
          {"kv_group_size", std::to_string(key.cache.kv_group_size)},
          {"max_kv_size", std::to_string(key.cache.max_kv_size)},
          {"keep", std::to_string(key.cache.keep)}};
}

void check_key(const fs::path& file, const formats::Metadata& found, const PromptCacheKey& key) {
  const auto version_found = found.find(std::string(version_key));
  if (version_found == found.end()) fail(ErrorKind::corrupt, "{}: not a prompt cache", file.string());
  if (version_found->second != version) {
    fail(ErrorKind::unsupported, "{}: prompt cache of version {}, expected {}", file.string(),
         version_found->second, version);
  }
  for (const auto& [name, expected] : metadata_of(key)) {
    const auto value = found.find(name);
    if (value != found.end() && value->second == expected) continue;
    const std::string text = value == found.end() ? "nothing" : value->second;
    throw(name == "model"
              ? error(ErrorKind::usage,
                      "{}: the prompt cache belongs to another model, or the model has changed",
                      file.string())
              : error(ErrorKind::usage, "{}: the prompt cache was made with {} \"{}\", now it is \"{}\"",
                      file.string(), name, text, expected))
        .with_hint("rm " + shell_word(file));
  }
}

// A spoilt cache is no spoilt download: it is made anew.
formats::SafetensorsFile open_saved(const fs::path& file) {
  try {
    return formats::open_safetensors(file);
  } catch (Error& error) {
    if (error.kind() == ErrorKind::corrupt) error.with_hint("name another file, or remove this one");
    throw;
  }
}

std::vector<std::int32_t> read_tokens(const fs::path& file, const formats::TensorTable& tensors) {
  const formats::Tensor& tensor = tensors.at(tokens_name);
  if (tensor.dtype != Dtype::i32 || tensor.shape.size() != 1) {
    fail(ErrorKind::corrupt, "{}: tensor \"{}\" is {} {}, expected I32 [n]", file.string(), tensor.name,
         dtype_name(tensor.dtype), tensor.shape_text());
  }
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(tensor.shape[0]));
  if (!tokens.empty()) std::memcpy(tokens.data(), tensor.data, tensor.size_bytes);
  return tokens;
}

// Before a backend lays out what the file says: a length without positions behind it must not cost memory.
void check_length(const fs::path& file, const formats::TensorTable& saved, std::size_t tokens) {
  const formats::Tensor& length = saved.at("length");
  std::int32_t positions = -1;
  if (length.dtype == Dtype::i32 && length.elements() == 1)
    std::memcpy(&positions, length.data, sizeof positions);
  if (std::cmp_not_equal(positions, tokens)) {
    fail(ErrorKind::corrupt, "{}: {} tokens, but a cache of {} positions", file.string(), tokens, positions);
  }
}

}  // namespace

PromptCacheKey prompt_cache_key(const Library& library, const OpenModel& model,
                                const graph::CacheOptions& cache, const fs::path& adapter) {
  PromptCacheKey key{.model = model.instance->loaded->fingerprint,
                     .adapter = {},
                     .backend = library.backend().cache_kind(),
                     .cache = cache};
  if (adapter.empty()) return key;
  // Cheap, as the model's fingerprint is: names, sizes and times of the adapter's files.
  std::error_code none;
  std::vector<std::string> files;
  for (fs::directory_iterator it(adapter, none), end; !none && it != end; it.increment(none)) {
    files.push_back(fmt::format("{} {} {}", it->path().filename().string(), it->file_size(none),
                                it->last_write_time(none).time_since_epoch().count()));
  }
  std::sort(files.begin(), files.end());
  for (const std::string& name : files) key.adapter += name + "\n";
  return key;
}

void save_prompt_cache(Library& library, const fs::path& file, const PromptCacheKey& key,
                       const PromptCache& held) {
  std::vector<formats::Tensor> tensors;
  library.engine().run_job([&] {
    tensors = held.cache->save();
    return false;
  });
  auto tokens = std::make_shared<std::vector<std::int32_t>>(held.tokens);
  formats::Tensor tensor;
  tensor.name = tokens_name;
  tensor.dtype = Dtype::i32;
  tensor.shape = {static_cast<std::int64_t>(tokens->size())};
  tensor.data = reinterpret_cast<const std::byte*>(tokens->data());
  tensor.size_bytes = tokens->size() * sizeof(std::int32_t);
  tensor.owner = tokens;
  tensors.push_back(std::move(tensor));
  formats::write_safetensors(file, tensors, metadata_of(key));
}

PromptCache load_prompt_cache(Library& library, const OpenModel& model, const fs::path& file,
                              const PromptCacheKey& key, std::span<const std::int32_t> prompt) {
  const formats::SafetensorsFile saved = open_saved(file);
  check_key(file, saved.metadata, key);
  const std::vector<std::int32_t> tokens = read_tokens(file, saved.tensors);
  // The last token of the prompt is computed in any case: its logits choose the first one of the answer.
  const auto most = std::min(tokens.size(), prompt.empty() ? 0 : prompt.size() - 1);
  const auto same =
      std::mismatch(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(most), prompt.begin()).first;
  const auto shared = static_cast<int>(same - tokens.begin());
  PromptCache result;
  check_length(file, saved.tensors, tokens.size());
  library.engine().run_job([&] {
    const std::unique_ptr<graph::Cache> whole =
        model.instance->runner->restore_cache(key.cache, saved.tensors);
    const int resume = whole->resume_point(shared);
    if (resume > 0) {
      result.cache = whole->fork(resume);
      result.tokens.assign(tokens.begin(), tokens.begin() + resume);
    }
    return false;
  });
  return result;
}

}  // namespace pome::services
