#include "services/inspect.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "graph/backend.h"
#include "models/model.h"
#include "nn/linear.h"
#include "services/text_model.h"
#include "services/tokenizer_kind.h"
#include "store/model_card.h"

namespace pome::services {
namespace {

// What most of the parameters are: keys by how many of them there are.
template <class Key>
Key commonest(const std::map<Key, std::uint64_t>& counts) {
  const auto most = std::max_element(counts.begin(), counts.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == counts.end() ? Key{} : most->first;
}

void count_parameters(const models::LoadedModel& loaded, ModelFacts& facts) {
  const nn::QuantizationConfig config =
      nn::parse_quantization(loaded.config, (loaded.folder / "config.json").string());
  std::map<std::tuple<std::string, int, int>, std::uint64_t> quantizations;
  std::map<std::string, std::uint64_t> dtypes;
  for (const formats::Tensor& tensor : loaded.tensors) {
    const auto unused = std::find(loaded.unused_tensors.begin(), loaded.unused_tensors.end(), tensor.name);
    if (unused != loaded.unused_tensors.end()) continue;
    const auto dot = tensor.name.rfind('.');
    const std::string module = dot == std::string::npos ? "" : tensor.name.substr(0, dot);
    const std::string part = tensor.name.substr(dot + 1);
    const bool quantized =
        loaded.tensors.contains(module + ".scales") && loaded.tensors.contains(module + ".weight");
    auto elements = static_cast<std::uint64_t>(tensor.elements());
    if (!quantized) {
      dtypes[std::string(dtype_name(tensor.dtype))] += elements;
    } else if (part == "weight") {
      const auto own = config.modules.find(module);
      const auto& setting = own != config.modules.end() && own->second ? own->second : config.general;
      const graph::Quantization quantization = setting.value_or(graph::Quantization{});
      elements = elements * 32 / static_cast<std::uint64_t>(quantization.bits);
      quantizations[{quantization.mode, quantization.bits, quantization.group_size}] += elements;
    } else if (part == "scales" || part == "biases") {
      continue;  // how the weight is written, not parameters of their own
    }
    facts.parameters += elements;
  }
  facts.dtype = commonest(dtypes);
  facts.quantization = "none";
  if (!quantizations.empty()) {
    const auto [mode, bits, group_size] = commonest(quantizations);
    facts.quantization = fmt::format("{} {} bit, groups of {}", mode, bits, group_size);
    if (quantizations.size() > 1) facts.quantization += ", some modules otherwise";
    facts.quantization_bits = bits;
    facts.quantization_group_size = group_size;
  }
  facts.weight_bytes = models::weight_bytes(loaded);
  if (facts.parameters > 0) {
    facts.bits_per_weight =
        static_cast<double>(facts.weight_bytes) * 8 / static_cast<double>(facts.parameters);
  }
}

std::string adapter_of(const fs::path& file) {
  std::error_code none;
  if (!fs::exists(file, none)) return {};
  const Json config = load_json(file);
  if (!config.is_object()) return {};
  const auto parameters = config.find("lora_parameters");
  if (parameters != config.end() && parameters->is_object()) {
    return fmt::format("{}, rank {}, scale {}", json_value<std::string>(config, "fine_tune_type", "lora"),
                       json_value<int>(*parameters, "rank", 0), json_value<double>(*parameters, "scale", 0));
  }
  return fmt::format("{}, rank {}, alpha {}", json_value<bool>(config, "use_dora", false) ? "dora" : "lora",
                     json_value<int>(config, "r", 0), json_value<double>(config, "lora_alpha", 0));
}

void list_files(const fs::path& folder, ModelFacts& facts) {
  std::error_code none;
  for (fs::recursive_directory_iterator it(folder, none), end; !none && it != end; it.increment(none)) {
    if (it->path().filename().string().starts_with(".")) {
      it.disable_recursion_pending();
      continue;
    }
    if (!it->is_regular_file(none)) continue;  // follows the links of the cache
    facts.files.push_back({it->path().lexically_relative(folder).string(), it->file_size(none)});
    facts.total_bytes += facts.files.back().bytes;
  }
  std::sort(facts.files.begin(), facts.files.end(),
            [](const FileFact& a, const FileFact& b) { return a.name < b.name; });
}

void describe_text(const fs::path& folder, ModelFacts& facts) {
  try {
    const std::shared_ptr<const TextModel> text = TextModel::open(folder);
    std::string kind = tokenizer_kind(folder / "tokenizer.json");
    const auto there = [&](const char* name) { return fs::exists(folder / name); };
    if (!there("tokenizer.json") && !there("vocab.json")) {
      kind = there("tokenizer.model") || there("spiece.model") ? "SentencePiece" : "tiktoken";
    }
    facts.tokenizer = fmt::format("{}, {} tokens", kind.empty() ? "BPE" : kind, text->tokenizer().size());
    facts.chat_template = text->has_chat_template();
  } catch (const Error& error) {
    // The weights can be shown without; a tokenizer that is there and broken is another matter.
    if (error.kind() != ErrorKind::not_found) throw;
  }
}

}  // namespace

ModelFacts inspect(const store::Place& place, int context_tokens, const graph::CacheOptions& cache) {
  if (context_tokens < 0) fail(ErrorKind::usage, "context is {}, expected 0 or more", context_tokens);
  const std::shared_ptr<models::LoadedModel> loaded = models::load_model(place.folder);
  const models::Info& info = loaded->model->info();
  ModelFacts facts;
  facts.name = place.name;
  facts.folder = place.folder;
  facts.commit = place.commit;
  if (const auto list = loaded->config.find("architectures");
      list != loaded->config.end() && list->is_array() && !list->empty() && list->front().is_string()) {
    facts.architecture = list->front().get<std::string>();
  }
  facts.family = info.family;
  facts.model_type = info.model_type;
  facts.context_length = info.context_length;
  facts.vocab_size = info.vocab_size;
  facts.hidden_size = info.hidden_size;
  facts.layers = info.num_hidden_layers;
  facts.tied_embeddings = info.tied_embeddings;
  facts.unused_tensors = loaded->unused_tensors;
  count_parameters(*loaded, facts);

  const int element_bytes = graph::make_backend()->cache_element_bytes();
  const graph::CachePlan plan = loaded->model->cache_plan();
  facts.memory_context = context_tokens > 0 ? context_tokens : info.context_length;
  facts.memory_bytes =
      facts.weight_bytes + graph::cache_bytes(plan, cache, facts.memory_context, element_bytes);
  facts.state_bytes = graph::cache_bytes(plan, cache, 0, element_bytes);
  facts.kv_bytes_per_token = graph::cache_bytes(plan, cache, 1, element_bytes) - facts.state_bytes;

  list_files(place.folder, facts);
  facts.licence = store::read_model_card(place.folder / "README.md").licence;
  facts.adapter = adapter_of(place.folder / "adapter_config.json");
  describe_text(place.folder, facts);
  facts.generation_defaults = generation_config_settings(place.folder);
  return facts;
}

Json ModelFacts::to_json() const {
  Json list = Json::array();
  for (const FileFact& file : files) list.push_back({{"name", file.name}, {"bytes", file.bytes}});
  const auto or_null = [](const std::string& text) { return text.empty() ? Json() : Json(text); };
  return {{"name", name},
          {"folder", folder.string()},
          {"commit", or_null(commit)},
          {"architecture", architecture},
          {"family", family},
          {"model_type", model_type},
          {"parameters", parameters},
          {"weight_bytes", weight_bytes},
          {"bits_per_weight", bits_per_weight},
          {"quantization", quantization},
          {"quantization_bits", quantization_bits > 0 ? Json(quantization_bits) : Json()},
          {"quantization_group_size", quantization_bits > 0 ? Json(quantization_group_size) : Json()},
          {"dtype", or_null(dtype)},
          {"context_length", context_length},
          {"vocab_size", vocab_size},
          {"hidden_size", hidden_size},
          {"layers", layers},
          {"tied_embeddings", tied_embeddings},
          {"kv_bytes_per_token", kv_bytes_per_token},
          {"state_bytes", state_bytes},
          {"memory_context", memory_context},
          {"memory_bytes", memory_bytes},
          {"total_bytes", total_bytes},
          {"files", list},
          {"licence", or_null(licence)},
          {"adapter", or_null(adapter)},
          {"unused_tensors", unused_tensors},
          {"tokenizer", or_null(tokenizer)},
          {"chat_template", chat_template},
          {"generation_defaults", generation_defaults.to_json()}};
}

}  // namespace pome::services
