// A model's chat template: messages to the prompt text the model was trained on.
//
// The text equals what transformers' apply_chat_template gives. Templates are untrusted programs: work,
// depth, memory and output are bounded.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"

struct pome_edge_template;

namespace pome::text {

struct ChatInput {
  Json messages = Json::array();  // of {"role", "content", …}
  Json tools;                     // array of {"type": "function", "function": {…}}, or null
  Json documents;                 // array, or null
  bool add_generation_prompt = true;
  // The text ends where the last message ends, so that the model goes on with it; wants no generation prompt.
  bool continue_final_message = false;
  Json variables = Json::object();  // further ones: bos_token, eos_token, enable_thinking, …
  std::optional<std::int64_t>
      now;  // for strftime_now: local wall clock in seconds as if UTC; unset: the clock
};

// Immutable and thread-safe.
class ChatTemplate {
 public:
  // Throws Error: corrupt (syntax, with the line), resource (too large).
  explicit ChatTemplate(std::string_view source);
  ~ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;

  // Throws Error: usage (the template refuses the messages; its own words), corrupt (it fails on them),
  // resource (it works too long, writes or holds too much; a template that held too much is not rendered
  // again).
  std::string render(const ChatInput& input) const;

 private:
  struct Free {
    void operator()(pome_edge_template* handle) const;
  };
  std::unique_ptr<pome_edge_template, Free> handle_;
};

}  // namespace pome::text
