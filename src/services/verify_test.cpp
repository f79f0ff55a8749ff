#include "services/verify.h"

#include <gtest/gtest.h>

#include "hub/digest.h"
#include "services/doctor.h"
#include "services/import.h"
#include "services/tiny_model.h"
#include "store/hf_cache.h"
#include "store/tree_cache.h"

namespace pome::services {
namespace {

const std::string commit_a(40, 'a'), commit_b(40, 'b');

std::string digest_of(hub::DigestKind kind, std::string_view content) {
  hub::Digest digest(kind, content.size());
  digest.update(std::as_bytes(std::span(content)));
  return digest.finish();
}

// org/tiny as the Hub would deliver it: weights named by SHA-256, the rest by git's SHA-1.
struct Cache : TinyLibrary {
  store::CachedRepo repo{paths.hf_cache, "org/tiny"};
  std::map<std::string, std::string> etags;
  std::vector<store::TreeFile> tree;

  Cache() {
    repo.create();
    for (const auto& entry : fs::directory_iterator(sound_model())) {
      const std::string name = entry.path().filename().string(), content = read_file(entry.path());
      const bool large = name.ends_with(".safetensors");
      const std::string git = digest_of(hub::DigestKind::git_sha1, content);
      const std::string etag = large ? digest_of(hub::DigestKind::sha256, content) : git;
      write_file_atomic(repo.blob(etag), content);
      repo.link(commit_a, name, etag);
      etags[name] = etag;
      tree.push_back({name, content.size(), git, large ? etag : "", ""});
    }
    store::write_tree(repo, commit_a, tree);
    repo.write_ref("main", commit_a);
  }

  Verified check(const VerifyOptions& options = {}) const { return verify("org/tiny", options, paths); }

  // One bit of a file that stays as long as it is.
  void flip(const std::string& name) const {
    std::string content = read_file(repo.blob(etags.at(name)));
    content[content.size() - 3] ^= 1;
    write_file_atomic(repo.blob(etags.at(name)), content);
  }
};

const Finding* find(const std::vector<Finding>& findings, std::string_view check) {
  for (const Finding& finding : findings) {
    if (finding.check == check) return &finding;
  }
  return nullptr;
}

TEST(Verify, PassesWhatIsWhole) {
  const Cache cache;
  const Verified result = cache.check();
  EXPECT_TRUE(result.ok());
  EXPECT_TRUE(result.findings.empty()) << result.findings.front().message;
  EXPECT_EQ(result.files, 4u);
  EXPECT_EQ(result.files_hashed, 4u);
  EXPECT_GT(result.bytes_hashed, 10000u);
}

TEST(Verify, FindsAFlippedBit) {
  for (const char* name : {"model.safetensors", "tokenizer.json"}) {
    const Cache cache;
    cache.flip(name);
    const Verified result = cache.check();
    EXPECT_FALSE(result.ok());
    EXPECT_EQ(result.damaged, (std::vector<std::string>{name}));
    const Finding* finding = find(result.findings, "digest");
    ASSERT_NE(finding, nullptr);
    EXPECT_NE(finding->message.find(cache.etags.at(name).substr(0, 12)), std::string::npos);
    if (std::string_view(name) == "model.safetensors") EXPECT_TRUE(cache.check({.digests = false}).ok());
  }
}

TEST(Verify, FindsWhatIsShortOrGoneOrLinkedWrongly) {
  {
    const Cache cache;
    write_file_atomic(cache.repo.blob(cache.etags.at("model.safetensors")), "short");
    const Verified result = cache.check({.digests = false});
    ASSERT_NE(find(result.findings, "size"), nullptr);
    EXPECT_EQ(result.damaged, (std::vector<std::string>{"model.safetensors"}));
  }
  {
    const Cache cache;
    fs::remove(cache.repo.blob(cache.etags.at("config.json")));
    const Verified result = cache.check();
    EXPECT_FALSE(result.ok());
    EXPECT_EQ(result.damaged, (std::vector<std::string>{"config.json"}));
  }
  {
    const Cache cache;
    write_file_atomic(cache.repo.blob(std::string(40, '1')),
                      read_file(cache.repo.blob(cache.etags.at("config.json"))));
    cache.repo.link(commit_a, "config.json", std::string(40, '1'));
    EXPECT_FALSE(cache.check().ok());
  }
  {
    const Cache cache;
    fs::remove(cache.repo.file(commit_a, "tokenizer_config.json"));
    const Verified result = cache.check();
    EXPECT_TRUE(result.ok());
    EXPECT_EQ(result.findings.front().grade, Finding::Grade::warning);
  }
}

TEST(Verify, HashesABlobOfTwoRevisionsOnce) {
  const Cache cache;
  for (const auto& [name, etag] : cache.etags) cache.repo.link(commit_b, name, etag);
  std::vector<Verified> all;
  verify_all({}, cache.paths, [&](const Verified& one) { all.push_back(one); });
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].name, "org/tiny");
  EXPECT_EQ(all[1].name, "org/tiny@bbbbbbb");
  EXPECT_EQ(all[0].files_hashed, 4u);
  EXPECT_EQ(all[1].files_hashed, 0u);
  cache.flip("model.safetensors");
  all.clear();
  verify_all({}, cache.paths, [&](const Verified& one) { all.push_back(one); });
  EXPECT_FALSE(all[0].ok() || all[1].ok());
}

