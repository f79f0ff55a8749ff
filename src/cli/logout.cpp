#include "cli/output.h"
#include "cli/verb.h"
#include "hub/token.h"

namespace pome::cli {
namespace {

constexpr Example examples[]{{"pome logout", "removes the token that login saved"}};

Action declare(Options&) {
  return [] {
    print(hub::remove_token() ? "logged out\n" : "not logged in\n");
    if (const hub::Token left = hub::find_token(); !left.value.empty()) {
      talk(fmt::format("{} is still set\n", left.source));
    }
  };
}

}  // namespace

extern constexpr Verb logout_verb{"logout", Group::get_and_keep, "remove the saved access token", examples,
                                  declare};

}  // namespace pome::cli
