#include "services/inspect.h"

#include <algorithm>

#include "base/error.h"
#include "formats/model_tensors.h"
#include "graph/backend.h"
#include "hub/names.h"
#include "models/model.h"
#include "services/memory_need.h"
#include "services/text_model.h"
#include "services/tokenizer_kind.h"

namespace pome::services {
namespace {

std::string adapter_of(const Json& config) {
  const auto parameters = config.find("lora_parameters");
  if (parameters != config.end() && parameters->is_object()) {
    return fmt::format("{}, rank {}, scale {}", json_value<std::string>(config, "fine_tune_type", "lora"),
                       json_value<int>(*parameters, "rank", 0), json_value<double>(*parameters, "scale", 0));
  }
  return fmt::format("{}, rank {}, alpha {}", json_value<bool>(config, "use_dora", false) ? "dora" : "lora",
                     json_value<int>(config, "r", 0), json_value<double>(config, "lora_alpha", 0));
}

// The number under the first of the names, in the config or in that of its text model.
int config_number(const Json& config, std::initializer_list<const char*> names) {
  const auto inner = config.find("text_config");
  for (const Json* object : {&config, inner != config.end() ? &*inner : nullptr}) {
    if (object == nullptr || !object->is_object()) continue;
    for (const char* name : names) {
      const auto value = object->find(name);
      if (value != object->end() && value->is_number_unsigned() && value->get<std::uint64_t>() < (1U << 31)) {
        return value->get<int>();
      }
    }
  }
  return 0;
}

class Inspector {
 public:
  Inspector(const ModelSource& source, int context_tokens, const graph::CacheOptions& cache)
      : source_(source), context_tokens_(context_tokens), cache_(cache) {}

  ModelFacts facts() {
    facts_.name = source_.name;
    if (!source_.hub) facts_.folder = source_.file.empty() ? source_.folder : source_.folder / source_.file;
    facts_.commit = source_.commit;
    facts_.hub = source_.hub;
    summary_ = store::summarise(source_.folder, source_.files, source_.name);
    list_files();
    facts_.format = summary_.format;
    facts_.task = summary_.task;
    facts_.missing = summary_.missing;
    facts_.licence = summary_.card.licence;
    facts_.base_models = summary_.card.base_models;
    facts_.library = summary_.card.library;
    facts_.architecture = summary_.architecture;
    facts_.model_type = summary_.family;
    facts_.fused = summary_.fused_adapter;
    read_config();
    if (summary_.format == "gguf") {
      read_gguf();
    } else if (!load()) {
      count_files();
    }
    if (facts_.weights.parameters > 0) {
      facts_.bits_per_weight =
          static_cast<double>(facts_.weights.bytes) * 8 / static_cast<double>(facts_.weights.parameters);
    } else if (source_.hub) {
      facts_.weights.parameters = source_.hub->parameters;
    }
    read_adapter();
    describe_text();
    if (has("generation_config.json"))
      facts_.generation_defaults = generation_config_settings(source_.folder);
    return std::move(facts_);
  }

 private:
  bool has(std::string_view name) const {
    return std::any_of(source_.files.begin(), source_.files.end(),
                       [&](const auto& f) { return f.name == name && f.present; });
  }

  void list_files() {
    for (const store::FolderFile& file : source_.files) {
      if (!file.present) continue;
      facts_.files.push_back({file.name, file.bytes});
      facts_.total_bytes += file.bytes;
    }
  }

  // What the config says of any model, known to us or not.
  void read_config() {
    if (!has("config.json")) return;
    config_ = load_json(source_.folder / "config.json");
    if (!config_.is_object())
      fail(ErrorKind::corrupt, "{}: expected an object", (source_.folder / "config.json").string());
    facts_.context_length = config_number(config_, {"max_position_embeddings", "n_positions", "max_seq_len"});
    facts_.vocab_size = config_number(config_, {"vocab_size"});
    facts_.hidden_size = config_number(config_, {"hidden_size", "n_embd", "d_model"});
    facts_.layers = config_number(config_, {"num_hidden_layers", "n_layer", "num_layers"});
    if (const auto from = config_.find("fused_from"); from != config_.end() && from->is_string()) {
      facts_.fused_from = from->get<std::string>();
    }
  }

  void cannot_run(std::string why, std::string next = "") {
    facts_.runs = false;
    facts_.why_not = std::move(why);
    facts_.next = std::move(next);
  }

