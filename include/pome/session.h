// A conversation with a model.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pome/library.h"

namespace pome {

// Remembers what was said; a turn costs its own tokens only. One thread at a time; may be moved.
class Session {
 public:
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  // After an Error the conversation is as before. An answer that on_text ended is kept as far as it came.
  Answer send(std::string_view text, const OnText& on_text = {});

  // Answers the last question again. Throws Error(usage) where there is none.
  Answer retry(const OnText& on_text = {});

  void clear();
  std::vector<Message> messages() const;  // without the system prompt

  void save(const std::string& file) const;
  void load(const std::string& file);

 private:
  friend class Model;
  struct Impl;
  explicit Session(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pome
