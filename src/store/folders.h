// Models outside the Hugging Face cache that have a name: `$XDG_DATA_HOME/pome/folders.json`. Single folders
// are listed there by name; of trees only the root is, and what lies in them is read anew every time.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/model_tree.h"
#include "store/paths.h"

namespace pome::store {

struct KnownFolder {
  std::string name;  // "org/name" or "name"
  fs::path folder;
  fs::path tree;  // the root it was found below; empty: listed itself
};

// Every call reads the file anew and writes it atomically, as Aliases does.
class Folders {
 public:
  explicit Folders(const Paths& paths) : file_(paths.data / "folders.json") {}

  // Listed folders, then those of trees; of one name the first. Folders that are gone stay in the list.
  // Throws Error(corrupt) naming the file.
  std::vector<KnownFolder> all() const;
  std::optional<KnownFolder> find(std::string_view name) const;
  std::vector<fs::path> trees() const;

  // Adds or replaces. Throws Error(usage) for a name that is neither "org/name" nor a plain word, or `demo`.
  void add(const std::string& name, const fs::path& folder);
  void add_tree(const fs::path& root);

  // A name or a tree's root; false where there is none.
  bool remove(std::string_view name_or_root);

 private:
  struct Content;
  Content read() const;
  void write(const Content& content) const;

  fs::path file_;
};

}  // namespace pome::store
