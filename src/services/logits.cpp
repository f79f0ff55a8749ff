#include "services/logits.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/units.h"
#include "formats/safetensors.h"

namespace pome::services {
namespace {

// Rows of one chunk's output go behind those that are there already.
void append(graph::Matrix& whole, const graph::Outputs& outputs, const std::string& name) {
  const auto found = outputs.find(name);
  if (found == outputs.end()) fail(ErrorKind::internal, "the model gave no output \"{}\"", name);
  const graph::Matrix& part = found->second;
  whole.rows += part.rows;
  whole.width = part.width;
  whole.values.insert(whole.values.end(), part.values.begin(), part.values.end());
}

formats::Tensor tensor_of(std::string name, Dtype dtype, std::vector<std::int64_t> shape, const void* data,
                          std::size_t size_bytes) {
  formats::Tensor tensor;
  tensor.name = std::move(name);
  tensor.dtype = dtype;
  tensor.shape = std::move(shape);
  tensor.data = static_cast<const std::byte*>(data);
  tensor.size_bytes = size_bytes;
  return tensor;
}

}  // namespace

Logits compute_logits(Library& library, const OpenModel& model, std::span<const std::int32_t> tokens,
                      const LogitsOptions& options) {
  const models::Info& info = model.info();
  const auto count = static_cast<std::int64_t>(tokens.size());
  if (tokens.empty()) fail(ErrorKind::usage, "there are no tokens");
  if (options.chunk < 1) fail(ErrorKind::usage, "chunk is {}, expected 1 or more", options.chunk);
  for (const std::int32_t token : tokens) {
    if (token < 0 || token >= info.vocab_size) {
      fail(ErrorKind::usage, "token {} is not in the vocabulary of {} tokens", token, info.vocab_size);
    }
  }
  const std::uint64_t width =
      std::uint64_t(info.vocab_size) +
      (options.layers ? std::uint64_t(info.num_hidden_layers) * std::uint64_t(info.hidden_size) : 0);
  const std::uint64_t result_bytes = std::uint64_t(count) * width * sizeof(float);
  if (const std::uint64_t available = library.available_memory(); result_bytes > available) {
    throw error(ErrorKind::resource, "{} tokens give {} of logits, {} available", count,
                size_text(result_bytes), size_text(available))
        .with_hint("give fewer tokens");
  }
  const int chunk = static_cast<int>(std::min<std::int64_t>(options.chunk, count));
  library.check_fits(model, {.positions = count, .step_rows = chunk, .out_rows = chunk, .cache = {}});

  const int adapter = options.adapter.empty() ? 0 : library.adapter(model, options.adapter);
  Logits result;
  result.layers.resize(options.layers ? std::size_t(info.num_hidden_layers) : 0);
  std::unique_ptr<graph::Cache> cache;
  std::int64_t done = 0;
  library.engine().run_job([&] {
    graph::Runner& runner = *model.instance->runner;
    if (!cache) cache = runner.new_cache({});
    const std::int64_t rows = std::min<std::int64_t>(options.chunk, count - done);
    graph::Step step;
    step.tokens.assign(tokens.begin() + done, tokens.begin() + done + rows);
    graph::Segment segment;
    segment.length = static_cast<int>(rows);
    segment.cache = cache.get();
    segment.adapter = adapter;
    segment.planned_length = static_cast<int>(count);
    step.segments.push_back(segment);
    for (std::int32_t row = 0; row < rows; ++row) step.out_rows.push_back(row);
    step.layer_outputs = options.layers;
    graph::Outputs outputs;
    runner.run(step, outputs);
    append(result.logits, outputs, "logits");
    for (std::size_t i = 0; i < result.layers.size(); ++i)
      append(result.layers[i], outputs, fmt::format("layers.{}", i));
    done += rows;
    if (done < count) return true;
    cache.reset();
    return false;
  });
  return result;
}

void write_logits(const fs::path& file, std::span<const std::int32_t> tokens, const Logits& logits) {
  const std::int64_t length = logits.logits.rows;
  std::vector<formats::Tensor> tensors;
  tensors.push_back(tensor_of("tokens", Dtype::i32, {static_cast<std::int64_t>(tokens.size())}, tokens.data(),
                              tokens.size_bytes()));
  tensors.push_back(tensor_of("logits", Dtype::f32, {length, logits.logits.width},
                              logits.logits.values.data(), logits.logits.values.size() * sizeof(float)));
  std::vector<float> layers;
  if (!logits.layers.empty()) {
    for (const graph::Matrix& layer : logits.layers)
      layers.insert(layers.end(), layer.values.begin(), layer.values.end());
    tensors.push_back(
        tensor_of("layers", Dtype::f32,
                  {static_cast<std::int64_t>(logits.layers.size()), length, logits.layers[0].width},
                  layers.data(), layers.size() * sizeof(float)));
  }
  formats::write_safetensors(file, tensors);
}

std::vector<std::int32_t> parse_token_ids(std::string_view json, std::string_view subject) {
  Json ids = parse_json(json, subject);
  if (ids.is_object() && ids.contains("tokens")) ids = Json(ids["tokens"]);
  if (!ids.is_array()) fail(ErrorKind::corrupt, "{}: expected a list of token ids", subject);
  std::vector<std::int32_t> tokens;
  try {
    for (const Json& id : ids) tokens.push_back(json_as<std::int32_t>(id, "token"));
  } catch (Error& error) {
    throw std::move(error).in(std::string(subject));
  }
  return tokens;
}

std::vector<std::int32_t> load_token_ids(const fs::path& file) {
  return parse_token_ids(read_file(file), file.string());
}

}  // namespace pome::services
