// A private folder that is gone when it goes out of scope.
#pragma once

#include <stdlib.h>

#include <string>

#include "base/error.h"
#include "base/file.h"

namespace pome {

class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = (fs::temp_directory_path() / "pome-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) fail(ErrorKind::internal, "{}: cannot create a folder", name);
    path_ = name;
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

}  // namespace pome
