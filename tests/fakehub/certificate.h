// Certificates made on the spot, and connections that show them.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace pome::fakehub {

struct Certificate {
  std::string pem;      // what others see
  std::string key_pem;  // what makes it ours
};

// An authority of its own, which nobody trusts who is not told to.
Certificate make_authority();

struct CertificateFor {
  std::vector<std::string> names = {"127.0.0.1", "localhost"};  // hosts
  int valid_from_days = -1, valid_to_days = 30;                 // from now
};
Certificate make_certificate(const Certificate& authority, const CertificateFor& subject = {});
Certificate make_self_signed(const CertificateFor& subject = {});

// The server's side of TLS; shared by its connections.
class TlsServer {
 public:
  explicit TlsServer(const Certificate& certificate);

  // One connection. Belongs to one thread; the descriptor stays the caller's.
  class Connection {
   public:
    Connection(const TlsServer& server, int fd);
    bool shake_hands();
    long receive(char* to, std::size_t most);             // 0 or less: over
    long send(const std::byte* bytes, std::size_t size);  // 0 or less: over

   private:
    std::shared_ptr<void> session_;
  };

 private:
  std::shared_ptr<void> context_;
};

}  // namespace pome::fakehub
