// trees/<commit>.json of the Hugging Face cache: every file of a commit with its digests, as huggingface_hub
// writes it since 2026 (format_version 1).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hub/answers.h"
#include "store/hf_cache.h"

namespace pome::store {

using TreeFile = hub::RepoFile;

// Throws Error(corrupt), also for names that leave the repository and digests that are none.
std::vector<TreeFile> parse_tree(std::string_view json, std::string_view subject);

// Nothing where there is none, it is of another version, or cannot be understood: it is a cache.
std::optional<std::vector<TreeFile>> read_tree(const CachedRepo& repo, std::string_view commit);

// Only for a snapshot with all of these files: clients call one that lacks a listed file incomplete.
void write_tree(const CachedRepo& repo, std::string_view commit, const std::vector<TreeFile>& files);

}  // namespace pome::store
