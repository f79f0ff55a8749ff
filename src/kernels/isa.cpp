#include "kernels/isa.h"

#include <cstdlib>
#include <string>

#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace pome::kernels {
namespace {

bool always() { return true; }

#if defined(__x86_64__)
bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}

bool has_avxvnni() { return has_avx2() && __builtin_cpu_supports("avxvnni"); }

bool has_avx512vnni() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vnni");
}

bool has_avx512bf16() { return has_avx512vnni() && __builtin_cpu_supports("avx512bf16"); }
#elif defined(__aarch64__)
bool has_neondot() {
#if defined(__linux__)
  return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#else
  return true;  // every Apple processor with this instruction set has them
#endif
}
#endif

constexpr IsaRow table[] = {
    {Isa::scalar, "scalar", always},
#if defined(__x86_64__)
    {Isa::avx2, "avx2", has_avx2},
    {Isa::avxvnni, "avxvnni", has_avxvnni},
    {Isa::avx512vl, "avx512vl", has_avx512vnni},
    {Isa::avx512vnni, "avx512vnni", has_avx512vnni},
    {Isa::avx512bf16, "avx512bf16", has_avx512bf16},
#elif defined(__aarch64__)
    {Isa::neondot, "neondot", has_neondot},
#endif
};

Isa choose_isa() {
  const char* wanted = std::getenv("POME_ISA");
  if (wanted == nullptr || *wanted == '\0') {
    Isa best = Isa::scalar;
    for (const IsaRow& row : table) {
      if (row.executable()) best = row.isa;
    }
    return best;
  }
  std::string names;
  for (const IsaRow& row : table) {
    if (row.name == wanted) {
      if (row.executable()) return row.isa;
      fail(ErrorKind::unsupported, "POME_ISA is \"{}\", which this processor cannot execute", wanted);
    }
    names.append(names.empty() ? "" : ", ").append(row.name);
  }
  fail(ErrorKind::usage, "POME_ISA is \"{}\", expected one of {}", wanted, names);
}

}  // namespace

std::span<const IsaRow> isa_table() { return table; }

bool executes(Isa isa) {
  for (const IsaRow& row : table) {
    if (row.isa == isa) return row.executable();
  }
  return false;
}

std::string_view isa_name(Isa isa) {
  for (const IsaRow& row : table) {
    if (row.isa == isa) return row.name;
  }
  return "unknown";
}

Isa active_isa() {
  static const Isa isa = choose_isa();
  return isa;
}

}  // namespace pome::kernels