  // Without the folder, which the reader knows, or which is none of his.
  std::string message_of(const Error& error) const {
    std::string text = error.what();
    for (const std::string& prefix : {source_.folder.string() + "/", source_.folder.string() + ": "}) {
      for (auto at = text.find(prefix); at != std::string::npos; at = text.find(prefix))
        text.erase(at, prefix.size());
    }
    return text;
  }

  // The whole model as `run` opens it. False: it does not run, and why_not says why.
  bool load() {
    if (facts_.format == "pytorch") {
      cannot_run("PyTorch weights (pickle), which have to be converted first");
      return false;
    }
    if (facts_.format == "diffusers") {
      cannot_run("a pipeline of several models, which nothing here runs");
      return false;
    }
    if (!source_.headers) {
      try {
        facts_.family = models::find_arch(config_).name;
      } catch (const Error& error) {
        cannot_run(message_of(error), error.hint());
      }
      return false;
    }
    if (!source_.file.empty()) {
      cannot_run("one file, not a model folder");
      return false;
    }
    if (!facts_.missing.empty()) {
      cannot_run("incomplete");
      return false;
    }
    try {
      describe(*models::load_model(source_.folder, {.facts_only = true}));
      return true;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::unsupported && error.kind() != ErrorKind::not_found) throw;
      cannot_run(message_of(error), error.hint());
      return false;
    }
  }

  void describe(const models::LoadedModel& loaded) {
    const models::Info& info = loaded.model->info();
    facts_.runs = true;
    facts_.allows_lora = true;
    facts_.family = info.family;
    facts_.model_type = info.model_type;
    facts_.context_length = info.context_length;
    facts_.vocab_size = info.vocab_size;
    facts_.hidden_size = info.hidden_size;
    facts_.layers = info.num_hidden_layers;
    facts_.tied_embeddings = info.tied_embeddings;
    facts_.unused_tensors = loaded.unused_tensors;
    count_weights(loaded.tensors, loaded.config, summary_.quantization, bits(),
                  {loaded.unused_tensors.begin(), loaded.unused_tensors.end()}, "", facts_.weights);

    facts_.memory_context = context_tokens_ > 0 ? context_tokens_ : info.context_length;
    const MemoryNeed need =
        memory_need(loaded, *graph::make_backend(), {.positions = facts_.memory_context, .cache = cache_});
    facts_.memory_bytes = need.total_bytes();
    facts_.cache_bytes = need.cache_bytes();
    facts_.working_bytes = need.working_bytes + need.process_bytes;
    const auto cache_at = [&](std::int64_t positions) {
      return graph::cache_bytes(need.plan, cache_, positions, need.cache_element_bytes);
    };
    facts_.state_bytes = cache_at(0);
    facts_.kv_bytes_per_token = (cache_at(graph::cache_block) - facts_.state_bytes) / graph::cache_block;
  }

  int bits() const { return summary_.quantization.empty() ? 0 : summary_.bits; }

  // The tensors of a model that does not run, file by file: a pipeline has the same names in several
  // components.
  void count_files() {
    if (!source_.headers) return;
    for (const store::FolderFile& file : source_.files) {
      if (!file.present || !file.name.ends_with(".safetensors")) continue;
      const auto slash = file.name.find('/');
      if (slash != std::string::npos && facts_.format != "diffusers") continue;
      std::error_code none;
      if (!fs::exists(source_.folder / file.name, none)) continue;  // one that nobody loads
      const formats::SafetensorsFile opened = formats::open_safetensors(source_.folder / file.name);
      count_weights(opened.tensors, config_, summary_.quantization, bits(), {},
                    slash == std::string::npos ? "" : file.name.substr(0, slash), facts_.weights);
    }
  }

  // Of several files the one with the commonest quantization, or of shards all; which one, its name says.
  void read_gguf() {
    cannot_run("GGUF files, which have to be converted first");
    std::error_code none;
    for (const store::FolderFile* file : gguf_files(source_.files)) {
      const fs::path path = source_.folder / file->name;
      if (!fs::exists(path, none)) continue;
      const auto mapped = MappedFile::open(path);
      const auto header = formats::parse_gguf_header(mapped->bytes(), mapped->bytes().size(), path.string());
      if (!header) continue;
      facts_.described_files.push_back(file->name);
      count_weights(*header, facts_.weights);
      describe(*header);
    }
  }

