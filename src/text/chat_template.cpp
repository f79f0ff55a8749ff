#include "text/chat_template.h"

#include <ctime>

#include "text/edge.h"

namespace pome::text {

namespace {

std::int64_t local_clock() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  ::localtime_r(&now, &local);
  return std::int64_t{now} + local.tm_gmtoff;
}

// A message as transformers hands it to templates: without null members, and with its reasoning, which goes
// by three names, under the two that templates read.
Json normalized(const Json& message) {
  if (!message.is_object()) fail(ErrorKind::usage, "chat message is {}, not an object", message.type_name());
  Json result = Json::object();
  const auto present = [&](const char* name) { return message.contains(name) && !message[name].is_null(); };
  for (const char* name : {"reasoning_content", "thinking", "reasoning"}) {
    if (!present(name)) continue;
    result["thinking"] = present("thinking") ? message["thinking"] : message[name];
    result["reasoning_content"] = message[name];
    break;
  }
  const bool reasons = !result.empty();
  for (const auto& [key, value] : message.items()) {
    if (!value.is_null() && !(reasons && key == "reasoning_content")) result[key] = value;
  }
  return result;
}

// The text of the message that is to be continued: its content, or the last part with text.
std::string& text_to_continue(Json& messages) {
  Json* content = nullptr;
  if (!messages.empty() && messages.back().contains("content")) content = &messages.back()["content"];
  if (content != nullptr && content->is_array()) {
    for (auto part = content->rbegin(); part != content->rend(); ++part) {
      if (part->contains("text")) {
        content = &(*part)["text"];
        break;
      }
    }
  }
  if (content == nullptr || !content->is_string()) {
    fail(ErrorKind::usage, "the last message has no text to continue");
  }
  return content->get_ref<std::string&>();
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view space = " \t\r\n\f\v";
  const std::size_t first = text.find_first_not_of(space);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(space) - first + 1);
}

// The rendered text up to the end of the continued `message`, which `mark` follows.
std::string cut_at_mark(std::string text, std::string_view message, std::string_view mark) {
  const std::size_t at = text.rfind(trimmed(mark));
  if (at == std::string::npos || text.find(trimmed(message)) == std::string::npos) {
    fail(ErrorKind::usage, "chat template leaves out or changes the last message, so it cannot be continued");
  }
  const bool spacing_kept = std::string_view(text).substr(at, mark.size()) == mark;
  text.resize(at);
  if (!spacing_kept) text.resize(text.find_last_not_of(" \t\r\n\f\v") + 1);
  return text;
}

}  // namespace

void ChatTemplate::Free::operator()(pome_edge_template* handle) const { pome_edge_template_free(handle); }

ChatTemplate::ChatTemplate(std::string_view source) {
  edge::Call call;
  handle_.reset(pome_edge_template_new(edge::bytes(source), call.slot()));
  call.check();
}

ChatTemplate::~ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;

std::string ChatTemplate::render(const ChatInput& input) const {
  static constexpr std::string_view mark = "CONTINUE_FINAL_MESSAGE_TAG ";  // ends in a space, see cut_at_mark
  Json variables = input.variables;
  if (!variables.is_object()) fail(ErrorKind::usage, "template variables are not an object");
  if (!input.messages.is_array()) fail(ErrorKind::usage, "chat messages are not an array");
  Json messages = Json::array();
  for (const Json& message : input.messages) messages.push_back(normalized(message));
  std::string continued;
  if (input.continue_final_message) {
    if (input.add_generation_prompt) {
      fail(ErrorKind::usage, "a message cannot be continued after a generation prompt");
    }
    std::string& last = text_to_continue(messages);
    continued = last;
    last += mark;
  }
  variables["messages"] = std::move(messages);
  variables["tools"] = input.tools;
  variables["documents"] = input.documents;
  variables["add_generation_prompt"] = input.add_generation_prompt;
  const std::string json = variables.dump(-1, ' ', false, Json::error_handler_t::replace);
  edge::Call call;
  edge::Buffer text;
  pome_edge_template_render(handle_.get(), edge::bytes(json), input.now.value_or(local_clock()), text.out(),
                            call.slot());
  call.check();
  std::string rendered(text.view());
  return input.continue_final_message ? cut_at_mark(std::move(rendered), continued, mark) : rendered;
}

}  // namespace pome::text
