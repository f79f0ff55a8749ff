// Models, and the process-wide engine that runs them.
//
// Everything here throws pome::Error and nothing else but std::bad_alloc. Handles are cheap to copy; copies
// name the same thing, which lives as long as one of them does. Library and Model may be used from several
// threads at once.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pome/error.h"
#include "pome/options.h"

namespace pome {

class Session;

// An open model.
class Model {
 public:
  // The answer to one question, in the form that the model's chat template gives it.
  Answer generate(std::string_view question, const GenerateOptions& options = {},
                  const OnText& on_text = {}) const;

  // How `text` goes on, without a template.
  Answer complete(std::string_view text, const GenerateOptions& options = {},
                  const OnText& on_text = {}) const;

  Session chat(GenerateOptions options = {}) const;

  std::vector<std::int32_t> tokenize(std::string_view text) const;
  std::string detokenize(std::span<const std::int32_t> tokens) const;

  std::string name() const;
  std::string folder() const;
  int context_length() const;
  std::string facts_json() const;  // what `pome show --json` prints

 private:
  friend class Library;
  friend class Session;
  struct Impl;
  explicit Model(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

class Library {
 public:
  explicit Library(LibraryOptions options = {});

  // `demo`, an alias, a folder, or org/name[@revision] in the Hugging Face cache. Opened once, shared after
  // that.
  Model open(std::string_view model) const;

 private:
  friend class Model;
  friend class Session;
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// "0.1.0"
std::string_view version();

}  // namespace pome
