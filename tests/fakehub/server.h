// A small HTTP/1.1 server on 127.0.0.1 for tests: a thread per connection, and answers that may go wrong.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "fakehub/certificate.h"
#include "fakehub/listener.h"

namespace pome::fakehub {

struct Request {
  std::string method;
  std::string path;                            // decoded, without the query
  std::string query;                           // as it came
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

struct Answer {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  // In place of body: bytes that outlive the answer, kept alive by `owner`.
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;

  // What goes wrong, by bytes of the body.
  std::optional<std::size_t> cut_after;    // the connection ends
  std::optional<std::size_t> stall_after;  // nothing more comes
  std::optional<std::size_t> corrupt_at;   // one byte is another
  std::uint64_t bytes_per_second = 0;      // 0: as fast as it goes
};

class Server {
 public:
  using Handler = std::function<Answer(const Request&)>;

  // With a certificate it speaks TLS.
  explicit Server(Handler handler, int port = 0, const Certificate* certificate = nullptr);

  // All connections together; 0: as fast as it goes.
  void limit(std::uint64_t bytes_per_second) { line_rate_ = bytes_per_second; }

  int port() const { return listener_.port(); }
  std::uint64_t bytes_sent() const { return bytes_sent_; }

 private:
  class Wire;
  void serve(int fd);
  bool send_answer(Wire& wire, const Request& request, const Answer& answer);
  void wait_for_line(std::size_t bytes);

  Handler handler_;
  std::unique_ptr<TlsServer> tls_;
  std::atomic<std::uint64_t> bytes_sent_ = 0;
  std::atomic<std::uint64_t> line_rate_ = 0;
  std::mutex line_mutex_;
  std::chrono::steady_clock::time_point line_free_{};  // when the line has sent what was given to it
  Listener listener_;                                  // last: it serves with all of the above
};

}  // namespace pome::fakehub
