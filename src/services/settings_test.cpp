#include "services/settings.h"

#include <gtest/gtest.h>

#include "services/tiny_model.h"

namespace pome::services {
namespace {

TEST(Settings, EveryKeyIsReadAndWritten) {
  Settings settings;
  for (const std::string_view key : settings_keys()) {
    bool taken = false;
    for (const Json& value : {Json(1), Json(true), Json("text"), Json::array({"a", "b"}), Json{{"5", 0.5}}}) {
      try {
        settings.set(key, value);
        EXPECT_EQ(settings.to_json()[std::string(key)].is_null(), false) << key;
        taken = true;
        break;
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::usage);
      }
    }
    EXPECT_TRUE(taken) << key;
  }
  EXPECT_EQ(settings.to_json().size(), settings_keys().size());
  EXPECT_EQ(settings_from_json(settings.to_json(), "test").to_json(), settings.to_json());
}

TEST(Settings, NumbersAreWrittenAsTheyWereGiven) {
  Settings settings;
  settings.temperature = 0.8f;
  settings.logit_bias = {{5, -0.1f}};
  EXPECT_EQ(settings.to_json().dump(), R"({"temperature":0.8,"logit_bias":{"5":-0.1}})");
}

TEST(Settings, MistakesNameTheKey) {
  Settings settings;
  const Error unknown = error_of([&] { settings.set("temprature", 1); });
  EXPECT_EQ(unknown.kind(), ErrorKind::usage);
  EXPECT_EQ(unknown.hint(), "did you mean temperature?");
  const Error type = error_of([&] { settings.set("top_k", "many"); });
  EXPECT_EQ(type.kind(), ErrorKind::usage);
  EXPECT_NE(type.message().find("top_k"), std::string::npos);
  EXPECT_FALSE(settings.top_k) << "a refused value leaves the setting alone";
  EXPECT_EQ(error_of([&] { settings.set("logit_bias", {{"x", 1}}); }).kind(), ErrorKind::usage);
  settings.set("temp", 0.5);
  EXPECT_EQ(settings.temperature, 0.5f);
  settings.set("temp", nullptr);
  EXPECT_FALSE(settings.temperature);
}

TEST(Settings, ValuesOutOfRangeAreRefused) {
  Settings settings;
  settings.top_p = 1.5f;
  EXPECT_EQ(error_of([&] { (void)settings.sampling(); }).kind(), ErrorKind::usage);
}

TEST(Settings, TheUpperOneWins) {
  Settings flag, config;
  flag.temperature = 0.1f;
  config.temperature = 0.9f;
  config.top_k = 7;
  const Settings merged = flag.over(config);
  EXPECT_EQ(merged.temperature, 0.1f);
  EXPECT_EQ(merged.top_k, 7);
  EXPECT_FALSE(merged.top_p);
}

TEST(Settings, GenerationConfigCountsWithDoSample) {
  const ScratchFolder scratch;
  EXPECT_EQ(generation_config_settings(scratch.path()).to_json(), Json::object());
  const auto with = [&](std::string_view json) {
    write_file_atomic(scratch.path() / "generation_config.json", json);
    return generation_config_settings(scratch.path());
  };
  EXPECT_EQ(with(R"({"temperature": 0.6, "top_p": 0.9})").to_json(), Json::object());
  const Settings sampled = with(R"({"do_sample": true, "temperature": 0.6, "top_p": 0.9, "top_k": 20})");
  EXPECT_EQ(sampled.temperature, 0.6f);
  EXPECT_EQ(sampled.top_p, 0.9f);
  EXPECT_EQ(sampled.top_k, 20);
  EXPECT_EQ(with(R"({"do_sample": true})").temperature, 1.0f);
  EXPECT_EQ(with(R"({"repetition_penalty": 1.2})").repetition_context_size, -1);
  EXPECT_EQ(error_of([&] { with(R"({"do_sample": "yes"})"); }).kind(), ErrorKind::corrupt);
}

TEST(Settings, PomesConfigHasDefaultsAndModels) {
  const TinyLibrary tiny;
  EXPECT_EQ(config_settings(tiny.paths, "org/a").to_json(), Json::object());
  EXPECT_EQ(default_model(tiny.paths), "demo");
  tiny.put("config/config.json", R"({"default_model": "org/a", "defaults": {"temperature": 0.3, "seed": 1},
                                     "models": {"org/a": {"temperature": 0.7}}})");
  EXPECT_EQ(default_model(tiny.paths), "org/a");
  EXPECT_EQ(config_settings(tiny.paths, "org/a").temperature, 0.7f);
  EXPECT_EQ(config_settings(tiny.paths, "org/a").seed, 1u);
  EXPECT_EQ(config_settings(tiny.paths, "org/b").temperature, 0.3f);
  for (const char* broken : {"[]", R"({"modles": {}})", R"({"defaults": {"tmp": 1}})", R"({"models": []})"}) {
    tiny.put("config/config.json", broken);
    const Error error = error_of([&] { config_settings(tiny.paths, "org/a"); });
    EXPECT_EQ(error.kind(), ErrorKind::corrupt) << broken;
    EXPECT_NE(std::string(error.what()).find("config.json"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace pome::services
