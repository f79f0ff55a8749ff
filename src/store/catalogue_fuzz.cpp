// Any bytes as a catalogue, which --refresh writes of what the Hub says: Error, or a table whose look-ups
// end.
#include "store/catalogue.h"

#include <cstdlib>

#include "base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pome;
  try {
    const store::Catalogue catalogue =
        store::Catalogue::parse({reinterpret_cast<const char*>(data), size}, "input");
    for (const char* name : {"qwen3-8b", "flux", "org/name"}) {
      static_cast<void>(catalogue.find(name));
      for (const store::KnownModel* model : catalogue.preset(name)) {
        if (model == nullptr) std::abort();
      }
      if (catalogue.corrections(name, 3).size() > 3) std::abort();
    }
  } catch (const Error&) {
  }
  return 0;
}
