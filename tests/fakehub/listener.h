// Connections to a port of 127.0.0.1, each served on a thread of its own.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

namespace pome::fakehub {

class Listener {
 public:
  // serve is called with each connection, which is closed after it; what it throws ends that connection.
  explicit Listener(std::function<void(int fd)> serve, int port = 0);
  ~Listener();  // cuts what is open and waits for it

  int port() const { return port_; }
  bool stopping() const { return stopping_; }

 private:
  void accept_all();

  std::function<void(int fd)> serve_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  std::set<int> open_;
  std::vector<std::thread> threads_;
};

}  // namespace pome::fakehub
