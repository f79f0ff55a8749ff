#include <fmt/ranges.h>

#include "cli/output.h"
#include "cli/verb.h"
#include "hub/hub.h"
#include "hub/token.h"

namespace pome::cli {
namespace {

constexpr Example examples[]{{"pome whoami", "whose token it is, and where it comes from"}};

Action declare(Options& options) {
  auto json = std::make_shared<bool>(false);
  options.flag("--json", *json, "one object");
  return [json] {
    const auto [token, source] = hub::find_token();
    hub::Options options = hub::Options::from_environment();
    options.token = token;  // what HF_HUB_DISABLE_IMPLICIT_TOKEN keeps from other verbs
    const hub::Account account = hub::Hub(std::move(options)).whoami();
    if (*json) {
      print_json(
          {{"name", account.name},
           {"full_name", account.full_name},
           {"organizations", account.organizations},
           {"token", {{"name", account.token_name}, {"role", account.token_role}, {"source", source}}}});
      return;
    }
    std::vector<std::vector<std::string>> rows{{"name", account.name}};
    if (!account.full_name.empty()) rows.push_back({"full name", account.full_name});
    if (!account.organizations.empty()) {
      rows.push_back({"organizations", fmt::format("{}", fmt::join(account.organizations, ", "))});
    }
    if (!account.token_name.empty()) {
      rows.push_back({"token", fmt::format("{} ({})", account.token_name, account.token_role)});
    }
    rows.push_back({"from", source});
    print(table(rows));
  };
}

}  // namespace

extern constexpr Verb whoami_verb{"whoami", Group::get_and_keep, "the account of the access token", examples,
                                  declare};

}  // namespace pome::cli
