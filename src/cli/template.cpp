#include "cli/output.h"
#include "cli/settings_options.h"
#include "cli/verb.h"
#include "services/text_model.h"
#include "store/resolve.h"

namespace pome::cli {
namespace {

constexpr Example examples[]{
    {"pome template demo --messages conversation.json", "[{\"role\": \"user\", \"content\": \"hello\"}]"},
    {"pome template demo --messages conversation.json --json", "with the token ids"},
};

struct Template {
  std::vector<std::string> words;
  fs::path messages;
  fs::path tools;
  services::Settings settings;
  bool json = false;
};

Action declare(Options& options) {
  auto o = std::make_shared<Template>();
  options.words({"MODEL"}, o->words, 1, 1);
  options.option("--messages", o->messages, "FILE", "a JSON array of messages with role and content");
  options.option("--tools", o->tools, "FILE", "a JSON array of functions that the model may call");
  options.flag("--json", o->json, "one object: text, tokens");
  declare_prompt_settings(options, o->settings);
  return [o] {
    if (o->messages.empty()) {
      throw Error(ErrorKind::usage, "--messages missing").with_hint("pome template --help");
    }
    const auto place = store::resolve(o->words.front(), store::Paths::from_environment());
    const Json messages = load_json(o->messages);
    const auto model = services::TextModel::open(place.folder);
    const Json tools =
        o->tools.empty() ? Json() : services::tools_from_json(load_json(o->tools), o->tools.string());
    const services::Turn turn = model->turn(messages, o->settings, tools);
    if (o->json) {
      print_json({{"text", turn.text}, {"tokens", turn.tokens}});
    } else {
      print(turn.text);
    }
  };
}

}  // namespace

extern constexpr Verb template_verb{"template", Group::look_inside, "a conversation as the model sees it",
                                    examples, declare};

}  // namespace pome::cli
