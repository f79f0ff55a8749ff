// What the words of `pome pull` stand for: org/name[@revision], or the names of assets/catalogue.json.
#pragma once

#include "services/pull.h"

namespace pome::services {

struct NameChoice {
  int bits = 0;      // of the weights; 0: what the catalogue names first
  bool all = false;  // every model of a group ("flux")
};

// One request a model, with its repository, revision and files. `common` gives the rest; its files go before
// the catalogue's. With bits, org/name is looked up too: it then stands for the repository of that model with
// these bits, in the catalogue or, where that does not know it, on the Hub. Throws Error: usage (a group
// without all; another revision than common's), not_found (no such name, or none with these bits; the hint
// has what there is).
std::vector<PullRequest> pull_requests(const std::string& word, const NameChoice& choice,
                                       const PullRequest& common, const PullOptions& options);

}  // namespace pome::services
