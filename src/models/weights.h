// The tensors of a model as a family takes them: by name, each once or more, none left over.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "formats/layout.h"
#include "graph/experts.h"
#include "graph/weight.h"
#include "nn/linear.h"

namespace pome::models {

// Not thread-safe; lives while one model is built. What it hands out are views that keep their file mapped.
// Errors: corrupt, with file, tensor, what was found and what was expected.
class Weights {
 public:
  // `layout` must outlive the object. `family` is the one that is built.
  Weights(const formats::Layout& layout, nn::QuantizationConfig quantization, std::string_view family)
      : layout_(layout), quantization_(std::move(quantization)), family_(family) {}

  const std::string& family() const { return family_; }
  bool contains(std::string_view name) const { return layout_.contains(name); }

  // Whether the files are as published, with norms and factors apart (formats::Layout::published).
  bool published() const { return layout_.published(); }

  // A tensor as it is, for families that know more about it than a table of shapes can say. In files of
  // another layout than MLX's this may be a copy.
  const formats::Tensor& use(const std::string& name);

  // A tensor of floating-point elements and this shape.
  formats::Tensor take(const std::string& name, const std::vector<std::int64_t>& shape);

  // The same of one element, whether it has an axis or none.
  formats::Tensor take_scalar(const std::string& name);

  // A tensor of bytes, which the family unpacks.
  formats::Tensor take_bytes(const std::string& name, const std::vector<std::int64_t>& shape);

  // <module>.weight [out, in], with <module>.scales and .biases where it is quantized.
  graph::Weight weight(const std::string& module, std::int64_t out, std::int64_t in) {
    return weight(module, std::vector{out, in});
  }

  // The same of another shape: a stack [experts, out, in].
  graph::Weight weight(const std::string& module, const std::vector<std::int64_t>& shape);

  // The same where it lies, in one piece or as `experts` tensors; with <module>.bias where there is one.
  graph::ExpertMatrices stack(const std::string& module, std::int64_t experts, std::int64_t out,
                              std::int64_t in);

  // Where the files have the stacks of two modules as one, with the rows of `first` before those of `second`
  // or one of each in turn: that one, [experts, 2·out, in]; nothing where they do not.
  struct FusedStack {
    graph::ExpertMatrices both;
    graph::Experts::Fused how;
  };
  std::optional<FusedStack> fused_stack(const std::string& first, const std::string& second,
                                        std::int64_t experts, std::int64_t out, std::int64_t in);

  // The same, with <module>.bias [out] where the family has one.
  nn::LinearPtr linear(const std::string& module, std::int64_t out, std::int64_t in, bool bias);

  // A linear that the family made itself.
  nn::LinearPtr keep(graph::Linear linear);

  // Sets aside what is in files but of no use: names that match `pattern`, in which one '*' stands for
  // anything.
  void drop(std::string_view pattern);

  // The same for what MLX's files have nevertheless.
  void leave(std::string_view pattern);

  // Refuses tensors that were neither taken nor dropped: Error(unsupported), because the model they belong
  // to is another one.
  void finish() const;

  const std::set<std::string, std::less<>>& dropped() const { return dropped_; }
  const std::set<std::string, std::less<>>& left() const { return left_; }

  // What linear() handed out.
  const std::vector<std::shared_ptr<graph::Linear>>& linears() const { return linears_; }

 private:
  void set_aside(std::string_view pattern, std::set<std::string, std::less<>>& names);

  // The recipe of a tensor that is now taken.
  const formats::Recipe& recipe(const std::string& name);

  using Parts = std::map<std::string_view, formats::Tensor>;  // ".weight", ".scales", …
  graph::Weight weight_of(const std::string& module, const std::vector<std::int64_t>& shape,
                          const Parts& parts);

  const formats::Layout& layout_;
  nn::QuantizationConfig quantization_;
  std::string family_;
  std::set<std::string, std::less<>> taken_;
  std::map<std::string, formats::Tensor> made_;
  std::set<std::string, std::less<>> dropped_;
  std::set<std::string, std::less<>> left_;
  std::vector<std::shared_ptr<graph::Linear>> linears_;
};

}  // namespace pome::models
