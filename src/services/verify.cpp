#include "services/verify.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/system_error.h"
#include "base/threads.h"
#include "hub/digest.h"
#include "hub/names.h"
#include "store/folders.h"
#include "store/hf_cache.h"
#include "store/resolve.h"
#include "store/summary.h"
#include "store/tree_cache.h"

namespace pome::services {
namespace {

using Grade = Finding::Grade;
using Progress = std::function<void(std::uint64_t)>;

std::string hash_file(const fs::path& path, hub::DigestKind kind, std::uint64_t size_bytes,
                      const Progress& progress) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail_errno(path, "cannot open");
#ifdef POSIX_FADV_SEQUENTIAL
  ::posix_fadvise(file, 0, 0, POSIX_FADV_SEQUENTIAL);
#endif
  hub::Digest digest(kind, size_bytes);
  std::vector<std::byte> buffer(std::size_t{1} << 20);
  while (true) {
    const ssize_t got = ::read(file, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      const int code = errno;
      ::close(file);
      errno = code;
      fail_errno(path, "cannot read");
    }
    if (got == 0) break;
    digest.update(std::span(buffer.data(), static_cast<std::size_t>(got)));
    if (progress) progress(static_cast<std::uint64_t>(got));
  }
  ::close(file);
  return digest.finish();
}

// A file, what it should be, and what it turns out to be.
struct Expected {
  std::string name;
  fs::path path;
  std::string etag;  // 40 or 64 hex digits
  std::uint64_t size_bytes = 0;
  std::string found = {};   // its digest
  std::string failed = {};  // why it could not be read
};

// Digests that are known already, of blobs that several revisions have.
using Known = std::map<std::pair<fs::path, std::string>, std::string>;

void hash_all(std::vector<Expected>& files, const Progress& progress) {
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < files.size(); i = next++) {
      Expected& file = files[i];
      try {
        file.found = hash_file(file.path, *hub::digest_kind(file.etag), file.size_bytes, progress);
      } catch (const Error& error) {
        file.failed = error.what();
      }
    }
  };
  std::vector<std::thread> helpers;
  const std::size_t count = std::min(files.size(), static_cast<std::size_t>(threads()));
  for (std::size_t i = 1; i < count; ++i) helpers.emplace_back(work);
  work();
  for (std::thread& helper : helpers) helper.join();
}

class Verifier {
 public:
  Verifier(const VerifyOptions& options, Known& known) : options_(options), known_(known) {}

  Verified run_revision(const store::CacheScan& scan, const store::ScannedRepo& repo,
                        const store::ScannedRevision& revision) {
    Verified result;
    const bool is_main = std::find(revision.refs.begin(), revision.refs.end(), "main") != revision.refs.end();
    result.name = is_main ? repo.id : fmt::format("{}@{}", repo.id, revision.commit.substr(0, 7));
    result.commit = revision.commit;
    result.folder = revision.folder;
    const std::string hint = "pome verify --repair " + result.name;

    std::map<std::string, store::TreeFile> listed;
    if (repo.type == "model") {
      const store::CachedRepo places(scan.root, repo.id);
      if (auto tree = store::read_tree(places, revision.commit)) {
        for (store::TreeFile& file : *tree) listed.emplace(file.name, std::move(file));
      }
    }
    std::vector<Expected> expected;
    for (const store::ScannedFile& file : revision.files) {
      ++result.files;
      if (!file.present) {
        damaged(result, "file", file.name, "leads to a blob that is not there", hint);
        continue;
      }
      std::string etag = file.blob == file.path ? "" : file.blob.filename().string();
      if (!hub::is_blob_name(etag)) etag.clear();
      if (const auto entry = listed.find(file.name); entry != listed.end()) {
        if (file.bytes != entry->second.size_bytes) {
          damaged(result, "size", file.name,
                  fmt::format("has {} bytes, published with {}", file.bytes, entry->second.size_bytes), hint);
          continue;
        }
        if (!etag.empty() && etag != entry->second.etag()) {
          damaged(result, "digest", file.name,
                  fmt::format("links blob {}, published as {}", etag, entry->second.etag()), hint);
          continue;
        }
        etag = entry->second.etag();
      }
      if (!etag.empty()) expected.push_back({file.name, file.path, etag, file.bytes});
    }
    for (const auto& [name, file] : listed) {
      const bool here = std::any_of(revision.files.begin(), revision.files.end(),
                                    [&](const auto& f) { return f.name == name; });
      if (!here) {
        result.findings.push_back(
            {Grade::warning, "file", name,
             "listed in trees/ and not here: huggingface_hub calls this snapshot incomplete", hint});
      }
    }
    compare(result, std::move(expected), hint);
    for (const std::string& problem : repo.problems) {
      result.findings.push_back({Grade::warning, "cache", "", problem, "pome doctor " + repo.id});
    }
    add_checks(result, repo.id);
    return result;
  }

