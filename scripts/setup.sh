#!/usr/bin/env bash
# Puts in place what building pome needs, and says what it does. Safe to repeat: what is there is left alone, and nothing
# asks for root unless a system package is missing. Afterwards everything builds without a network.
#
#   scripts/setup.sh            what `./dev run` and `./dev test` need
#   scripts/setup.sh --checks   and what the continuous checks need: formatter, sanitizers' run-times, Arm emulator
#   POME_MLX=cuda-13 scripts/setup.sh   MLX's CUDA backend instead of the machine's usual one
set -euo pipefail
cd "$(dirname "$0")/.."
deps=build/deps

say() { printf 'setup: %s\n' "$*" >&2; }
die() { printf 'setup: error: %s\n' "$*" >&2; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else die "needs root to run: $*"; fi
}

# --- system packages ------------------------------------------------------------------------------------------------
# One line of reason each stands in cmake/deps.cmake.
debian=(clang-19 lld-19 cmake ninja-build pkg-config python3-pip ca-certificates
  nlohmann-json3-dev libfmt-dev libcli11-dev libedit-dev libcurl4-openssl-dev libssl-dev zlib1g-dev libopenblas-dev libgtest-dev libbenchmark-dev)
brew=(cmake ninja pkg-config nlohmann-json fmt cli11 openssl@3 googletest google-benchmark)
[ "${1:-}" = --checks ] && debian+=(clang-format-19 libclang-rt-19-dev g++-aarch64-linux-gnu qemu-user)

apt_updated=no
apt_install() {
  export DEBIAN_FRONTEND=noninteractive
  if [ $apt_updated = no ]; then as_root apt-get update -q >&2; apt_updated=yes; fi
  as_root apt-get install -y -q --no-install-recommends "$@" >&2
}

install_debian() {
  local missing=() package
  for package in "${debian[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] && return
  say "installing from the distribution: ${missing[*]}"
  apt_install "${missing[@]}"
}

install_brew() {
  command -v brew >/dev/null || die "Homebrew is needed on macOS: see https://brew.sh"
  local missing=() package
  for package in "${brew[@]}"; do brew list --versions "$package" >/dev/null || missing+=("$package"); done
  [ ${#missing[@]} = 0 ] && return
  say "installing with Homebrew: ${missing[*]}"
  brew install "${missing[@]}" >&2
}

# --- Rust -----------------------------------------------------------------------------------------------------------
rust_is_new_enough() {  # llguidance needs 1.87
  local version
  version=$(rustc --version 2>/dev/null | awk '{print $2}') || return 1
  [ -n "$version" ] && command -v cargo >/dev/null &&
    [ "$(printf '1.87.0\n%s\n' "$version" | sort -t. -k1,1n -k2,2n | head -n 1)" = 1.87.0 ]
}

install_rust() {
  rust_is_new_enough && return
  if [ "$system" = Darwin ]; then say "installing Rust with Homebrew"; brew install rust >&2; return; fi
  if command -v rustc >/dev/null; then
    die "found $(rustc --version), 1.87 or newer is needed, and yours is not touched; update it (rustup update) and run again"
  fi
  say "installing Rust from the distribution: rustc-web cargo-web"
  apt_install --no-remove rustc-web cargo-web
  rust_is_new_enough || die "found $(rustc --version), 1.87 or newer is needed; install it with rustup and run again"
}

# --- MLX ------------------------------------------------------------------------------------------------------------
install_mlx() {
  local package=mlx-${POME_MLX:-$default_mlx} version
  version=$(sed -n "s/^$package==\([0-9.]*\).*/\1/p" scripts/mlx.txt)
  [ -n "$version" ] || die "scripts/mlx.txt has no $package"
  local target=$deps/$package-$version
  if [ ! -e "$target/mlx/include/mlx/mlx.h" ]; then
    say "downloading $package $version"
    local work; work=$(mktemp -d)
    sed -n "/^$package==/,/[^\\\\]\$/p" scripts/mlx.txt > "$work/requirements.txt"
    python3 -m pip download -q --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
      -r "$work/requirements.txt" -d "$work" >&2
    mkdir -p "$deps" && rm -rf "$target.part"
    python3 -m zipfile -e "$work"/*.whl "$target.part"
    rm -rf "$work" && mv "$target.part" "$target"
  fi
  ln -sfn "$package-$version" "$deps/mlx"  # what cmake/deps.cmake builds against
}

system=$(uname -s)
case $system in
  Linux)
    glibc=$(ldd --version 2>/dev/null | awk 'NR==1 {print $NF}')
    [ "$(printf '2.35\n%s\n' "$glibc" | sort -V | head -n 1)" = 2.35 ] || die "glibc $glibc found, MLX's wheels need 2.35 (Debian 12, Ubuntu 22.04)"
    command -v apt-get >/dev/null || die "only Debian and Ubuntu are set up automatically; install the equivalents of: ${debian[*]}"
    default_mlx=cpu; install_debian ;;
  Darwin) default_mlx=metal; install_brew ;;
  *) die "$system is not supported" ;;
esac
install_rust
install_mlx
if [ -f edge/Cargo.lock ]; then
  cargo fetch -q --locked --manifest-path edge/Cargo.toml 2>"$deps/cargo.log" || { cat "$deps/cargo.log" >&2; die "cargo fetch failed"; }
fi
