#include "fakehub/proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

namespace pome::fakehub {
namespace {

struct Socket {
  int fd = -1;
  ~Socket() {
    if (fd >= 0) ::close(fd);
  }
};

bool send_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

bool connect_to(Socket& socket, const std::string& host) {
  const auto colon = host.rfind(':');
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port =
      htons(static_cast<std::uint16_t>(colon == std::string::npos ? 80 : std::stoi(host.substr(colon + 1))));
  socket.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  return ::connect(socket.fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
}

void relay(int one, int two, const Listener& listener) {
  char chunk[65536];
  while (!listener.stopping()) {
    pollfd ready[2]{{one, POLLIN, 0}, {two, POLLIN, 0}};
    if (::poll(ready, 2, 100) < 0) return;
    for (const auto& [from, to] : {std::pair(0, two), std::pair(1, one)}) {
      if ((ready[from].revents & (POLLIN | POLLHUP | POLLERR)) == 0) continue;
      const ssize_t n = ::recv(ready[from].fd, chunk, sizeof chunk, 0);
      if (n <= 0 || !send_all(to, {chunk, static_cast<std::size_t>(n)})) return;
    }
  }
}

std::string base64(const std::string& text) {
  std::string out(4 * (text.size() + 2) / 3 + 1, '\0');
  out.resize(static_cast<std::size_t>(EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                                      reinterpret_cast<const unsigned char*>(text.data()),
                                                      static_cast<int>(text.size()))));
  return out;
}

}  // namespace

std::vector<ProxySeen> Proxy::seen() const {
  const std::lock_guard lock(mutex_);
  return seen_;
}

void Proxy::serve(int fd) {
  std::string head;
  while (head.find("\r\n\r\n") == std::string::npos) {
    char byte;  // what follows belongs to the server behind
    if (::recv(fd, &byte, 1, 0) != 1 || head.size() > 65536) return;
    head += byte;
  }
  const auto blank = head.find(' '), end = head.find(' ', blank + 1);
  const std::string method = head.substr(0, blank), target = head.substr(blank + 1, end - blank - 1);
  {
    const std::lock_guard lock(mutex_);
    seen_.push_back({method, target, head});
  }
  if (!login_.empty() &&
      head.find("Proxy-Authorization: Basic " + base64(login_) + "\r\n") == std::string::npos) {
    send_all(fd,
             "HTTP/1.1 407 X\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n"
             "Connection: close\r\n\r\n");
    return;
  }
  if (refusal_ != 0) {
    send_all(fd, "HTTP/1.1 " + std::to_string(refusal_) +
                     " X\r\nContent-Length: 0\r\nX-Error-Code: RepoNotFound\r\nConnection: close\r\n\r\n");
    return;
  }
  Socket server;
  if (method == "CONNECT") {
    if (!connect_to(server, target)) return;
    // Lines that a client must not take for the server's answer.
    send_all(fd, "HTTP/1.1 200 Connection established\r\nContent-Range: bytes 7-8/9\r\n\r\n");
    relay(fd, server.fd, listener_);
    return;
  }
  const std::size_t host = target.find("://") + 3, path = std::min(target.find('/', host), target.size());
  if (!connect_to(server, target.substr(host, path - host))) return;
  // One request for each connection, whatever was asked for.
  const std::string lines = head.substr(head.find("\r\n"));
  const std::string first = method + " " + (path < target.size() ? target.substr(path) : "/") + " HTTP/1.1";
  send_all(server.fd, first + lines);
  ::shutdown(server.fd, SHUT_WR);
  relay(fd, server.fd, listener_);
}

}  // namespace pome::fakehub
