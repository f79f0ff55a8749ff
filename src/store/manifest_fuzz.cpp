// Any bytes as a manifest.
#include <cstdlib>

#include "base/error.h"
#include "store/manifest_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pome;
  try {
    const Json manifest =
        store::parse_manifest(std::string_view(reinterpret_cast<const char*>(data), size), "input");
    if (!manifest.is_object()) std::abort();
  } catch (const Error&) {
  }
  return 0;
}
