#include "cli/conversation.h"
#include "cli/output.h"
#include "cli/settings_options.h"
#include "cli/verb.h"
#include "store/aliases.h"

namespace pome::cli {
namespace {

constexpr Example examples[]{
    {"pome alias", "all of them"},
    {"pome alias set pirate demo --system-prompt \"Talk like a pirate.\" --temp 0.8", ""},
    {"pome run pirate hello", "with what was set"},
    {"pome alias rm pirate", ""},
};

struct AliasVerb {
  std::vector<std::string> words;
  services::Settings settings;
  bool json = false;
};

void list(const store::Aliases& aliases, bool json) {
  std::vector<std::vector<std::string>> rows;
  for (const store::Alias& alias : aliases.all()) {
    if (json) print_json({{"name", alias.name}, {"model", alias.model}, {"settings", alias.settings}});
    rows.push_back({alias.name, alias.model, alias.settings.empty() ? "" : alias.settings.dump()});
  }
  if (!json) print(table(rows));
}

void set(store::Aliases& aliases, const AliasVerb& o, const store::Paths& paths) {
  check_settings(o.settings);
  // Kept by the name that finds it from any folder.
  const store::Place place = store::resolve(o.words.at(2), paths);
  const bool folder = place.kind == store::Place::Kind::folder;
  aliases.set(
      {o.words.at(1), folder ? fs::absolute(place.folder).string() : o.words.at(2), o.settings.to_json()});
}

void alias(const AliasVerb& o) {
  const store::Paths paths = store::Paths::from_environment();
  store::Aliases aliases(paths);
  const std::string action = o.words.empty() ? "list" : o.words.front();
  const auto expect_words = [&](std::size_t count, std::string_view names) {
    if (o.words.size() != count) {
      throw error(ErrorKind::usage, "alias {} takes {}", action, names).with_hint("pome help alias");
    }
  };
  if (action == "list") {
    if (o.words.size() > 1) expect_words(1, "no further words");
    list(aliases, o.json);
  } else if (action == "set") {
    expect_words(3, "NAME and MODEL");
    set(aliases, o, paths);
  } else if (action == "rm") {
    expect_words(2, "NAME");
    aliases.remove(o.words.at(1));
  } else {
    throw error(ErrorKind::usage, "alias {}: expected list, set or rm", action).with_hint("pome help alias");
  }
}

Action declare(Options& options) {
  auto o = std::make_shared<AliasVerb>();
  options.words({"list|set|rm", "NAME", "MODEL"}, o->words, 0, 3, {"list", "set", "rm"});
  options.flag("--json", o->json, "list: one object per line");
  declare_settings(options, o->settings);
  return [o] { alias(*o); };
}

}  // namespace

extern constexpr Verb alias_verb{"alias", Group::get_and_keep, "short names for models, with their settings",
                                 examples, declare};

}  // namespace pome::cli
