// The one include of MLX, and how its exceptions become ours.
#pragma once

#include <mlx/mlx.h>

#include <exception>
#include <string>
#include <utility>

#include "base/error.h"

namespace pome::graph {

namespace mx = ::mlx::core;

// The exception being handled, as an Error: what MLX throws becomes resource (no memory) or internal.
Error from_mlx(const std::exception& exception);

// Runs f; whatever it throws leaves as an Error with `frame` (a module path, a layer) around it.
template <class F>
decltype(auto) at_seam(const std::string& frame, F&& f) {
  try {
    return std::forward<F>(f)();
  } catch (Error& e) {
    throw std::move(e).in(frame);
  } catch (const std::exception& e) {
    throw from_mlx(e).in(frame);
  }
}

}  // namespace pome::graph