TEST(Verify, ChecksAFolderByItsDownloadRecords) {
  const TinyLibrary tiny;
  const fs::path folder = tiny.copy_of(sound_model(), "mine");
  const std::string etag = digest_of(hub::DigestKind::sha256, read_file(folder / "model.safetensors"));
  tiny.put("mine/.cache/huggingface/download/model.safetensors.metadata",
           commit_a + "\n" + etag + "\n1712656091.1\n");
  tiny.put("mine/.cache/huggingface/download/config.json.metadata", "nonsense");
  EXPECT_EQ(verify(folder.string(), {}, tiny.paths).files_hashed, 1u);
  EXPECT_TRUE(verify(folder.string(), {}, tiny.paths).ok());
  tiny.put("mine/.cache/huggingface/download/model.safetensors.metadata",
           commit_a + "\n" + std::string(64, '0') + "\n1\n");
  EXPECT_FALSE(verify(folder.string(), {}, tiny.paths).ok());
}

struct Broken {
  const char* folder;
  const char* check;
  Finding::Grade grade;
};

TEST(CheckModel, SaysWhatIsWrong) {
  using Grade = Finding::Grade;
  EXPECT_TRUE(check_model(sound_model(), "sound").empty());
  for (const Broken& b :
       {Broken{"invalid_json", "config", Grade::error}, Broken{"missing_shard", "file", Grade::error},
        Broken{"missing_shard", "index", Grade::error}, Broken{"missing_tensor", "config", Grade::error},
        Broken{"no_tokenizer", "tokenizer", Grade::error}, Broken{"truncated_shard", "header", Grade::error},
        Broken{"wrong_shape", "config", Grade::error}, Broken{"unknown_architecture", "config", Grade::note},
        Broken{"unknown_rope_scaling", "config", Grade::note}, Broken{"gguf", "config", Grade::note}}) {
    const auto findings = check_model(golden("broken") / b.folder, b.folder);
    const Finding* finding = find(findings, b.check);
    ASSERT_NE(finding, nullptr) << b.folder;
    EXPECT_EQ(finding->grade, b.grade) << b.folder;
  }
}

TEST(CheckModel, QuantizationHasToFitTheTensors) {
  const TinyLibrary tiny;
  const fs::path source = golden("qwen3/quantized_4bit");
  const auto with = [&](const Json& quantization, const char* name) {
    const fs::path folder = tiny.copy_of(source, name);
    Json config = load_json(folder / "config.json");
    config.erase("quantization_config");
    config["quantization"] = quantization;
    if (quantization.is_null()) config.erase("quantization");
    write_file_atomic(folder / "config.json", config.dump());
    const auto findings = check_model(folder, name);
    const Finding* finding = find(findings, "quantization");
    return finding == nullptr ? std::string() : finding->message;
  };
  const Json own = load_json(source / "config.json")["quantization"];
  EXPECT_EQ(with(own, "own"), "");
  Json wider = own;
  wider["bits"] = 8;
  EXPECT_NE(with(wider, "wider").find("says 8 bits"), std::string::npos);
  EXPECT_NE(with(Json(), "silent").find("says nothing of"), std::string::npos);
  const fs::path dense = tiny.copy_of(golden("qwen3/plain"), "dense");
  Json config = load_json(dense / "config.json");
  config["quantization"] = own;
  write_file_atomic(dense / "config.json", config.dump());
  EXPECT_NE(find(check_model(dense, "dense"), "quantization"), nullptr);
}

