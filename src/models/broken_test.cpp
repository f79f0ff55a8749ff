// Models with one fault each: the kind of error, and what its message must name.
#include <gtest/gtest.h>

#include "models/model.h"
#include "pome/error.h"

namespace pome::models {
namespace {

const fs::path broken_root = fs::path(POME_SOURCE_DIR) / "tests" / "golden" / "broken";

struct Fault {
  const char* folder;
  ErrorKind kind;
  std::vector<std::string> named;
};

void PrintTo(const Fault& fault, std::ostream* out) { *out << fault.folder; }

const std::vector<Fault> faults{
    {"truncated_shard", ErrorKind::corrupt, {"model-00002-of-00002.safetensors"}},
    {"wrong_shape",
     ErrorKind::corrupt,
     {"model.safetensors", "model.layers.0.mlp.up_proj.weight", "[23, 32]", "expected [24, 32]"}},
    {"missing_tensor", ErrorKind::corrupt, {"model.layers.0.mlp.up_proj.weight"}},
    {"unknown_architecture", ErrorKind::unsupported, {"config.json", "\"lama\"", "\"llama\""}},
    {"unknown_rope_scaling", ErrorKind::unsupported, {"config.json", "rope_scaling.rope_type", "\"spiral\""}},
    {"unknown_config_key", ErrorKind::unsupported, {"config.json", "qk_layernorm_scale_mystery", "3"}},
    {"bits_not_in_table", ErrorKind::unsupported, {"config.json", "quantization.bits", "7"}},
    {"missing_shard", ErrorKind::not_found, {"model-00002-of-00002.safetensors"}},
    {"gguf", ErrorKind::unsupported, {"model.gguf"}},
    {"pytorch_bin", ErrorKind::unsupported, {"pytorch_model.bin"}},
    {"invalid_json", ErrorKind::corrupt, {"config.json"}},
    {"not_there", ErrorKind::not_found, {"not_there"}},
};

class Broken : public testing::TestWithParam<Fault> {};

TEST_P(Broken, IsRefusedByName) {
  const Fault& fault = GetParam();
  try {
    load_model(broken_root / fault.folder);
    FAIL() << fault.folder << " was loaded";
  } catch (const Error& e) {
    const std::string text = e.what();
    EXPECT_EQ(error_row(e.kind()).name, error_row(fault.kind).name) << text;
    for (const std::string& name : fault.named) EXPECT_NE(text.find(name), std::string::npos) << text;
    EXPECT_FALSE(text.ends_with('.')) << text;
  }
}

INSTANTIATE_TEST_SUITE_P(Faults, Broken, testing::ValuesIn(faults),
                         [](const auto& info) { return info.param.folder; });

TEST(BrokenCases, TheSoundOneAndTheOneWithoutTokenizerLoad) {
  for (const char* folder : {"sound", "no_tokenizer"}) {
    const auto loaded = load_model(broken_root / folder);
    EXPECT_EQ(loaded->arch->name, "llama");
    EXPECT_EQ(loaded->model->info().vocab_size, 32);
    EXPECT_GT(weight_bytes(*loaded), 0U);
  }
}

TEST(BrokenCases, EachFaultOnDiskIsTested) {
  for (const auto& entry : fs::directory_iterator(broken_root)) {
    const std::string name = entry.path().filename().string();
    if (name == "sound" || name == "no_tokenizer") continue;
    const bool known =
        std::any_of(faults.begin(), faults.end(), [&](const Fault& f) { return f.folder == name; });
    EXPECT_TRUE(known) << name;
  }
}

}  // namespace
}  // namespace pome::models
