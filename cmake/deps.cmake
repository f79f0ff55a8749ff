# What pome builds on, and why. Debian and Homebrew packages are found here; MLX and the Rust crates are pinned by hash
# (scripts/mlx.txt, edge/Cargo.lock) and put in place by scripts/setup.sh. Nothing is downloaded while configuring.

find_package(Threads REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)  # one JSON library everywhere; iterative parser, MLX uses it too
find_package(fmt 9 REQUIRED)               # libstdc++ 12 has no std::format
find_package(CLI11 2.1 REQUIRED)           # options, subcommands, completion data
find_package(CURL 7.85 REQUIRED)           # HTTP: TLS, proxies, connections kept open, many transfers on one thread
find_package(ZLIB REQUIRED)                # compressed npz; libcurl brings it along anyway
find_package(OpenSSL 3 REQUIRED)           # SHA-256 and SHA-1 with the processor's instructions
find_library(POME_LIBEDIT edit REQUIRED)   # the line editor of `pome chat`, under a BSD licence

if(POME_DEV)
  find_package(GTest 1.12 REQUIRED)
  include(GoogleTest)
  find_package(benchmark QUIET)            # kernels' benchmarks
endif()

# MLX: arrays and kernels for Apple GPUs and CUDA, and the float32 oracle on CPUs. The wheel's CMake package accepts any 0.x
# and pulls in CUDA's at configure time, so its two directories are named here instead.
set(POME_MLX_ROOT ${PROJECT_SOURCE_DIR}/build/deps/mlx CACHE PATH "an unpacked MLX backend wheel; scripts/setup.sh makes it")
if(EXISTS ${POME_MLX_ROOT}/mlx/include/mlx/version.h)
  file(STRINGS ${PROJECT_SOURCE_DIR}/scripts/mlx.txt POME_MLX_PIN REGEX "^mlx-cpu==")
  string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" POME_MLX_PIN "${POME_MLX_PIN}")
  file(STRINGS ${POME_MLX_ROOT}/mlx/include/mlx/version.h version_lines REGEX "#define MLX_VERSION_(MAJOR|MINOR|PATCH)")
  string(REGEX REPLACE "[^0-9;]" "" version_numbers "${version_lines}")
  list(JOIN version_numbers "." POME_MLX_VERSION)
  if(NOT POME_MLX_VERSION STREQUAL POME_MLX_PIN)
    message(FATAL_ERROR "MLX ${POME_MLX_VERSION} found in ${POME_MLX_ROOT}, ${POME_MLX_PIN} expected; run scripts/setup.sh")
  endif()
  file(REAL_PATH ${POME_MLX_ROOT}/mlx POME_MLX_DIR)
  add_library(mlx SHARED IMPORTED)
  set_target_properties(mlx PROPERTIES IMPORTED_LOCATION ${POME_MLX_DIR}/lib/libmlx${CMAKE_SHARED_LIBRARY_SUFFIX})
  target_include_directories(mlx SYSTEM INTERFACE ${POME_MLX_DIR}/include)
  if(NOT APPLE)
    # The wheel carries reference BLAS (8 GFLOP/s). OpenBLAS, linked first and kept although nothing of ours calls it,
    # takes its place by symbol interposition (120 GFLOP/s).
    find_library(POME_OPENBLAS openblas REQUIRED)
    target_link_options(mlx INTERFACE -Wl,--push-state,--no-as-needed ${POME_OPENBLAS} -Wl,--pop-state)
  endif()
else()
  message(FATAL_ERROR "MLX not found in ${POME_MLX_ROOT}; run scripts/setup.sh")
endif()
