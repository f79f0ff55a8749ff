#include "cli/environment_table.h"

#include <fmt/format.h>

#include "cli/output.h"

namespace pome::cli {
namespace {

constexpr EnvironmentRow places[]{
    {"HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE", "the cache; default: hub in HF_HOME"},
    {"HF_HOME", "huggingface_hub's folder; default: huggingface in XDG_CACHE_HOME or ~/.cache"},
    {"HF_HUB_DISABLE_SYMLINKS", "1: files of a snapshot are content, not links to blobs; no shared blobs"},
    {"HF_HUB_DISABLE_SHARED_BLOBS, HF_HUB_DISABLE_XET", "1: a repository's blobs are its own"},
    {"XDG_DATA_HOME, XDG_STATE_HOME, XDG_CACHE_HOME, XDG_CONFIG_HOME",
     "pome's own data, leases, prompt caches and settings"},
};

constexpr EnvironmentRow hub[]{
    {"HF_ENDPOINT", "the Hub, or a mirror; default: https://huggingface.co"},
    {"HF_TOKEN, HUGGING_FACE_HUB_TOKEN", "the access token; it is sent to HF_ENDPOINT alone"},
    {"HF_TOKEN_PATH", "the file of the token; default: token in HF_HOME"},
    {"HF_HUB_DISABLE_IMPLICIT_TOKEN", "1: no token is sent, but by whoami"},
    {"HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE", "1: nobody is asked"},
    {"HF_HUB_ETAG_TIMEOUT", "seconds without a byte before a question is given up; default: 20"},
    {"HF_HUB_DOWNLOAD_TIMEOUT", "the same for files"},
    {"HF_HUB_USER_AGENT_ORIGIN", "said to the Hub beside pome's name, and nothing else is"},
    {"HF_HUB_DISABLE_PROGRESS_BARS", "1: no bar on terminals"},
};

constexpr EnvironmentRow network[]{
    {"https_proxy, HTTPS_PROXY", "the proxy for https, as http://USER:PASSWORD@HOST:PORT"},
    {"http_proxy, HTTP_PROXY", "the proxy for http; the second not where REQUEST_METHOD is set"},
    {"all_proxy, ALL_PROXY", "the proxy for both"},
    {"no_proxy, NO_PROXY", "hosts, domains, networks that are asked directly, by commas; * is all"},
    {"SSL_CERT_FILE, SSL_CERT_DIR, REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE",
     "certificates to trust: a file, or a folder as OpenSSL names it"},
};

constexpr EnvironmentRow pome[]{
    {"POME_PRECISION", "default, exact or fast, where --precision does not say"},
    {"POME_BACKEND", "reference: compute with MLX in float32, to compare"},
    {"POME_ISA", "the most that kernels may use: scalar, avx2, …"},
    {"POME_DEMO", "another folder for the model demo"},
};

constexpr EnvironmentGroup groups[]{
    {"where things lie", places}, {"the Hub", hub}, {"the way there", network}, {"pome's own", pome}};

}  // namespace

std::span<const EnvironmentGroup> environment_table() { return groups; }

std::string environment_text() {
  std::string text =
      "Environment variables that pome reads. Those of the Hub mean what huggingface_hub takes them to "
      "mean;\n"
      "of several names the first that is set counts. No telemetry is sent, whatever is set.\n";
  for (const EnvironmentGroup& group : groups) {
    text += fmt::format("\n{}\n", group.title);
    for (const EnvironmentRow& row : group.rows)
      text += fmt::format("  {}\n      {}\n", row.names, row.about);
  }
  return text;
}

}  // namespace pome::cli
