#include "hub/token.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/environment.h"
#include "base/error.h"
#include "base/system_error.h"
#include "hub/options.h"

namespace pome::hub {
std::string clean_token(std::string_view token, std::string_view source) {
  const auto first = token.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  token = token.substr(first, token.find_last_not_of(" \t\r\n") - first + 1);
  const auto good = [](char c) { return c > 0x20 && c < 0x7F; };
  if (token.size() > 4096 || !std::all_of(token.begin(), token.end(), good)) {
    fail(ErrorKind::usage, "{}: not a token: expected letters, digits and signs without blanks", source);
  }
  return std::string(token);
}

fs::path token_file() {
  const std::string file = environment_variable("HF_TOKEN_PATH");
  return file.empty() ? hf_home() / "token" : expand_path(file);
}

Token find_token() {
  for (const char* name : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}) {
    if (std::string token = clean_token(environment_variable(name), name); !token.empty())
      return {token, name};
  }
  const fs::path file = token_file();
  std::error_code none;
  if (!fs::is_regular_file(file, none)) return {};
  std::string token = clean_token(read_file(file, 65536), file.string());
  return token.empty() ? Token{} : Token{std::move(token), file.string()};
}

void save_token(std::string_view token) {
  const std::string value = clean_token(token, "the token");
  if (value.empty()) fail(ErrorKind::usage, "the token is empty");
  const fs::path file = token_file();
  std::error_code failed;
  fs::create_directories(file.parent_path(), failed);
  // Never under its name with more rights than it is to have.
  const std::string made = file.string() + ".new";
  ::unlink(made.c_str());
  const int fd = ::open(made.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) fail_errno(file, "cannot write");
  const bool written =
      ::write(fd, value.data(), value.size()) == static_cast<ssize_t>(value.size()) && ::fsync(fd) == 0;
  ::close(fd);
  if (!written || ::rename(made.c_str(), file.c_str()) != 0) {
    const int code = errno;
    ::unlink(made.c_str());
    errno = code;
    fail_errno(file, "cannot write");
  }
}

bool remove_token() {
  const fs::path file = token_file();
  if (::unlink(file.c_str()) == 0) return true;
  if (errno != ENOENT && errno != ENOTDIR) fail_errno(file, "cannot remove");
  return false;
}

}  // namespace pome::hub
