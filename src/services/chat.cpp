#include "services/chat.h"

#include "base/error.h"

namespace pome::services {

ChatSession::ChatSession(Library& library, std::shared_ptr<const OpenModel> model, Settings settings,
                         fs::path adapter)
    : library_(library),
      model_(std::move(model)),
      settings_(std::move(settings)),
      adapter_(std::move(adapter)) {}

// Replaces the conversation by `messages` and the answer to them, once that is complete.
Answer ChatSession::answer(Json messages, const OnPiece& on_piece) {
  GenerateRequest request;
  request.messages = messages;
  request.tools = tools_;
  request.settings = settings_;
  request.adapter = adapter_;
  Answer answer = generate(library_, *model_, request, on_piece);
  messages.push_back(assistant_message(answer));
  messages_ = std::move(messages);
  return answer;
}

Answer ChatSession::send(std::string_view text, const OnPiece& on_piece) {
  Json messages = messages_;
  messages.push_back(message("user", text));
  return answer(std::move(messages), on_piece);
}

Answer ChatSession::retry(const OnPiece& on_piece) {
  Json messages = messages_;
  while (!messages.empty() && messages.back()["role"] != "user") messages.erase(messages.size() - 1);
  if (messages.empty()) fail(ErrorKind::usage, "there is no question to answer again");
  return answer(std::move(messages), on_piece);
}

void ChatSession::clear() { messages_ = Json::array(); }

void ChatSession::save(const fs::path& file) const {
  const Json json = {
      {"model", model_->place.name}, {"settings", settings_.to_json()}, {"messages", messages_}};
  write_file_atomic(file, json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

void ChatSession::load(const fs::path& file) {
  const Json json = load_json(file);
  const std::string subject = file.string();
  if (!json.is_object() || !json.contains("messages") || !json["messages"].is_array()) {
    fail(ErrorKind::corrupt, "{}: not a saved conversation: expected an object with \"messages\"", subject);
  }
  for (const Json& item : json["messages"]) {
    if (!item.is_object() || !item.contains("role") || !item["role"].is_string() ||
        !item.contains("content") || !item["content"].is_string()) {
      fail(ErrorKind::corrupt, "{}: messages: expected objects with \"role\" and \"content\"", subject);
    }
  }
  Settings settings;
  if (const auto saved = json.find("settings"); saved != json.end()) {
    settings = settings_from_json(*saved, subject + ": settings");
  }
  messages_ = json["messages"];
  settings_ = std::move(settings);
}

}  // namespace pome::services
