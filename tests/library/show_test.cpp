// A look at models on the Hub, compared with a look at the same models here.
#include "services/show.h"

#include <fstream>

#include "formats/safetensors.h"
#include "library/hub_library.h"

namespace pome::services {
namespace {

struct Showing : HubLibrary {
  ModelFacts facts(const std::string& model, int context = 0) const {
    return show({.model = model, .context_tokens = context}, options);
  }

  // The facts that must not depend on where the model is.
  static Json same_everywhere(const ModelFacts& facts) {
    Json json = facts.to_json();
    for (const char* key : {"name", "here", "folder", "commit", "hub", "next", "tokenizer"}) json.erase(key);
    return json;
  }

  // How many requests asked for a file, and how many bytes at most.
  std::pair<int, std::uint64_t> asked(const std::string& file) const {
    int requests = 0;
    std::uint64_t most = 0;
    for (const fakehub::Seen& seen : fake.seen()) {
      if (!seen.path.ends_with("/" + file)) continue;
      ++requests;
      const auto dash = seen.range.find('-');
      if (dash == std::string::npos) return {requests, ~std::uint64_t{0}};
      most += std::stoull(seen.range.substr(dash + 1)) - std::stoull(seen.range.substr(6, dash - 6)) + 1;
    }
    return {requests, most};
  }
};

TEST_F(Showing, TheSameIsSaidOfAModelHereAndThere) {
  for (const char* name :
       {"broken/sound", "llama/quantized_4bit", "gpt_oss/mxfp4", "bitnet/packed", "mamba2/groups",
        "broken/unknown_architecture", "broken/unknown_rope_scaling", "broken/pytorch_bin"}) {
    fake.add_folder("org/name", golden(name));
    const ModelFacts there = facts("org/name", 48), here = facts(golden(name).string(), 48);
    Json one = same_everywhere(there), two = same_everywhere(here);
    EXPECT_EQ(one, two) << name;
    EXPECT_FALSE(there.to_json()["here"].get<bool>());
    EXPECT_EQ(there.hub->host, fake.endpoint().substr(7));
    EXPECT_TRUE(fs::is_empty(scratch.path()) || !fs::exists(options.paths.hf_cache)) << "nothing is kept";
  }
}

TEST_F(Showing, TheWholeOfSmallFilesAndTheHeadersOfLargeOnes) {
  // 24 MiB of embeddings and of a tokenizer that goes on and on.
  const fs::path folder = copy_of(golden("broken/sound"), "large");
  Json config = load_json(folder / "config.json");
  config["vocab_size"] = 400'000;
  write_file_atomic(folder / "config.json", config.dump());
  formats::SafetensorsFile file = formats::open_safetensors(folder / "model.safetensors");
  const std::string zeros(std::size_t{400'000} * 32 * 2, '\0');
  std::vector<formats::Tensor> tensors;
  for (formats::Tensor tensor : file.tensors) {
    if (tensor.name == "model.embed_tokens.weight") {
      tensor.shape = {400'000, 32};
      tensor.data = reinterpret_cast<const std::byte*>(zeros.data());
      tensor.size_bytes = zeros.size();
    }
    tensors.push_back(tensor);
  }
  formats::write_safetensors(folder / "large.safetensors", tensors);
  fs::rename(folder / "large.safetensors", folder / "model.safetensors");
  std::ofstream(folder / "tokenizer.json", std::ios::app) << std::string(8 << 20, ' ');
  fake.add_folder("org/large", folder);

  const ModelFacts there = facts("org/large");
  EXPECT_EQ(there.runs, true);
  EXPECT_EQ(there.vocab_size, 400'000);
  EXPECT_GT(there.weights.bytes, 24'000'000u);
  EXPECT_EQ(there.next, "pome pull org/large");
  EXPECT_EQ(asked("model.safetensors"), (std::pair<int, std::uint64_t>(1, 65536)));
  EXPECT_EQ(asked("tokenizer.json"), (std::pair<int, std::uint64_t>(1, 65536)));
  EXPECT_EQ(asked("config.json").first, 1);
  EXPECT_LT(fake.bytes_sent(), 200'000u);
}

TEST_F(Showing, AHeaderThatIsLongerThanGuessedIsAskedForOnce) {
  const fs::path folder = copy_of(golden("broken/sound"), "long");
  formats::SafetensorsFile file = formats::open_safetensors(folder / "model.safetensors");
  const std::vector<formats::Tensor> tensors(file.tensors.begin(), file.tensors.end());
  formats::write_safetensors(folder / "long.safetensors", tensors, {{"note", std::string(300'000, 'x')}});
  fs::rename(folder / "long.safetensors", folder / "model.safetensors");
  fake.add_folder("org/long", folder);
  EXPECT_EQ(facts("org/long").runs, true);
  const auto [requests, bytes] = asked("model.safetensors");
  EXPECT_EQ(requests, 2);
  EXPECT_LT(bytes, 305'000u);
}

TEST_F(Showing, ManyShardsAtOnceAndTooManyNotAtAll) {
  const fs::path folder = scratch.path() / "shards";
  fs::create_directories(folder);
  fs::copy_file(golden("broken/sound/config.json"), folder / "config.json");
  formats::SafetensorsFile file = formats::open_safetensors(golden("broken/sound/model.safetensors"));
  Json map = Json::object();
  std::size_t number = 0;
  for (const formats::Tensor& tensor : file.tensors) {
    const std::string name = fmt::format("model-{:05}-of-{:05}.safetensors", ++number, file.tensors.size());
    formats::write_safetensors(folder / name, std::span(&tensor, 1));
    map[tensor.name] = name;
  }
  Json index{{"metadata", {{"total_size", 1}}}, {"weight_map", map}};
  write_file_atomic(folder / "model.safetensors.index.json", index.dump());
  fake.add_folder("org/shards", folder);
  EXPECT_EQ(facts("org/shards").runs, true);
  EXPECT_EQ(facts("org/shards").weights.parameters, 6496u);

  // Beyond a few megabytes of index only the config is read.
  write_file_atomic(folder / "model.safetensors.index.json", index.dump() + std::string(5 << 20, ' '));
  fake.add_folder("org/shards", folder);
  fake.forget();
  const std::uint64_t before = fake.bytes_sent();
  const ModelFacts some = facts("org/shards");
  EXPECT_FALSE(some.runs.has_value());
  EXPECT_EQ(some.family, "llama");
  EXPECT_EQ(some.weights.bytes, 0u);
  EXPECT_EQ(some.context_length, 64);
  EXPECT_EQ(some.next, "pome pull org/shards");
  EXPECT_EQ(asked("model-00001-of-00011.safetensors").first, 0);
  EXPECT_LT(fake.bytes_sent() - before, 20'000u);
}

TEST_F(Showing, GgufByWhatItsHeaderSaysAndWhatRunsInItsPlace) {
  const fs::path folder = scratch.path() / "gguf";
  fs::create_directories(folder);
  const fs::path sample = fs::path(POME_SOURCE_DIR) / "tests/fuzz/gguf/llama";
  fs::copy_file(sample, folder / "tiny-Q8_0.gguf");
  fs::copy_file(sample, folder / "tiny-Q4_K_M.gguf");
  fake.add_folder("org/tiny-GGUF", folder);
  ModelFacts there = facts("org/tiny-GGUF");
  EXPECT_EQ(there.format, "gguf");
  EXPECT_EQ(there.runs, false);
  EXPECT_EQ(there.described_files, std::vector<std::string>{"tiny-Q4_K_M.gguf"});
  EXPECT_EQ(there.weights.quantization, "Q8_0");
  EXPECT_EQ(there.base_models, std::vector<std::string>{"maker/Tiny"});
  EXPECT_EQ(there.next, "pome search Tiny");
  const ModelFacts here = facts(folder.string());
  EXPECT_EQ(same_everywhere(there), same_everywhere(here));
  EXPECT_EQ(facts((folder / "tiny-Q8_0.gguf").string()).weights.parameters, here.weights.parameters);

  fake.add_folder("mlx/Tiny-4bit", golden("llama/quantized_4bit"));
  fake.change("mlx/Tiny-4bit",
              [](fakehub::Model& model) { model.info["tags"] = {"mlx", "base_model:maker/Tiny"}; });
  EXPECT_EQ(facts("org/tiny-GGUF").next, "pome pull mlx/Tiny-4bit");
}

TEST_F(Showing, AnAdapterIsOne) {
  const fs::path folder = scratch.path() / "adapter";
  fs::create_directories(folder);
  write_file_atomic(folder / "adapter_config.json",
                    R"({"peft_type":"LORA","r":8,"lora_alpha":16,"base_model_name_or_path":"maker/Tiny"})");
  formats::SafetensorsFile file = formats::open_safetensors(golden("broken/sound/model.safetensors"));
  formats::write_safetensors(folder / "adapter_model.safetensors", std::span(&*file.tensors.begin(), 1));
  fake.add_folder("org/adapter", folder);
  const ModelFacts there = facts("org/adapter");
  EXPECT_EQ(there.adapter, "lora, rank 8, alpha 16");
  EXPECT_EQ(there.next, "pome pull org/adapter");
  EXPECT_TRUE(there.missing.empty());
  EXPECT_EQ(facts(folder.string()).next, "pome run maker/Tiny --adapter-path " + folder.string());
}

TEST_F(Showing, APipelineComponentByComponent) {
  const fs::path folder = scratch.path() / "pipeline";
  for (const char* part : {"transformer", "vae"}) {
    fs::create_directories(folder / part);
    fs::copy_file(golden("broken/sound/model.safetensors"),
                  folder / part / "diffusion_pytorch_model.safetensors");
  }
  write_file_atomic(folder / "model_index.json", R"({"_class_name": "FluxPipeline"})");
  fake.add_folder("org/pipeline", folder);
  const ModelFacts there = facts("org/pipeline");
  EXPECT_EQ(there.format, "diffusers");
  EXPECT_EQ(there.model_type, "FluxPipeline");
  EXPECT_EQ(there.next, "pome pull org/pipeline");
  ASSERT_EQ(there.weights.layers.size(), 2u);
  EXPECT_EQ(there.weights.layers[0].kind, "transformer");
  EXPECT_EQ(there.weights.layers[1].parameters, 6496u);
  EXPECT_EQ(same_everywhere(there), same_everywhere(facts(folder.string())));
}

TEST_F(Showing, WhatCannotBeLookedAtIsExplainedAsByPull) {
  fake.add_folder("org/tiny-instruct", golden("broken/sound"));
  fake.add_folder("org/gated", golden("broken/sound"));
  fake.change("org/gated", [](fakehub::Model& model) { model.gated = true; });
  const auto same = [&](const std::string& id, const std::string& revision) {
    const std::string name = revision.empty() ? id : id + "@" + revision;
    const Error shown = error_of([&] { facts(name); });
    const Error pulled = error_of([&] { pull_model(id, revision); });
    EXPECT_EQ(shown.kind(), pulled.kind()) << name;
    EXPECT_STREQ(shown.what(), pulled.what());
    EXPECT_EQ(shown.hint(), pulled.hint());
    return shown;
  };
  EXPECT_EQ(same("org/tiny-instrukt", "").hint(), "did you mean org/tiny-instruct?");
  EXPECT_EQ(same("org/tiny-instruct", "v9").kind(), ErrorKind::not_found);
  EXPECT_EQ(same("org/gated", "").kind(), ErrorKind::refused);
  options.hub.offline = true;
  const Error offline = same("org/tiny-instruct", "");
  EXPECT_EQ(offline.kind(), ErrorKind::not_found);
  EXPECT_NE(std::string(offline.what()).find("pome is offline"), std::string::npos);
}

TEST_F(Showing, WhatIsHereIsNotAskedFor) {
  fake.add_folder("org/name", golden("broken/sound"));
  const fs::path snapshot = pull_model("org/name");
  fake.forget();
  EXPECT_TRUE(facts("org/name").to_json()["here"].get<bool>());
  EXPECT_EQ(fake.seen().size(), 0u);
  fs::remove(snapshot / "model.safetensors");
  const ModelFacts incomplete = facts("org/name");
  EXPECT_EQ(incomplete.missing, std::vector<std::string>{"weights"});
  EXPECT_EQ(incomplete.next, "pome pull org/name");
  EXPECT_EQ(fake.seen().size(), 0u);
}

TEST_F(Showing, HostileAnswersCostAnErrorThatNamesTheModel) {
  fake.add_folder("org/cut", golden("broken/truncated_shard"));
  const Error cut = error_of([&] { facts("org/cut"); });
  EXPECT_EQ(cut.kind(), ErrorKind::corrupt);
  EXPECT_TRUE(std::string(cut.what()).starts_with("org/cut: model-00002-of-00002.safetensors: "))
      << cut.what();

  fake.add_folder("org/wrong", golden("broken/wrong_shape"));
  const Error wrong = error_of([&] { facts("org/wrong"); });
  EXPECT_TRUE(std::string(wrong.what()).starts_with("org/wrong: model.safetensors: tensor")) << wrong.what();

  // A header of a length that no header has, of a file that is said to have it.
  fakehub::Model model;
  model.files["config.json"] = fakehub::content_of("{\"model_type\":\"llama\"}", false);
  std::string bytes(64, ' ');
  bytes.replace(0, 8, std::string("\0\0\0\0\0\0\0\x70", 8));
  model.files["model.safetensors"] = fakehub::content_of(bytes, true);
  fake.add("org/bomb", std::move(model));
  EXPECT_EQ(error_of([&] { facts("org/bomb"); }).kind(), ErrorKind::corrupt);

  fake.add_folder("org/name", golden("broken/sound"));
  fake.add({.kind = "range", .value = 0, .path = "/cdn/", .times = -1});
  EXPECT_EQ(error_of([&] { facts("org/name"); }).kind(), ErrorKind::network);
}

}  // namespace
}  // namespace pome::services
