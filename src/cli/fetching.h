// A download on the terminal: its plan before, its progress while it happens.
#pragma once

#include <string>

#include "services/pull.h"

namespace pome::cli {

// What is said besides the result.
enum class FetchTalk : std::uint8_t {
  quiet,
  lines,  // a bar on a terminal's stderr, else a line per file
  json,   // events on stdout, one object per line
};

// "3 files, 2.9 GiB; 1.2 GiB to fetch, 70.1 GiB free on disk; …", a line per file before it where `files`.
std::string plan_text(const services::PullPlan& plan, bool files);

// pull() with progress and Ctrl-C. Returns the folder.
fs::path fetch(const services::PullPlan& plan, services::PullOptions options, FetchTalk talk);

// For verbs that use a model: where `model`, or the model of the alias of that name, has the shape
// org/name[@revision] and is not here, or not all of it, fetches it after saying what that means. Anything
// else is left to store::resolve. Throws as plan_pull and pull do.
//
// Without `fetch` it is only said what would have to be fetched, or which real names are like one that is
// none: Error(not_found).
void fetch_if_missing(const std::string& model, const store::Paths& paths, bool fetch = true);

}  // namespace pome::cli
