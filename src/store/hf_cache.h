// The Hugging Face cache as huggingface_hub lays it out, one repository at a time. Written so that it, mlx-lm
// and the JavaScript client scan, load and delete what is here.
//
//   models--org--name/
//     blobs/<etag>                 content; the name is its digest (hub/names.h), or a link (shared_blobs.h)
//     snapshots/<commit>/<file>    relative link to a blob; without links the content itself, which may be a
//                                  second name of the blob
//     refs/<revision>              the commit: 40 hex digits and nothing else, or scanners give the
//     repository up trees/<commit>.json          every file of the commit (tree_cache.h)
//     .no_exist/<commit>/<file>    empty: the commit has no such file
//     .pome/                       unfinished downloads (hub/partial.h); other clients look past it
//   .locks/models--org--name/<etag>.lock
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/file_lock.h"

namespace pome::store {

// "models--org--name", and back. The second knows ids without organization ("models--gpt2") too, and gives
// nothing for a folder that is no model's.
std::string repo_folder_name(std::string_view id);
std::optional<std::string> repo_id(std::string_view folder_name);

// Unless HF_HUB_DISABLE_SYMLINKS is set.
bool symlinks_enabled();

// Places of one repository, and the few writes that have an order. A plain value; nothing need exist. Every
// name that becomes a path is checked: Error(corrupt) for a commit, etag or file that could leave its folder.
class CachedRepo {
 public:
  // id is "org/name"; throws Error(usage) otherwise.
  CachedRepo(fs::path cache, std::string_view id);

  const std::string& id() const { return id_; }
  const fs::path& cache() const { return cache_; }
  const fs::path& folder() const { return folder_; }
  fs::path blobs() const { return folder_ / "blobs"; }
  fs::path blob(std::string_view etag) const;
  fs::path snapshots() const { return folder_ / "snapshots"; }
  fs::path snapshot(std::string_view commit) const;
  fs::path file(std::string_view commit, std::string_view name) const;  // below snapshot(commit)
  fs::path refs() const { return folder_ / "refs"; }
  fs::path ref(std::string_view revision) const;
  fs::path tree(std::string_view commit) const;
  fs::path missing(std::string_view commit, std::string_view name) const;  // in .no_exist
  fs::path unfinished() const { return folder_ / ".pome"; }
  fs::path lock_file(std::string_view etag) const;

  // The commit of a branch, tag or commit. Nothing where the cache does not know it; Error(corrupt) where the
  // ref holds no commit.
  std::optional<std::string> commit(std::string_view revision) const;

  // Makes the folders of the repository and marks the cache for backup programs (CACHEDIR.TAG).
  void create() const;

  // Puts a file of a snapshot in place, replacing what is there: as a symbolic link to its blob, which must
  // exist. Where such links cannot be made, or must not (symlinks_enabled), it is the content itself: a
  // second name of the blob, or where a file system has none the blob moved there, as huggingface_hub does
  // it. needed_again: another file with this content follows, so that one is copied. A blob that was moved
  // away earlier may be missing.
  void link(std::string_view commit, std::string_view name, std::string_view etag,
            bool needed_again = false) const;

  // Last of all, when the snapshot is complete: a ref without its snapshot is corrupt for every client. A
  // revision that is the commit itself needs none.
  void write_ref(std::string_view revision, std::string_view commit) const;

  // The lock that huggingface_hub takes while it downloads this blob.
  std::optional<FileLock> try_lock(std::string_view etag) const;

  // What is put under a name at once is made in unfinished() first: whatever a killed process leaves behind
  // lies there, where no client takes it for a snapshot's file or a ref.
  void put_file(const fs::path& place, std::string_view content) const;
  void put_link(const fs::path& place, const fs::path& target) const;

  fs::path temporary() const;  // a name there that nobody else has

  // Removes what processes that are gone left under temporary() names.
  void remove_leftovers() const;

 private:
  fs::path cache_;
  fs::path folder_;
  std::string id_;
};

}  // namespace pome::store