TEST(CheckModel, KnowsPointersOfGitLfs) {
  const TinyLibrary tiny;
  const fs::path folder = tiny.copy_of(sound_model(), "cloned");
  tiny.put("cloned/model.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n");
  const auto findings = check_model(folder, "cloned");
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].hint, "git lfs pull");
}

bool advises(const std::vector<Advice>& all, std::string_view text, std::string_view command = "") {
  return std::any_of(all.begin(), all.end(), [&](const Advice& a) {
    return a.text.find(text) != std::string::npos && a.command.find(command) != std::string::npos;
  });
}

TEST(Doctor, ExplainsWhyAModelIsNotThere) {
  const Cache cache;
  EXPECT_TRUE(advises(examine_model("org/tiny", cache.paths), "every file fits: llama"));
  EXPECT_TRUE(advises(examine_model("ORG/Tiny", cache.paths), "letter by letter: org/tiny is here",
                      "pome run org/tiny"));
  EXPECT_TRUE(advises(examine_model("org/tinny", cache.paths), "something similar", "pome doctor org/tiny"));
  EXPECT_TRUE(advises(examine_model("org/tiny@v2", cache.paths), "no branch or tag \"v2\"",
                      "pome run org/tiny@aaaaaaa"));
  EXPECT_TRUE(advises(examine_model(golden("broken/no_tokenizer").string(), cache.paths),
                      "there is none (tokenizer.json"));
  EXPECT_TRUE(
      advises(examine_model(golden("broken/gguf").string(), cache.paths), "gguf weights", "pome convert"));
  cache.put("hub/models--org--half/blobs/x.incomplete", "123");
  fs::create_directories(cache.paths.hf_cache / "models--org--half/snapshots");
  const auto half = examine_model("org/half", cache.paths);
  EXPECT_TRUE(advises(half, "a download was interrupted, 3 B", "pome pull org/half"));
  EXPECT_TRUE(advises(half, "no snapshot is here"));
}

TEST(Doctor, LooksAtMarkersOfApps) {
  const TinyLibrary tiny;
  const fs::path root = tiny.scratch.path() / "Documents/Models", folder = root / "models/org/name";
  fs::create_directories(folder.parent_path());
  fs::rename(tiny.copy_of(sound_model(), "x"), folder);
  tiny.put("Documents/Models/stale", "");
  EXPECT_TRUE(advises(examine_model(folder.string(), tiny.paths), "marker file is missing", "--repair"));
  EXPECT_TRUE(
      advises(examine_model(root.parent_path().string(), tiny.paths), "a folder of 1 models", "pome import"));
  import_models({.source = root.string(), .name = ""}, tiny.paths);
  const auto all = examine_library(tiny.paths);
  EXPECT_TRUE(advises(all, "marker file", "--repair"));
  EXPECT_TRUE(advises(all, "a marker file of a model that is not there"));
}

TEST(Doctor, LooksAtTheCache) {
  const Cache cache;
  cache.put("hub/notes.txt", "");
  cache.put("hub/models--org--bad/refs/main", commit_a + "\n");
  cache.put("hub/models--org--tiny/blobs/y.incomplete", "12");
  const auto all = examine_library(cache.paths);
  EXPECT_TRUE(advises(all, "notes.txt is no repository"));
  EXPECT_TRUE(advises(all, "refs/main does not hold 40 hex digits", "pome pull org/bad"));
  EXPECT_TRUE(advises(all, "of interrupted downloads", "pome clean --partials"));
  EXPECT_TRUE(advises(all, "free"));
}

}  // namespace
}  // namespace pome::services
