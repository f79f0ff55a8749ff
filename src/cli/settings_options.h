// The options that run, chat and alias share.
#pragma once

#include <string>

#include "cli/options.h"
#include "services/settings.h"

namespace pome::cli {

// Everything of services::Settings, under its own headings.
void declare_settings(Options& options, services::Settings& settings);

// Those of them that shape the prompt.
void declare_prompt_settings(Options& options, services::Settings& settings);

// `text` as JSON where it is that, else as a string: the value of `/set KEY VALUE`.
Json json_or_text(const std::string& text);

}  // namespace pome::cli
