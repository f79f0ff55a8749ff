#include "kernels/isa.h"

#include <cstdlib>
#include <string>

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
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

// Tiles, and products of bytes by them. The system has to save tiles, and lets only those use them who ask.
bool has_amx() {
#if defined(__linux__)
  static const bool answer = [] {
    constexpr unsigned instructions = 3u << 24;  // AMX-TILE, AMX-INT8
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    if (!has_avx512bf16() || __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0 ||
        (edx & instructions) != instructions) {
      return false;
    }
    constexpr unsigned tile_state = 3u << 17;
    unsigned saved = 0, high = 0;
    asm("xgetbv" : "=a"(saved), "=d"(high) : "c"(0));
    constexpr long ask = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    return (saved & tile_state) == tile_state && syscall(SYS_arch_prctl, ask, tile_data) == 0;
  }();
  return answer;
#else
  return false;
#endif
}
#elif defined(__aarch64__)
#if defined(__linux__)
bool has_neondot() { return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0; }
bool has_i8mm() { return (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0; }
bool has_bf16() { return (getauxval(AT_HWCAP2) & HWCAP2_BF16) != 0; }
#elif defined(__APPLE__)
bool has_feature(const char* name) {
  int present = 0;
  std::size_t size = sizeof present;
  return sysctlbyname(name, &present, &size, nullptr, 0) == 0 && present != 0;
}
bool has_neondot() { return has_feature("hw.optional.arm.FEAT_DotProd"); }
bool has_i8mm() { return has_feature("hw.optional.arm.FEAT_I8MM"); }
bool has_bf16() { return has_feature("hw.optional.arm.FEAT_BF16"); }
#else
bool has_neondot() { return false; }
bool has_i8mm() { return false; }
bool has_bf16() { return false; }
#endif
bool has_neoni8mm() { return has_neondot() && has_i8mm(); }
bool has_neonbf16() { return has_neoni8mm() && has_bf16(); }
#endif

constexpr IsaRow table[] = {
    {Isa::scalar, "scalar", always},
#if defined(__x86_64__)
    {Isa::avx2, "avx2", has_avx2},
    {Isa::avxvnni, "avxvnni", has_avxvnni},
    {Isa::avx512vl, "avx512vl", has_avx512vnni},
    {Isa::avx512vnni, "avx512vnni", has_avx512vnni},
    {Isa::avx512bf16, "avx512bf16", has_avx512bf16},
    {Isa::amx, "amx", has_amx},
#elif defined(__aarch64__)
    {Isa::neondot, "neondot", has_neondot},
    {Isa::neoni8mm, "neoni8mm", has_neoni8mm},
    {Isa::neonbf16, "neonbf16", has_neonbf16},
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

// Intel's processors add on the ports that multiply.
bool pairs_pay() {
#if defined(__x86_64__)
  return !__builtin_cpu_is("intel");
#else
  return false;
#endif
}

}  // namespace pome::kernels
