# What pome builds on, and why. Debian and Homebrew packages are found here; MLX and the Rust crates are pinned by hash
# (scripts/mlx.txt, edge/Cargo.lock) and put in place by scripts/setup.sh. Nothing is downloaded while configuring.

find_package(Threads REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)  # one JSON library everywhere; iterative parser, MLX uses it too
find_package(fmt 9 REQUIRED)               # libstdc++ 12 has no std::format
find_package(spdlog 1.10 REQUIRED)         # log sinks and levels
find_package(CLI11 2.1 REQUIRED)           # options, subcommands, completion data

if(POME_DEV)
  find_package(GTest 1.12 REQUIRED)
  include(GoogleTest)
  find_package(benchmark QUIET)            # kernels' benchmarks
endif()
