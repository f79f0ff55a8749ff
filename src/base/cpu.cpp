#include "base/cpu.h"

#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace pome {

std::string cpu_architecture() {
#if defined(__aarch64__)
  return "arm64";
#elif defined(__x86_64__)
  return "x86_64";
#else
  return "unknown";
#endif
}

std::vector<std::string> cpu_features() {
  std::vector<std::string> features;
#if defined(__x86_64__)
  __builtin_cpu_init();
#define POME_FEATURE(name) \
  if (__builtin_cpu_supports(name)) features.emplace_back(name)
  POME_FEATURE("avx2");
  POME_FEATURE("fma");
  POME_FEATURE("avx512f");
  POME_FEATURE("avx512bw");
  POME_FEATURE("avx512vnni");
  POME_FEATURE("avx512bf16");
#if defined(__clang__)  // GCC learns these names in later versions
  POME_FEATURE("f16c");
  POME_FEATURE("avxvnni");
  POME_FEATURE("avx512fp16");
  POME_FEATURE("amx-int8");
  POME_FEATURE("amx-bf16");
#endif
#undef POME_FEATURE
#elif defined(__aarch64__) && defined(__linux__)
  const unsigned long words[2] = {getauxval(AT_HWCAP), getauxval(AT_HWCAP2)};
  if (words[0] & HWCAP_ASIMDHP) features.emplace_back("fp16");
  if (words[0] & HWCAP_ASIMDDP) features.emplace_back("dotprod");
  if (words[1] & HWCAP2_I8MM) features.emplace_back("i8mm");
  if (words[1] & HWCAP2_BF16) features.emplace_back("bf16");
  if (words[0] & HWCAP_SVE) features.emplace_back("sve");
#elif defined(__aarch64__) && defined(__APPLE__)
  for (const char* name : {"FEAT_FP16", "FEAT_DotProd", "FEAT_I8MM", "FEAT_BF16", "FEAT_SME"}) {
    int present = 0;
    std::size_t size = sizeof present;
    const std::string key = std::string("hw.optional.arm.") + name;
    if (sysctlbyname(key.c_str(), &present, &size, nullptr, 0) == 0 && present)
      features.emplace_back(name + 5);
  }
#endif
  return features;
}

}  // namespace pome
