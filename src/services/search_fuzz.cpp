// Any bytes as a page of the Hub's search, and each row of it as the answer about a model: Error, or names
// that are harmless as paths and texts that are harmless on a terminal.
#include "services/search.h"

#include <cstdlib>

#include "base/error.h"
#include "hub/names.h"
#include "services/remote_model.h"

namespace {

using namespace pome;

void check_shown(const std::string& text) {
  if (text.size() > 400 || text.find_first_of("\r\n\x1b") != std::string::npos) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const Json page = parse_json({reinterpret_cast<const char*>(data), size}, "input");
    const services::HubFacts facts =
        services::parse_hub_facts(page.is_array() && !page.empty() ? page[0] : page);
    check_shown(facts.modified);
    for (const services::FoundModel& model : services::parse_found(page, "input")) {
      const auto name = hub::parse_repo_name(model.name);
      if (!name || !name->revision.empty()) std::abort();
      if (model.bits < 0 || model.bits > 64) std::abort();
      for (const std::string& text : {model.task, model.family, model.licence, model.modified})
        check_shown(text);
      for (const std::string& base : model.base_models) check_shown(base);
      static_cast<void>(model.to_json().dump());
    }
  } catch (const Error&) {
  }
  return 0;
}
