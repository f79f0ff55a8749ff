// A Hub of our own on 127.0.0.1, with faults on demand. Large files are redirected to a second port, the
// "CDN", as the Hub does it.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "fakehub/server.h"

namespace pome::fakehub {

// A file of a model: bytes in memory or mapped.
struct Content {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
  std::string git_sha1 = {}, sha256 = {};
  bool large = false;         // LFS: named by SHA-256 and sent by the CDN
  std::string xet_hash = {};  // empty: none
};
Content content_of(std::string text, bool large);
Content content_of(const fs::path& file);  // large by its ending, as .gitattributes has it

struct Model {
  std::string commit = std::string(40, 'c');
  std::map<std::string, Content> files;
  std::map<std::string, std::string> revisions;  // name → commit, besides main
  Json info = Json::object();                    // further fields of /api/models
  bool gated = false;                            // refused without the token
  bool is_private = false;                       // not there without the token
  std::string renamed_to;                        // not empty: redirects there
  std::string tree;  // not empty: the answer for the list of files, whatever is in it
};

// Something that goes wrong for requests whose path contains `path`.
struct Fault {
  std::string kind;  // see fake_hub.cpp's table, and `fakehub --help`
  std::uint64_t value = 0;
  std::string path = {};  // empty: files (/resolve/ and the CDN)
  int times = 1;          // below 0: always
  std::string text = {};  // status: Retry-After; redirect: the address
};

struct Seen {
  std::string method, path, range, authorization;
  bool cdn = false;
};

class FakeHub {
 public:
  // With a certificate the Hub and its CDN speak TLS.
  explicit FakeHub(int port = 0, const Certificate* certificate = nullptr);

  std::string endpoint() const;  // "http://127.0.0.1:4711"
  int port() const { return hub_->port(); }
  void set_cdn(std::string address) { cdn_name_ = std::move(address); }  // where redirects lead instead
  void add(const std::string& id, Model model);
  void add_folder(const std::string& id, const fs::path& folder);
  void change(const std::string& id, const std::function<void(Model&)>& change);
  void add(Fault fault);
  void clear_faults();
  void set_token(std::string token) { token_ = std::move(token); }
  void set_line(std::uint64_t bytes_per_second) { cdn_->limit(bytes_per_second); }  // of all large files
  void set_page(std::size_t files) { page_ = files; }                               // of the list of files

  std::vector<Seen> seen() const;
  void forget();
  std::uint64_t bytes_sent() const { return hub_->bytes_sent() + cdn_->bytes_sent(); }

 private:
  Answer answer(const Request& request, bool cdn);
  Answer route(const Request& request);
  Answer api(const Request& request, const std::string& path);
  Answer tree(const Model& model, const Request& request) const;
  Answer search(const Request& request) const;
  Answer resolve(const Request& request, const std::string& path);
  Answer send(const Content& content, const Request& request) const;
  std::optional<Answer> gate(const Model& model, const Request& request) const;
  void spoil(const Request& request, bool cdn, Answer& answer);
  std::string cdn_address() const;

  mutable std::mutex mutex_;
  std::map<std::string, Model> models_;
  std::vector<Fault> faults_;
  std::vector<Seen> seen_;
  std::string token_;
  std::string scheme_, cdn_name_;
  std::size_t page_ = 1000;
  std::unique_ptr<Server> hub_, cdn_;  // last: they answer with all of the above
};

}  // namespace pome::fakehub
