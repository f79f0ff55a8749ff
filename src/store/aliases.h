// Short names for models: `$XDG_DATA_HOME/pome/aliases.json`, one object by name.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "store/paths.h"

namespace pome::store {

struct Alias {
  std::string name;
  std::string model;  // what resolve() takes, never another alias
  Json settings =
      Json::object();  // keys of services::Settings ("system_prompt", "temperature", …); may be empty
};

// Every call reads the file anew and writes it atomically, so processes may share it; the last writer wins.
class Aliases {
 public:
  explicit Aliases(const Paths& paths) : file_(paths.data / "aliases.json") {}

  // In the order of the file. Throws Error(corrupt) naming the file.
  std::vector<Alias> all() const;
  std::optional<Alias> find(std::string_view name) const;

  // Adds or replaces. Throws Error(usage) for a name that could be read as a path, an org/name or `demo`.
  void set(const Alias& alias);

  // Throws Error(not_found).
  void remove(std::string_view name);

 private:
  void write(const std::vector<Alias>& aliases) const;

  fs::path file_;
};

}  // namespace pome::store
