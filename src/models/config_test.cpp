#include "models/config.h"

#include <gtest/gtest.h>

#include "base/scratch_folder.h"
#include "models/decoder.h"
#include "models/model.h"
#include "models/wrapped.h"
#include "pome/error.h"

namespace pome::models {
namespace {

Json json(std::string_view text) { return parse_json(text, "test"); }

template <class F>
std::string message_of(F&& f, ErrorKind expected) {
  try {
    f();
  } catch (const Error& e) {
    EXPECT_EQ(error_row(e.kind()).name, error_row(expected).name) << e.what();
    return e.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

TEST(Config, ReadsTypedValuesAndSaysWhichIsWrong) {
  const Json object = json(R"({"a": 3, "b": null, "c": "x", "d": 0})");
  Config config(object, "config.json");
  EXPECT_EQ(config.get<int>("a"), 3);
  EXPECT_EQ(config.get<int>("b", 7), 7);
  EXPECT_EQ(config.get<int>("absent", 8), 8);
  EXPECT_EQ(config.get<std::string>("c"), "x");
  EXPECT_NE(message_of([&] { config.get<int>("c"); }, ErrorKind::corrupt).find("c"), std::string::npos);
  EXPECT_EQ(message_of([&] { config.get<int>("b"); }, ErrorKind::corrupt), "config.json: b is missing");
  EXPECT_NE(message_of([&] { config.positive("d"); }, ErrorKind::corrupt).find("d is 0"), std::string::npos);
}

TEST(Config, RefusesWhatNobodyReadUnlessItIsHarmlessOrEmpty) {
  const auto finish = [](std::string_view text) {
    const Json object = json(text);
    Config config(object, "config.json");
    config.get<int>("read", 0);
    config.finish();
  };
  finish(R"({"read": 1, "torch_dtype": "bfloat16", "x": null, "y": false, "z": [], "s": "", "o": {}})");
  for (const char* text : {R"({"mystery": 3})", R"({"mystery": true})", R"({"mystery": 0})",
                           R"({"mystery": [1]})", R"({"mystery": "yes"})"}) {
    const std::string message = message_of([&] { finish(text); }, ErrorKind::unsupported);
    EXPECT_NE(message.find("config.json: mystery is "), std::string::npos) << message;
    EXPECT_NE(message.find("nothing was loaded"), std::string::npos) << message;
  }
}

TEST(FindArch, NamesTheNearestKnownType) {
  EXPECT_EQ(find_arch(json(R"({"model_type": "mistral"})")).name, "llama");
  EXPECT_EQ(find_arch(json(R"({"model_type": "qwen2"})")).name, "qwen2");
  for (const auto& [typed, meant] :
       {std::pair("mistrall", "mistral"), std::pair("qwen22", "qwen2"), std::pair("Llama", "llama")}) {
    const Json config{{"model_type", typed}};
    const std::string message = message_of([&] { find_arch(config); }, ErrorKind::unsupported);
    EXPECT_NE(message.find(fmt::format("\"{}\"", meant)), std::string::npos) << message;
  }
  message_of([] { find_arch(json("{}")); }, ErrorKind::corrupt);
  message_of([] { find_arch(json("[]")); }, ErrorKind::corrupt);
  message_of([] { find_arch(json(R"({"model_type": 3})")); }, ErrorKind::corrupt);
}

TEST(FindArch, LooksIntoAWrapperForItsTextModel) {
  EXPECT_EQ(find_arch(json(R"({"model_type": "gemma3", "text_config": {}})")).name, "gemma3");
  EXPECT_EQ(find_arch(json(R"({"model_type": "gemma3", "text_config": {"model_type": "qwen2"}})")).name,
            "qwen2");
  message_of([] { find_arch(json(R"({"model_type": "lava", "text_config": {"model_type": "qwen2"}})")); },
             ErrorKind::unsupported);
}

TEST(Wrapped, TheTextModelsConfigTakesWhatTheWrapperSaysForAll) {
  const Json outer = json(R"({"model_type": "gemma3", "image_token_index": 7, "vision_config": {"depth": 3},
    "quantization": {"bits": 4, "group_size": 64}, "text_config": {"vocab_size": 8}})");
  const Json text = unwrapped_config(outer, "config.json");
  EXPECT_EQ(text["vocab_size"], 8);
  EXPECT_EQ(text["model_type"], "gemma3");
  EXPECT_EQ(text["quantization"]["bits"], 4);
  EXPECT_FALSE(text.contains("vision_config"));
  const Json strange = json(R"({"model_type": "gemma3", "mystery": 3, "text_config": {}})");
  const std::string message =
      message_of([&] { unwrapped_config(strange, "config.json"); }, ErrorKind::unsupported);
  EXPECT_NE(message.find("mystery is 3"), std::string::npos) << message;
}

TEST(Wrapped, WhatItsTextModelIsAndTiesMayBeLeftToTheWrapperOrToTheFile) {
  const auto unwrapped = [](std::string_view outer, std::string_view inner) {
    return unwrapped_config(json(fmt::format(R"({{{}, "text_config": {{{}}}}})", outer, inner)), "test");
  };
  constexpr const char* ties = R"("model_type": "mistral3", "tie_word_embeddings": true)";
  EXPECT_EQ(unwrapped(ties, "")["model_type"], "mistral");
  EXPECT_EQ(find_arch(json(R"({"model_type": "mistral3", "text_config": {}})")).name, "llama");
  EXPECT_EQ(unwrapped(ties, R"("model_type": "ministral3")")["model_type"], "ministral3");
  EXPECT_EQ(unwrapped(ties, "")["tie_word_embeddings"], true);
  EXPECT_EQ(unwrapped(ties, R"("tie_word_embeddings": true)")["tie_word_embeddings"], true);
  EXPECT_FALSE(unwrapped(ties, R"("tie_word_embeddings": false)").contains("tie_word_embeddings"));
  const Json sized =
      unwrapped(R"("model_type": "gemma3", "vocab_size": 9, "hidden_size": 4)", R"("hidden_size": 4)");
  EXPECT_EQ(sized["vocab_size"], 9);
  message_of([&] { unwrapped(R"("model_type": "gemma3", "hidden_size": 4)", R"("hidden_size": 5)"); },
             ErrorKind::unsupported);
}

TEST(Registry, EntriesAreCompleteAndTypesUnique) {
  std::set<std::string_view> types;
  std::set<std::string_view> names;
  for (const Arch* arch : registry()) {
    EXPECT_TRUE(names.insert(arch->name).second) << arch->name;
    EXPECT_FALSE(arch->summary.empty()) << arch->name;
    ASSERT_NE(arch->build, nullptr) << arch->name;
    for (const std::string_view type : arch->model_types) EXPECT_TRUE(types.insert(type).second) << type;
  }
}

constexpr std::string_view decoder = R"({"model_type": "qwen2", "vocab_size": 8, "hidden_size": 32,
  "intermediate_size": 8, "num_hidden_layers": 4, "num_attention_heads": 4)";

std::vector<int> windows(const std::string& more) {
  const Json object = json(std::string(decoder) + more + "}");
  Config config(object, "config.json");
  return read_layer_windows(config, 4);
}

TEST(LayerWindows, AreUsedOnlyWhereTheConfigSaysSo) {
  using Windows = std::vector<int>;
  EXPECT_EQ(windows(""), Windows(4, 0));
  EXPECT_EQ(windows(R"(, "sliding_window": 9, "max_window_layers": 1)"), Windows(4, 0));
  EXPECT_EQ(windows(R"(, "use_sliding_window": true, "sliding_window": 9, "max_window_layers": 1)"),
            (Windows{0, 9, 9, 9}));
  EXPECT_EQ(windows(R"(, "use_sliding_window": true, "sliding_window": null, "max_window_layers": 1)"),
            Windows(4, 0));
  EXPECT_EQ(windows(R"(, "use_sliding_window": true, "sliding_window": 9, "layer_types":
    ["full_attention", "sliding_attention", "full_attention", "sliding_attention"])"),
            (Windows{0, 9, 0, 9}));
  message_of([] { windows(R"(, "layer_types": ["full_attention"])"); }, ErrorKind::corrupt);
  const std::string message =
      message_of([] { windows(R"(, "layer_types": ["a", "a", "a", "a"])"); }, ErrorKind::unsupported);
  EXPECT_NE(message.find("layer_types[0] \"a\""), std::string::npos) << message;
}

TEST(DecoderConfig, RefusesNumbersThatMakeNoModel) {
  const auto read = [](const std::string& more) {
    const Json object = json(std::string(decoder) + more + "}");
    Config config(object, "config.json");
    return read_decoder_config(config);
  };
  EXPECT_EQ(read("").head_dim, 8);
  EXPECT_EQ(read("").num_key_value_heads, 4);
  EXPECT_EQ(read(R"(, "head_dim": 6)").head_dim, 6);
  message_of([&] { read(R"(, "num_key_value_heads": 3)"); }, ErrorKind::corrupt);
  message_of([&] { read(R"(, "head_dim": 5)"); }, ErrorKind::corrupt);
  message_of([&] { read(R"(, "head_dim": 16777216)"); }, ErrorKind::corrupt);
  message_of([&] { read(R"(, "hidden_act": "snake")"); }, ErrorKind::unsupported);
  message_of([&] { read(R"(, "rope_theta": -1)"); }, ErrorKind::corrupt);
}

TEST(LoadModel, FingerprintFollowsTheFiles) {
  const fs::path source = fs::path(POME_SOURCE_DIR) / "tests" / "golden" / "broken" / "sound";
  const ScratchFolder scratch;
  const fs::path folder = scratch.path() / "model";
  fs::create_directory(folder);
  for (const char* name : {"config.json", "model.safetensors"}) fs::copy_file(source / name, folder / name);
  const std::string first = load_model(folder)->fingerprint;
  EXPECT_EQ(load_model(folder)->fingerprint, first);
  const fs::path weights = folder / "model.safetensors";
  fs::last_write_time(weights, fs::last_write_time(weights) + std::chrono::seconds(2));
  const std::string touched = load_model(folder)->fingerprint;
  EXPECT_NE(touched, first);
  Json config = load_json(folder / "config.json");
  config["rms_norm_eps"] = 2e-5;
  write_file_atomic(folder / "config.json", config.dump());
  EXPECT_NE(load_model(folder)->fingerprint, touched);
}

}  // namespace
}  // namespace pome::models
