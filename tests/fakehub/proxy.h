// A small proxy on 127.0.0.1: CONNECT for https, whole addresses for http. It finds every host on this
// machine, so that tests can give their servers names.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "fakehub/listener.h"

namespace pome::fakehub {

struct ProxySeen {
  std::string method;  // CONNECT, GET, …
  std::string target;  // "hub.example:443", "http://hub.example/api/models"
  std::string head;    // all lines of the request
};

class Proxy {
 public:
  Proxy() : listener_([this](int fd) { serve(fd); }) {}

  // "user:password", without which everything is refused with 407.
  void set_login(std::string login) { login_ = std::move(login); }
  void refuse_with(int status) { refusal_ = status; }

  int port() const { return listener_.port(); }
  std::vector<ProxySeen> seen() const;

 private:
  void serve(int fd);

  std::string login_;
  int refusal_ = 0;
  mutable std::mutex mutex_;
  std::vector<ProxySeen> seen_;
  Listener listener_;  // last: it serves with all of the above
};

}  // namespace pome::fakehub
