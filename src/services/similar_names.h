// What was meant by a name that is no model's.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "hub/hub.h"
#include "store/paths.h"

namespace pome::services {

// Real models whose names say most of the same as `wrong`, best first, at most `most`, never `wrong` itself:
// those that are here, those of the catalogue, and with a hub those that it has. With a hub, names of the
// catalogue count only where it has them too. Never throws: a hub that does not answer knows nothing.
std::vector<std::string> similar_names(std::string_view wrong, const store::Paths& paths, hub::Hub* hub,
                                       std::size_t most = 3);

// "did you mean a, b?"; empty where there is none.
std::string did_you_mean(const std::vector<std::string>& names);

}  // namespace pome::services
