#include "fakehub/certificate.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>

#include <atomic>

#include "base/error.h"

namespace pome::fakehub {
namespace {

template <class T, void (*free)(T*)>
struct Freed {
  void operator()(T* object) const { free(object); }
};
void free_bio(BIO* bio) { BIO_free(bio); }
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY, EVP_PKEY_free>>;
using Paper = std::unique_ptr<X509, Freed<X509, X509_free>>;
using Text = std::unique_ptr<BIO, Freed<BIO, free_bio>>;

template <class T>
T made(T object) {
  if (!object) fail(ErrorKind::internal, "OpenSSL made nothing");
  return object;
}

Text reading(const std::string& text) {
  return made(Text(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))));
}
Key key_of(const Certificate& c) {
  return made(Key(PEM_read_bio_PrivateKey(reading(c.key_pem).get(), nullptr, nullptr, nullptr)));
}
Paper paper_of(const Certificate& c) {
  return made(Paper(PEM_read_bio_X509(reading(c.pem).get(), nullptr, nullptr, nullptr)));
}

template <class Write>
std::string written(Write write) {
  const Text bio = made(Text(BIO_new(BIO_s_mem())));
  write(bio.get());
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &bytes);
  return {bytes, static_cast<std::size_t>(size)};
}

void add_extension(X509* paper, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, paper, nullptr, nullptr, 0);
  X509_EXTENSION* extension = made(X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
  X509_add_ext(paper, extension, -1);
  X509_EXTENSION_free(extension);
}

bool is_ip(const std::string& name) {
  unsigned char bytes[16];
  return ::inet_pton(AF_INET, name.c_str(), bytes) == 1 || ::inet_pton(AF_INET6, name.c_str(), bytes) == 1;
}

// authority: who signs; nullptr: the certificate itself.
Certificate make(const Certificate* authority, const std::string& title, const CertificateFor& subject,
                 bool may_sign) {
  static std::atomic<long> serial = 1000;
  const Key key = made(Key(EVP_EC_gen("P-256")));
  const Paper paper = made(Paper(X509_new()));
  X509_set_version(paper.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(paper.get()), ++serial);
  constexpr long day = 86400;
  X509_gmtime_adj(X509_getm_notBefore(paper.get()), subject.valid_from_days * day);
  X509_gmtime_adj(X509_getm_notAfter(paper.get()), subject.valid_to_days * day);
  X509_set_pubkey(paper.get(), key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(paper.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(title.c_str()), -1, -1, 0);
  const Paper other = authority ? paper_of(*authority) : nullptr;
  X509* const issuer = other ? other.get() : paper.get();
  X509_set_issuer_name(paper.get(), X509_get_subject_name(issuer));
  add_extension(paper.get(), issuer, NID_basic_constraints, may_sign ? "critical,CA:TRUE" : "CA:FALSE");
  if (!may_sign) {
    std::string names;
    for (const std::string& name : subject.names) {
      names += (names.empty() ? "" : ",") + std::string(is_ip(name) ? "IP:" : "DNS:") + name;
    }
    add_extension(paper.get(), issuer, NID_subject_alt_name, names);
  }
  const Key signer = authority ? key_of(*authority) : nullptr;
  if (X509_sign(paper.get(), signer ? signer.get() : key.get(), EVP_sha256()) == 0) {
    fail(ErrorKind::internal, "OpenSSL signs nothing");
  }
  return {.pem = written([&](BIO* bio) { PEM_write_bio_X509(bio, paper.get()); }),
          .key_pem = written([&](BIO* bio) {
            PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
          })};
}

}  // namespace

Certificate make_authority() { return make(nullptr, "fakehub authority", {}, true); }
Certificate make_certificate(const Certificate& authority, const CertificateFor& subject) {
  return make(&authority, "fakehub", subject, false);
}
Certificate make_self_signed(const CertificateFor& subject) {
  return make(nullptr, "fakehub", subject, false);
}

TlsServer::TlsServer(const Certificate& certificate)
    : context_(made(SSL_CTX_new(TLS_server_method())),
               [](void* context) { SSL_CTX_free(static_cast<SSL_CTX*>(context)); }) {
  ::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
  auto* context = static_cast<SSL_CTX*>(context_.get());
  SSL_CTX_use_certificate(context, paper_of(certificate).get());
  SSL_CTX_use_PrivateKey(context, key_of(certificate).get());
}

TlsServer::Connection::Connection(const TlsServer& server, int fd)
    : session_(made(SSL_new(static_cast<SSL_CTX*>(server.context_.get()))),
               [](void* session) { SSL_free(static_cast<SSL*>(session)); }) {
  SSL_set_fd(static_cast<SSL*>(session_.get()), fd);
}

bool TlsServer::Connection::shake_hands() { return SSL_accept(static_cast<SSL*>(session_.get())) == 1; }

long TlsServer::Connection::receive(char* to, std::size_t most) {
  return SSL_read(static_cast<SSL*>(session_.get()), to, static_cast<int>(most));
}

long TlsServer::Connection::send(const std::byte* bytes, std::size_t size) {
  return SSL_write(static_cast<SSL*>(session_.get()), bytes, static_cast<int>(size));
}

}  // namespace pome::fakehub
