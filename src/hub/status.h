// HTTP statuses.
#pragma once

#include <string>

namespace pome::hub {

bool is_redirect(int status);

// "503 Service Unavailable"
std::string status_text(int status);

}  // namespace pome::hub
