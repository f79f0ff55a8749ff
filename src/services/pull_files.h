// Which files of a repository a model needs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "hub/answers.h"

namespace pome::services {

struct FileChoice {
  std::vector<std::string> include;  // none: what a loader needs
  std::vector<std::string> exclude;
  std::vector<std::string> names = {};  // not empty: exactly these, whatever the patterns say
};

// As Python's fnmatch: * stands for anything, slashes too, ? for one character, [abc] and [!abc] for one of a
// set.
bool matches_pattern(std::string_view name, std::string_view pattern);

// In the order of `files`. Without include: configs, tokenizers, templates, the model card and licence, and
// the weights once (safetensors; PyTorch or NumPy only where there are none), in the root, in a pipeline's
// components and in a sentence encoder's modules; never code. Throws Error: unsupported where there are GGUF
// files alone, of which somebody has to choose; not_found where nothing is left.
std::vector<hub::RepoFile> choose_files(const std::vector<hub::RepoFile>& files, const FileChoice& choice,
                                        std::string_view subject);

}  // namespace pome::services
