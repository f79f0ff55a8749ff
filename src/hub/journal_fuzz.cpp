// Any bytes as the journal of a download: nothing, or one that fits the file and says the same when
// rewritten.
#include <cstdlib>

#include "hub/journal.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pome::hub;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const std::string& etag : {std::string(64, 'a'), std::string(40, 'a')}) {
    for (const std::uint64_t bytes : {std::uint64_t{0}, 40 * block_bytes + 1}) {
      const auto journal = parse_journal(text, etag, bytes);
      if (!journal) continue;
      if (journal->written.size() != journal->blocks()) std::abort();
      const auto again = parse_journal(journal_text(*journal), etag, bytes);
      if (!again || again->written != journal->written || again->states != journal->states) std::abort();
    }
  }
  return 0;
}
