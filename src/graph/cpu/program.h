// A forward pass as a list of phases over one arena: what the recorder yields and the thread pool runs, again
// for every step of the same shape. Plain data.
//
// Work on rows (norms, rotations, sums, quantization of activations) needs nothing of other rows, so a chain
// of it is one phase, split by rows; products are split by columns, attention by heads. Phases follow each
// other with one barrier between. What needs nothing of other columns either, as an activation and the
// product it gates, is no phase: whoever has computed columns of a product does it to them at once, and
// whoever works on a head of attention does what comes before and after it.
#pragma once

#include <string>
#include <vector>

#include "graph/cpu/weights.h"
#include "graph/graph.h"
#include "kernels/route/route.h"

namespace pome::graph::cpu {

// Which rows of the step a matrix has: its tokens, or the wanted ones.
enum class RowSet : std::uint8_t { all, out };

// Memory of the arena, or of the caller's Matrix where `output` ≥ 0.
struct Buffer {
  std::size_t bytes = 0;
  int output = -1;
  int first_phase = -1;
  int last_phase = -1;
  std::size_t offset = 0;
};

// Columns of a row-major float matrix.
struct View {
  int buffer = -1;
  int column = 0;
  int width = 0;
  int stride = 0;  // floats from row to row

  bool exists() const { return buffer >= 0; }
  bool operator==(const View&) const = default;
  View columns(int begin, int end) const { return {buffer, column + begin, end - begin, stride}; }
};

enum class RowKind : std::uint8_t {
  route,      // out = experts and weights for the logits a, by router `index`
  embed,      // out = rows of `table` by token
  gather,     // out = the wanted rows of a
  copy,       // out = a
  copy_runs,  // `run` elements of every `step` of a, to every `out_step` of out, as often as a has them
  rms_norm,   // out = norm of runs of `run` elements of a, `index` weights
  layer_norm,
  rope,   // out (= a) rotated by table `index`
  store,  // a, heads of `run` elements, and b into the cache of layer `index`
  add,    // b as wide as a, or each element of b for a run of a's
  multiply,
  add_parameter,  // `index` weights
  multiply_parameter,
  scale,
  position_scale,
  decay,  // out = e^(-a·e^weight)
  clamp,  // from `factor` to `other`
  soft_cap,
  activate,
  xielu,
  activate_gated,  // out = f(a)·b
  clamped_swiglu,
  quantize,  // a into activations `index`
};

struct RowOp {
  RowKind kind = RowKind::copy;
  View a;
  View b;
  View out;
  int first_column = 0;  // of a part of the columns: how many there are before
  int index = 0;
  int run = 0;
  int step = 0;
  int out_step = 0;
  float factor = 0;  // a norm's eps
  float other = 0;
  kernels::Parameters weight;
  kernels::Parameters bias;
  kernels::UnaryKind activation = kernels::UnaryKind::silu;
  kernels::XieluFactors xielu;
  PositionScale position_scale;

