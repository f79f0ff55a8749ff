// What stands behind the handles of include/pome.
#pragma once

#include "pome/session.h"
#include "services/chat.h"
#include "services/library.h"

namespace pome {

struct Library::Impl {
  explicit Impl(services::LibraryOptions options) : library(std::move(options)) {}
  services::Library library;
};

struct Model::Impl {
  std::shared_ptr<Library::Impl> library;  // first: what is open goes before what it was opened with
  std::shared_ptr<const services::OpenModel> model;
};

struct Session::Impl {
  Impl(std::shared_ptr<const Model::Impl> opened, const GenerateOptions& options);

  std::shared_ptr<const Model::Impl> model;
  services::ChatSession chat;
};

}  // namespace pome
