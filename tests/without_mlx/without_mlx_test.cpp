// Every golden on the cpu backend in a process that has no MLX: libmlx is not linked, and this program
// defines what the list of backends wants of graph/mlx. An operation left to MLX does not link.
#include <gtest/gtest.h>

#if defined(__APPLE__)
#include <mach-o/dyld.h>
#else
#include <link.h>
#endif

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "formats/safetensors.h"
#include "graph/cpu/backend.h"
#include "graph/mlx/backend.h"
#include "models/model.h"

namespace pome::graph {

std::unique_ptr<Backend> make_reference_backend() { fail(ErrorKind::internal, "MLX was asked for"); }
std::unique_ptr<Backend> make_mlx_gpu_backend() { fail(ErrorKind::internal, "MLX was asked for"); }

}  // namespace pome::graph

namespace pome::models {
namespace {

// The loaded libraries, by path.
std::vector<std::string> loaded_libraries() {
  std::vector<std::string> paths;
#if defined(__APPLE__)
  for (std::uint32_t i = 0; i < _dyld_image_count(); ++i) paths.emplace_back(_dyld_get_image_name(i));
#else
  dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* to) {
        static_cast<std::vector<std::string>*>(to)->emplace_back(info->dlpi_name);
        return 0;
      },
      &paths);
#endif
  return paths;
}

bool mlx_is_loaded() {
  const std::vector<std::string> paths = loaded_libraries();
  return std::any_of(paths.begin(), paths.end(),
                     [](const std::string& path) { return path.find("libmlx") != std::string::npos; });
}

std::vector<fs::path> cases_of(const Arch& arch) {
  std::vector<fs::path> folders;
  const fs::path family = fs::path(POME_SOURCE_DIR) / "tests" / "golden" / arch.name;
  for (const auto& entry : fs::directory_iterator(family)) {
    if (fs::exists(entry.path() / "config.json")) folders.push_back(entry.path());
  }
  return folders;
}

class WithoutMlx : public testing::TestWithParam<const Arch*> {
 protected:
  // A prompt in two pieces and then token by token; the logits of every row. Nothing where the heads cannot
  // be quantized.
  static std::optional<std::vector<float>> compute(graph::Runner& runner,
                                                   std::span<const std::int32_t> tokens,
                                                   const graph::CacheOptions& options) {
    std::unique_ptr<graph::Cache> cache;
    try {
      cache = runner.new_cache(options);
    } catch (const Error& e) {
      if (options.kv_bits > 0 && e.kind() == ErrorKind::unsupported) return std::nullopt;
      throw;
    }
    std::vector<float> logits;
    for (std::size_t begin = 0, count = 20; begin < tokens.size(); begin += count) {
      count = begin < 30 ? 15 : 1;
      count = std::min(count, tokens.size() - begin);
      graph::Step step;
      step.tokens.assign(tokens.begin() + static_cast<std::ptrdiff_t>(begin),
                         tokens.begin() + static_cast<std::ptrdiff_t>(begin + count));
      step.segments = {{.begin = 0,
                        .length = static_cast<int>(count),
                        .cache = cache.get(),
                        .planned_length = static_cast<int>(tokens.size())}};
      for (std::size_t i = 0; i < count; ++i) step.out_rows.push_back(static_cast<std::int32_t>(i));
      graph::Outputs outputs;
      runner.run(step, outputs);
      const std::vector<float>& part = outputs.at("logits").values;
      logits.insert(logits.end(), part.begin(), part.end());
    }
    return logits;
  }
};

TEST_P(WithoutMlx, EveryKindOfCacheAndArithmeticComputes) {
  using graph::Precision;
  const std::vector<graph::CacheOptions> kinds{{}, {.kv_bits = 8}, {.kv_bits = 4}, {.max_kv_size = 12}};
  const std::vector<fs::path> folders = cases_of(*GetParam());
  ASSERT_FALSE(folders.empty());
  for (const fs::path& folder : folders) {
    const auto loaded = load_model(folder);
    ASSERT_EQ(loaded->arch, GetParam());
    const formats::TensorTable golden = formats::open_safetensors(folder / "golden.safetensors").tensors;
    const formats::Tensor& stored = golden.at("tokens");
    std::vector<std::int32_t> tokens(static_cast<std::size_t>(stored.elements()));
    std::memcpy(tokens.data(), stored.data, stored.size_bytes);
    for (const Precision precision : {Precision::standard, Precision::exact, Precision::fast}) {
      const auto backend = graph::make_cpu_backend({.precision = precision, .threads = 2});
      const auto runner =
          backend->load([&](graph::Graph& g) { loaded->model->forward(g); }, loaded->model->cache_plan());
      for (const graph::CacheOptions& kind : kinds) {
        const auto logits = compute(*runner, tokens, kind);
        if (!logits) continue;
        EXPECT_EQ(logits->size(), static_cast<std::size_t>(golden.at("logits").elements())) << folder;
        EXPECT_TRUE(std::all_of(logits->begin(), logits->end(), [](float v) { return std::isfinite(v); }))
            << folder << " with kv_bits " << kind.kv_bits << ", max_kv_size " << kind.max_kv_size;
      }
    }
  }
  EXPECT_FALSE(mlx_is_loaded());
}

INSTANTIATE_TEST_SUITE_P(Families, WithoutMlx, testing::ValuesIn(registry().begin(), registry().end()),
                         [](const auto& info) { return std::string(info.param->name); });

TEST(WithoutMlx, LoadedLibrariesAreSeen) { EXPECT_GT(loaded_libraries().size(), 1U); }

}  // namespace
}  // namespace pome::models
