#include "base/threads.h"

#include <atomic>

#include "base/error.h"
#include "base/thread_pool.h"

namespace pome {
namespace {

std::atomic<int> asked_for{0};

}  // namespace

int threads() {
  const int count = asked_for;
  return count > 0 ? count : default_threads();
}

void set_threads(int count) {
  constexpr int most = 1024;
  if (count < 1 || count > most) fail(ErrorKind::usage, "threads is {}, expected 1 to {}", count, most);
  asked_for = count;
}

}  // namespace pome
