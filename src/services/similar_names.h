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
// catalogue count only where it has them too. Never throws: a hub that does not answer is as none.
std::vector<std::string> similar_names(std::string_view wrong, const store::Paths& paths, hub::Hub* hub,
                                       std::size_t most = 3);

// What to say where `told` says that there is no model `word`: which real names are like it, or that pome is
// offline. Any other Error comes back as it is.
Error explain_missing(const Error& told, std::string_view word, const store::Paths& paths, hub::Hub& hub);

// `absent` is what store::resolve says of org/name that is not here, with the hint that plan_pull would give:
// to pull it where the hub has it, else the real names that are like it.
Error explain_absent(Error absent, const std::string& id, const store::Paths& paths, hub::Hub& hub);

// "did you mean a, b?"; empty where there is none.
std::string did_you_mean(const std::vector<std::string>& names);

}  // namespace pome::services