  void describe(const formats::GgufHeader& header) {
    const std::string type = header.text("general.architecture");
    if (type.empty()) return;  // of shards, the first says it for all
    facts_.model_type = type;
    const auto number = [&](const char* name) {
      return static_cast<int>(std::min<std::uint64_t>(header.number(type + name), 1U << 30));
    };
    facts_.context_length = number(".context_length");
    facts_.hidden_size = number(".embedding_length");
    facts_.layers = number(".block_count");
    facts_.vocab_size =
        static_cast<int>(std::min<std::uint64_t>(header.number("tokenizer.ggml.tokens"), 1U << 30));
    facts_.chat_template = !header.text("tokenizer.chat_template").empty();
    facts_.tokenizer = header.text("tokenizer.ggml.model");
    if (facts_.licence.empty()) facts_.licence = header.text("general.license");
    const std::string address = header.text("general.base_model.0.repo_url");
    const auto host = address.find("://");
    const auto path = host == std::string::npos ? host : address.find('/', host + 3);
    if (facts_.base_models.empty() && path != std::string::npos &&
        hub::parse_repo_name(address.substr(path + 1))) {
      facts_.base_models.push_back(address.substr(path + 1));
    }
  }

  void read_adapter() {
    if (!has("adapter_config.json")) return;
    const Json config = load_json(source_.folder / "adapter_config.json");
    if (!config.is_object()) return;
    facts_.adapter = adapter_of(config);
    for (const char* key : {"base_model_name_or_path", "model"}) {  // PEFT, mlx-lm
      const auto base = config.find(key);
      if (facts_.base_models.empty() && base != config.end() && base->is_string()) {
        facts_.base_models.push_back(base->get<std::string>());
      }
    }
    if (has("config.json")) return;
    facts_.missing.clear();  // an adapter is one without
    cannot_run("an adapter, which needs its model",
               facts_.base_models.empty()
                   ? ""
                   : fmt::format("pome run {} --adapter-path {}", shell_word(facts_.base_models.front()),
                                 source_.hub ? "FOLDER" : shell_word(source_.folder)));
  }

  void describe_text() {
    if (!source_.file.empty() || facts_.format == "gguf") return;
    const fs::path& folder = source_.folder;
    std::string kind = tokenizer_kind(folder / "tokenizer.json");
    if (!has("tokenizer.json") && !has("vocab.json")) {
      const bool pieces = has("tokenizer.model") || has("spiece.model");
      const bool tiktoken = std::any_of(source_.files.begin(), source_.files.end(),
                                        [](const auto& f) { return f.name.ends_with(".tiktoken"); });
      kind = has("tekken.json") ? "tekken" : pieces ? "SentencePiece" : tiktoken ? "tiktoken" : "";
    } else if (kind.empty()) {
      kind = "BPE";
    }
    facts_.tokenizer = kind;
    facts_.chat_template = store::has_chat_template(folder, source_.files);
    if (source_.hub) return;  // vocabularies are large
    try {
      const std::shared_ptr<const TextModel> text = TextModel::open(folder);
      facts_.tokenizer = fmt::format("{}, {} tokens", kind.empty() ? "BPE" : kind, text->tokenizer().size());
      facts_.chat_template = text->has_chat_template();
    } catch (const Error& error) {
      // The weights can be shown without; a tokenizer that is there and broken is another matter.
      if (error.kind() == ErrorKind::not_found) {
        facts_.tokenizer.clear();
      } else if (facts_.runs.value_or(false)) {
        throw;
      }
    }
  }

  const ModelSource& source_;
  int context_tokens_;
  const graph::CacheOptions& cache_;
  store::Summary summary_;
  Json config_ = Json::object();
  ModelFacts facts_;
};

}  // namespace

