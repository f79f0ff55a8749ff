#include "hub/journal.h"

#ifdef __APPLE__
#include <sys/sysctl.h>
#endif

#include <algorithm>
#include <fstream>

#include "base/error.h"
#include "hub/digest.h"
#include "hub/headers.h"

namespace pome::hub {
namespace {

// The blank-separated words of a line.
std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (!line.empty()) {
    const std::size_t end = std::min(line.find(' '), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return words;
}

bool apply_line(const std::vector<std::string_view>& words, Journal& journal) {
  if (words.size() != 3) return false;
  const auto number = parse_size(words[1]);
  if (!number) return false;
  if (words[0] == "h") {
    if (*number == 0 || *number > journal.blocks() / segment_blocks) return false;
    try {
      Digest(*digest_kind(journal.etag), journal.size_bytes).resume(words[2], *number * segment_bytes);
    } catch (const Error&) {
      return false;
    }
    journal.states[*number] = words[2];
    return true;
  }
  const auto count = parse_size(words[2]);
  if (!count || *number > journal.blocks() || *count > journal.blocks() - *number) return false;
  const auto first = journal.written.begin() + static_cast<std::ptrdiff_t>(*number);
  const auto last = first + static_cast<std::ptrdiff_t>(*count);
  if (words[0] == "w") {
    std::fill(first, last, true);
  } else if (words[0] == "x") {
    std::fill(first, last, false);
    // States stay true of what the file had; those after the loss are of other bytes.
    journal.states.erase(journal.states.upper_bound(*number / segment_blocks), journal.states.end());
  } else {
    return false;
  }
  return true;
}

}  // namespace

std::optional<Journal> parse_journal(std::string_view text, std::string_view etag, std::uint64_t size_bytes) {
  const auto next_line = [&]() -> std::optional<std::string_view> {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    return line;
  };
  constexpr std::uint64_t most_bytes = std::uint64_t{1} << 50;
  const auto head = next_line();
  if (!head || !digest_kind(etag) || size_bytes > most_bytes) return std::nullopt;
  const auto words = words_of(*head);
  if (words.size() != 5 || words[4].empty() || words[0] != "pome-download" || words[1] != "1" ||
      words[2] != etag || parse_size(words[3]) != size_bytes) {
    return std::nullopt;
  }
  Journal journal{.etag = std::string(etag),
                  .size_bytes = size_bytes,
                  .boot = std::string(words[4]),
                  .written = {},
                  .states = {}};
  journal.written.resize(journal.blocks());
  while (const auto line = next_line()) {
    if (!apply_line(words_of(*line), journal)) break;
  }
  return journal;
}

std::string written_line(std::uint64_t block, std::uint64_t count) {
  return fmt::format("w {} {}\n", block, count);
}
std::string state_line(std::uint64_t segments, std::string_view state) {
  return fmt::format("h {} {}\n", segments, state);
}
std::string lost_line(std::uint64_t block, std::uint64_t count) {
  return fmt::format("x {} {}\n", block, count);
}

std::string journal_text(const Journal& journal) {
  std::string text =
      fmt::format("pome-download 1 {} {} {}\n", journal.etag, journal.size_bytes, journal.boot);
  for (std::uint64_t first = 0; first < journal.blocks();) {
    std::uint64_t end = first;
    while (end < journal.blocks() && journal.written[end]) ++end;
    if (end > first) text += written_line(first, end - first);
    first = end + 1;
  }
  for (const auto& [segments, state] : journal.states) text += state_line(segments, state);
  return text;
}

std::string boot_id() {
#ifdef __APPLE__
  char id[64] = {};
  std::size_t size = sizeof id - 1;
  if (::sysctlbyname("kern.bootsessionuuid", id, &size, nullptr, 0) == 0) return id;
#else
  std::string id;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
  if (!id.empty()) return id;
#endif
  return "unknown";  // then everything is checked, each time
}

}  // namespace pome::hub
