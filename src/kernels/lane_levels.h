// The levels of operations that are written over Lanes (lanes.h), of this build's processors and lowest
// first. Each has the operation's functions, a `const Functions functions` in a namespace of its name. No
// standard library, since the instruction-set files include this.
#pragma once

#if defined(__x86_64__)
#define POME_FOR_LANE_LEVELS(DO) DO(scalar) DO(avx2) DO(avx512vnni)
#elif defined(__aarch64__)
#define POME_FOR_LANE_LEVELS(DO) DO(scalar) DO(neondot)
#else
#define POME_FOR_LANE_LEVELS(DO) DO(scalar)
#endif

#define POME_LANE_FUNCTIONS(level)  \
  namespace level {                 \
  extern const Functions functions; \
  }

#define POME_LANE_ROW(level) {Isa::level, &level::functions},
