// Models on the Hub: which there are for some words, a task, a family, a size. The facts are those of the
// Hub's own reading of the repositories (config.json, headers of weights), not of their names.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "hub/hub.h"
#include "store/paths.h"

namespace pome::services {

struct SearchRequest {
  std::string words = {};   // anywhere in org/name
  std::string author = {};  // the organization or user
  std::string task = {};    // as `list` calls it: "chat", "embed", …
  std::string family = {};  // model_type, or what `archs` calls it
  std::string base = {};    // the repository that it was made from
  int bits = 0;
  std::uint64_t max_bytes = 0;     // of the weights; 0: any
  std::string sort = "downloads";  // "likes", "date"
  std::size_t limit = 20;
};

struct FoundModel {
  std::string name;  // org/name
  std::string task;
  std::string family;           // model_type; empty: the Hub does not know
  int bits = 0;                 // of most weights; 0: not known
  std::uint64_t bytes = 0;      // of the weights; 0: not known
  std::uint64_t downloads = 0;  // of the last 30 days
  std::uint64_t likes = 0;
  std::string modified;  // "2026-11-20T09:00:00.000Z"
  std::string licence;
  std::vector<std::string> base_models;
  bool gated = false;
  bool here = false;  // on this machine
  bool runs = false;  // pome has its family

  Json to_json() const;
};

// One page of /api/models, for pure text: rows that are no model are left out, `here` is not set. Throws
// Error(corrupt) for what is no list.
std::vector<FoundModel> parse_found(const Json& page, std::string_view subject);

// In the Hub's order, at most request.limit: MLX repositories only. What the Hub cannot filter by is looked
// for in its first thousand answers. Throws as hub::Hub does; usage for a sort or task that is none.
std::vector<FoundModel> search(const SearchRequest& request, hub::Hub& hub, const store::Paths& paths);

// What the Hub calls a task of ours; none: no such task.
std::vector<std::string> hub_tasks(std::string_view task);

}  // namespace pome::services
