#include "hub/status.h"

#include <fmt/format.h>

#include <utility>

namespace pome::hub {

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

std::string status_text(int status) {
  constexpr std::pair<int, const char*> names[]{
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {407, "Proxy Authentication Required"},
      {408, "Request Timeout"},
      {410, "Gone"},
      {416, "Range Not Satisfiable"},
      {429, "Too Many Requests"},
      {500, "Internal Server Error"},
      {502, "Bad Gateway"},
      {503, "Service Unavailable"},
      {504, "Gateway Timeout"},
  };
  for (const auto& [code, name] : names) {
    if (code == status) return fmt::format("{} {}", status, name);
  }
  return fmt::format("status {}", status);
}

}  // namespace pome::hub
