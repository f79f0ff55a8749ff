#include "services/text_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "text/chat/convention.h"
#include "text/chat_template.h"
#include "text/folder.h"

namespace pome::services {
namespace {

// eos_token_id: an id, a list of them, or null.
void add_ids(const fs::path& file, std::vector<std::int32_t>& ids) {
  std::error_code none;
  if (!fs::exists(file, none)) return;
  const Json json = load_json(file);
  const auto found = json.is_object() ? json.find("eos_token_id") : json.end();
  if (found == json.end() || found->is_null()) return;
  try {
    for (const Json& id : found->is_array() ? *found : Json::array({*found})) {
      ids.push_back(json_as<std::int32_t>(id, "eos_token_id"));
      if (ids.back() < 0) fail(ErrorKind::corrupt, "eos_token_id: {} is negative", ids.back());
    }
  } catch (Error& error) {
    throw std::move(error).in(file.string());
  }
}

// The text of a message: its content, or the text parts of it.
std::string plain_text(const Json& message) {
  const auto content = message.find("content");
  if (content == message.end() || content->is_null()) return {};
  if (content->is_string()) return content->get<std::string>();
  if (!content->is_array()) fail(ErrorKind::usage, "a message's content is {}", content->type_name());
  std::string text;
  for (const Json& part : *content) {
    if (!part.is_object() || !part.contains("text") || !part["text"].is_string()) {
      fail(ErrorKind::unsupported, "a message has a part that is no text");
    }
    text += part["text"].get<std::string>();
  }
  return text;
}

void check_messages(const Json& messages) {
  if (!messages.is_array() || messages.empty()) {
    fail(ErrorKind::usage, "messages: expected a list with at least one message");
  }
  for (const Json& item : messages) {
    if (!item.is_object() || !item.contains("role") || !item["role"].is_string()) {
      fail(ErrorKind::usage, "messages: expected objects with \"role\" and \"content\", found {}",
           item.dump().substr(0, 80));
    }
  }
}

// Whether messages go to the model as they are.
bool goes_plain(const TextModel& model, const Settings& settings) {
  return settings.ignore_chat_template.value_or(false) ||
         (!settings.chat_template && !model.has_chat_template());
}

// A template, and what answers to it look like.
struct Voice {
  text::ChatTemplate chat_template;
  text::chat::Manners manners;
  std::vector<std::int32_t> end_tokens;

  Voice(const std::string& source, const text::Tokenizer& tokenizer)
      : chat_template(source),
        manners(text::chat::Manners::of(source, tokenizer)),
        end_tokens(manners.end_tokens(source, tokenizer)) {}
};

// null is null; what chat_template_config calls tools counts where the caller has none.
Json chosen_tools(const Settings& settings, const Json& tools) {
  if (!tools.is_null() || !settings.chat_template_config || !settings.chat_template_config->is_object())
    return tools;
  const auto found = settings.chat_template_config->find("tools");
  return found == settings.chat_template_config->end() ? tools : *found;
}

}  // namespace

struct TextModel::Impl {
  text::TokenizerFolder folder;
  std::shared_ptr<const Voice> plain, with_tools;  // null without a template
  std::vector<std::int32_t> end_tokens;

