#include "cli/conversation.h"

#include "cli/fetching.h"
#include "cli/output.h"
#include "cli/settings_options.h"

namespace pome::cli {

void declare_conversation(Options& options, Conversation& conversation) {
  options.option("--model,-m", conversation.model, "MODEL",
                 "demo, a folder, an alias, or org/name[@revision]");
  options.option("--adapter-path", conversation.adapter, "FOLDER", "a LoRA or DoRA adapter to run with");
  options.flag("--no-pull", conversation.no_pull, "do not fetch a model that is not here");
  options.option("--tools", conversation.tools, "FILE", "a JSON array of functions that the model may call");
  options.add_flag("--show-reasoning",
                   "what the model thinks before it answers; on a terminal it shows anyway",
                   [&conversation] { conversation.show_reasoning = true; });
  options.add_flag("--hide-reasoning", "the answer alone",
                   [&conversation] { conversation.show_reasoning = false; });
  options.flag("--stats", conversation.stats, "speed and memory of the answer, on stderr");
  declare_computing(options);
  declare_settings(options, conversation.settings);
}

bool Conversation::shows_reasoning() const { return show_reasoning.value_or(output_is_terminal()); }

Json Conversation::read_tools() const {
  return tools.empty() ? Json() : services::tools_from_json(load_json(tools), tools.string());
}

void choose_model(Conversation& conversation, const store::Paths& paths) {
  if (!conversation.model.empty()) {
    // said by --model
  } else if (!conversation.words.empty() && store::names_a_model(conversation.words.front(), paths)) {
    conversation.model = conversation.words.front();
    conversation.words.erase(conversation.words.begin());
  } else {
    conversation.model = services::default_model(paths);
  }
  fetch_if_missing(conversation.model, paths, !conversation.no_pull);
}

void check_settings(const services::Settings& settings) {
  settings.sampling().validate();
  if (settings.max_tokens.value_or(-1) < -1 || settings.max_tokens == 0) {
    fail(ErrorKind::usage, "max_tokens is {}, expected at least 1 or -1", *settings.max_tokens);
  }
}

}  // namespace pome::cli
