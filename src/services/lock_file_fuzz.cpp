// Lock files come with foreign projects. What is read must be harmless as a name of a model and a commit.
#include "services/lock_file.h"

#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "hub/names.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto lock =
        pome::services::LockFile::parse({reinterpret_cast<const char*>(data), size}, "pome.lock");
    for (const auto& model : lock.models()) {
      if (!pome::hub::parse_repo_name(model.model) || !pome::hub::is_commit(model.commit)) std::abort();
    }
  } catch (const pome::Error&) {
  }
  return 0;
}
