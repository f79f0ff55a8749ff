// What stands between this machine and the Hub, in plain words.
#pragma once

#include <string>
#include <vector>

#include "hub/options.h"
#include "services/doctor.h"

namespace pome::services {

// Asks the Hub once, and once more whose the token is, with short patience: the proxy in use, whether the Hub
// answers, whether its certificate is trusted, how far the clocks are apart, whether the token is accepted.
// With a model
// ("org/name[@revision]") also whether the Hub has it and gives it to this user. Throws nothing but
// Error(interrupted): what is wrong is advice.
std::vector<Advice> examine_network(hub::Options options, const std::string& model = {});

}  // namespace pome::services
