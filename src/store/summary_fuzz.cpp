// Any bytes as the config of a model that was fetched, which list and show read: never an Error, and what
// they say of it fits the screen.
#include "store/summary.h"

#include <cstdlib>
#include <fstream>

#include "base/scratch_folder.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pome;
  static const ScratchFolder scratch;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const char* name : {"config.json", "model_index.json", "tokenizer_config.json", "README.md"}) {
    const fs::path path = scratch.path() / name;
    std::ofstream(path, std::ios::binary) << text;
    const std::vector<store::FolderFile> files{{name, size}, {"model-00001-of-00002.safetensors", 10}};
    const store::Summary summary = store::summarise(scratch.path(), files, "org/name");
    if (summary.bits < 0 || summary.bits > 64 || summary.missing.empty()) std::abort();
    fs::remove(path);
  }
  return 0;
}
