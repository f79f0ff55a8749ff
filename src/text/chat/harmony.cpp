// Harmony (gpt-oss): an answer is messages, each with a header that names its channel and, for calls, the
// recipient.
//
//   <|channel|>analysis<|message|>…<|end|><|start|>assistant<|channel|>final<|message|>…
//   … to=functions.NAME<|channel|>commentary <|constrain|>json<|message|>{…}<|call|>
//
// analysis is reasoning, final is content, commentary is content unless it is a call.
#include <array>

#include "text/chat/conventions.h"
#include "text/chat/values.h"

namespace pome::text::chat {
namespace {

constexpr std::string_view start = "<|start|>", channel = "<|channel|>", constrain = "<|constrain|>",
                           message = "<|message|>";
constexpr std::string_view message_ends[]{"<|end|>", "<|return|>", "<|call|>", start};
constexpr std::size_t longest_header = 1024;

class HarmonyStream : public Stream {
 public:
  explicit HarmonyStream(bool calls) : calls_(calls) {}

  std::vector<Part> feed(std::string_view text) override {
    held_ += text;
    while (in_header_ ? header(false) : body(false)) {
    }
    return std::exchange(parts_, {});
  }

  std::vector<Part> finish() override {
    while (in_header_ ? header(true) : body(true)) {
    }
    if (is_call_) end_call("");
    return std::exchange(parts_, {});
  }

 private:
  bool header(bool last) {
    const std::string_view text = held_;
    const std::size_t end = text.find(message);
    // An answer without any header is content, and so is a header that never ends.
    if (end == text.npos && !last && may_be_header(text)) return false;
    in_header_ = false;
    if (end == text.npos || !may_be_header(text.substr(0, end))) {
      kind_ = Part::Kind::content;
      is_call_ = false;
      no_header_ = true;
      return !held_.empty();
    }
    read_header(text.substr(0, end));
    held_.erase(0, end + message.size());
    return true;
  }

  static bool may_be_header(std::string_view text) {
    if (text.size() > longest_header) return false;
    for (const std::string_view mark :
         {start, channel, message, std::string_view("assistant"), std::string_view("to=")}) {
      const std::string_view ink = trimmed(text);
      if (ink.starts_with(mark) || mark.starts_with(ink)) return true;
    }
    return false;
  }

  void read_header(std::string_view text) {
    head_ = text;
    const bool analysis = text.find("<|channel|>analysis") != text.npos;
    const std::size_t to = text.find("to=");
    is_call_ = calls_ && to != text.npos;
    kind_ = analysis && !is_call_ ? Part::Kind::reasoning : Part::Kind::content;
    call_ = {};
    if (!is_call_) return;
    std::string_view name = text.substr(to + 3);
    name = name.substr(0, name.find_first_of(" <\t\r\n"));
    if (name.starts_with("functions.")) name.remove_prefix(10);
    call_.name = name;
  }

  bool body(bool last) {
    const std::string_view text = held_;
    std::size_t at = text.npos, length = 0;
    for (const std::string_view mark : message_ends) {
      // What a header could not begin with is text.
      const std::size_t from = no_header_ && mark == start ? 1 : 0;
      if (const std::size_t found = text.find(mark, from); found < at) {
        at = found;
        length = mark == start ? 0 : mark.size();
      }
    }
    const bool ended = at != text.npos;
    std::size_t safe = ended ? at : text.size();
    if (!ended && !last) {
      // No tag has a "<" but at its beginning.
      const std::size_t open = text.rfind('<');
      if (open != text.npos && text.size() - open < 12) safe = open;
    }
    const std::string_view shown = text.substr(0, safe);
    if (is_call_) {
      arguments_ += shown;
    } else if (!shown.empty()) {
      if (!parts_.empty() && parts_.back().kind == kind_) {
        parts_.back().text += shown;
      } else {
        parts_.push_back({kind_, std::string(shown), {}});
      }
    }
    const std::string mark(text.substr(safe, ended ? length : 0));
    held_.erase(0, ended ? at + length : safe);
    if (safe > 0) no_header_ = false;
    if (!ended) return false;
    if (is_call_) end_call(mark);
    in_header_ = true;
    return true;
  }

  void end_call(std::string_view mark) {
    std::optional<Json> arguments = trimmed(arguments_).empty() ? Json::object() : read_json(arguments_);
    if (arguments && arguments->is_object() && !call_.name.empty()) {
      call_.arguments = std::move(*arguments);
      parts_.push_back({Part::Kind::tool_call, {}, std::move(call_)});
    } else {
      parts_.push_back(
          {Part::Kind::content, head_ + std::string(message) + arguments_ + std::string(mark), {}});
    }
    is_call_ = false;
    arguments_.clear();
  }

  bool calls_;
  bool in_header_ = true;
  bool no_header_ = false;  // nothing of a body that has none was taken yet
  bool is_call_ = false;
  Part::Kind kind_ = Part::Kind::content;
  ToolCall call_;
  std::string held_, head_, arguments_;
  std::vector<Part> parts_;
};

constexpr std::string_view marks[]{start, channel, constrain, message, "<|end|>"};
constexpr std::string_view ends[]{"<|return|>", "<|call|>"};

}  // namespace

extern constexpr Convention harmony{.name = "harmony",
                                    .is_spoken =
                                        [](std::string_view source, const Tokenizer&) {
                                          return source.find(channel) != source.npos &&
                                                 source.find(message) != source.npos &&
                                                 source.find("analysis") != source.npos;
                                        },
                                    .spans = {},
                                    .marks = marks,
                                    .ends = ends,
                                    .make = [](const Json& tools) -> std::unique_ptr<Stream> {
                                      return std::make_unique<HarmonyStream>(!tools.is_null());
                                    }};

}  // namespace pome::text::chat
