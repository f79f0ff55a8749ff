// Any bytes as trees/<commit>.json: Error, or files whose names and digests are harmless as paths.
#include <cstdlib>

#include "base/error.h"
#include "hub/names.h"
#include "store/tree_cache.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pome;
  try {
    for (const store::TreeFile& file :
         store::parse_tree({reinterpret_cast<const char*>(data), size}, "input")) {
      if (!hub::is_file_name(file.name) || !hub::is_blob_name(file.etag())) std::abort();
    }
  } catch (const Error&) {
  }
  return 0;
}
