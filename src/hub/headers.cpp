#include "hub/headers.h"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>

#include "base/letters.h"

namespace pome::hub {
namespace {

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

constexpr std::int64_t longest_seconds = 366 * 86400;

}  // namespace

void Headers::add(std::string_view line) {
  const auto colon = line.find(':');
  if (colon == 0 || colon == std::string_view::npos) return;
  rows_.emplace_back(lower(trim(line.substr(0, colon))), trim(line.substr(colon + 1)));
}

std::optional<std::string_view> Headers::find(std::string_view name) const {
  for (const auto& [key, value] : rows_) {
    if (key == name) return value;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<ContentRange> parse_content_range(std::string_view text) {
  if (!text.starts_with("bytes ")) return std::nullopt;
  text = trim(text.substr(6));
  const auto dash = text.find('-'), slash = text.find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos || slash < dash) return std::nullopt;
  const auto first = parse_size(text.substr(0, dash)),
             last = parse_size(text.substr(dash + 1, slash - dash - 1));
  if (!first || !last || *last < *first) return std::nullopt;
  ContentRange range{.first = *first, .last = *last, .total = std::nullopt};
  if (const std::string_view total = text.substr(slash + 1); total != "*") {
    range.total = parse_size(total);
    if (!range.total || *range.total <= *last) return std::nullopt;
  }
  return range;
}

std::string parse_etag(std::string_view text) {
  text = trim(text);
  if (text.starts_with("W/")) text.remove_prefix(2);
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') text = text.substr(1, text.size() - 2);
  return std::string(text);
}

std::optional<std::time_t> parse_date(std::string_view text) {
  constexpr std::time_t year_10000 = 253'402'300'800;
  if (text.size() > 100) return std::nullopt;
  const std::time_t date = curl_getdate(std::string(trim(text)).c_str(), nullptr);
  if (date < 0 || date >= year_10000) return std::nullopt;
  return date;
}

std::optional<std::chrono::seconds> parse_retry_after(std::string_view text, std::time_t now) {
  text = trim(text);
  std::int64_t seconds = 0;
  if (const auto number = parse_size(text)) {
    seconds = static_cast<std::int64_t>(std::min<std::uint64_t>(*number, longest_seconds));
  } else {
    const auto date = parse_date(text);
    if (!date) return std::nullopt;
    seconds = std::clamp<std::int64_t>(std::int64_t{*date} - now, 0, longest_seconds);
  }
  return std::chrono::seconds(seconds);
}

std::optional<std::chrono::seconds> parse_rate_limit(std::string_view text) {
  while (!text.empty()) {
    const auto end = std::min(text.find_first_of(";,"), text.size());
    const std::string_view item = trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!item.starts_with("t=")) continue;
    const auto seconds = parse_size(item.substr(2));
    if (!seconds) return std::nullopt;
    return std::chrono::seconds(std::min<std::uint64_t>(*seconds, longest_seconds));
  }
  return std::nullopt;
}

std::optional<std::string> parse_next_link(std::string_view text) {
  while (true) {
    const auto open = text.find('<');
    const auto close = open == std::string_view::npos ? open : text.find('>', open);
    if (close == std::string_view::npos) return std::nullopt;
    const std::string_view address = text.substr(open + 1, close - open - 1);
    text.remove_prefix(close + 1);
    const std::string_view parameters = text.substr(0, std::min(text.find(",<"), text.find(", <")));
    if (parameters.find("rel=\"next\"") != std::string_view::npos ||
        parameters.find("rel=next") != std::string_view::npos) {
      return std::string(address);
    }
  }
}

std::string shown_text(std::string_view text) {
  constexpr std::size_t longest = 300;
  std::string result;
  for (const char c : trim(text).substr(0, longest)) {
    result += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? ' ' : c;
  }
  return result;
}

}  // namespace pome::hub
