#include "fakehub/server.h"

#include <sys/socket.h>

#include <algorithm>
#include <chrono>

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

// A connection with TLS or without.
class Server::Wire {
 public:
  Wire(const TlsServer* tls, int fd) : fd_(fd) {
    if (tls != nullptr) session_.emplace(*tls, fd);
  }

  bool open() { return !session_ || session_->shake_hands(); }

  long receive(char* to, std::size_t most) {
    return session_ ? session_->receive(to, most) : ::recv(fd_, to, most, 0);
  }

  bool send_all(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const long n = session_ ? session_->send(bytes.data(), bytes.size())
                              : ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n < 0 && !session_ && errno == EINTR) continue;
      if (n <= 0) return false;
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
    return true;
  }

 private:
  int fd_;
  std::optional<TlsServer::Connection> session_;
};

Server::Server(Handler handler, int port, const Certificate* certificate)
    : handler_(std::move(handler)),
      tls_(certificate == nullptr ? nullptr : std::make_unique<TlsServer>(*certificate)),
      listener_([this](int fd) { serve(fd); }, port) {}

void Server::serve(int fd) {
  Wire wire(tls_.get(), fd);
  if (!wire.open()) return;
  std::string buffer;
  while (!listener_.stopping()) {
    std::size_t end;
    while ((end = buffer.find("\r\n\r\n")) == std::string::npos) {
      char chunk[8192];
      const long n = wire.receive(chunk, sizeof chunk);
      if (n <= 0 || buffer.size() > (1 << 20)) return;
      buffer.append(chunk, static_cast<std::size_t>(n));
      if (buffer[0] == '\x16') buffer = "TLS ?\r\n\r\n";  // a handshake, where nobody speaks TLS
    }
    auto request = parse(buffer.substr(0, end + 2));
    buffer.erase(0, end + 4);
    if (!request) {
      static_cast<void>(wire.send_all(std::as_bytes(std::span(std::string_view("HTTP/1.1 400 X\r\n\r\n")))));
      return;
    }
    const auto length = request->headers.find("content-length");
    const std::size_t body = length == request->headers.end() ? 0 : std::stoul(length->second);
    while (buffer.size() < body && body <= (1 << 20)) {
      char chunk[8192];
      const long n = wire.receive(chunk, sizeof chunk);
      if (n <= 0) return;
      buffer.append(chunk, static_cast<std::size_t>(n));
    }
    request->body = buffer.substr(0, body);
    buffer.erase(0, body);
    if (!send_answer(wire, *request, handler_(*request))) return;
  }
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

bool Server::send_answer(Wire& wire, const Request& request, const Answer& answer) {
  const std::span<const std::byte> body = answer.owner ? answer.bytes : std::as_bytes(std::span(answer.body));
  std::string head = fmt::format("HTTP/1.1 {} X\r\n", answer.status);
  bool has_length = false;
  for (const auto& [name, value] : answer.headers) {
    head += fmt::format("{}: {}\r\n", name, value);
    has_length = has_length || name == "Content-Length";
  }
  if (!has_length) head += fmt::format("Content-Length: {}\r\n", body.size());
  head += "\r\n";
  if (!wire.send_all(std::as_bytes(std::span(head)))) return false;
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
      sent = wire.send_all(copy);
    } else {
      sent = wire.send_all(piece);
    }
    if (!sent) return false;
    wait_for_line(piece.size());
    at += piece.size();
    bytes_sent_ += piece.size();
    if (answer.bytes_per_second > 0) {
      const auto due = start + std::chrono::microseconds(at * 1'000'000 / answer.bytes_per_second);
      while (!listener_.stopping() && std::chrono::steady_clock::now() < due) {
        std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(due - std::chrono::steady_clock::now(),
                                                                       std::chrono::milliseconds(50)));
      }
    }
  }
  if (answer.stall_after && *answer.stall_after < body.size()) {
    char byte;
    wire.receive(&byte, 1);  // until the other side has had enough, or the server ends
    return false;
  }
  return !(answer.cut_after && *answer.cut_after < body.size());
}

}  // namespace pome::fakehub