  // The same for columns [begin, end) of matrices `whole` columns wide, or for that share of others'.
  RowOp columns(int begin, int end, int whole) const {
    const auto part = [&](const View& view) {
      return view.exists() ? view.columns(view.width / whole * begin, view.width / whole * end) : view;
    };
    RowOp op = *this;
    op.a = part(a);
    op.b = part(b);
    op.out = part(out);
    op.first_column = a.width / whole * begin;
    return op;
  }
};

// A matrix quantized for products, in a buffer of its own.
struct QuantizedInput {
  kernels::ActivationFormat format;
  RowSet rows = RowSet::all;
  int per_row = 1;  // so many quantized rows for each
  int columns = 0;
  int buffer = -1;
};

// out = x·Wᵀ, changed by adapters, + bias, + residual.
struct Product {
  const Linear* linear = nullptr;
  StoredMatrix matrix;
  kernels::Parameters bias;  // no data: none
  int activations = -1;      // quantized x; -1: the floats of the phase's input
  View out;
  View residual;
};

// Columns [begin, end) of one product, or of several that lie side by side.
struct Chunk {
  int product = 0;
  int products = 1;
  int begin = 0;
  int end = 0;
};

// A router with its parameters as floats, which `spec` does not point to.
struct Router {
  kernels::RouteSpec spec;
  std::vector<float> correction;
  std::vector<float> expert_scale;
};

// Products of heads, each by its own matrix: rows [first, first + rows) of those of a stack.
struct HeadProducts {
  StoredMatrix matrix;  // of the first head
  int heads = 0;
  int first = 0;
  int rows = 0;
  int activations = -1;  // of x, head after head; -1: its floats
};

// Experts at work on the pairs of a row and one of its `chosen` experts, grouped by expert.
struct ExpertsWork {
  StoredExperts gate;
  StoredExperts up;
  StoredExperts down;
  int count = 0;
  int chosen = 0;
  int inner = 0;  // I
  Experts::Fused fused = Experts::Fused::no;
  kernels::UnaryKind activation = kernels::UnaryKind::silu;
  Gating gating;
  bool weigh_inputs = false;
  bool one_row = false;               // all pairs read the one row of x
  bool by_columns = false;            // of few pairs: threads go on with the columns that they have computed
  static constexpr int columns = 64;  // computed at once
  View routes;
  // By pair; `gathered` only where floats of x are needed.
  View gathered;
  View hidden;  // what gate and up yield, side by side
  View products;
  View outputs;
  int gate_activations = -1;
  int up_activations = -1;
  int down_activations = -1;
};

enum class PhaseKind : std::uint8_t {
  rows,
  products,
  heads,
  experts,
  attention,
  convolution,
  recurrence,
};

struct Phase {
  PhaseKind kind = PhaseKind::rows;
  RowSet rows = RowSet::all;
  std::vector<RowOp> before;  // of attention: what comes first for the heads of a unit
  std::vector<RowOp> ops;     // of products and attention: what follows in a chunk's columns, a unit's heads
  View input;                 // of products and a convolution; q of attention and a recurrence
  std::vector<View> others;   // a recurrence's k, v, decay and beta
  std::vector<Product> products;
  std::vector<Chunk> chunks;
  std::vector<Stretches> soon;  // what each worker is likely to read of the products that follow soonest
  HeadProducts heads;
  int experts = -1;  // of the program's
  Attention attention;
  Convolution convolution;
  Recurrence recurrence;
  kernels::Parameters weight;  // a recurrence's skip
  kernels::Parameters bias;
  std::vector<float> sinks;  // of attention
  View out;
};

struct Output {
  std::string name;
  RowSet rows = RowSet::all;
  int width = 0;
};

// Steps that share a program.
struct Shape {
  int rows = 0;
  int out_rows = 0;
  bool layer_outputs = false;
  bool operator==(const Shape&) const = default;

  int count(RowSet set) const { return set == RowSet::all ? rows : out_rows; }
};

// So many rows take as long as reading the weights does: between products nothing should keep threads
// waiting.
inline constexpr int few_rows = 2;

enum class Arithmetic : std::uint8_t { standard, exact, fast };

struct Program {
  Shape shape;
  std::vector<Phase> phases;
  std::vector<Buffer> buffers;
  std::vector<QuantizedInput> quantized;
  std::vector<StoredMatrix> tables;  // of embeddings
  std::vector<Router> routers;
  std::vector<ExpertsWork> experts;
  std::vector<Rope> ropes;
  std::vector<Output> outputs;
  std::size_t arena_bytes = 0;
  std::uint64_t weight_bytes = 0;  // that its products read
};

// Cuts the columns of products into the chunks that threads take, counts the bytes they read, and says what
// of them to fetch beforehand.
void cut_products(Program& program, int threads);

// Gives buffers that are never needed at once the same place, each aligned to 64 bytes.
void plan_arena(Program& program);

}  // namespace pome::graph::cpu
