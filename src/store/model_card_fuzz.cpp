// Any bytes as a model card and as a list of wanted models.
#include <cstdlib>

#include "store/model_card.h"
#include "store/wanted.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pome;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const store::ModelCard card = store::parse_model_card(text);
  if (card.tags.size() > 1000 || card.base_models.size() > 1000) std::abort();
  for (const std::string& name : store::parse_wanted(text)) {
    if (name.find('/') == std::string::npos) std::abort();
  }
  return 0;
}
