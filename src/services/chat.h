// A conversation with a model.
#pragma once

#include <string>
#include <string_view>

#include "services/generate.h"

namespace pome::services {

// Holds the messages; the engine's prefix cache holds what was computed for them, so a turn costs its own
// tokens. One thread at a time. Library must outlive it.
class ChatSession {
 public:
  ChatSession(Library& library, std::shared_ptr<const OpenModel> model, Settings settings = {},
              fs::path adapter = {});

  // Appends the user's message and the answer. A cancelled answer is kept as far as it came; after an Error
  // the conversation is as before.
  Answer send(std::string_view text, const OnPiece& on_piece = {});

  // Answers the last user message again (with a fresh seed unless one is set). Throws Error(usage) where
  // there is none.
  Answer retry(const OnPiece& on_piece = {});

  void clear();  // all but the system prompt

  // Array of {"role", "content"} (and what assistant_message adds), without the system prompt.
  const Json& messages() const { return messages_; }

  // Live: what is set here counts from the next turn on ("system_prompt" too).
  Settings& settings() { return settings_; }
  // What the model may call: see TextModel::render. Null: nothing.
  Json& tools() { return tools_; }
  const OpenModel& model() const { return *model_; }

  // {"model", "settings", "messages"}. load() replaces settings and messages; the model stays, whichever the
  // file names. Throw Error(corrupt, not_found, …) naming the file.
  void save(const fs::path& file) const;
  void load(const fs::path& file);

 private:
  Answer answer(Json messages, const OnPiece& on_piece);

  Library& library_;
  std::shared_ptr<const OpenModel> model_;
  Settings settings_;
  fs::path adapter_;
  Json tools_;
  Json messages_ = Json::array();
};

}  // namespace pome::services
