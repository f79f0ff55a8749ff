#include "formats/model_tensors.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/scratch_folder.h"
#include "formats/shard_index.h"

namespace pome::formats {
namespace {

const fs::path golden_folder = fs::path(POME_SOURCE_DIR) / "tests/golden";

void write_bytes_tensor(const fs::path& path, const std::vector<std::string>& names,
                        const Metadata& metadata = {}) {
  static const std::byte byte{7};
  std::vector<Tensor> tensors;
  for (const std::string& name : names) tensors.push_back({name, Dtype::u8, {1}, &byte, 1, nullptr, ""});
  write_safetensors(path, tensors, metadata);
}

struct Thrown {
  ErrorKind kind = ErrorKind::internal;
  std::string message;
  std::string hint;
};

Thrown thrown(auto&& action) {
  try {
    action();
  } catch (const Error& e) {
    return {e.kind(), e.message(), e.hint()};
  }
  return {ErrorKind::internal, "nothing was thrown", ""};
}

class ModelTensorsTest : public testing::Test {
 protected:
  fs::path at(std::string_view name) const { return folder_.path() / name; }
  std::string shown(std::string_view name) const { return at(name).string(); }
  void index(std::string_view weight_map) const {
    write_file_atomic(at("model.safetensors.index.json"),
                      fmt::format(R"({{"metadata":{{"total_size":3}},"weight_map":{}}})", weight_map));
  }
  Thrown open_thrown() const {
    return thrown([&] { open_model_tensors(folder_.path()); });
  }

