// A stranger's template must end in a text or an error.
#include "base/error.h"
#include "text/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pome;
  text::ChatInput input;
  input.messages = {{{"role", "user"}, {"content", "Hello"}},
                    {{"role", "assistant"}, {"content", {{{"type", "text"}, {"text", "é"}}}}},
                    {{"role", "tool"}, {"content", 1.5}}};
  input.tools = {{{"type", "function"}, {"function", {{"name", "f"}, {"parameters", {{"items", nullptr}}}}}}};
  input.now = 0;
  try {
    text::ChatTemplate(std::string_view(reinterpret_cast<const char*>(data), size)).render(input);
  } catch (const Error&) {
  }
  return 0;
}
