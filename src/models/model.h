// A model family and a loaded model.
//
// A family is one file: models/<family>.cpp reads the config, names its weights, says what its block computes
// and ends in an Arch; one line in families.def lists it. It knows no device, file, prompt
// or socket.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "formats/layout.h"
#include "formats/tensor.h"
#include "graph/backend.h"

namespace pome::models {

class Config;   // models/config.h: typed reads that remember which keys were read
class Weights;  // models/weights.h: takes tensors by name, remembers which were taken

// The facts about a model that others need; filled by the family.
struct Info {
  std::string family;      // Arch::name
  std::string model_type;  // as the config spells it
  int vocab_size = 0;
  int hidden_size = 0;
  int num_hidden_layers = 0;
  int context_length = 0;  // positions it can take
  // Longer sequences need the frequencies of a dynamic rope scaling from their first position on; 0: none do.
  int unscaled_length = 0;
  bool tied_embeddings = false;
};

class Model {
 public:
  virtual ~Model() = default;

  // Records the whole pass: from the step's tokens to output("logits", [out_rows, V]), with
  // output("layers.<i>", x) after every block.
  virtual void forward(graph::Graph& g) const = 0;

  virtual const Info& info() const = 0;
  virtual graph::CachePlan cache_plan() const = 0;
};

// What the layers of a model may remember.
struct CacheKinds {
  bool full = false;     // keys and values of every position
  bool sliding = false;  // of a window, or of a chunk
  bool latent = false;   // one compressed vector per position (MLA)
  bool state = false;    // a state of constant size (convolutions, recurrences)

  bool operator==(const CacheKinds&) const = default;
};
CacheKinds cache_kinds(const graph::CachePlan& plan);

struct Arch {
  std::string_view name;                          // the family: "llama"
  std::span<const std::string_view> model_types;  // config.json model_type values it answers to
  std::string_view summary;                       // one line for `pome archs`
  CacheKinds caches;                              // that its models have, depending on their configs
  bool meta_form = false;                         // also the first MLX uploads (models/meta_form.h)
  std::span<const formats::Rename> renames;       // from the tensors of published files to MLX's
  std::unique_ptr<Model> (*build)(Config& config, Weights& weights);
  // What mlx-lm has in place of "model." where the model is wrapped among towers.
  std::string_view mlx_wrapped = "language_model.model.";
};

// Every family, in the order of `pome archs`.
std::span<const Arch* const> registry();

// A model folder, opened: config checked key by key, every tensor accounted for, nothing computed yet.
struct LoadedModel {
  fs::path folder;
  Json config;
  std::unique_ptr<Model> model;
  const Arch* arch = nullptr;
  std::vector<std::shared_ptr<graph::Linear>> linears;  // the model's, by module path; adapters change them
  formats::TensorTable tensors;                         // as they lie in the files
  formats::TensorTable readable;                        // the same, but that 8-bit floats are decoded
  Json text_config;                    // as the family has read it: unwrapped, in transformers' spelling
  std::vector<formats::Rename> table;  // what was done to the tensors' names and layouts
  std::set<std::string, std::less<>> left_out;  // of the laid out tensors those that MLX's files lack too
  std::vector<std::string> unused_tensors;      // in the files, known to be of no use (inv_freq buffers, …)
  std::uint64_t decoded_bytes = 0;              // of 8-bit floats, which are held decoded
  std::string fingerprint;  // changes when config or weights change: cheap (sizes, mtimes, headers)
};

// Opens config.json and the weights of `folder`. Throws Error with the file, tensor or config key first:
// not_found, corrupt, unsupported (names the nearest known model_type).
struct LoadOptions {
  // Weights in 8-bit floats are decoded into memory (models/fp8.h). Before that, this is called with what
  // weight_bytes() will be, and may throw.
  std::function<void(std::size_t weight_bytes)> admit = {};
  bool facts_only = false;  // the model will not compute: nothing is decoded
};
std::shared_ptr<LoadedModel> load_model(const fs::path& folder, const LoadOptions& options = {});

// The model's tensors in the layout that MLX repositories have: which of the files' tensors become what,
// lazily. Made one by one (formats/recipe.h) and written, they are a model that loads as this one does, given
// text_config or, for wrapped models under the names that mlx_name() gives them, the whole config.
formats::Layout mlx_layout(const LoadedModel& model);
std::string mlx_name(const LoadedModel& model, std::string_view name);

// Reads config.json only, for facts without weights. Throws as load_model does.
const Arch& find_arch(const Json& config);

// Bytes that the weights occupy in memory once they are used, for refusing before that.
std::size_t weight_bytes(const LoadedModel& model);

// Loads an adapter folder (mlx-lm: adapter_config.json + adapters.safetensors, LoRA and DoRA; PEFT:
// adapter_model.safetensors) and adds it to the model's linears under a new id, which is returned. Throws
// Error(corrupt, unsupported, not_found).
int add_adapter(LoadedModel& model, const fs::path& adapter_folder);

}  // namespace pome::models
