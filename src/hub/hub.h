// The Hub's API: what a model is, what files it has, which ones there are, who is asking.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hub/answers.h"
#include "hub/client.h"

namespace pome::hub {

// Thread-safe. Every call throws Error: not_found (no such model, revision or file, or it is private;
// offline), refused (gated, token), network, corrupt (an answer that is none), interrupted.
class Hub {
 public:
  explicit Hub(Options options) : client_(std::move(options)) {}

  const Options& options() const { return client_.options(); }
  Client& client() { return client_; }

  // id is "org/name"; renamed models are followed.
  ModelInfo model(std::string_view id, std::string_view revision = "main");

  // Every file of a commit. Names are unique.
  std::vector<RepoFile> files(std::string_view id, std::string_view commit);

  // {endpoint}/{path}?{query}: any answer of the API as JSON, such as a page of the search ("api/models" with
  // search, author, filter, sort, limit, expand[]…). next is the address of the following page, empty at the
  // last one; get_page takes it.
  using Query = std::vector<std::pair<std::string, std::string>>;
  struct Page {
    Json json;
    std::string next;
  };
  Page get(std::string_view path, const Query& query = {});
  Page get_page(const std::string& address);

  // `count` bytes of a file from `first` on, or as many as it has: headers of weights, before any download.
  std::string read(std::string_view id, std::string_view commit, std::string_view file, std::uint64_t first,
                   std::uint64_t count);

  // Whom the token belongs to. Throws Error(refused) without a token.
  Account whoami();

  // {endpoint}/{id}/resolve/{commit}/{file}
  std::string file_address(std::string_view id, std::string_view commit, std::string_view file) const;

  // What an answer that is not good() means, for `subject` ("org/name", "org/name@v1").
  Error refusal(const Answer& answer, std::string_view subject) const;

 private:
  Answer ask(const std::string& address, std::string_view subject);

  Client client_;
};

}  // namespace pome::hub
