#include "services/remote_model.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <fstream>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "hub/headers.h"
#include "hub/names.h"
#include "hub/url.h"
#include "services/pull_files.h"

namespace pome::services {
namespace {

constexpr std::size_t most_requests = 8;  // at once
constexpr std::uint64_t kib = 1024, mib = 1024 * kib;
constexpr std::uint64_t longest_small_file = 4 * mib;
constexpr std::uint64_t longest_header = 32 * mib, longest_gguf_header = 64 * mib;
// An index names every tensor once, as the headers do together.
constexpr std::uint64_t longest_index = 4 * mib;
constexpr std::size_t most_shards = 512;

struct SmallFile {
  std::string_view name;
  std::uint64_t most_bytes;  // of its beginning
};
constexpr std::array<SmallFile, 11> small_files{{
    {"config.json", longest_small_file},
    {"generation_config.json", longest_small_file},
    {"model_index.json", longest_small_file},
    {"modules.json", longest_small_file},
    {"adapter_config.json", longest_small_file},
    {"tokenizer_config.json", longest_small_file},
    {"chat_template.jinja", longest_small_file},
    {"chat_template.json", longest_small_file},
    {"model.safetensors.index.json", longest_index},
    {"README.md", 64 * kib},       // its front matter
    {"tokenizer.json", 64 * kib},  // the kind stands before the vocabulary
}};

// work(0) … work(count - 1) on a few threads. Throws what the first of them to fail threw.
void for_each_at_once(std::size_t count, const std::function<void(std::size_t)>& work) {
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::exception_ptr failed;
  const auto run = [&] {
    try {
      for (std::size_t i = next++; i < count; i = next++) work(i);
    } catch (...) {
      next = count;
      const std::lock_guard lock(mutex);
      if (!failed) failed = std::current_exception();
    }
  };
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < std::min(count, most_requests); ++i) threads.emplace_back(run);
  run();
  for (std::thread& thread : threads) thread.join();
  if (failed) std::rethrow_exception(failed);
}

class Fetcher {
 public:
  Fetcher(hub::Hub& hub, const std::string& id, const std::string& commit, const fs::path& folder)
      : hub_(hub), id_(id), commit_(commit), folder_(folder) {}

  void small(const hub::RepoFile& file, std::uint64_t most_bytes) const {
    const std::uint64_t count = std::min(file.size_bytes, most_bytes);
    std::string bytes = hub_.read(id_, commit_, file.name, 0, count);
    check(file, bytes, count);
    write(file, bytes, bytes.size());
  }

  // guess: how long the header may be; if it is longer the rest is asked for.
  void safetensors_header(const hub::RepoFile& file, std::uint64_t guess) const {
    std::string bytes = read(file, 0, std::min(file.size_bytes, guess));
    const std::uint64_t end =
        formats::safetensors_prefix_bytes +
        formats::parse_safetensors_prefix(std::as_bytes(std::span(bytes)), file.size_bytes, subject(file));
    if (end > longest_header) fail_long(file, end);
    if (end > bytes.size()) bytes += read(file, bytes.size(), end - bytes.size());
    bytes.resize(end);
    write(file, bytes, file.size_bytes);
  }

  void gguf_header(const hub::RepoFile& file) const {
    std::string bytes;
    for (std::uint64_t want = 256 * kib;; want *= 4) {
      const std::uint64_t end = std::min(file.size_bytes, want);
      bytes += read(file, bytes.size(), end - bytes.size());
      if (formats::parse_gguf_header(std::as_bytes(std::span(bytes)), file.size_bytes, subject(file))) break;
      if (want >= longest_gguf_header) fail_long(file, want);
    }
    write(file, bytes, file.size_bytes);
  }

 private:
  std::string subject(const hub::RepoFile& file) const { return fmt::format("{}: {}", id_, file.name); }

  void check(const hub::RepoFile& file, std::string_view bytes, std::uint64_t count) const {
    if (bytes.size() == count) return;
    fail(ErrorKind::corrupt, "{}: {} bytes arrived, expected {}", subject(file), bytes.size(), count);
  }

  std::string read(const hub::RepoFile& file, std::uint64_t first, std::uint64_t count) const {
    std::string bytes = hub_.read(id_, commit_, file.name, first, count);
    check(file, bytes, count);
    return bytes;
  }

  [[noreturn]] void fail_long(const hub::RepoFile& file, std::uint64_t bytes) const {
    fail(ErrorKind::resource, "{}: its header has {} bytes or more, which is not read before a download",
         subject(file), bytes);
  }

  // As long as the file is, a hole behind the bytes: it takes no room, and readers find what they check.
  void write(const hub::RepoFile& file, std::string_view bytes, std::uint64_t size) const {
    const fs::path path = folder_ / file.name;
    std::error_code failed;
    fs::create_directories(path.parent_path(), failed);
    write_file_atomic(path, bytes);
    if (size != bytes.size()) fs::resize_file(path, size, failed);
    if (failed)
      fail(ErrorKind::resource, "{}: cannot be {} bytes long: {}", path.string(), size, failed.message());
  }

