#include "hub/options.h"

#include <charconv>

#include "base/environment.h"
#include "base/error.h"
#include "hub/token.h"
#include "hub/url.h"

namespace pome::hub {

fs::path hf_home() {
  if (const std::string home = environment_variable("HF_HOME"); !home.empty()) return expand_home(home);
  // Unlike XDG itself, huggingface_hub takes a relative value as well.
  const std::string cache = environment_variable("XDG_CACHE_HOME");
  return (cache.empty() ? home_folder() / ".cache" : expand_home(cache)) / "huggingface";
}

Options Options::from_environment() {
  Options options;
  if (std::string endpoint = environment_variable("HF_ENDPOINT"); !endpoint.empty()) {
    while (endpoint.ends_with('/')) endpoint.pop_back();
    if (!is_web_address(endpoint)) {
      fail(ErrorKind::usage, "HF_ENDPOINT: \"{}\" is no address: expected https://host", endpoint);
    }
    options.endpoint = std::move(endpoint);
  }
  options.token = find_token().value;
  options.offline = environment_flag("HF_HUB_OFFLINE") || environment_flag("TRANSFORMERS_OFFLINE");
  if (const std::string text = environment_variable("HF_HUB_DOWNLOAD_TIMEOUT"); !text.empty()) {
    int seconds = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (code != std::errc{} || end != text.data() + text.size() || seconds < 1) {
      fail(ErrorKind::usage, "HF_HUB_DOWNLOAD_TIMEOUT: \"{}\" is not a whole number of seconds from 1", text);
    }
    options.stall_timeout = std::chrono::seconds(seconds);
  }
  for (const char* name : {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"}) {
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
