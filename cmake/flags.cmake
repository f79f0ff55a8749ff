# Compiler, linker and cache settings of the whole build.
if(CMAKE_CXX_COMPILER_ID MATCHES "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  message(WARNING "GCC ${CMAKE_CXX_COMPILER_VERSION} halves the speed of the quantized kernels; scripts/setup.sh installs clang-19")
endif()

# ccache sees through precompiled headers only with these sloppiness settings, and clang only without time stamps in them.
find_program(POME_CCACHE ccache)
if(POME_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  foreach(language C CXX)
    set(CMAKE_${language}_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${POME_CCACHE})
  endforeach()
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    add_compile_options(-Xclang -fno-pch-timestamp)
  endif()
endif()

if(NOT APPLE)
  find_program(POME_MOLD mold)
  find_program(POME_LLD NAMES ld.lld-19 ld.lld)
  if(POME_MOLD)
    add_link_options(-fuse-ld=mold)
  elseif(POME_LLD AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    add_link_options(-fuse-ld=${POME_LLD})
  endif()
endif()

# The same float operations in every build: the kernels promise equal bits, so a·b + c is fused only where the source says
# so.
add_compile_options(-ffp-contract=off)

# Instruction-set files are named by their level: kernels/qmm/avx2.cpp, or softmax_avx2.cpp. Each gets its flags and no other
# file does; it is left out where the processor is of another family.
set(POME_ISA_x86 avx2 avxvnni avx512vl avx512vnni avx512bf16 amx)
set(POME_ISA_arm neondot neoni8mm neonbf16)
set(POME_ISA_FLAGS_avx2 -mavx2 -mfma -mf16c)
set(POME_ISA_FLAGS_avxvnni ${POME_ISA_FLAGS_avx2} -mavxvnni)
set(POME_ISA_FLAGS_avx512vl ${POME_ISA_FLAGS_avx2} -mavx512f -mavx512vl -mavx512vnni)
set(POME_ISA_FLAGS_avx512vnni -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mavx2 -mfma -mf16c)
set(POME_ISA_FLAGS_avx512bf16 ${POME_ISA_FLAGS_avx512vnni} -mavx512bf16)
set(POME_ISA_FLAGS_amx ${POME_ISA_FLAGS_avx512vnni} -mamx-tile -mamx-int8)
set(POME_ISA_FLAGS_neondot -march=armv8.2-a+dotprod)
set(POME_ISA_FLAGS_neoni8mm -march=armv8.2-a+dotprod+i8mm)
set(POME_ISA_FLAGS_neonbf16 -march=armv8.2-a+dotprod+i8mm+bf16)

if(POME_SANITIZE)
  add_compile_options(-fsanitize=${POME_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${POME_SANITIZE})
endif()
if(POME_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

add_library(pome_warnings INTERFACE)
target_compile_options(pome_warnings INTERFACE -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion
  $<$<BOOL:${POME_WERROR}>:-Werror>)
