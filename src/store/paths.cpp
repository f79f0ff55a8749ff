#include "store/paths.h"

#include <dlfcn.h>

#include <string>

#include "base/environment.h"
#include "hub/options.h"

namespace pome::store {
namespace {

fs::path xdg(const char* name, const char* below_home) {
  const fs::path value = environment_variable(name);
  return value.is_absolute() ? value : home_folder() / below_home;
}

fs::path find_hf_cache() {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) {
    if (const std::string value = environment_variable(name); !value.empty()) return expand_path(value);
  }
  return hub::hf_home() / "hub";
}

// The file this code was loaded from: the program, or the shared library inside another one.
fs::path own_file() {
  std::error_code none;
  Dl_info info{};
  if (::dladdr(reinterpret_cast<const void*>(&own_file), &info) != 0 && info.dli_fname != nullptr) {
    const fs::path file = info.dli_fname;
    // For the program itself this is argv[0], which need not lead anywhere.
    if (file.is_absolute() && fs::exists(file, none)) return fs::weakly_canonical(file, none);
  }
  return fs::read_symlink("/proc/self/exe", none);
}

// Installed: PREFIX/bin/pome or PREFIX/lib[/triplet]/libpome.so and PREFIX/share/pome. In place:
// SOURCE/build/<preset>/bin/pome and SOURCE/assets.
fs::path find_bundled(const char* name) {
  fs::path first;
  fs::path folder = own_file().parent_path();
  for (int up = 0; up < 4 && folder.has_relative_path(); ++up) {
    folder = folder.parent_path();
    for (const char* below : {"share/pome", "assets"}) {
      std::error_code none;
      if (fs::exists(folder / below / name, none)) return folder / below / name;
      if (first.empty()) first = folder / below / name;
    }
  }
  return first;
}

fs::path find_demo() {
  if (const std::string value = environment_variable("POME_DEMO"); !value.empty()) return expand_path(value);
  return find_bundled("demo/config.json").parent_path();
}

}  // namespace

Paths Paths::from_environment() {
  return {
      .data = xdg("XDG_DATA_HOME", ".local/share") / "pome",
      .state = xdg("XDG_STATE_HOME", ".local/state") / "pome",
      .cache = xdg("XDG_CACHE_HOME", ".cache") / "pome",
      .config = xdg("XDG_CONFIG_HOME", ".config") / "pome",
      .hf_cache = find_hf_cache(),
      .demo = find_demo(),
      .catalogue = find_bundled("catalogue.json"),
  };
}

}  // namespace pome::store
