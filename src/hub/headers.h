// The lines above an answer's body, and what the Hub says in them. Pure parsers: no text can make them fail
// in another way than by having no value.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pome::hub {

class Headers {
 public:
  // One line as it comes, "Name: value\r\n"; what is none is left out.
  void add(std::string_view line);
  void clear() { rows_.clear(); }

  // The first of that name, which is given in lower case.
  std::optional<std::string_view> find(std::string_view name) const;

  std::size_t size() const { return rows_.size(); }

 private:
  std::vector<std::pair<std::string, std::string>> rows_;
};

struct ContentRange {
  std::uint64_t first = 0, last = 0;   // of the bytes sent, both included
  std::optional<std::uint64_t> total;  // of the whole
};

// "bytes 0-9/100". Nothing where it contradicts itself.
std::optional<ContentRange> parse_content_range(std::string_view text);

std::optional<std::uint64_t> parse_size(std::string_view text);  // decimal digits

// Without W/ and quotes. It is not yet a name that may become a path.
std::string parse_etag(std::string_view text);

// "Sat, 21 Nov 2026 08:00:00 GMT", from 1970 to 9999.
std::optional<std::time_t> parse_date(std::string_view text);

// Seconds, or a date as of `now`.
std::optional<std::chrono::seconds> parse_retry_after(std::string_view text, std::time_t now);

// The t of `"api";r=0;t=35`: seconds until requests are answered again.
std::optional<std::chrono::seconds> parse_rate_limit(std::string_view text);

// The address of `<…>; rel="next"` in a Link header.
std::optional<std::string> parse_next_link(std::string_view text);

// A message from a server, fit to be shown: one line, no control characters, at most 300 bytes.
std::string shown_text(std::string_view text);

}  // namespace pome::hub
