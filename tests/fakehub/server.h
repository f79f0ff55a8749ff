// A small HTTP/1.1 server on 127.0.0.1 for tests: a thread per connection, and answers that may go wrong.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <vector>

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

  explicit Server(Handler handler, int port = 0);
  ~Server();

  // All connections together; 0: as fast as it goes.
  void limit(std::uint64_t bytes_per_second) { line_rate_ = bytes_per_second; }

  int port() const { return port_; }
  std::uint64_t bytes_sent() const { return bytes_sent_; }

 private:
  void accept_all();
  void serve(int fd);
  bool send_answer(int fd, const Request& request, const Answer& answer);
  void wait_for_line(std::size_t bytes);
  bool send_all(int fd, std::span<const std::byte> bytes);

  Handler handler_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stopping_ = false;
  std::atomic<std::uint64_t> bytes_sent_ = 0;
  std::atomic<std::uint64_t> line_rate_ = 0;
  std::mutex line_mutex_;
  std::chrono::steady_clock::time_point line_free_{};  // when the line has sent what was given to it
  std::mutex mutex_;
  std::set<int> open_;
  std::vector<std::thread> threads_;
};

}  // namespace pome::fakehub
