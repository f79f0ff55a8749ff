#include "text/chat_template.h"

#include <gtest/gtest.h>

#include "text/golden_test.h"

namespace pome::text {
namespace {

ChatInput input_of(const Json& golden, const std::string& name) {
  const Json& conversation = golden["conversations"][name];
  ChatInput input;
  input.messages = conversation["messages"];
  input.tools = conversation.value("tools", Json());
  input.documents = conversation.value("documents", Json());
  input.add_generation_prompt = conversation.value("add_generation_prompt", true);
  input.continue_final_message = conversation.value("continue_final_message", false);
  input.variables = golden["variables"];
  input.variables.update(conversation.value("variables", Json::object()));
  input.now = golden["now"].get<std::int64_t>();
  return input;
}

TEST(ChatTemplate, RendersWhatTransformersRenders) {
  const Json golden = load_json(golden_folder() / "chat.json");
  int rendered = 0, refused = 0;
  for (const Json& row : golden["cases"]) {
    const std::string name = row["template"], conversation = row["conversation"];
    SCOPED_TRACE(name + " × " + conversation);
    try {
      const ChatTemplate compiled(read_file(golden_folder() / "templates" / (name + ".jinja")));
      const std::string text = compiled.render(input_of(golden, conversation));
      ++rendered;
      if (row.contains("text")) {
        EXPECT_EQ(text, row["text"].get<std::string>());
      } else {
        ADD_FAILURE() << "should not have rendered: " << text;
      }
    } catch (const Error& e) {
      ++refused;
      EXPECT_FALSE(row.contains("text")) << e.what();
      if (row.contains("refused")) {
        EXPECT_EQ(e.kind(), ErrorKind::usage);
        EXPECT_EQ(e.message(), "chat template refuses these messages: " + row["refused"].get<std::string>());
      }
    }
  }
  EXPECT_GE(rendered, 150);
  EXPECT_GE(refused, 30);
}

std::string render(std::string_view source, Json variables = Json::object()) {
  ChatInput input;
  input.variables = std::move(variables);
  return ChatTemplate(source).render(input);
}

ErrorKind failure_of(std::string_view source, std::string_view part) {
  try {
    ADD_FAILURE() << "rendered " << render(source).substr(0, 100);
  } catch (const Error& e) {
    EXPECT_NE(e.message().find(part), std::string::npos) << e.message();
    return e.kind();
  }
  return ErrorKind::interrupted;
}

TEST(ChatTemplate, ErrorsSayWhere) {
  EXPECT_EQ(failure_of("line\n{% if %}", "line 2"), ErrorKind::corrupt);
  EXPECT_EQ(failure_of("\n\n{{ messages.nothing.more }}", "line 3"), ErrorKind::corrupt);
  EXPECT_EQ(failure_of("{{ no_such_function() }}", "no_such_function"), ErrorKind::corrupt);
  EXPECT_EQ(failure_of("{{ [].append(1) }}", "append"), ErrorKind::corrupt);
  EXPECT_EQ(failure_of("{% include 'x' %}", "x"), ErrorKind::corrupt);
}

TEST(ChatTemplate, HostileTemplatesAreStopped) {
  EXPECT_EQ(
      failure_of("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}", ""),
      ErrorKind::resource);
  EXPECT_EQ(failure_of("{% set x = 'a' * 50000000 %}{{ x }}{{ x }}", ""), ErrorKind::resource);
  EXPECT_EQ(failure_of("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "recursion"), ErrorKind::corrupt);
  EXPECT_EQ(failure_of("{{ " + std::string(100'000, '(') + " }}", "recursion"), ErrorKind::corrupt);
  EXPECT_EQ(failure_of("{{ 1" + std::string(100'000, '[') + " }}", ""), ErrorKind::corrupt);
}

TEST(ChatTemplate, ClockCannotBeReadOrReplaced) {
  EXPECT_EQ(render("{{ strftime_now('%Y') | length }}"), "4");
  EXPECT_EQ(render("{{ strftime_now('') }}|"), "|");
}

TEST(ChatTemplate, InvalidUtf8InMessagesIsReplaced) {
  ChatInput input;
  input.messages = {{{"role", "user"}, {"content", "a\xFF"}}};
  EXPECT_EQ(ChatTemplate("{{ messages[0].content }}").render(input), "a\uFFFD");
}

TEST(ChatTemplate, CallersMistakesAreUsageErrors) {
  const ChatTemplate compiled("{{ messages }}");
  ChatInput input;
  input.messages = "text";
  EXPECT_THROW(compiled.render(input), Error);
  input.messages = {"text"};
  EXPECT_THROW(compiled.render(input), Error);
  input.messages = Json::array();
  input.add_generation_prompt = false;
  input.continue_final_message = true;
  EXPECT_THROW(compiled.render(input), Error);
}

TEST(ChatTemplate, MemoryIsBounded) {
  ChatInput input;
  input.messages = Json::array({{{"role", "user"}, {"content", "x"}}});
  for (const std::string& source : {
           std::string(
               "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% "
               "endfor %}"),
           std::string("{% macro f(n, s) %}{% if n %}{{ f(n - 1, s + s) }}{% endif %}{% endmacro %}{{ f(90, "
                       "'xxxx') }}"),
           "{% set s %}{% for i in range(99999) %}" + std::string(4000, 'x') + "{% endfor %}{% endset %}",
           std::string(
               "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s|replace('x', 'xx') "
               "%}{% endfor %}"),
       }) {
    const ChatTemplate hostile(source);
    for (int i = 0; i < 2; ++i) {
      try {
        hostile.render(input);
        ADD_FAILURE() << source;
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::resource) << source << error.what();
        EXPECT_NE(std::string(error.what()).find("memory"), std::string::npos) << error.what();
      }
    }
  }
  input.messages[0]["content"] = std::string(std::size_t{8} << 20, 'x');
  EXPECT_EQ(ChatTemplate("{{ messages[0].content ~ 'y' }}").render(input).size(), (std::size_t{8} << 20) + 1)
      << "large messages have the memory they need";
}

}  // namespace
}  // namespace pome::text
