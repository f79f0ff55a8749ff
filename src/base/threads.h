// How many threads this process computes with.
#pragma once

namespace pome {

// The number asked for by set_threads(), else the processors that this process may run on. Thread-safe.
int threads();

// For backends made from now on. Throws Error(usage) below 1 or above 1024.
void set_threads(int count);

}  // namespace pome