  // The voice that settings and tools ask for.
  std::shared_ptr<const Voice> voice(const Settings& settings, const Json& tools) const {
    if (settings.chat_template)
      return std::make_shared<const Voice>(*settings.chat_template, *folder.tokenizer);
    return tools.is_null() ? plain : with_tools;
  }
  std::string render(const text::ChatTemplate* chat_template, const Json& messages, const Settings& settings,
                     const Json& tools) const;
};

Json message(std::string_view role, std::string_view content) {
  return {{"role", role}, {"content", content}};
}

Json tools_from_json(const Json& json, std::string_view subject) {
  Json tools = Json::array();
  for (const Json& one : json.is_array() ? json : Json::array({json})) {
    const bool wrapped = one.is_object() && one.contains("function");
    const Json* function = wrapped ? &one["function"] : &one;
    if (!function->is_object() || !function->contains("name") || !(*function)["name"].is_string()) {
      fail(ErrorKind::usage, "{}: expected functions with a \"name\", found {}", subject,
           one.dump().substr(0, 80));
    }
    tools.push_back(wrapped ? one : Json{{"type", "function"}, {"function", one}});
  }
  return tools;
}

TextModel::TextModel() : impl_(std::make_unique<Impl>()) {}
TextModel::~TextModel() = default;

std::shared_ptr<const TextModel> TextModel::open(const fs::path& folder) {
  std::shared_ptr<TextModel> model(new TextModel);
  Impl& impl = *model->impl_;
  impl.folder = text::load_tokenizer(folder);
  const auto read = [&](bool tools) -> std::shared_ptr<const Voice> {
    const text::NamedTemplate* source = impl.folder.template_for(tools);
    if (source == nullptr) return nullptr;
    if (tools && source == impl.folder.template_for(false)) return impl.plain;
    try {
      return std::make_shared<const Voice>(source->source, *impl.folder.tokenizer);
    } catch (Error& error) {
      throw std::move(error).in(fmt::format("{}: chat template", folder.string()));
    }
  };
  impl.plain = read(false);
  impl.with_tools = read(true);
  add_ids(folder / "generation_config.json", impl.end_tokens);
  add_ids(folder / "config.json", impl.end_tokens);
  if (const auto token = impl.folder.special_token("eos_token")) {
    if (const auto id = impl.folder.tokenizer->id_of(*token)) impl.end_tokens.push_back(*id);
  }
  if (impl.plain) {
    const auto& ends = impl.plain->end_tokens;
    impl.end_tokens.insert(impl.end_tokens.end(), ends.begin(), ends.end());
  }
  std::sort(impl.end_tokens.begin(), impl.end_tokens.end());
  impl.end_tokens.erase(std::unique(impl.end_tokens.begin(), impl.end_tokens.end()), impl.end_tokens.end());
  return model;
}

const text::Tokenizer& TextModel::tokenizer() const { return *impl_->folder.tokenizer; }

std::shared_ptr<const text::Tokenizer> TextModel::shared_tokenizer() const { return impl_->folder.tokenizer; }

bool TextModel::has_chat_template() const { return impl_->plain != nullptr; }

const std::vector<std::int32_t>& TextModel::end_tokens() const { return impl_->end_tokens; }

std::string TextModel::Impl::render(const text::ChatTemplate* chat_template, const Json& messages,
                                    const Settings& settings, const Json& tools) const {
  text::ChatInput input;
  input.messages = messages;
  if (!settings.system_prompt.value_or("").empty() && messages[0]["role"] != "system") {
    input.messages.insert(input.messages.begin(), message("system", *settings.system_prompt));
  }
  const std::string prefill = settings.prefill_response.value_or("");
  if (chat_template == nullptr) {
    std::string text;
    for (const Json& item : input.messages) text += (text.empty() ? "" : "\n") + plain_text(item);
    return text + prefill;
  }
  if (!prefill.empty()) {
    input.messages.push_back(message("assistant", prefill));
    input.add_generation_prompt = false;
    input.continue_final_message = true;
  }
  input.variables = folder.special_tokens;
  if (const auto& given = settings.chat_template_config) {
    if (!given->is_object()) {
      fail(ErrorKind::usage, "chat_template_config: expected an object, found {}", given->type_name());
    }
    input.variables.update(*given);
  }
  input.tools = tools;
  return chat_template->render(input);
}

Turn TextModel::turn(const Json& messages, const Settings& settings, const Json& given_tools) const {
  check_messages(messages);
  const Json tools = chosen_tools(settings, given_tools);
  const bool plain = goes_plain(*this, settings);
  const std::shared_ptr<const Voice> voice = plain ? nullptr : impl_->voice(settings, tools);
  Turn turn;
  turn.text = impl_->render(voice ? &voice->chat_template : nullptr, messages, settings, tools);
  turn.tokens = tokenizer().encode(turn.text, plain);
  if (!voice) return turn;
  const std::string prefill = settings.prefill_response.value_or("");
  std::string_view before = turn.text;
  if (before.ends_with(prefill)) before.remove_suffix(prefill.size());
  turn.stream = voice->manners.stream(before, tools);
  turn.shown_tokens = voice->manners.shown_tokens(tokenizer(), !tools.is_null());
  turn.end_tokens = voice->end_tokens;
  return turn;
}

std::string TextModel::render(const Json& messages, const Settings& settings, const Json& tools) const {
  return turn(messages, settings, tools).text;
}

std::vector<std::int32_t> TextModel::prompt(const Json& messages, const Settings& settings,
                                            const Json& tools) const {
  return turn(messages, settings, tools).tokens;
}

std::vector<std::int32_t> TextModel::encode(std::string_view text) const { return tokenizer().encode(text); }

}  // namespace pome::services
