#include "services/doctor_online.h"

#include <chrono>
#include <ctime>

#include "base/error.h"
#include "hub/headers.h"
#include "hub/hub.h"
#include "hub/names.h"
#include "hub/status.h"
#include "hub/token.h"
#include "hub/url.h"

namespace pome::services {
namespace {

using Grade = Advice::Grade;
using namespace std::chrono_literals;

constexpr auto harmless_skew = 5min;  // certificates and signed addresses are dated to the minute or so

std::string span_text(std::chrono::seconds time) {
  if (time < 2h) return fmt::format("{} minutes", time / 1min);
  if (time < 48h) return fmt::format("{} hours", time / 1h);
  return fmt::format("{} days", time / 24h);
}

class NetworkDoctor {
 public:
  explicit NetworkDoctor(hub::Options options)
      : options_(std::move(options)), host_(hub::host_of(options_.endpoint)) {
    options_.tries = 1;
    options_.connect_timeout = std::min<std::chrono::milliseconds>(options_.connect_timeout, 5s);
    options_.answer_timeout = std::min<std::chrono::milliseconds>(options_.answer_timeout, 10s);
  }

  std::vector<Advice> examine(const std::string& model) {
    if (options_.offline) {
      add(Grade::note, "network", "not asked: HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set",
          "unset HF_HUB_OFFLINE TRANSFORMERS_OFFLINE");
      return std::move(advice_);
    }
    tell_proxy();
    if (ask_hub()) {
      ask_token();
      if (!model.empty()) ask_model(model);
    }
    return std::move(advice_);
  }

 private:
  void add(Grade grade, std::string subject, std::string text, std::string command = "") {
    advice_.push_back({grade, std::move(subject), std::move(text), std::move(command)});
  }

  void add_problem(const std::string& subject, const Error& error) {
    if (error.kind() == ErrorKind::interrupted) throw error;
    std::string text = error.message();
    if (text.starts_with(subject + ": ")) text.erase(0, subject.size() + 2);
    add(Grade::problem, subject, std::move(text), error.hint());
  }

  void tell_proxy() {
    const hub::Proxy proxy = options_.proxies.for_url(options_.endpoint);
    if (!proxy.address.empty()) {
      add(Grade::note, "proxy",
          fmt::format("{} is asked through {} ({})", host_, hub::host_of(proxy.address), proxy.variable));
    } else if (!proxy.variable.empty()) {
      add(Grade::good, "proxy", fmt::format("{} is asked directly, as {} says", host_, proxy.variable));
    } else {
      add(Grade::good, "proxy", fmt::format("none: {} is asked directly", host_));
    }
  }

  bool ask_hub() {
    const auto start = std::chrono::steady_clock::now();
    hub::Answer answer;
    try {
      hub::Client client(options_);
      answer = client.fetch({.url = options_.endpoint + "/api/models?limit=1", .head = false, .headers = {}},
                            {.most_body_bytes = 64 << 10, .redirects = hub::Follow::none, .cut = true});
    } catch (const Error& error) {
      add_problem("network", error);
      return false;
    }
    const auto time =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
    compare_clocks(answer.headers);
    if (hub::is_redirect(answer.status) || answer.status == 407) {
      add_problem("network", hub::Hub(options_).refusal(answer, host_));
      return false;
    }
    if (!answer.good()) {
      add(Grade::problem, "network",
          fmt::format("{} answers with {}: something in between, or no Hub", host_,
                      hub::status_text(answer.status)),
          options_.endpoint == hub::Options().endpoint ? "" : "unset HF_ENDPOINT");
      return false;
    }
    const bool tls = options_.endpoint.starts_with("https:");
    const std::string trust = options_.ca_variable.empty()
                                  ? "the system trusts its certificate"
                                  : fmt::format("{} vouches for its certificate", options_.ca_variable);
    add(Grade::good, "network",
        fmt::format("{} answers after {} ms; {}", host_, time.count(),
                    tls ? trust : "without TLS, so anybody on the way can read the token"));
    return true;
  }

  void compare_clocks(const hub::Headers& headers) {
    const auto date = hub::parse_date(headers.find("date").value_or(""));
    if (!date) return;
    const auto ahead = std::chrono::seconds(std::time(nullptr) - *date);
    const auto apart = ahead < 0s ? -ahead : ahead;
    if (apart < harmless_skew) {
      add(Grade::good, "clock", "agrees with the Hub's");
    } else {
      add(Grade::problem, "clock",
          fmt::format("{} {} the Hub's: certificates and links count by the date", span_text(apart),
                      ahead > 0s ? "ahead of" : "behind"),
          "sudo timedatectl set-ntp true");
    }
  }

  void ask_token() {
    if (options_.token.empty()) {
      add(Grade::note, "token", "none is sent: gated and private models need one", "pome login");
      return;
    }
    const std::string source = hub::find_token().source;
    const bool variable = source.starts_with("HF_") || source.starts_with("HUGGING");
    try {
      const hub::Account account = hub::Hub(options_).whoami();
      add(Grade::good, "token", fmt::format("accepted: it is {}'s, from {}", account.name, source));
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::refused) {
        add_problem("token", error);
        return;
      }
      add(Grade::problem, "token", fmt::format("the one from {} is not accepted by {}", source, host_),
          variable ? "unset " + source : "pome login");
    }
  }

  void ask_model(const std::string& model) {
    const auto name = hub::parse_repo_name(model);
    if (!name) return;
    try {
      hub::Hub hub(options_);
      const hub::ModelInfo info = hub.model(name->id(), name->revision_or_main());
      const auto files = hub.files(info.id, info.commit);
      if (!files.empty()) hub.read(info.id, info.commit, files.front().name, 0, 1);  // gated ones list theirs
      add(Grade::good, model,
          fmt::format("{} has it{}: commit {}, {} files", host_,
                      info.id == name->id() ? "" : " as " + info.id, info.commit.substr(0, 7), files.size()));
    } catch (const Error& error) {
      add_problem(model, error);
    }
  }

  hub::Options options_;
  std::string host_;
  std::vector<Advice> advice_;
};

}  // namespace

std::vector<Advice> examine_network(hub::Options options, const std::string& model) {
  return NetworkDoctor(std::move(options)).examine(model);
}

}  // namespace pome::services