std::vector<const store::FolderFile*> gguf_files(const std::vector<store::FolderFile>& files) {
  std::vector<const store::FolderFile*> models;
  for (const store::FolderFile& file : files) {
    const bool projector = file.name.find("mmproj") != std::string::npos;  // of images, beside the model
    if (file.present && file.name.ends_with(".gguf") && !projector) models.push_back(&file);
  }
  if (models.empty()) return models;
  const auto common = std::find_if(models.begin(), models.end(),
                                   [](const auto* f) { return f->name.find("Q4_K_M") != std::string::npos; });
  const std::string name = (common == models.end() ? models.front() : *common)->name;
  const auto of = name.rfind("-of-");
  const auto dash = of == std::string::npos || of == 0 ? of : name.rfind('-', of - 1);
  const std::string stem = dash == std::string::npos ? name : name.substr(0, dash + 1);
  const std::string rest = dash == std::string::npos ? "" : name.substr(of);
  std::erase_if(models,
                [&](const auto* f) { return !f->name.starts_with(stem) || !f->name.ends_with(rest); });
  return models;
}

ModelSource local_source(const store::Place& place) {
  ModelSource source;
  source.name = place.name;
  source.folder = place.folder;
  source.file = place.file;
  source.commit = place.commit;
  if (place.file.empty()) {
    source.files = store::folder_files(place.folder);
    return source;
  }
  std::error_code none;
  source.files.push_back({place.file, fs::file_size(place.folder / place.file, none)});
  return source;
}

ModelFacts inspect(const ModelSource& source, int context_tokens, const graph::CacheOptions& cache) {
  if (context_tokens < 0) fail(ErrorKind::usage, "context is {}, expected 0 or more", context_tokens);
  return Inspector(source, context_tokens, cache).facts();
}

Json ModelFacts::to_json() const {
  const auto or_null = [](const auto& value) {
    return value == std::decay_t<decltype(value)>{} ? Json() : Json(value);
  };
  Json list = Json::array(), layer_list = Json::array();
  for (const FileFact& file : files) list.push_back({{"name", file.name}, {"bytes", file.bytes}});
  for (const LayerFacts& layer : weights.layers) {
    layer_list.push_back({{"kind", layer.kind},
                          {"parameters", layer.parameters},
                          {"bytes", layer.bytes},
                          {"bits_per_weight", layer.bits()}});
  }
  Json remote;
  if (hub) {
    remote = {{"host", hub->host},
              {"renamed_to", or_null(hub->renamed_to)},
              {"last_modified", or_null(hub->modified)},
              {"downloads", hub->downloads},
              {"likes", hub->likes},
              {"gated", hub->gated},
              {"pull_bytes", hub->pull_bytes}};
  }
  return {{"name", name},
          {"here", !hub.has_value()},
          {"folder", or_null(folder.string())},
          {"commit", or_null(commit)},
          {"hub", std::move(remote)},
          {"format", or_null(format)},
          {"task", or_null(task)},
          {"missing", missing},
          {"runs", runs ? Json(*runs) : Json()},
          {"why_not", or_null(why_not)},
          {"next", or_null(next)},
          {"architecture", or_null(architecture)},
          {"family", or_null(family)},
          {"model_type", or_null(model_type)},
          {"parameters", or_null(weights.parameters)},
          {"weight_bytes", or_null(weights.bytes)},
          {"bits_per_weight", or_null(bits_per_weight)},
          {"weights", std::move(layer_list)},
          {"quantization", weights.parameters > 0 ? Json(weights.quantization) : Json()},
          {"quantization_bits", or_null(weights.bits)},
          {"quantization_group_size", or_null(weights.group_size)},
          {"dtype", or_null(weights.dtype)},
          {"context_length", or_null(context_length)},
          {"vocab_size", or_null(vocab_size)},
          {"hidden_size", or_null(hidden_size)},
          {"layers", or_null(layers)},
          {"tied_embeddings", tied_embeddings},
          {"kv_bytes_per_token", kv_bytes_per_token},
          {"state_bytes", state_bytes},
          {"memory_context", or_null(memory_context)},
          {"memory_bytes", or_null(memory_bytes)},
          {"cache_bytes", or_null(cache_bytes)},
          {"working_bytes", or_null(working_bytes)},
          {"total_bytes", total_bytes},
          {"files", std::move(list)},
          {"described_files", described_files},
          {"licence", or_null(licence)},
          {"base_models", base_models},
          {"library", or_null(library)},
          {"adapter", or_null(adapter)},
          {"allows_lora", allows_lora},
          {"currently_fused", fused},
          {"fused_from", or_null(fused_from)},
          {"unused_tensors", unused_tensors},
          {"tokenizer", or_null(tokenizer)},
          {"chat_template", chat_template},
          {"generation_defaults", generation_defaults.to_json()}};
}

}  // namespace pome::services
