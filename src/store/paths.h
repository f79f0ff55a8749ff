// Where things lie: pome's own folders (XDG), the Hugging Face cache, the bundled model.
#pragma once

#include "base/file.h"

namespace pome::store {

// A plain value, so that tests and embedders can point it elsewhere. None of the folders need exist.
struct Paths {
  fs::path data;      // $XDG_DATA_HOME/pome: aliases, manifests
  fs::path state;     // $XDG_STATE_HOME/pome: histories, servers
  fs::path cache;     // $XDG_CACHE_HOME/pome: prompt caches
  fs::path config;    // $XDG_CONFIG_HOME/pome: config.json
  fs::path hf_cache;  // as huggingface_hub: $HF_HUB_CACHE, $HUGGINGFACE_HUB_CACHE, $HF_HOME/hub, …
  // Bundled: in ../share/pome beside the program, or in the source tree's assets.
  fs::path demo;       // or $POME_DEMO
  fs::path catalogue;  // catalogue.json

  // Relative values of the XDG variables are ignored, as the XDG specification wants it.
  static Paths from_environment();
};

}  // namespace pome::store
