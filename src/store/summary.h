// What a model folder's small files say about it, in a fraction of a millisecond: no weights are opened
// unless the config is silent about their type. What it says may be wrong; services/verify finds out.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "store/cache_scan.h"
#include "store/model_card.h"

namespace pome::store {

struct FolderFile {
  std::string name;  // below the folder
  std::uint64_t bytes = 0;
  bool present = true;  // false: a link to nothing
};

struct Summary {
  std::string format;  // "mlx", "safetensors", "diffusers", "gguf", "pytorch", "numpy"; empty: no weights
  std::string task;    // "chat", "generate", "embed", "rerank", "image", "music", …; empty: not known
  std::string family;  // model_type of config.json, or _class_name of model_index.json
  std::string architecture;          // architectures[0]
  int bits = 0;                      // of most weights; 0: not known
  std::string quantization;          // "4bit", "mxfp4", "gptq 4bit"; empty: none
  std::string precision;             // "bf16", "fp16", "fp32" of what is not quantized
  bool fused_adapter = false;        // the folder says that an adapter was merged into its weights
  bool adapter = false;              // the folder is an adapter, or has one beside the weights
  std::vector<std::string> missing;  // what it cannot do without, named; empty: complete
  std::uint64_t bytes = 0;           // of all files
  std::size_t file_count = 0;
  ModelCard card;
};

// The files of a folder, hidden ones left out, links followed. Sorted by name.
std::vector<FolderFile> folder_files(const fs::path& folder);
std::vector<FolderFile> folder_files(const ScannedRevision& revision);

// Whether the folder says how a conversation is written, in a file of its own or beside the tokenizer.
bool has_chat_template(const fs::path& folder, const std::vector<FolderFile>& files);

// name is "org/name" or whatever the model is called: it decides where config and card leave open what a
// model is for. Never throws for what a file says; a config that cannot be read is one of `missing`.
Summary summarise(const fs::path& folder, const std::vector<FolderFile>& files, std::string_view name);

}  // namespace pome::store
