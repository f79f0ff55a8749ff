#include "hub/failure.h"

#include <curl/curl.h>

#include "base/error.h"
#include "base/file.h"
#include "hub/headers.h"
#include "hub/status.h"
#include "hub/url.h"

namespace pome::hub {
namespace {

bool has(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

// "the proxy 10.0.0.1:3128 (https_proxy)"
std::string shown(const Proxy& proxy) {
  return fmt::format("the proxy {} ({})", host_of(proxy.address), proxy.variable);
}

// libcurl's words for certificates are those of its TLS library; OpenSSL's and LibreSSL's are read here.
Failure describe_certificate(const FailedTransfer& failed, const std::string& host,
                             const std::string& ca_variable) {
  Failure failure{.text = {}, .hopeless = true};
  const std::string detail = shown_text(failed.detail);
  if (has(detail, "expired") || has(detail, "not yet valid")) {
    failure.text = fmt::format("{}: its certificate is not valid at this machine's time: {}", host, detail);
    failure.hint = "date   (a wrong clock looks like this)";
  } else if (has(detail, "subject name") || has(detail, "hostname") || has(detail, "IP address mismatch")) {
    failure.text = fmt::format("{}: its certificate is for another host: {}", host, detail);
    failure.hint = "export HF_ENDPOINT=https://NAME   (as its certificate has it)";
  } else {
    failure.text = fmt::format("{}: its certificate is not trusted{}: {}", host,
                               ca_variable.empty() ? "" : " by those of " + ca_variable, detail);
    failure.hint = "export SSL_CERT_FILE=FILE.pem   (where your network has an authority of its own)";
  }
  return failure;
}

Failure describe_tunnel(const FailedTransfer& failed, const std::string& host) {
  if (failed.proxy_status == 407) return describe_login(failed.proxy);
  Failure failure{.text = fmt::format("{}: {} refuses to connect: {}", host, shown(failed.proxy),
                                      status_text(static_cast<int>(failed.proxy_status))),
                  .hint = fmt::format("export no_proxy={}   (if this machine reaches it directly)", host)};
  failure.reached = failed.proxy_status >= 500;  // it may find a way later
  failure.hopeless = !failure.reached;
  return failure;
}

}  // namespace

Error Failure::as_error(std::string_view subject) const {
  Error error(ErrorKind::network, subject.empty() ? text : fmt::format("{}: {}", subject, text));
  if (!hint.empty()) error.with_hint(hint);
  return error;
}

Failure describe_login(const Proxy& proxy) {
  const bool has_login = has_user(proxy.address);
  return {
      .text = fmt::format("{} {}", shown(proxy),
                          has_login ? "does not take this user and password" : "asks for user and password"),
      .hint = fmt::format("export {}=http://USER:PASSWORD@{}", proxy.variable, host_of(proxy.address)),
      .hopeless = true};
}

Failure describe(const FailedTransfer& failed, const Options& options) {
  const std::string host = host_of(failed.url);
  const bool by_proxy = !failed.proxy.address.empty();
  const std::string detail = shown_text(
      failed.detail.empty() ? curl_easy_strerror(static_cast<CURLcode>(failed.curl_code)) : failed.detail);
  if (failed.proxy_status >= 300) return describe_tunnel(failed, host);
  Failure failure;
  switch (failed.curl_code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      failure.text = fmt::format("{}: the name is not known (no network?)", host);
      break;
    case CURLE_COULDNT_RESOLVE_PROXY:
      failure.text = fmt::format("{}: the name of {} is not known", host, shown(failed.proxy));
      failure.hint = fmt::format("unset {}", failed.proxy.variable);
      break;
    case CURLE_COULDNT_CONNECT:
      failure.text = fmt::format("{}: cannot connect", host);
      if (by_proxy) {
        failure.text += " to " + shown(failed.proxy);
        failure.hint = fmt::format("unset {}", failed.proxy.variable);
      }
      break;
    case CURLE_PROXY:
      failure.text = fmt::format("{}: {}: {}", host, shown(failed.proxy), detail);
      break;
    case CURLE_OPERATION_TIMEDOUT:
      failure.text = fmt::format("{}: nothing came any more", host);
      failure.reached = failed.answer_started;
      break;
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
      failure.text = fmt::format("{}: the connection was cut", host);
      failure.reached = true;
      break;
    case CURLE_PEER_FAILED_VERIFICATION:
      return describe_certificate(failed, host, options.ca_variable);
    case CURLE_SSL_CACERT_BADFILE:
      failure.text = fmt::format("{}: no certificates can be read there ({})",
                                 options.ca_file.empty() ? options.ca_folder : options.ca_file,
                                 options.ca_variable.empty() ? "the system's" : options.ca_variable);
      if (!options.ca_variable.empty()) failure.hint = fmt::format("unset {}", options.ca_variable);
      failure.hopeless = true;
      break;
    default:
      failure.text = fmt::format("{}: {}", host, detail);
      failure.hopeless =
          failed.curl_code == CURLE_UNSUPPORTED_PROTOCOL || failed.curl_code == CURLE_URL_MALFORMAT;
      if (failed.curl_code == CURLE_SSL_CONNECT_ERROR && has(detail, "wrong version number")) {
        failure.text = fmt::format("{}: does not speak TLS, though the address begins with https", host);
        failure.hopeless = true;
      }
  }
  return failure;
}

}  // namespace pome::hub
