#include "models/weights.h"

#include <algorithm>

#include "base/error.h"

namespace pome::models {

const formats::Recipe& Weights::recipe(const std::string& name) {
  const formats::Recipe* recipe = layout_.find(name);
  if (recipe == nullptr) {
    throw error(ErrorKind::corrupt, "{}: tensor \"{}\" is missing, nothing was loaded", layout_.source(),
                name)
        .with_hint(fmt::format("pome verify --repair {}", layout_.source()));
  }
  taken_.insert(name);
  return *recipe;
}

const formats::Tensor& Weights::use(const std::string& name) {
  const formats::Recipe& made_of = recipe(name);
  const auto known = made_.find(name);
  return known != made_.end() ? known->second : made_.emplace(name, formats::make(made_of)).first->second;
}

formats::Tensor Weights::take(const std::string& name, const std::vector<std::int64_t>& shape) {
  const formats::Tensor& tensor = use(name);
  nn::check_dense(tensor, shape);
  return tensor;
}

formats::Tensor Weights::take_scalar(const std::string& name) {
  const formats::Tensor& tensor = use(name);
  nn::check_dense(tensor, tensor.shape.empty() ? std::vector<std::int64_t>{} : std::vector<std::int64_t>{1});
  return tensor;
}

formats::Tensor Weights::take_bytes(const std::string& name, const std::vector<std::int64_t>& shape) {
  const formats::Tensor& tensor = use(name);
  if (tensor.dtype != Dtype::u8 || tensor.shape != shape) {
    fail(ErrorKind::corrupt, "{}: tensor \"{}\" is {} of {}, expected {} of U8", tensor.file, tensor.name,
         tensor.shape_text(), dtype_name(tensor.dtype), formats::shape_text(shape));
  }
  return tensor;
}

graph::Weight Weights::weight_of(const std::string& module, const std::vector<std::int64_t>& shape,
                                 const Parts& parts) {
  const auto part = [&](const char* name) {
    const auto entry = parts.find(name);
    return entry == parts.end() ? nullptr : &entry->second;
  };
  return nn::make_weight(module, shape, parts.at(".weight"), part(".scales"), part(".biases"), quantization_);
}

graph::Weight Weights::weight(const std::string& module, const std::vector<std::int64_t>& shape) {
  Parts parts;
  for (const char* part : {".weight", ".scales", ".biases"}) {
    const bool needed = part == std::string_view(".weight");
    if (needed || contains(module + part)) parts.emplace(part, use(module + part));
  }
  return weight_of(module, shape, parts);
}

graph::ExpertMatrices Weights::stack(const std::string& module, std::int64_t experts, std::int64_t out,
                                     std::int64_t in) {
  graph::ExpertMatrices matrices;
  if (contains(module + ".bias")) matrices.bias = take(module + ".bias", {experts, out});
  const formats::Recipe& codes = recipe(module + ".weight");
  if (!codes.stacked) {
    matrices.parts.push_back(weight(module, {experts, out, in}));
    return matrices;
  }
  if (codes.pieces() != experts) {
    fail(ErrorKind::corrupt, "{}: {} has {} parts, expected {}", codes.file(), module, codes.pieces(),
         experts);
  }
  for (std::int64_t e = 0; e < experts; ++e) {
    Parts parts;
    for (const char* part : {".weight", ".scales", ".biases"}) {
      if (!contains(module + part)) continue;
      const formats::Recipe& stack = recipe(module + part);
      if (stack.pieces() != experts) {
        fail(ErrorKind::corrupt, "{}: {}{} has {} parts, expected {}", stack.file(), module, part,
             stack.pieces(), experts);
      }
      parts.emplace(part, formats::make_piece(stack, e));
    }
    matrices.parts.push_back(weight_of(module, {out, in}, parts));
  }
  return matrices;
}

namespace {

// What two recipes are taken from, row by row, where that is all of one thing.
std::optional<graph::Experts::Fused> fused(const formats::Recipe& first, const formats::Recipe& second) {
  using Fused = graph::Experts::Fused;
  const auto takes = [](const formats::Recipe& recipe) {
    return !recipe.stacked && !recipe.steps.empty() && recipe.steps.back().kind == formats::Step::Kind::take;
  };
  if (!takes(first) || !takes(second) || first.sources[0].data != second.sources[0].data) return std::nullopt;
  const formats::Step &a = first.steps.back(), &b = second.steps.back();
  const bool whole = a.first == 0 && a.count == b.count && a.stride == b.stride && a.axis == b.axis;
  if (whole && a.stride == 1 && b.first == a.count) return Fused::halves;
  if (whole && a.stride == 2 && b.first == 1) return Fused::alternating;
  return std::nullopt;
}

}  // namespace

std::optional<Weights::FusedStack> Weights::fused_stack(const std::string& first, const std::string& second,
                                                        std::int64_t experts, std::int64_t out,
                                                        std::int64_t in) {
  if (!contains(first + ".weight") || !contains(second + ".weight")) return std::nullopt;
  const auto how = fused(recipe(first + ".weight"), recipe(second + ".weight"));
  if (!how) return std::nullopt;
  Parts parts;
  for (const char* part : {".weight", ".scales", ".biases", ".bias"}) {
    if (!contains(first + part) || !contains(second + part)) continue;
    formats::Recipe both = recipe(first + part);
    if (fused(both, recipe(second + part)) != how) return std::nullopt;
    both.steps.pop_back();
    parts.emplace(part, formats::make(both));
  }
  FusedStack stack{.both = {{weight_of(first, {experts, 2 * out, in}, parts)}, {}}, .how = *how};
  if (const auto bias = parts.find(".bias"); bias != parts.end()) {
    nn::check_dense(bias->second, {experts, 2 * out});
    stack.both.bias = bias->second;
  }
  return stack;
}

nn::LinearPtr Weights::keep(graph::Linear linear) {
  return linears_.emplace_back(std::make_shared<graph::Linear>(std::move(linear)));
}

nn::LinearPtr Weights::linear(const std::string& module, std::int64_t out, std::int64_t in, bool bias) {
  graph::Linear linear;
  linear.name = module;
  linear.weight = weight(module, out, in);
  if (bias) linear.bias = take(module + ".bias", {out});
  return keep(std::move(linear));
}

void Weights::drop(std::string_view pattern) { set_aside(pattern, dropped_); }
void Weights::leave(std::string_view pattern) { set_aside(pattern, left_); }

void Weights::set_aside(std::string_view pattern, std::set<std::string, std::less<>>& names) {
  for (const formats::Recipe& recipe : layout_) {
    if (formats::matches(pattern, recipe.name) && taken_.insert(recipe.name).second) {
      names.insert(recipe.name);
    }
  }
}

void Weights::finish() const {
  std::size_t left = 0;
  const formats::Recipe* first = nullptr;
  for (const formats::Recipe& recipe : layout_) {
    if (taken_.contains(recipe.name)) continue;
    if (first == nullptr) first = &recipe;
    ++left;
  }
  if (first == nullptr) return;
  throw error(ErrorKind::unsupported,
              "{}: tensor \"{}\" {} has no place in a {} of this config{}; nothing was loaded", first->file(),
              first->sources[0].name, first->sources[0].shape_text(), family_,
              left == 1 ? std::string() : fmt::format(", nor have {} others", left - 1))
      .with_hint("config.json may belong to another model: pome show MODEL");
}

}  // namespace pome::models
