#include "store/catalogue.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "store/fake_store.h"

namespace pome::store {
namespace {

Catalogue bundled() { return Catalogue::load(Paths::from_environment()); }

TEST(Catalogue, HoldsWhatItsReadersNeed) {
  const Catalogue catalogue = bundled();
  EXPECT_EQ(catalogue.as_of().size(), 10u);
  ASSERT_GT(catalogue.models().size(), 30u);
  for (const KnownModel& model : catalogue.models()) {
    EXPECT_FALSE(model.tasks.empty()) << model.name;
    EXPECT_FALSE(model.licence.empty()) << model.name;
    ASSERT_FALSE(model.repos.empty()) << model.name;
    for (const KnownRepo& repo : model.repos) {
      EXPECT_NE(repo.repo.find('/'), std::string::npos) << repo.repo;
      EXPECT_GT(repo.bytes, 0u) << repo.repo;
      EXPECT_EQ(repo.include.empty(), !model.family.empty()) << repo.repo;
    }
    if (!model.family.empty()) EXPECT_GT(model.parameters, 0u) << model.name;
  }
  for (const char* task : {"chat", "code", "quality", "speed", "embed", "rerank", "image", "music"}) {
    const auto& models = catalogue.models();
    EXPECT_TRUE(std::any_of(models.begin(), models.end(), [&](const auto& m) { return m.serves(task); }))
        << task;
  }
}

TEST(Catalogue, CountsParametersAsTheirPublishersDo) {
  const Catalogue catalogue = bundled();
  EXPECT_EQ(catalogue.find("llama-3.1-8b")->parameters, 8030261248u);
  EXPECT_EQ(catalogue.find("qwen2.5-7b")->parameters / 1000000, 7615u);
  EXPECT_EQ(catalogue.find("qwen3-30b-a3b")->parameters / 1000000, 30532u);
}

TEST(Catalogue, FindsAModelByAnyOfItsNames) {
  const Catalogue catalogue = bundled();
  const KnownModel* model = catalogue.find("phi-3.5-mini");
  ASSERT_NE(model, nullptr);
  EXPECT_EQ(catalogue.find("microsoft/Phi-3.5-mini-instruct"), model);
  EXPECT_EQ(catalogue.find("MLX-community/phi-3.5-mini-instruct-8bit"), model);
  EXPECT_EQ(catalogue.find("nobody/nothing"), nullptr);
}

TEST(Catalogue, ReadsPresetsAndGroups) {
  const Catalogue catalogue = bundled();
  for (const char* name : {"flux-schnell", "flux-dev", "flux-schnell-4bit", "musicgen-small",
                           "musicgen-medium", "encodec-32khz", "gpt-oss-20b", "phi-3-mini"}) {
    ASSERT_EQ(catalogue.preset(name).size(), 1u) << name;
  }
  EXPECT_EQ(catalogue.preset("flux").size(), 3u);
  EXPECT_TRUE(catalogue.preset("mlx-community/Qwen3-8B-4bit").empty());
  EXPECT_TRUE(catalogue.preset("nothing").empty());
}

TEST(Catalogue, CorrectsNamesThatDocumentsSpread) {
  const Catalogue catalogue = bundled();
  const auto first = [&](const char* wrong) {
    const auto names = catalogue.corrections(wrong);
    return names.empty() ? std::string() : names.front();
  };
  EXPECT_EQ(first("mlx-community/CodeLlama-7b-Instruct-mlx"), "mlx-community/CodeLlama-7b-mlx");
  EXPECT_EQ(first("mlx-community/Llama-3.1-8B-Instruct-mlx"),
            "mlx-community/Meta-Llama-3.1-8B-Instruct-4bit");
  EXPECT_EQ(first("mlx-community/Phi-3.5-mini-4k-instruct-mlx"), "mlx-community/Phi-3.5-mini-instruct-4bit");
  EXPECT_EQ(first("mlx-community/Mistral-7B-Instruct-v0.2-mlx"), "mlx-community/Mistral-7B-Instruct-v0.2");
  EXPECT_EQ(first("mlx-community/Phi-3-mini-128k-instruct-mlx"),
            "mlx-community/Phi-3-mini-128k-instruct-4bit");
}

TEST(Catalogue, FindsRealNeighboursOfNamesThatNobodyWroteDown) {
  const Catalogue catalogue = bundled();
  const auto first = [&](const char* wrong) {
    const auto names = catalogue.corrections(wrong);
    return names.empty() ? std::string() : names.front();
  };
  EXPECT_EQ(first("mlx-community/Llama-3.1-8B-Instruct-4bit"),
            "mlx-community/Meta-Llama-3.1-8B-Instruct-4bit");
  EXPECT_EQ(first("mlx-community/Qwen3-8B-mlx-8bit"), "mlx-community/Qwen3-8B-8bit");
  EXPECT_EQ(first("org/gemma-3-1b-it-mlx-4bit"), "mlx-community/gemma-3-1b-it-4bit");
  EXPECT_EQ(first("org/something-entirely-different"), "");
}

TEST(Catalogue, TakesTheRefreshedTableWhileItIsNewer) {
  FakeStore store;
  FakeStore::put(store.paths.catalogue, R"({"as_of": "2026-01-02", "models": []})");
  EXPECT_EQ(Catalogue::load(store.paths).as_of(), "2026-01-02");
  FakeStore::put(Catalogue::refreshed_file(store.paths), R"({"as_of": "2026-01-03", "models": []})");
  EXPECT_EQ(Catalogue::load(store.paths).as_of(), "2026-01-03");
  FakeStore::put(Catalogue::refreshed_file(store.paths), R"({"as_of": "2026-01-01", "models": []})");
  EXPECT_EQ(Catalogue::load(store.paths).as_of(), "2026-01-02");
}

TEST(Catalogue, RefusesWhatIsNoTable) {
  for (const char* text : {"[]", R"({"models": 3})", R"({"models": [{}]})", R"({"models": [{"name": 3}]})",
                           R"({"groups": []})", R"({"corrections": {"a": "b"}})"}) {
    EXPECT_THROW(Catalogue::parse(text, "catalogue.json"), Error) << text;
  }
}

}  // namespace
}  // namespace pome::store
