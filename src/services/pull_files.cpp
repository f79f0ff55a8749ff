#include "services/pull_files.h"

#include <algorithm>

#include "base/error.h"

namespace pome::services {
namespace {

bool any_match(std::string_view name, const std::vector<std::string>& patterns) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& p) {
    // "folder/" is all that is in it, as huggingface_hub takes it.
    return matches_pattern(name, p.ends_with('/') ? p + "*" : p);
  });
}

bool any_match(std::string_view name, std::initializer_list<std::string_view> patterns) {
  return std::any_of(patterns.begin(), patterns.end(), [&](auto p) { return matches_pattern(name, p); });
}

bool in_root(std::string_view name) { return name.find('/') == std::string_view::npos; }

// "1_Pooling/config.json": a module of a sentence encoder.
bool in_module(std::string_view name) {
  return matches_pattern(name, "[0-9]_*/*") && std::count(name.begin(), name.end(), '/') == 1;
}

bool is_small(std::string_view name) {
  return any_match(name, {"*.json", "*.jinja", "*.txt", "*.jsonl", "*.tiktoken", "*.model", "*.spm"}) ||
         (in_root(name) && any_match(name, {"README.md", "LICENSE*", "LICENCE*", "NOTICE*"}));
}

enum class Layout { plain, pipeline, encoder };

class Needs {
 public:
  explicit Needs(const std::vector<hub::RepoFile>& files) {
    for (const hub::RepoFile& file : files) {
      if (file.name == "model_index.json") layout_ = Layout::pipeline;
      if (file.name == "modules.json" && layout_ == Layout::plain) layout_ = Layout::encoder;
    }
    for (const hub::RepoFile& file : files) {
      if (!in_reach(file.name)) continue;
      safetensors_ = safetensors_ || file.name.ends_with(".safetensors");
      named_model_ = named_model_ || matches_pattern(file.name, "model*.safetensors");
      component_weights_ = component_weights_ || (!in_root(file.name) && file.name.ends_with(".safetensors"));
      gguf_ += file.name.ends_with(".gguf") ? 1 : 0;
    }
  }

  bool operator()(const std::string& name) const {
    if (!in_reach(name) || any_match(name, {"*.py", "*.index.fp16.json"})) return false;
    if (is_small(name)) return !(safetensors_ && name.ends_with(".bin.index.json"));
    if (name.ends_with(".safetensors")) {
      // The same weights in another arrangement, beside those that loaders read.
      if (named_model_ && in_root(name) && matches_pattern(name, "consolidated*")) return false;
      if (any_match(name, {"*.fp16.safetensors", "*.fp16-*.safetensors"})) return false;
      return !(layout_ == Layout::pipeline && component_weights_ && in_root(name));
    }
    return !safetensors_ && any_match(name, {"*pytorch_model*.bin", "*.npz", "*.pth", "*.pt"});
  }

  int gguf() const { return safetensors_ ? 0 : gguf_; }

 private:
  bool in_reach(std::string_view name) const {
    return in_root(name) || layout_ == Layout::pipeline || (layout_ == Layout::encoder && in_module(name)) ||
           name.ends_with(".jinja");
  }

  Layout layout_ = Layout::plain;
  bool safetensors_ = false, named_model_ = false, component_weights_ = false;
  int gguf_ = 0;
};

}  // namespace

bool matches_pattern(std::string_view name, std::string_view pattern) {
  // Greedy with one place to come back to: the last star.
  std::size_t n = 0, p = 0, star = std::string_view::npos, star_name = 0;
  const auto one = [&](std::size_t& at) {  // whether pattern[at…] takes name[n]; at moves behind it
    if (pattern[at] == '?') return ++at, true;
    if (pattern[at] == '[') {
      const std::size_t first = at + 1 + (at + 1 < pattern.size() && pattern[at + 1] == '!');
      const std::size_t close = pattern.find(']', first + 1);
      if (close != std::string_view::npos) {
        bool found = false;
        for (std::size_t i = first; i < close; ++i) {
          if (i + 2 < close && pattern[i + 1] == '-') {
            found = found || (pattern[i] <= name[n] && name[n] <= pattern[i + 2]);
            i += 2;
          } else {
            found = found || pattern[i] == name[n];
          }
        }
        at = close + 1;
        return found == (pattern[first - 1] != '!');
      }
    }
    return pattern[at++] == name[n];
  };
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_name = n;
      continue;
    }
    if (std::size_t next = p; p < pattern.size() && one(next)) {
      p = next;
      ++n;
      continue;
    }
    if (star == std::string_view::npos) return false;
    p = star + 1;
    n = ++star_name;
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::vector<hub::RepoFile> choose_files(const std::vector<hub::RepoFile>& files, const FileChoice& choice,
                                        std::string_view subject) {
  std::vector<hub::RepoFile> chosen;
  const Needs needs(files);
  for (const hub::RepoFile& file : files) {
    if (!choice.names.empty()) {
      if (std::find(choice.names.begin(), choice.names.end(), file.name) != choice.names.end()) {
        chosen.push_back(file);
      }
      continue;
    }
    const bool wanted = choice.include.empty() ? needs(file.name) : any_match(file.name, choice.include);
    if (wanted && !any_match(file.name, choice.exclude)) chosen.push_back(file);
  }
  if (choice.include.empty() && choice.names.empty() && needs.gguf() > 0) {
    throw error(ErrorKind::unsupported,
                "{}: has GGUF files only ({} of them), not a model folder; nothing was fetched", subject,
                needs.gguf())
        .with_hint(fmt::format("pome pull {} --include '*Q4_K_M*'", subject));
  }
  if (chosen.empty()) {
    fail(ErrorKind::not_found, "{}: none of its {} files is what was asked for", subject, files.size());
  }
  return chosen;
}

}  // namespace pome::services
