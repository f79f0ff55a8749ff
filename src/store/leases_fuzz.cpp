// Any bytes as a lease.
#include "base/error.h"
#include "store/leases.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pome;
  try {
    const store::LeaseInfo lease =
        store::parse_lease(std::string_view(reinterpret_cast<const char*>(data), size), "input");
    if (lease.process < 1 || lease.folder.empty()) __builtin_trap();
  } catch (const Error&) {
  }
  return 0;
}
