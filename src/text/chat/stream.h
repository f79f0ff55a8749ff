// An answer taken apart while it is written: content, reasoning, tool calls.
//
// What a model writes is one text with tags in it, which differ from family to family (convention.h). A
// stream is fed that text in pieces of any size and hands out parts as soon as they are certain: of a tag
// nothing is ever shown, however it is cut. A tool call comes whole. A call that cannot be read comes back as
// content, tags and all: nothing that the model wrote is lost but tags, and the white space between a tag and
// the text beside it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace pome::text::chat {

struct ToolCall {
  std::string name;
  Json arguments = Json::object();
  std::string id;  // as the model wrote it; empty where its convention has none
};

struct Part {
  enum class Kind : std::uint8_t { content, reasoning, tool_call } kind = Kind::content;
  std::string text;  // of content and reasoning
  ToolCall call;
};

// One per answer; not thread-safe.
class Stream {
 public:
  virtual ~Stream() = default;
  // Results do not depend on how the text is cut, parts of one kind joined. Pieces of whole characters give
  // whole characters.
  virtual std::vector<Part> feed(std::string_view text) = 0;
  // The end of the answer: what was held back.
  virtual std::vector<Part> finish() = 0;
};

// Parts joined to what the whole answer says.
struct Whole {
  std::string content, reasoning;
  std::vector<ToolCall> calls;

  void add(const Part& part);
};

}  // namespace pome::text::chat