  Verified run_folder(const std::string& name, const fs::path& folder) {
    Verified result;
    result.name = name;
    result.folder = folder;
    std::vector<Expected> expected;
    for (const store::FolderFile& file : store::folder_files(folder)) {
      ++result.files;
      if (!file.present) {
        damaged(result, "file", file.name, "leads to nothing", "");
        continue;
      }
      // huggingface_hub's record of a download into a folder: commit, etag, time.
      const fs::path record = folder / ".cache/huggingface/download" / (file.name + ".metadata");
      std::error_code none;
      if (!fs::exists(record, none)) continue;
      try {
        const std::string text = read_file(record, 4096);
        const auto first = text.find('\n'), second = text.find('\n', first + 1);
        if (first == std::string::npos || second == std::string::npos) continue;
        const std::string etag = text.substr(first + 1, second - first - 1);
        if (hub::is_blob_name(etag)) expected.push_back({file.name, folder / file.name, etag, file.bytes});
      } catch (const Error&) {
        // No record that could be read is none.
      }
    }
    compare(result, std::move(expected), "");
    add_checks(result, name);
    return result;
  }

 private:
  static void damaged(Verified& result, std::string check, const std::string& file, std::string message,
                      const std::string& hint) {
    result.findings.push_back({Grade::error, std::move(check), file, std::move(message), hint});
    result.damaged.push_back(file);
  }

  void compare(Verified& result, std::vector<Expected> expected, const std::string& hint) {
    if (!options_.digests) return;
    std::vector<Expected> unknown;
    for (Expected& file : expected) {
      std::error_code none;
      const auto known = known_.find({fs::canonical(file.path, none), file.etag});
      if (known == known_.end()) {
        unknown.push_back(std::move(file));
      } else if (known->second != file.etag) {
        damaged(result, "digest", file.name, wrong_digest(known->second, file.etag), hint);
      }
    }
    std::sort(unknown.begin(), unknown.end(),
              [](const auto& a, const auto& b) { return a.size_bytes > b.size_bytes; });
    hash_all(unknown, options_.progress);
    std::sort(unknown.begin(), unknown.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    for (const Expected& file : unknown) {
      if (!file.failed.empty()) {
        damaged(result, "file", file.name, file.failed, hint);
        continue;
      }
      std::error_code none;
      known_[{fs::canonical(file.path, none), file.etag}] = file.found;
      ++result.files_hashed;
      result.bytes_hashed += file.size_bytes;
      if (file.found != file.etag)
        damaged(result, "digest", file.name, wrong_digest(file.found, file.etag), hint);
    }
  }

  static std::string wrong_digest(const std::string& found, const std::string& expected) {
    return fmt::format("{} is {}…, published as {}…", expected.size() == 64 ? "SHA-256" : "git SHA-1",
                       found.substr(0, 12), expected.substr(0, 12));
  }

  static void add_checks(Verified& result, const std::string& name) {
    for (Finding& finding : check_model(result.folder, name)) {
      // Said once already, and better.
      const bool said = std::any_of(result.damaged.begin(), result.damaged.end(),
                                    [&](const std::string& file) { return file == finding.file; });
      if (!said) result.findings.push_back(std::move(finding));
    }
  }

  const VerifyOptions& options_;
  Known& known_;
};

}  // namespace

Verified verify(const std::string& model, const VerifyOptions& options, const store::Paths& paths) {
  Known known;
  Verifier verifier(options, known);
  if (const auto alias = store::Aliases(paths).find(model)) return verify(alias->model, options, paths);
  std::error_code none;
  const bool folder = fs::is_directory(model, none);
  if (model != "demo" && !folder && !store::Folders(paths).find(model)) {
    const auto name = hub::parse_repo_name(model);
    const store::CacheScan scan = store::scan_cache(paths.hf_cache);
    const store::ScannedRepo* repo = name ? scan.find(name->id()) : nullptr;
    if (repo != nullptr) {
      const store::ScannedRevision* revision = repo->at(name->revision_or_main());
      for (const store::ScannedRevision& any : repo->revisions) {
        const bool asked = name->revision.size() >= 7 && any.commit.starts_with(name->revision);
        if (revision == nullptr && (asked || (name->revision.empty() && repo->revisions.size() == 1)))
          revision = &any;
      }
      if (revision != nullptr) return verifier.run_revision(scan, *repo, *revision);
    }
  }
  if (folder) return verifier.run_folder(model, model);
  if (const auto known_folder = store::Folders(paths).find(model)) {
    return verifier.run_folder(model, known_folder->folder);
  }
  const store::Place place = store::resolve(model, paths);  // or says what is wrong
  return verifier.run_folder(place.name, place.folder);
}

void verify_all(const VerifyOptions& options, const store::Paths& paths,
                const std::function<void(const Verified&)>& each) {
  Known known;
  Verifier verifier(options, known);
  const store::CacheScan scan = store::scan_cache(paths.hf_cache);
  for (const store::ScannedRepo& repo : scan.repos) {
    if (repo.type != "model") continue;
    for (const store::ScannedRevision& revision : repo.revisions)
      each(verifier.run_revision(scan, repo, revision));
  }
  for (const store::KnownFolder& folder : store::Folders(paths).all())
    each(verifier.run_folder(folder.name, folder.folder));
}

bool Verified::ok() const {
  return std::none_of(findings.begin(), findings.end(),
                      [](const Finding& f) { return f.grade == Grade::error; });
}

Json Verified::to_json() const {
  Json list = Json::array();
  for (const Finding& finding : findings) list.push_back(finding.to_json());
  return {{"name", name},
          {"commit", commit.empty() ? Json() : Json(commit)},
          {"folder", folder.string()},
          {"ok", ok()},
          {"files", files},
          {"files_hashed", files_hashed},
          {"bytes_hashed", bytes_hashed},
          {"damaged", damaged},
          {"findings", std::move(list)}};
}

}  // namespace pome::services
