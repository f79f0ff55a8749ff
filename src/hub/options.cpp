#include "hub/options.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/environment.h"
#include "base/error.h"
#include "hub/token.h"
#include "hub/url.h"

namespace pome::hub {

fs::path hf_home() {
  if (const std::string home = environment_variable("HF_HOME"); !home.empty()) return expand_path(home);
  // Unlike XDG itself, huggingface_hub takes a relative value as well.
  const std::string cache = environment_variable("XDG_CACHE_HOME");
  return (cache.empty() ? home_folder() / ".cache" : expand_path(cache)) / "huggingface";
}

namespace {

using namespace std::chrono_literals;

// 0 is the default, as for huggingface_hub.
std::optional<std::chrono::milliseconds> seconds_of(const char* name) {
  const std::string text = environment_variable(name);
  if (text.empty()) return std::nullopt;
  int seconds = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (code != std::errc{} || end != text.data() + text.size() || seconds < 0) {
    fail(ErrorKind::usage, "{}: \"{}\" is not a whole number of seconds", name, text);
  }
  return seconds == 0 ? std::nullopt
                      : std::optional<std::chrono::milliseconds>(std::chrono::seconds(seconds));
}

}  // namespace

Options Options::from_environment() {
  Options options;
  if (std::string endpoint = environment_variable("HF_ENDPOINT"); !endpoint.empty()) {
    while (endpoint.ends_with('/')) endpoint.pop_back();
    if (!is_web_address(endpoint)) {
      fail(ErrorKind::usage, "HF_ENDPOINT: \"{}\" is no address: expected https://host", endpoint);
    }
    options.endpoint = std::move(endpoint);
  }
  if (!environment_flag("HF_HUB_DISABLE_IMPLICIT_TOKEN")) options.token = find_token().value;
  // The first that is set decides, even to say no.
  options.offline = environment_flag(environment_variable("HF_HUB_OFFLINE").empty() ? "TRANSFORMERS_OFFLINE"
                                                                                    : "HF_HUB_OFFLINE");
  if (const auto time = seconds_of("HF_HUB_ETAG_TIMEOUT")) options.answer_timeout = *time;
  if (const auto time = seconds_of("HF_HUB_DOWNLOAD_TIMEOUT")) options.stall_timeout = *time;
  options.connect_timeout =
      std::max({options.connect_timeout, seconds_of("HF_HUB_ETAG_TIMEOUT").value_or(0ms),
                seconds_of("HF_HUB_DOWNLOAD_TIMEOUT").value_or(0ms)});
  if (const std::string origin = environment_variable("HF_HUB_USER_AGENT_ORIGIN"); !origin.empty()) {
    const auto good = [](char c) { return c >= 0x20 && c < 0x7F; };
    if (!std::all_of(origin.begin(), origin.end(), good)) {
      fail(ErrorKind::usage, "HF_HUB_USER_AGENT_ORIGIN: only ASCII letters, digits and signs may be sent");
    }
    options.user_agent += "; origin/" + origin;
  }
  for (const char* name : {"SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"}) {
    const std::string place = environment_variable(name);
    if (place.empty()) continue;
    std::error_code none;
    // requests takes a folder in its variable as well.
    (fs::is_directory(place, none) ? options.ca_folder : options.ca_file) = place;
    options.ca_variable = name;
    break;
  }
  options.proxies = Proxies::from_environment();
  return options;
}

}  // namespace pome::hub
