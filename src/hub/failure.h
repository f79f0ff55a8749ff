// Why no whole answer came, in words.
#pragma once

#include <string>
#include <string_view>

#include "hub/options.h"
#include "pome/error.h"

namespace pome::hub {

struct Failure {
  std::string text;       // "127.0.0.1:8080: cannot connect"
  std::string hint = {};  // one command that helps, if any does
  bool reached = false;   // somebody answered
  bool hopeless = false;  // asking again gives the same: certificate, address, a proxy that refuses

  // Error(network); subject, if any, comes first.
  Error as_error(std::string_view subject = {}) const;
};

struct FailedTransfer {
  std::string url;
  Proxy proxy;
  int curl_code = 0;            // a CURLcode
  std::string detail;           // libcurl's own words, or empty
  long proxy_status = 0;        // of the answer to CONNECT; 0: none
  bool answer_started = false;  // headers had come
};

Failure describe(const FailedTransfer& failed, const Options& options);

// The error for a proxy's 407, whether a tunnel or a plain request got it. Is hopeless.
Failure describe_login(const Proxy& proxy);

}  // namespace pome::hub
