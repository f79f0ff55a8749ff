#include "fakehub/server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "base/error.h"

namespace pome::fakehub {
namespace {

std::string decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::optional<Request> parse(const std::string& head) {
  Request request;
  std::size_t at = head.find("\r\n");
  const std::string first = head.substr(0, at);
  const auto one = first.find(' '), two = first.rfind(' ');
  if (one == std::string::npos || two <= one) return std::nullopt;
  request.method = first.substr(0, one);
  const std::string target = first.substr(one + 1, two - one - 1);
  const auto question = target.find('?');
  request.path = decode(target.substr(0, question));
  if (question != std::string::npos) request.query = target.substr(question + 1);
  for (at += 2; at < head.size();) {
    const std::size_t end = std::min(head.find("\r\n", at), head.size());
    const std::string line = head.substr(at, end - at);
    if (const auto colon = line.find(':'); colon != std::string::npos) {
      std::string name = line.substr(0, colon);
      std::transform(name.begin(), name.end(), name.begin(), [](char c) { return std::tolower(c); });
      request.headers[name] = line.substr(std::min(line.find_first_not_of(' ', colon + 1), line.size()));
    }
    at = end + 2;
  }
  return request;
}

}  // namespace

Server::Server(Handler handler, int port) : handler_(std::move(handler)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  socklen_t size = sizeof address;
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 128) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    fail(ErrorKind::internal, "cannot listen: {}", std::strerror(errno));
  }
  port_ = ntohs(address.sin_port);
  threads_.emplace_back([this] { accept_all(); });
}

Server::~Server() {
  stopping_ = true;
  ::shutdown(listener_, SHUT_RDWR);
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
  {
    const std::lock_guard lock(mutex_);
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
  ::close(listener_);
}

void Server::accept_all() {
  while (!stopping_) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) {
      if (stopping_) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      continue;
    }
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const std::lock_guard lock(mutex_);
    if (stopping_) {
      ::close(fd);
      return;
    }
    open_.insert(fd);
    threads_.emplace_back([this, fd] {
      try {
        serve(fd);
      } catch (const std::exception&) {
        // A test that sends nonsense gets no answer.
      }
      const std::lock_guard inner(mutex_);
      open_.erase(fd);
      ::close(fd);
    });
  }
}

void Server::serve(int fd) {
  std::string buffer;
  while (!stopping_) {
    std::size_t end;
    while ((end = buffer.find("\r\n\r\n")) == std::string::npos) {
      char chunk[8192];
      const ssize_t n = ::recv(fd, chunk, sizeof chunk, 0);
      if (n <= 0 || buffer.size() > (1 << 20)) return;
      buffer.append(chunk, static_cast<std::size_t>(n));
    }
    auto request = parse(buffer.substr(0, end + 2));
    buffer.erase(0, end + 4);
    if (!request) return;
    const auto length = request->headers.find("content-length");
    const std::size_t body = length == request->headers.end() ? 0 : std::stoul(length->second);
    while (buffer.size() < body && body <= (1 << 20)) {
      char chunk[8192];
      const ssize_t n = ::recv(fd, chunk, sizeof chunk, 0);
      if (n <= 0) return;
      buffer.append(chunk, static_cast<std::size_t>(n));
    }
    request->body = buffer.substr(0, body);
    buffer.erase(0, body);
    if (!send_answer(fd, *request, handler_(*request))) return;
  }
}

bool Server::send_all(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return true;
}

void Server::wait_for_line(std::size_t bytes) {
  const std::uint64_t rate = line_rate_;
  if (rate == 0) return;
  std::unique_lock lock(line_mutex_);
  line_free_ = std::max(line_free_, std::chrono::steady_clock::now() - std::chrono::milliseconds(5)) +
               std::chrono::nanoseconds(bytes * 1'000'000'000 / rate);
  const auto until = line_free_;
  lock.unlock();
  std::this_thread::sleep_until(until);
}

bool Server::send_answer(int fd, const Request& request, const Answer& answer) {
  const std::span<const std::byte> body = answer.owner ? answer.bytes : std::as_bytes(std::span(answer.body));
  std::string head = fmt::format("HTTP/1.1 {} X\r\n", answer.status);
  bool has_length = false;
  for (const auto& [name, value] : answer.headers) {
    head += fmt::format("{}: {}\r\n", name, value);
    has_length = has_length || name == "Content-Length";
  }
  if (!has_length) head += fmt::format("Content-Length: {}\r\n", body.size());
  head += "\r\n";
  if (!send_all(fd, std::as_bytes(std::span(head)))) return false;
  if (request.method == "HEAD") return true;

  const auto start = std::chrono::steady_clock::now();
  const std::size_t end = std::min(
      {body.size(), answer.cut_after.value_or(body.size()), answer.stall_after.value_or(body.size())});
  for (std::size_t at = 0; at < end;) {
    const std::size_t most = answer.bytes_per_second > 0 || line_rate_ > 0 ? 16384 : std::size_t{1} << 20;
    const std::span<const std::byte> piece = body.subspan(at, std::min(most, end - at));
    bool sent;
    if (answer.corrupt_at && *answer.corrupt_at >= at && *answer.corrupt_at < at + piece.size()) {
      std::vector<std::byte> copy(piece.begin(), piece.end());
      copy[*answer.corrupt_at - at] ^= std::byte{0x20};
      sent = send_all(fd, copy);
    } else {
      sent = send_all(fd, piece);
    }
    if (!sent) return false;
    wait_for_line(piece.size());
    at += piece.size();
    bytes_sent_ += piece.size();
    if (answer.bytes_per_second > 0) {
      const auto due = start + std::chrono::microseconds(at * 1'000'000 / answer.bytes_per_second);
      while (!stopping_ && std::chrono::steady_clock::now() < due) {
        std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(due - std::chrono::steady_clock::now(),
                                                                       std::chrono::milliseconds(50)));
      }
    }
  }
  if (answer.stall_after && *answer.stall_after < body.size()) {
    char byte;
    ::recv(fd, &byte, 1, 0);  // until the other side has had enough, or the server ends
    return false;
  }
  return !(answer.cut_after && *answer.cut_after < body.size());
}

}  // namespace pome::fakehub
