// What run and chat have in common: which model, which words, which settings.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "cli/options.h"
#include "services/library.h"

namespace pome::cli {

struct Conversation {
  std::string model;  // --model
  std::vector<std::string> words;
  services::Settings settings;
  fs::path adapter;
  bool stats = false;
  bool no_pull = false;
  fs::path tools;
  std::optional<bool> show_reasoning;  // unset: on a terminal

  bool shows_reasoning() const;
  Json read_tools() const;  // null without --tools; throws Error
};

void declare_conversation(Options& options, Conversation& conversation);

// Moves the first word to `model` where it names one; the default model where nothing does. Throws Error.
void choose_model(Conversation& conversation, const store::Paths& paths);

// Checks what can be checked before a model is opened. Throws Error(usage).
void check_settings(const services::Settings& settings);

// Reads and answers messages until the end of input (chat.cpp).
void chat(Conversation conversation, services::Library& library);

}  // namespace pome::cli
