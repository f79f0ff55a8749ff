#include "engine/stops.h"

#include <algorithm>

#include "base/error.h"
#include "text/utf8.h"

namespace pome::engine {

namespace {

// The length of the longest suffix of `text` with which `stop` begins, short of all of it.
std::size_t open_match(std::string_view text, std::string_view stop) {
  for (std::size_t n = std::min(text.size(), stop.size() - 1); n > 0; --n) {
    if (text.ends_with(stop.substr(0, n))) return n;
  }
  return 0;
}

}  // namespace

StopMatcher::StopMatcher(std::vector<std::string> stops) : stops_(std::move(stops)) {
  for (const std::string& stop : stops_) {
    if (stop.empty()) fail(ErrorKind::usage, "a stop string is empty");
    if (!text::is_utf8(stop)) fail(ErrorKind::usage, "a stop string of {} bytes is not UTF-8", stop.size());
  }
}

std::string StopMatcher::push(std::string_view text) {
  if (matched_ != nullptr) return {};
  held_ += text;
  std::size_t first_end = std::string::npos;
  for (const std::string& stop : stops_) {
    const std::size_t at = held_.find(stop);
    if (at == std::string::npos) continue;
    const std::size_t end = at + stop.size();
    if (end < first_end || (end == first_end && stop.size() > matched_->size())) {
      first_end = end;
      matched_ = &stop;
    }
  }
  std::size_t show = held_.size();
  if (matched_ != nullptr) {
    show = first_end - matched_->size();
  } else {
    for (const std::string& stop : stops_) show = std::min(show, held_.size() - open_match(held_, stop));
  }
  std::string shown = held_.substr(0, show);
  held_.erase(0, matched_ != nullptr ? held_.size() : show);
  return shown;
}

std::string StopMatcher::flush() { return std::exchange(held_, {}); }

}  // namespace pome::engine
