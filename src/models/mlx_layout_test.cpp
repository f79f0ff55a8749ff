// Every golden checkpoint through its family's layout table: its tensors, made one by one in the layout that
// MLX repositories have, are named and shaped as mlx-lm's own sanitizer leaves them (mlx_layout.txt, written
// by tools/golden/mlx_layout.py), and are the same model when they are loaded again.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <map>
#include <set>

#include "formats/safetensors.h"
#include "models/config.h"
#include "models/model.h"
#include "models/weights.h"
#include "nn/dense.h"

namespace pome::models {
namespace {

const fs::path golden_root = fs::path(POME_SOURCE_DIR) / "tests" / "golden";

std::vector<fs::path> find_cases(const char* file) {
  std::vector<fs::path> cases;
  for (const Arch* arch : registry()) {
    const fs::path family = golden_root / arch->name;
    if (!fs::is_directory(family)) continue;
    for (const auto& entry : fs::directory_iterator(family)) {
      if (fs::exists(entry.path() / file)) cases.push_back(entry.path());
    }
  }
  std::sort(cases.begin(), cases.end());
  return cases;
}

// Cases that mlx-lm knows and that are not quantized.
class MlxNames : public testing::TestWithParam<fs::path> {};
class MlxLayout : public testing::TestWithParam<fs::path> {};

// <family>__<case>, the family as ctest's golden/<family> asks for it
std::string name_of(const testing::TestParamInfo<fs::path>& info) {
  std::string text = fs::relative(info.param, golden_root).string();
  text.insert(text.find('/'), "_");
  std::replace_if(text.begin(), text.end(), [](char c) { return std::isalnum(c) == 0; }, '_');
  return text;
}

// A golden's line: "model.layers.#.mlp.up_proj.weight [64, 32] 0 1".
std::set<std::string> read_lines(const fs::path& file) {
  std::set<std::string> lines;
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) lines.insert(line);
  return lines;
}

std::set<std::string> lines_of(const LoadedModel& model) {
  std::map<std::string, std::set<int>> layers;
  for (const formats::Recipe& recipe : mlx_layout(model)) {
    std::string name = mlx_name(model, recipe.name);
    int layer = -1;
    for (const std::string_view mark : {".layers.", ".h."}) {
      const std::size_t at = name.find(mark);
      if (layer >= 0 || at == std::string::npos) continue;
      const std::size_t first = at + mark.size();
      layer = std::stoi(name.substr(first));
      name.replace(first, std::to_string(layer).size(), "#");
    }
    auto& of_name = layers[name + " " + formats::shape_text(recipe.shape)];
    if (layer >= 0) of_name.insert(layer);
  }
  std::set<std::string> lines;
  for (const auto& [name, numbers] : layers) {
    std::string line = name;
    for (const int number : numbers) line += fmt::format(" {}", number);
    lines.insert(std::move(line));
  }
  return lines;
}

struct Difference {
  std::string_view family;
  std::string_view name;  // part of a line that one of the two has
  std::string_view why;
};

constexpr Difference known[] = {
    {"ernie4_5_moe", "e_score_correction_bias",
     "mlx-lm drops what corrects the scores; the model was trained with it"},
    {"gpt_oss", ".experts.", "mlx-lm's sanitizer leaves dense experts transposed and without .weight"},
};

bool is_known(std::string_view family, std::string_view line) {
  return std::any_of(std::begin(known), std::end(known), [&](const Difference& d) {
    return d.family == family && line.find(d.name) != std::string_view::npos;
  });
}

std::string read_back(const std::set<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += "  " + line + "\n";
  return text;
}

TEST_P(MlxNames, AreThoseOfTheReference) {
  const auto model = load_model(GetParam());
  const std::set<std::string> expected = read_lines(GetParam() / "mlx_layout.txt"), found = lines_of(*model);
  std::set<std::string> missing, extra;
  std::set_difference(expected.begin(), expected.end(), found.begin(), found.end(),
                      std::inserter(missing, missing.end()));
  std::set_difference(found.begin(), found.end(), expected.begin(), expected.end(),
                      std::inserter(extra, extra.end()));
  std::erase_if(missing, [&](const std::string& line) { return is_known(model->arch->name, line); });
  std::erase_if(extra, [&](const std::string& line) { return is_known(model->arch->name, line); });
  EXPECT_TRUE(missing.empty()) << "mlx-lm has besides:\n" << read_back(missing);
  EXPECT_TRUE(extra.empty()) << "mlx-lm has not:\n" << read_back(extra);
}

std::vector<float> logits_of(const Model& model, const std::vector<std::int32_t>& tokens) {
  static const auto backend =
      graph::make_backend("cpu", {.precision = graph::Precision::exact, .threads = 2});
  const auto runner = backend->load([&](graph::Graph& g) { model.forward(g); }, model.cache_plan());
  graph::Step step;
  step.tokens = tokens;
  const int count = static_cast<int>(tokens.size());
  step.segments = {{.begin = 0, .length = count, .cache = nullptr, .adapter = 0, .planned_length = count}};
  for (int i = 0; i < count; ++i) step.out_rows.push_back(i);
  graph::Outputs outputs;
  runner->run(step, outputs);
  return outputs.at("logits").values;
}

// Piece by piece, as a converter makes what does not fit in memory.
formats::Tensor in_pieces(const formats::Recipe& recipe) {
  auto bytes = std::make_shared<std::vector<std::byte>>();
  formats::Tensor tensor = formats::make_piece(recipe, 0);
  for (std::int64_t i = 0; i < recipe.pieces(); ++i) {
    const formats::Tensor piece = formats::make_piece(recipe, i);
    bytes->insert(bytes->end(), piece.data, piece.data + piece.size_bytes);
  }
  tensor.shape = recipe.shape;
  tensor.data = bytes->data();
  tensor.size_bytes = bytes->size();
  tensor.owner = std::move(bytes);
  return tensor;
}

// The same in float32, so that factors folded into weights do not round them once more.
void raise(formats::TensorTable& tensors) {
  formats::TensorTable raised(tensors.source());
  for (const formats::Tensor& tensor : tensors) {
    const bool narrow = tensor.dtype == Dtype::bf16 || tensor.dtype == Dtype::f16;
    raised.add(narrow ? nn::float_tensor(tensor, tensor.shape, nn::to_floats(tensor)) : tensor);
  }
  tensors = std::move(raised);
}

TEST_P(MlxLayout, IsTheSameModelWhenLoadedAgain) {
  const auto model = load_model(GetParam());
  const bool folded = formats::Layout(model->readable, model->table, model->text_config).published();
  if (folded) raise(model->readable);
  formats::TensorTable made("made");
  for (const formats::Recipe& recipe : mlx_layout(*model)) {
    formats::Tensor whole = formats::make(recipe);
    EXPECT_EQ(whole.shape, recipe.shape) << recipe.name;
    EXPECT_EQ(whole.dtype, recipe.dtype) << recipe.name;
    const formats::Tensor pieces = in_pieces(recipe);
    ASSERT_EQ(pieces.size_bytes, whole.size_bytes) << recipe.name;
    EXPECT_EQ(std::memcmp(pieces.data, whole.data, whole.size_bytes), 0) << recipe.name << " in pieces";
    made.add(std::move(whole));
  }
  const formats::Layout layout(made, model->table, model->text_config);
  EXPECT_FALSE(layout.published());
  for (const formats::Recipe& recipe : layout) EXPECT_TRUE(recipe.as_stored()) << recipe.name;

  Config config(model->text_config, "config.json");
  Weights weights(layout, nn::parse_quantization(model->text_config, "config.json"), model->arch->name);
  const std::unique_ptr<Model> again = model->arch->build(config, weights);
  weights.finish();

  const formats::TensorTable golden = formats::open_safetensors(GetParam() / "golden.safetensors").tensors;
  const formats::Tensor& stored = golden.at("tokens");
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(stored.elements()));
  std::memcpy(tokens.data(), stored.data, stored.size_bytes);
  const std::vector<float> before = logits_of(*model->model, tokens), after = logits_of(*again, tokens);
  ASSERT_EQ(before.size(), after.size());
  double squares = 0, worst = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    squares += double{before[i]} * before[i];
    worst = std::max(worst, std::fabs(double{before[i]} - after[i]));
  }
  const double deviation = std::sqrt(squares / static_cast<double>(before.size()));
  EXPECT_LE(worst / deviation, folded ? 1e-4 : 0);
}

INSTANTIATE_TEST_SUITE_P(Cases, MlxNames, testing::ValuesIn(find_cases("mlx_layout.txt")), name_of);
INSTANTIATE_TEST_SUITE_P(Cases, MlxLayout, testing::ValuesIn(find_cases("config.json")), name_of);

}  // namespace
}  // namespace pome::models
