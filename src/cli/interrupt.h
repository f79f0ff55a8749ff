// Ctrl-C.
#pragma once

namespace pome::cli {

// From here on SIGINT ends the program at once with exit code 130, unless an Interruptible lives.
void install_interrupt();

// While one lives, the first SIGINT is only noted; a second one ends the program. One at a time.
class Interruptible {
 public:
  Interruptible();
  ~Interruptible();
  Interruptible(const Interruptible&) = delete;

  bool interrupted() const;
};

}  // namespace pome::cli