  hub::Hub& hub_;
  const std::string &id_, &commit_;
  const fs::path& folder_;
};

const Json& member_of(const Json& object, std::string_view key) {
  static const Json none;
  const auto member = object.is_object() ? object.find(key) : object.end();
  return member != object.end() ? *member : none;
}

std::uint64_t number_of(const Json& object, std::string_view key) {
  const Json& value = member_of(object, key);
  return value.is_number_unsigned() ? value.get<std::uint64_t>() : 0;
}

// What `pull` fetches without being told; of GGUF files somebody has to choose.
std::vector<hub::RepoFile> wanted_files(const std::vector<hub::RepoFile>& files, const std::string& id) {
  try {
    return choose_files(files, {.include = {}, .exclude = {}}, id);
  } catch (const Error&) {
    return {};
  }
}

}  // namespace

HubFacts parse_hub_facts(const Json& raw) {
  HubFacts facts;
  const Json& modified = member_of(raw, "lastModified");
  if (modified.is_string()) facts.modified = hub::shown_text(modified.get<std::string>());
  facts.downloads = number_of(raw, "downloads");
  facts.likes = number_of(raw, "likes");
  const Json& counts = member_of(member_of(raw, "safetensors"), "parameters");
  bool packed = false;
  if (counts.is_object()) {
    for (const auto& [type, count] : counts.items()) {
      packed = packed || type == "U32" || type == "I32" || type == "U8";
      if (count.is_number_unsigned())
        facts.parameters += std::min(count.get<std::uint64_t>(), std::uint64_t{1} << 50);
    }
  }
  if (packed) facts.parameters = 0;
  return facts;
}

RemoteModel::RemoteModel(hub::Hub& hub, const std::string& id, const std::string& revision) {
  const hub::ModelInfo info = hub.model(id, revision.empty() ? "main" : revision);
  const std::vector<hub::RepoFile> files = hub.files(id, info.commit);
  source_.name = revision.empty() ? id : fmt::format("{}@{}", id, revision);
  source_.folder = scratch_.path();
  source_.commit = info.commit;
  source_.hub = parse_hub_facts(info.raw);
  source_.hub->host = hub::host_of(hub.options().endpoint);
  source_.hub->gated = info.gated;
  if (info.id != id) source_.hub->renamed_to = info.id;
  std::uint64_t index_bytes = 0;
  for (const hub::RepoFile& file : files) {
    if (file.name.starts_with(".")) continue;  // .gitattributes
    source_.files.push_back({file.name, file.size_bytes});
    if (file.name.ends_with(".safetensors.index.json")) index_bytes += file.size_bytes;
  }
  std::sort(source_.files.begin(), source_.files.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });

  std::vector<hub::RepoFile> weights;
  for (const hub::RepoFile& file : wanted_files(files, id)) {
    source_.hub->pull_bytes += file.size_bytes;
    if (file.name.ends_with(".safetensors")) weights.push_back(file);
  }
  source_.headers = index_bytes <= longest_index && weights.size() <= most_shards;
  if (!source_.headers) weights.clear();

  const Fetcher fetcher(hub, id, info.commit, scratch_.path());
  std::vector<std::function<void()>> tasks;
  for (const hub::RepoFile& file : files) {
    for (const SmallFile& row : small_files) {
      if (file.name != row.name) continue;
      const bool whole = row.most_bytes >= longest_small_file;
      if (whole && file.size_bytes > row.most_bytes) continue;
      tasks.emplace_back([&fetcher, &file, &row] { fetcher.small(file, row.most_bytes); });
    }
  }
  // An index has about as many bytes for a tensor as a header has; without one, most headers have fewer.
  const std::uint64_t guess = weights.size() > 1 && index_bytes > 0
                                  ? std::clamp(2 * index_bytes / weights.size(), 8 * kib, 256 * kib)
                                  : 64 * kib;
  for (const hub::RepoFile& file : weights) {
    tasks.emplace_back([&fetcher, &file, guess] { fetcher.safetensors_header(file, guess); });
  }
  for (const store::FolderFile* gguf : gguf_files(source_.files)) {
    if (!weights.empty()) break;
    const auto file =
        std::find_if(files.begin(), files.end(), [&](const auto& f) { return f.name == gguf->name; });
    tasks.emplace_back([&fetcher, &file = *file] { fetcher.gguf_header(file); });
  }
  for_each_at_once(tasks.size(), [&](std::size_t i) { tasks[i](); });
}

Error RemoteModel::renamed(const Error& error) const {
  const std::string folder = scratch_.path().string();
  const auto without_folder = [&](std::string text) {
    for (auto at = text.find(folder); at != std::string::npos; at = text.find(folder)) {
      // "folder/file: …" is the file's, "folder: …" the model's.
      const bool inside = text.substr(at + folder.size()).starts_with('/');
      text.replace(at, folder.size() + (inside ? 1 : 0), inside ? source_.name + ": " : source_.name);
    }
    return text;
  };
  // Hints are about files that are here, and so is the guess that a download broke off.
  std::string text = without_folder(error.what());
  constexpr std::string_view guess = " (download incomplete?)";
  if (text.ends_with(guess)) text.resize(text.size() - guess.size());
  return {error.kind(), text};
}

}  // namespace pome::services
