#include "services/manifest.h"

#include <gtest/gtest.h>

#include "services/import.h"
#include "services/tiny_model.h"
#include "store/manifest_file.h"

namespace pome::services {
namespace {

// What docs/manifest.schema.json says, as far as its words go.
std::string violation(const Json& value, const Json& schema, const std::string& where = "manifest") {
  const auto is = [&](const std::string& type) {
    return (type == "object" && value.is_object()) || (type == "array" && value.is_array()) ||
           (type == "string" && value.is_string()) || (type == "boolean" && value.is_boolean()) ||
           (type == "integer" && value.is_number_integer()) || (type == "null" && value.is_null());
  };
  if (const auto type = schema.find("type"); type != schema.end()) {
    const Json types = type->is_array() ? *type : Json::array({*type});
    if (std::none_of(types.begin(), types.end(), [&](const Json& t) { return is(t.get<std::string>()); })) {
      return where + " has another type than " + type->dump();
    }
  }
  if (const auto least = schema.find("minimum");
      least != schema.end() && value.is_number() && value < *least) {
    return where + " is too small";
  }
  if (const auto required = schema.find("required"); required != schema.end()) {
    for (const Json& key : *required) {
      if (!value.contains(key.get<std::string>())) return where + " lacks " + key.get<std::string>();
    }
  }
  if (const auto properties = schema.find("properties"); properties != schema.end()) {
    for (const auto& [key, part] : properties->items()) {
      if (!value.contains(key)) continue;
      if (std::string bad = violation(value[key], part, where + "." + key); !bad.empty()) return bad;
    }
  }
  if (const auto items = schema.find("items"); items != schema.end()) {
    for (const Json& item : value) {
      if (std::string bad = violation(item, *items, where + "[]"); !bad.empty()) return bad;
    }
  }
  return "";
}

Json schema() { return load_json(fs::path(POME_SOURCE_DIR) / "docs/manifest.schema.json"); }

// A project's folder, mlx-models, with two models.
struct Project : TinyLibrary {
  fs::path root = scratch.path() / "mlx-models";

  Project() {
    fs::create_directories(root);
    fs::rename(copy_of(sound_model(), "x"), root / "flux-schnell");
    fs::rename(copy_of(golden("qwen3/quantized_4bit"), "y"), root / "gpt-oss-20b-mxfp4");
  }

