# Picks the compiler where nobody has chosen one: clang 19 or newer on Linux, because GCC 12 emits two register moves
# around every VNNI instruction (half the speed of the quantized kernels); the system compiler on macOS.
if(NOT DEFINED CMAKE_CXX_COMPILER AND NOT DEFINED ENV{CXX} AND CMAKE_HOST_SYSTEM_NAME STREQUAL "Linux")
  foreach(version 19 20 21 22)
    find_program(POME_CLANGXX_${version} clang++-${version})
    if(POME_CLANGXX_${version})
      set(CMAKE_CXX_COMPILER ${POME_CLANGXX_${version}})
      string(REPLACE "clang++" "clang" CMAKE_C_COMPILER ${POME_CLANGXX_${version}})
      break()
    endif()
  endforeach()
endif()
