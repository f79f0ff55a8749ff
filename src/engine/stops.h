// Stop strings over streamed text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pome::engine {

// Lets text through until a stop string has occurred; what might still become one is held back. Results do
// not depend on how the text was cut into pieces: the stop that is complete first wins, the longest among
// those that end together, and the output ends where it begins. Pieces must be whole characters, then so are
// results.
class StopMatcher {
 public:
  // Throws Error(usage) for a stop string that is empty or not UTF-8.
  explicit StopMatcher(std::vector<std::string> stops);

  // Adds `text` and returns what may be shown. After a match: what stood before it, and nothing any more.
  std::string push(std::string_view text);

  // The end of the text: what was held back.
  std::string flush();

  // The stop string that occurred, or null.
  const std::string* matched() const { return matched_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  const std::string* matched_ = nullptr;
};

}  // namespace pome::engine