  ScratchFolder folder_;
};

TEST_F(ModelTensorsTest, OneFile) {
  write_bytes_tensor(at("model.safetensors"), {"a"}, {{"format", "mlx"}});
  write_bytes_tensor(at("adapters.safetensors"), {"a"});
  index(R"({"a":"nowhere.safetensors"})");
  const ModelTensors model = open_model_tensors(folder_.path());
  EXPECT_EQ(model.tensors.size(), 1u);
  EXPECT_EQ(model.metadata.at("format"), "mlx");
  EXPECT_EQ(model.files, std::vector{at("model.safetensors")});
  EXPECT_EQ(open_model_tensors(at("adapters.safetensors")).tensors.size(), 1u);
}

TEST_F(ModelTensorsTest, IndexedShards) {
  write_bytes_tensor(at("x.safetensors"), {"a", "extra"});
  write_bytes_tensor(at("y.safetensors"), {"b"});
  write_bytes_tensor(at("model-not-named.safetensors"), {"a"});
  index(R"({"b":"y.safetensors","a":"x.safetensors"})");
  const ModelTensors model = open_model_tensors(folder_.path());
  EXPECT_EQ(model.tensors.size(), 3u);
  EXPECT_EQ(model.tensors.at("b").file, shown("y.safetensors"));
  EXPECT_EQ(model.files.size(), 2u);
}

TEST_F(ModelTensorsTest, IndexMustBeTrue) {
  write_bytes_tensor(at("x.safetensors"), {"a"});
  write_bytes_tensor(at("y.safetensors"), {"b"});
  index(R"({"a":"x.safetensors","c":"y.safetensors"})");
  EXPECT_EQ(open_thrown().message,
            shown("y.safetensors") + ": no tensor named \"c\", which model.safetensors.index.json has in it");
  index(R"({"b":"x.safetensors","a":"y.safetensors"})");
  EXPECT_EQ(open_thrown().kind, ErrorKind::corrupt);
  index(R"({"a":"x.safetensors","b":"z.safetensors"})");
  const Thrown missing = open_thrown();
  EXPECT_EQ(missing.kind, ErrorKind::not_found);
  EXPECT_EQ(missing.message, shown("z.safetensors") +
                                 ": not there, but model.safetensors.index.json has tensor \"b\" "
                                 "in it (download incomplete?)");
  EXPECT_EQ(missing.hint, "pome verify --repair " + folder_.path().string());
  write_bytes_tensor(at("y.safetensors"), {"a", "b"});
  index(R"({"a":"x.safetensors","b":"y.safetensors"})");
  EXPECT_EQ(open_thrown().message,
            shown("y.safetensors") + ": tensor \"a\" is also in " + shown("x.safetensors"));
  index("{}");
  EXPECT_EQ(open_thrown().message, shown("model.safetensors.index.json") + ": weight_map is empty");
}

TEST(ShardIndex, StaysInTheFolder) {
  for (const std::string_view name :
       {"../x.safetensors", "/etc/x.safetensors", "a/b.safetensors", "..\\\\x.safetensors", ".safetensors",
        "x.safetensors\\u0000", "..", "", ".hidden.safetensors", "x.bin", "C:\\\\x.safetensors"}) {
    const std::string json = fmt::format(R"({{"weight_map":{{"a":"{}"}}}})", name);
    EXPECT_EQ(thrown([&] { parse_shard_index(json, "i"); }).kind, ErrorKind::corrupt) << name;
  }
}

TEST(ShardIndex, SkipsWhatItDoesNotNeed) {
  const auto map = parse_shard_index(
      R"({"weight_map":{"a":"x.safetensors"},"metadata":{"weight_map":{"b":1},"l":[1,[2,{"c":null}]]},"v":1.5})",
      "i");
  EXPECT_EQ(map, (std::map<std::string, std::string>{{"a", "x.safetensors"}}));
}

TEST(ShardIndex, RefusesWhatIsNotAnIndex) {
  for (const std::string_view json :
       {"", "[]", "1", "{}", "{\"weight_map\":[]}", "{\"weight_map\":\"x\"}", "{\"weight_map\":{\"a\":1}}",
        "{\"weight_map\":{\"a\":{}}}", "{\"weight_map\":{\"a\":[]}}", "{\"weight_map\":{}} x",
        "{\"weight_map\":{},\"weight_map\":{}}", "{\"x\":{\"weight_map\":{}}}", "{\"weight_map\":null}",
        R"({"weight_map":{"a":"x.safetensors","a":"x.safetensors"}})"}) {
    EXPECT_EQ(thrown([&] { parse_shard_index(json, "i"); }).kind, ErrorKind::corrupt) << json;
  }
}

TEST_F(ModelTensorsTest, ShardsWithoutAnIndex) {
  write_bytes_tensor(at("model-00001-of-00002.safetensors"), {"a"});
  const Thrown missing = open_thrown();
  EXPECT_EQ(missing.kind, ErrorKind::not_found);
  EXPECT_EQ(missing.message,
            shown("model-00002-of-00002.safetensors") +
                ": not there, but model-00001-of-00002.safetensors is (download incomplete?)");
  write_bytes_tensor(at("model-00002-of-00002.safetensors"), {"b"});
  EXPECT_EQ(open_model_tensors(folder_.path()).tensors.size(), 2u);
}

TEST_F(ModelTensorsTest, OlderNames) {
  write_bytes_tensor(at("weights.00.safetensors"), {"a"});
  write_bytes_tensor(at("weights.01.safetensors"), {"b"});
  EXPECT_EQ(open_model_tensors(folder_.path()).tensors.size(), 2u);
}

TEST_F(ModelTensorsTest, BrokenLinkIsReported) {
  fs::create_symlink(at("gone"), at("model.safetensors"));
  EXPECT_EQ(open_thrown().kind, ErrorKind::not_found);
  EXPECT_TRUE(open_thrown().message.starts_with(shown("model.safetensors"))) << open_thrown().message;
}

TEST_F(ModelTensorsTest, OtherFormatsGetTheirConvertLine) {
  EXPECT_EQ(open_thrown().kind, ErrorKind::not_found);
  write_file_atomic(at("training_args.bin"), "x");
  EXPECT_EQ(open_thrown().kind, ErrorKind::not_found);
  write_file_atomic(at("pytorch_model-00001-of-00002.bin"), "x");
  EXPECT_EQ(open_thrown().kind, ErrorKind::unsupported);
  EXPECT_EQ(open_thrown().hint, "pome convert " + shown("pytorch_model-00001-of-00002.bin"));
  write_file_atomic(at("pytorch_model-00002-of-00002.bin"), "x");
  EXPECT_EQ(open_thrown().hint, "pome convert " + folder_.path().string());
  write_file_atomic(at("model q4.gguf"), "x");
  EXPECT_EQ(open_thrown().hint, "pome convert '" + shown("model q4.gguf") + "'");
  const Thrown file = thrown([&] { open_model_tensors(at("model q4.gguf")); });
  EXPECT_EQ(file.kind, ErrorKind::unsupported);
  EXPECT_EQ(file.hint, "pome convert '" + shown("model q4.gguf") + "'");
  EXPECT_EQ(thrown([&] { open_model_tensors(at("none.gguf")); }).kind, ErrorKind::not_found);
}

TEST(ModelTensors, OpensTheGoldens) {
  EXPECT_EQ(open_model_tensors(golden_folder / "llama/sharded").files.size(), 2u);
  int opened = 0;
  for (const std::string_view family : {"llama", "qwen2", "qwen3"}) {
    for (const auto& folder : fs::directory_iterator(golden_folder / family)) {
      const ModelTensors model = open_model_tensors(folder.path());
      const std::string name = folder.path().filename();
      const std::string prefix = name.ends_with("_wrapped") ? "language_model." : "";
      EXPECT_TRUE(model.tensors.contains(name.starts_with("meta_") ? "tok_embeddings.weight"
                                                                   : prefix + "model.embed_tokens.weight"))
          << folder.path();
      ++opened;
    }
  }
  EXPECT_GT(opened, 20);
}

TEST(ModelTensors, NamesWhatIsBroken) {
  const auto of = [](std::string_view name) {
    return thrown([&] { open_model_tensors(golden_folder / "broken" / name); });
  };
  EXPECT_EQ(of("truncated_shard").kind, ErrorKind::corrupt);
  EXPECT_NE(of("truncated_shard").message.find("download incomplete?"), std::string::npos);
  EXPECT_EQ(of("missing_shard").kind, ErrorKind::not_found);
  EXPECT_EQ(of("gguf").kind, ErrorKind::unsupported);
  EXPECT_EQ(of("pytorch_bin").kind, ErrorKind::unsupported);
}

}  // namespace
}  // namespace pome::formats
