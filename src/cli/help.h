// Help, from the table of verbs and their options.
#pragma once

#include <string>

#include "base/json.h"
#include "cli/verb.h"

namespace pome::cli {

std::string help_text();                  // `pome --help`
std::string help_text(const Verb& verb);  // `pome help VERB`
std::string version_text();
Json version_json();

}  // namespace pome::cli
