#include "graph/mlx/weights.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "graph/testing.h"

namespace pome::graph {
namespace {

// Bytes that cannot be written to: any attempt ends the test.
class ReadOnlyPage {
 public:
  explicit ReadOnlyPage(std::span<const float> values, std::size_t offset) {
    size_ = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    base_ = static_cast<std::byte*>(
        ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    std::memcpy(base_ + offset, values.data(), values.size_bytes());
    ::mprotect(base_, size_, PROT_READ);
  }
  ReadOnlyPage(const ReadOnlyPage&) = delete;
  ~ReadOnlyPage() { ::munmap(base_, size_); }
  const std::byte* at(std::size_t offset) const { return base_ + offset; }

 private:
  std::byte* base_ = nullptr;
  std::size_t size_ = 0;
};

formats::Tensor view(const std::byte* data, std::vector<std::int64_t> shape,
                     std::shared_ptr<const void> owner) {
  formats::Tensor tensor;
  tensor.name = "view";
  tensor.dtype = Dtype::f32;
  tensor.size_bytes = *formats::tensor_size_bytes(Dtype::f32, shape);
  tensor.shape = std::move(shape);
  tensor.data = data;
  tensor.owner = std::move(owner);
  return tensor;
}

TEST(WeightArrays, AreTheMappedBytesThemselves) {
  const std::vector<float> values = testing::random_values(16, 1);
  for (const std::size_t offset : {8, 9, 64}) {
    const ReadOnlyPage page(values, offset);
    WeightArrays arrays(mx::Device::cpu);
    const formats::Tensor tensor = view(page.at(offset), {4, 4}, nullptr);
    EXPECT_EQ(arrays.get(tensor).data<std::byte>(), page.at(offset));
    EXPECT_EQ(arrays.as_float(tensor).data<std::byte>(), page.at(offset)) << "float32 needs no copy";
    EXPECT_EQ(arrays.get(tensor).id(), arrays.get(tensor).id()) << "one array per tensor";
  }
}

TEST(WeightArrays, AreNeverDonatedNorWritten) {
  const std::vector<float> values = testing::random_values(16, 2);
  const ReadOnlyPage page(values, 8);
  mx::array result(0.0F);
  {
    WeightArrays arrays(mx::Device::cpu);
    const formats::Tensor tensor = view(page.at(8), {4, 4}, nullptr);
    EXPECT_FALSE(arrays.get(tensor).is_donatable());
    // The only reference goes into the operation, which would write its result into an owned input.
    result = mx::exp(mx::negative(arrays.get(tensor)));
  }
  result.eval();
  EXPECT_FLOAT_EQ(result.data<float>()[5], std::exp(-values[5]));
  EXPECT_EQ(std::memcmp(page.at(8), values.data(), 16 * sizeof(float)), 0);
}

TEST(WeightArrays, KeepTheFileMappedWhileTheyLive) {
  auto bytes = std::make_shared<std::vector<float>>(testing::random_values(8, 3));
  const std::weak_ptr<std::vector<float>> watch = bytes;
  {
    WeightArrays arrays(mx::Device::cpu);
    arrays.get(view(reinterpret_cast<const std::byte*>(bytes->data()), {8}, bytes));
    bytes.reset();
    EXPECT_FALSE(watch.expired());
  }
  EXPECT_TRUE(watch.expired());
}

TEST(WeightArrays, TypesThatMlxLacksAreRefusedByName) {
  WeightArrays arrays(mx::Device::cpu);
  formats::Tensor tensor = testing::make_tensor("strange", {2}, {1, 2});
  tensor.dtype = Dtype::f4;
  tensor.file = "model.safetensors";
  try {
    arrays.get(tensor);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::unsupported);
    EXPECT_NE(std::string(e.what()).find("model.safetensors: tensor \"strange\""), std::string::npos)
        << e.what();
  }
}

// Writing anywhere into the page would end the test.
TEST(WeightArrays, ServeAForwardPassInPlace) {
  const std::vector<float> values = testing::random_values(64, 4);
  const ReadOnlyPage page(values, 12);
  Weight weight;
  weight.weight = view(page.at(12), {8, 8}, nullptr);
  const Linear linear{.name = "l", .weight = weight, .bias = {}, .adapters = {}};
  const auto backend = make_backend("reference");
  const auto runner = backend->load(
      [&](Graph& g) { g.output("logits", g.linear(linear, g.embedding(weight))); }, CachePlan{});
  Outputs outputs;
  for (int i = 0; i < 3; ++i) runner->run(testing::plain_step(8), outputs);
  EXPECT_EQ(outputs.at("logits").rows, 8);
  EXPECT_EQ(std::memcmp(page.at(12), values.data(), 64 * sizeof(float)), 0);
}

}  // namespace
}  // namespace pome::graph
