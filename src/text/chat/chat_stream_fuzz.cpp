// What a model may write, in every convention: the same parts however it is cut, and nothing lost that is not
// a tag or white space where no call was read.
#include <cstdlib>

#include "text/chat/convention.h"

namespace {

using namespace pome;
using namespace pome::text::chat;

Whole whole(const Manners& manners, std::string_view prompt, std::string_view answer, std::size_t step) {
  static const Json tools = Json::parse(
      R"([{"type": "function", "function": {"name": "f", "parameters": {"properties": {"a": {"type": "integer"}}}}}])");
  const auto stream = manners.stream(prompt, tools);
  Whole result;
  for (std::size_t i = 0; i < answer.size(); i += step) {
    for (const Part& part : stream->feed(answer.substr(i, step))) result.add(part);
  }
  for (const Part& part : stream->finish()) result.add(part);
  return result;
}

std::string ink(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (std::string_view(" \t\r\n").find(c) == std::string_view::npos) result += c;
  }
  return result;
}

// `text` without any tag of the convention.
std::string untagged(const Convention& convention, std::string text) {
  for (const Span& span : convention.spans) {
    for (const std::string_view tag : {span.open, span.close}) {
      if (tag.empty()) continue;
      for (std::size_t at; (at = text.find(tag)) != text.npos;) text.erase(at, tag.size());
    }
  }
  return ink(text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const auto reasoning = reasoning_conventions(), calls = call_conventions();
  const Convention* first = reasoning[data[0] % reasoning.size()];
  const Convention* second = calls[data[1] % calls.size()];
  const std::string_view answer(reinterpret_cast<const char*>(data + 2), size - 2);
  const Manners manners = Manners::of(first, second);
  const Whole once = whole(manners, "", answer, answer.size() + 1);
  for (const std::size_t step : {1, 3, 7}) {
    const Whole cut = whole(manners, "", answer, step);
    if (cut.content != once.content || cut.reasoning != once.reasoning ||
        cut.calls.size() != once.calls.size()) {
      std::abort();
    }
  }
  const bool spans = first->make == nullptr && second->make == nullptr;
  if (spans && once.calls.empty() && once.reasoning.empty()) {
    const std::string given = untagged(*second, untagged(*first, std::string(answer)));
    if (untagged(*second, untagged(*first, once.content)) != given) std::abort();
  }
  return 0;
}
