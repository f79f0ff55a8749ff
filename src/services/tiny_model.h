// For tests: a machine and a library of their own, the latter with the CPU backend in float32, and models of
// a few hundred parameters.
#pragma once

#include <string>
#include <string_view>

#include "base/scratch_folder.h"
#include "services/library.h"

namespace pome::services {

inline fs::path golden(std::string_view name) { return fs::path(POME_SOURCE_DIR) / "tests/golden" / name; }

// One layer, 32 characters as tokens, end token "</s>" (0), a context of 64. No chat template.
inline std::string sound_model() { return golden("broken/sound").string(); }

// A machine that has no models yet.
struct TinyMachine {
  ScratchFolder scratch;
  store::Paths paths{.data = scratch.path() / "data",
                     .state = scratch.path() / "state",
                     .cache = scratch.path() / "cache",
                     .config = scratch.path() / "config",
                     .hf_cache = scratch.path() / "hub",
                     .demo = golden("broken/sound"),
                     .catalogue = fs::path(POME_SOURCE_DIR) / "assets/catalogue.json"};

  // The files of a model folder in another one, to change some of them.
  fs::path copy_of(const fs::path& model, std::string_view name) const {
    const fs::path folder = scratch.path() / name;
    fs::create_directories(folder);
    for (const auto& entry : fs::directory_iterator(model)) {
      if (entry.is_regular_file()) fs::copy_file(entry.path(), folder / entry.path().filename());
    }
    return folder;
  }
};

struct TinyLibrary : TinyMachine {
  std::uint64_t available = std::uint64_t{1} << 40;
  Library library{{.backend = "cpu",
                   .computing = {.precision = graph::Precision::exact},
                   .engine = {},
                   .paths = paths,
                   .available_memory = [this] { return available; }}};

  void put(const fs::path& file, std::string_view content) const {
    fs::create_directories((scratch.path() / file).parent_path());
    write_file_atomic(scratch.path() / file, content);
  }

  // The sound model with a context that no test comes to the end of.
  fs::path endless_model() const {
    const fs::path folder = copy_of(sound_model(), "endless");
    Json config = load_json(folder / "config.json");
    config["max_position_embeddings"] = 1 << 20;
    write_file_atomic(folder / "config.json", config.dump());
    return folder;
  }

  // The sound model with a template that writes "u:", "s:" or "a:" before every message and "\n" after it.
  fs::path chat_model() const {
    const fs::path folder = copy_of(sound_model(), "chat");
    write_file_atomic(folder / "chat_template.jinja",
                      "{% for m in messages %}{{ m.role[0] }} {{ m.content }}\n{% endfor %}"
                      "{% if loud %}loud {% endif %}{% if add_generation_prompt %}a {% endif %}");
    return folder;
  }
};

// What `function` throws.
template <class Function>
Error error_of(Function function) {
  try {
    function();
  } catch (const Error& error) {
    return error;
  }
  return {ErrorKind::internal, "nothing was thrown"};
}

}  // namespace pome::services