  std::vector<SyncedManifest> sync(ManifestOptions options) const {
    options.root = root;
    return sync_manifests(options, paths);
  }
  Json read(const std::string& name) const {
    return load_json(root / "manifests" / (name + ".manifest.json"));
  }
};

TEST(Manifest, IsDerivedFromFilesAndFitsItsSchema) {
  const Project project;
  EXPECT_TRUE(project.sync({}).empty());  // nothing is registered yet
  const auto synced = project.sync({.include_unregistered = true});
  ASSERT_EQ(synced.size(), 2u);
  EXPECT_EQ(synced[0].change, "new");
  for (const char* name : {"flux-schnell", "gpt-oss-20b-mxfp4"}) {
    EXPECT_EQ(violation(project.read(name), schema()), "");
  }
  const Json flux = project.read("flux-schnell"), oss = project.read("gpt-oss-20b-mxfp4");
  EXPECT_EQ(flux["model"], "flux-schnell");
  EXPECT_EQ(flux["model_path"], "flux-schnell");
  EXPECT_EQ(flux["variant"], "schnell");
  EXPECT_EQ(flux["precision"], "fp16");
  EXPECT_TRUE(flux["quantization"].is_null());
  EXPECT_EQ(flux["storage"]["file_count"], 4);
  EXPECT_GT(flux["storage"]["size_bytes"], 10000);
  EXPECT_EQ(flux["adapter"]["allows_lora"], true);
  EXPECT_EQ(oss["quantization"], "4bit");
  // Known from now on, and left alone while nothing changes.
  const auto again = project.sync({});
  ASSERT_EQ(again.size(), 2u);
  EXPECT_EQ(again[0].change, "unchanged");
  EXPECT_EQ(project.read("flux-schnell"), flux);
  EXPECT_EQ(load_json(project.root / "manifests/registry.json")["models"].size(), 2u);
  EXPECT_EQ(store::read_manifests(project.root / "manifests").size(), 2u);
}

TEST(Manifest, KeepsWhatItDoesNotKnow) {
  const Project project;
  project.put(
      "mlx-models/manifests/flux-schnell.manifest.json",
      R"({"x_first": [1, {"a": null}], "model": "old name", "notes": "by hand", "adapter": {"rank": 8},
                  "storage": {"tier": "cold"}})");
  project.put("mlx-models/manifests/registry.json",
              R"({"owner": "me", "models": {"flux-schnell": {"pinned": true}}})");
  const auto synced = project.sync({});
  ASSERT_EQ(synced.size(), 1u);
  const Json flux = project.read("flux-schnell");
  EXPECT_EQ(flux.begin().key(), "x_first");
  EXPECT_EQ(flux["x_first"].dump(), R"([1,{"a":null}])");
  EXPECT_EQ(flux["model"], "flux-schnell");
  EXPECT_EQ(flux["notes"], "by hand");
  EXPECT_EQ(flux["adapter"]["rank"], 8);
  EXPECT_EQ(flux["storage"]["tier"], "cold");
  EXPECT_EQ(violation(flux, schema()), "");
  const Json registry = load_json(project.root / "manifests/registry.json");
  EXPECT_EQ(registry["owner"], "me");
  EXPECT_EQ(registry["models"]["flux-schnell"]["pinned"], true);
}

TEST(Manifest, OverridesHoldUntilTheyAreTakenBack) {
  const Project project;
  project.sync({.models = {"flux-schnell"},
                .notes = "for the web page",
                .overrides = {"source_id=black-forest-labs/FLUX.1-schnell", "tags=flux,image",
                              "adapter.fused_from=style"}});
  project.sync({});
  Json flux = project.read("flux-schnell");
  EXPECT_EQ(flux["source_id"], "black-forest-labs/FLUX.1-schnell");
  EXPECT_EQ(flux["tags"].dump(), R"(["flux","image"])");
  EXPECT_EQ(flux["adapter"]["fused_from"], "style");
  EXPECT_EQ(flux["notes"], "for the web page");
  EXPECT_EQ(violation(flux, schema()), "");
  project.sync({.overrides = {"tags=", "adapter.fused_from="}});
  flux = project.read("flux-schnell");
  EXPECT_EQ(flux["tags"][0], "generate");
  EXPECT_TRUE(flux["adapter"]["fused_from"].is_null());
  for (const char* bad : {"storage.present=true", "model=x", "nothing", "=x", "generated_at=now"}) {
    EXPECT_EQ(error_of([&] { project.sync({.overrides = {bad}}); }).kind(), ErrorKind::usage) << bad;
  }
}

TEST(Manifest, SaysWhatIsGone) {
  const Project project;
  project.sync({.include_unregistered = true});
  fs::remove_all(project.root / "flux-schnell");
  const auto dry = project.sync({.dry_run = true});
  EXPECT_EQ(dry[0].change, "updated");
  EXPECT_EQ(project.read("flux-schnell")["storage"]["present"], true);
  project.sync({.fast = true});
  EXPECT_EQ(project.read("flux-schnell")["storage"]["present"], false);
  EXPECT_GT(project.read("flux-schnell")["storage"]["size_bytes"], 10000);  // nobody looked
  project.sync({});
  const Json flux = project.read("flux-schnell");
  EXPECT_EQ(flux["storage"]["size_bytes"], 0);
  EXPECT_EQ(flux["precision"], "fp16");
  EXPECT_EQ(violation(flux, schema()), "");
  EXPECT_EQ(error_of([&] { project.sync({.models = {"flux-shnell"}}); }).hint(),
            "did you mean flux-schnell?");
}

TEST(Manifest, OfPomesOwnModels) {
  const TinyLibrary tiny;
  import_models({.source = sound_model(), .name = "me/mine"}, tiny.paths);
  const auto synced = sync_manifests({}, tiny.paths);
  ASSERT_EQ(synced.size(), 1u);
  EXPECT_EQ(synced[0].file, tiny.paths.data / "manifests/me--mine.manifest.json");
  EXPECT_EQ(synced[0].manifest["source_id"], "me/mine");
  EXPECT_EQ(violation(load_json(synced[0].file), schema()), "");
}

TEST(Manifest, StrangersFilesAreChecked) {
  EXPECT_EQ(store::parse_manifest(R"({"model": "m", "tags": null})", "x")["model"], "m");
  for (const char* bad :
       {"", "[]", R"({"model": 1})", R"({"adapter": []})", R"({"tags": "a"})", R"({"tags": [1]})"}) {
    EXPECT_THROW(store::parse_manifest(bad, "x"), Error) << bad;
  }
}

}  // namespace
}  // namespace pome::services
