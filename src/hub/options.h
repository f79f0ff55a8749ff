// How the Hub is reached: what huggingface_hub's variables say, and what the command line says over them.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "base/file.h"
#include "hub/proxy.h"

namespace pome::hub {

// $HF_HOME, else huggingface below $XDG_CACHE_HOME or ~/.cache: holds the cache and the token.
fs::path hf_home();

// Why a request is made once more.
struct Retry {
  std::string reason;  // "huggingface.co: 503 Service Unavailable"
  std::chrono::milliseconds wait{};
  int attempt = 1;  // that failed
};

struct Options {
  std::string endpoint = "https://huggingface.co";  // no slash at the end
  std::string token;                                // sent to the endpoint and nobody else; empty: none
  bool offline = false;                             // every request is refused
  std::string user_agent = "pome";
  // Certificates to trust; both empty: the system's. The variable that names them is for messages.
  std::string ca_file, ca_folder, ca_variable;
  Proxies proxies;  // none, unless from_environment() finds some

  std::chrono::milliseconds connect_timeout{10'000};
  // Without one byte a connection is given up: one that is to answer a question, one that sends a file.
  std::chrono::milliseconds answer_timeout{20'000}, stall_timeout{20'000};
  int tries = 5;                                    // of a request; of a file, without progress in between
  std::chrono::milliseconds first_wait{500};        // doubled each time
  std::chrono::milliseconds longest_wait{300'000};  // what a server may ask for; more is an Error

  std::function<bool()> cancelled = [] { return false; };  // asked ten times a second, from any thread
  std::function<void(const Retry&)> on_retry = [](const Retry&) {};  // from any thread

  // HF_ENDPOINT, tokens (token.h) unless HF_HUB_DISABLE_IMPLICIT_TOKEN is set, HF_HUB_OFFLINE or
  // TRANSFORMERS_OFFLINE, HF_HUB_ETAG_TIMEOUT, HF_HUB_DOWNLOAD_TIMEOUT, HF_HUB_USER_AGENT_ORIGIN,
  // SSL_CERT_FILE, SSL_CERT_DIR, REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE, and proxies (proxy.h). Throws
  // Error(usage) naming the variable.
  static Options from_environment();
};

}  // namespace pome::hub
