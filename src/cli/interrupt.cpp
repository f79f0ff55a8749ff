#include "cli/interrupt.h"

#include <unistd.h>

#include <atomic>
#include <csignal>

#include "base/error.h"

namespace pome::cli {
namespace {

enum State : int { idle, armed, noted };
std::atomic<int> state{idle};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may touch nothing else");

extern "C" void on_interrupt(int) {
  int expected = armed;
  if (state.compare_exchange_strong(expected, noted)) return;
  ::_exit(130);
}

}  // namespace

void install_interrupt() {
  struct sigaction action{};
  action.sa_handler = on_interrupt;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, nullptr);
}

Interruptible::Interruptible() { state = armed; }
Interruptible::~Interruptible() { state = idle; }
bool Interruptible::interrupted() const { return state == noted; }

}  // namespace pome::cli
