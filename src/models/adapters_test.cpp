// Adapters that do not fit, and what stays when one is refused. What adapters compute is in golden_test.cpp.
#include <gtest/gtest.h>

#include "base/scratch_folder.h"
#include "formats/safetensors.h"
#include "models/model.h"
#include "pome/error.h"

namespace pome::models {
namespace {

const fs::path base = fs::path(POME_SOURCE_DIR) / "tests" / "golden" / "llama" / "adapters";

bool any_adapter(LoadedModel& model) {
  for (const auto& linear : model.linears) {
    if (!linear->adapters.empty()) return true;
  }
  return false;
}

// A copy of an adapter with changes, added to its base: the kind of error, or nothing.
std::optional<ErrorKind> add_changed(const char* adapter, const std::function<void(Json&)>& change_config,
                                     const std::function<void(std::vector<formats::Tensor>&)>& change_tensors,
                                     const std::string& named) {
  const std::string file =
      std::string(adapter) == "peft" ? "adapter_model.safetensors" : "adapters.safetensors";
  const ScratchFolder scratch;
  Json config = load_json(base / adapter / "adapter_config.json");
  change_config(config);
  write_file_atomic(scratch.path() / "adapter_config.json", config.dump());
  const formats::SafetensorsFile source = formats::open_safetensors(base / adapter / file);
  std::vector<formats::Tensor> tensors(source.tensors.begin(), source.tensors.end());
  change_tensors(tensors);
  formats::write_safetensors(scratch.path() / file, tensors);
  const auto model = load_model(base);
  try {
    add_adapter(*model, scratch.path());
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find(named), std::string::npos) << e.what();
    EXPECT_FALSE(any_adapter(*model)) << "half an adapter stayed";
    return e.kind();
  }
  return std::nullopt;
}

void keep_config(Json&) {}
void keep_tensors(std::vector<formats::Tensor>&) {}

TEST(Adapters, OfExpertsAreRefusedByName) {
  const auto of_expert = [](std::vector<formats::Tensor>& tensors) {
    for (formats::Tensor& tensor : tensors) {
      const auto at = tensor.name.find(".self_attn.");
      if (at != std::string::npos) tensor.name.replace(at, 11, ".mlp.switch_mlp.");
    }
  };
  EXPECT_EQ(add_changed("lora", keep_config, of_expert, "adapts experts"), ErrorKind::unsupported);
}

TEST(Adapters, GetIdsOfTheirOwn) {
  const auto model = load_model(base);
  EXPECT_FALSE(any_adapter(*model));
  EXPECT_EQ(add_adapter(*model, base / "lora"), 1);
  EXPECT_EQ(add_adapter(*model, base / "dora"), 2);
  EXPECT_EQ(add_adapter(*model, base / "peft"), 3);
  EXPECT_EQ(add_adapter(*model, base / "lora"), 4);
}

TEST(Adapters, ThatDoNotFitAreRefusedWhole) {
  using Tensors = std::vector<formats::Tensor>;
  for (const char* adapter : {"lora", "dora", "peft"}) {
    EXPECT_EQ(add_changed(adapter, keep_config, keep_tensors, ""), std::nullopt) << adapter;
    EXPECT_EQ(add_changed(
                  adapter, keep_config, [](Tensors& t) { t.pop_back(); }, "only one of its two"),
              std::string(adapter) == "dora" ? std::nullopt : std::optional(ErrorKind::corrupt))
        << adapter;
    EXPECT_EQ(add_changed(
                  adapter, keep_config, [](Tensors& t) { t.clear(); }, "expected an adapter"),
              ErrorKind::corrupt);
  }
  const auto rename_last = [](Tensors& t) {
    for (formats::Tensor& tensor : t) {
      const std::size_t at = tensor.name.find("layers.1.");
      if (at != std::string::npos) tensor.name.replace(at, 9, "layers.7.");
    }
  };
  EXPECT_EQ(add_changed("lora", keep_config, rename_last, "model.layers.7."), ErrorKind::corrupt);
  const auto strange = [](Tensors& t) { t.back().name += ".strange"; };
  EXPECT_EQ(add_changed("lora", keep_config, strange, ".strange"), ErrorKind::unsupported);
  EXPECT_EQ(add_changed("peft", keep_config, strange, ".strange"), ErrorKind::unsupported);
  const auto flat = [](Tensors& t) {
    for (formats::Tensor& tensor : t) tensor.shape = {tensor.elements()};
  };
  EXPECT_EQ(add_changed("lora", keep_config, flat, "expected ["), ErrorKind::corrupt);
  EXPECT_EQ(add_changed("peft", keep_config, flat, "expected a matrix"), ErrorKind::corrupt);
}

TEST(Adapters, ConfigsThatSayOtherwiseAreRefused) {
  const auto set = [](const char* key, Json value) { return [=](Json& config) { config[key] = value; }; };
  EXPECT_EQ(add_changed("lora", set("fine_tune_type", "full"), keep_tensors, "\"full\""),
            ErrorKind::unsupported);
  EXPECT_EQ(
      add_changed("lora", set("lora_parameters", Json::object()), keep_tensors, "lora_parameters.scale"),
      ErrorKind::corrupt);
  EXPECT_EQ(add_changed("peft", set("peft_type", "IA3"), keep_tensors, "\"IA3\""), ErrorKind::unsupported);
  EXPECT_EQ(add_changed("peft", set("bias", "all"), keep_tensors, "\"all\""), ErrorKind::unsupported);
  EXPECT_EQ(add_changed("peft", set("r", 0), keep_tensors, "rank 0"), ErrorKind::corrupt);
}

TEST(Adapters, PeftScalesFollowRankAlphaAndTheirPatterns) {
  const auto scale_of = [](const std::function<void(Json&)>& change, const char* module) {
    const ScratchFolder scratch;
    Json config = load_json(base / "peft" / "adapter_config.json");  // r 8, alpha 16
    change(config);
    write_file_atomic(scratch.path() / "adapter_config.json", config.dump());
    fs::copy_file(base / "peft" / "adapter_model.safetensors", scratch.path() / "adapter_model.safetensors");
    const auto model = load_model(base);
    const int id = add_adapter(*model, scratch.path());
    for (const auto& linear : model->linears) {
      if (linear->name == module) return linear->adapters.at(id).scale;
    }
    return 0.0F;
  };
  const char* q = "model.layers.1.self_attn.q_proj";
  EXPECT_FLOAT_EQ(scale_of(keep_config, q), 2);
  EXPECT_FLOAT_EQ(scale_of([](Json& c) { c["use_rslora"] = true; }, q), 16 / std::sqrt(8.0F));
  const auto patterns = [](Json& c) { c["alpha_pattern"] = {{"q_proj", 40}}; };
  EXPECT_FLOAT_EQ(scale_of(patterns, q), 5);
  EXPECT_FLOAT_EQ(scale_of(patterns, "model.layers.1.self_attn.k_proj"), 2);
}

}  // namespace
}  // namespace pome::models
