#include <gtest/gtest.h>

#include <set>

#include "text/chat/convention.h"
#include "text/golden_test.h"

namespace pome::text::chat {
namespace {

const Json no_tools;
const Json some_tools = Json::array({{{"type", "function"}, {"function", {{"name", "f"}}}}});

Whole join(Stream& stream, std::initializer_list<std::string_view> pieces) {
  Whole whole;
  for (const std::string_view piece : pieces) {
    for (const Part& part : stream.feed(piece)) whole.add(part);
  }
  for (const Part& part : stream.finish()) whole.add(part);
  return whole;
}

Json to_json(const Whole& whole) {
  Json calls = Json::array();
  for (const ToolCall& call : whole.calls) {
    calls.push_back({{"name", call.name}, {"arguments", call.arguments}});
    if (!call.id.empty()) calls.back()["id"] = call.id;
  }
  return {{"content", whole.content}, {"reasoning", whole.reasoning}, {"calls", calls}};
}

// The answer, taken apart; however it is cut into two, three or single bytes.
Json taken_apart(const Manners& manners, std::string_view answer, std::string_view prompt = {},
                 const Json& tools = some_tools) {
  const Json whole = to_json(join(*manners.stream(prompt, tools), {answer}));
  for (std::size_t i = 0; i <= answer.size(); ++i) {
    const auto stream = manners.stream(prompt, tools);
    const Json cut = to_json(join(
        *stream, {answer.substr(0, i), answer.substr(i, 1), answer.substr(std::min(i + 1, answer.size()))}));
    EXPECT_EQ(cut, whole) << "cut at " << i << " of " << answer;
    if (cut != whole) break;
  }
  const auto stream = manners.stream(prompt, tools);
  Whole bytewise;
  for (const char c : answer) {
    for (const Part& part : stream->feed({&c, 1})) bytewise.add(part);
  }
  for (const Part& part : stream->finish()) bytewise.add(part);
  EXPECT_EQ(to_json(bytewise), whole) << answer;
  return whole;
}

Manners speaking(std::string_view name) {
  const Convention* convention = find_convention(name);
  EXPECT_NE(convention, nullptr) << name;
  const auto table = reasoning_conventions();
  const bool reasons = std::find(table.begin(), table.end(), convention) != table.end();
  const auto calls = call_conventions();
  const bool called = std::find(calls.begin(), calls.end(), convention) != calls.end();
  return Manners::of(reasons ? convention : find_convention("think"), called ? convention : nullptr);
}

// ---- tool calls

TEST(ToolCalls, EqualMlxLms) {
  const Json golden = load_json(golden_folder() / "tool_calls.json");
  std::set<std::string> seen;
  for (const Json& row : golden["cases"]) {
    const auto name = row["convention"].get<std::string>();
    seen.insert(name);
    const Json found = taken_apart(speaking(name), row["answer"].get<std::string>(), "", golden["tools"]);
    // Whatever the order of keys.
    EXPECT_EQ(nlohmann::json::parse(found["calls"].dump()), nlohmann::json::parse(row["calls"].dump()))
        << name << row["answer"];
    EXPECT_EQ(found["content"], "") << name;
  }
  EXPECT_EQ(seen.size(), 13u) << "fourteen parsers, two of which are one";
}

struct Case {
  const char* convention;
  const char* answer;
  const char* calls;
  const char* content = "";
};

const Case cases[]{
    {"json_tools",
     "Let me see.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": "
     "1}}\n</tool_call>\n<tool_call>{\"name\": \"g\", \"arguments\": \"{}\"}</tool_call>",
     R"([{"name": "f", "arguments": {"a": 1}}, {"name": "g", "arguments": {}}])", "Let me see.\n"},
    {"json_tools", "<think>I call f.</think>\n\n<tool_call>{\"name\": \"f\"}</tool_call>",
     R"([{"name": "f", "arguments": {}}])"},
    {"json_tools", "<tool_call>{\"name\": \"f\", \"arguments\": {\"s\": \"</tool\"}}",
     R"([{"name": "f", "arguments": {"s": "</tool"}}])"},
    {"llama3", "{\"name\": \"f\", \"parameters\": {\"x\": \"y\"}}",
     R"([{"name": "f", "arguments": {"x": "y"}}])"},
    {"llama3", "<|python_tag|>{\"name\": \"f\", \"parameters\": {}}; {\"name\": \"g\", \"parameters\": {}}",
     R"([{"name": "f", "arguments": {}}, {"name": "g", "arguments": {}}])"},
    {"llama3", "<|python_tag|>brave_search.call(query=\"a = b\")",
     R"([{"name": "brave_search", "arguments": {"query": "a = b"}}])"},
    {"llama3", "A set is {1, 2}.", "[]", "A set is {1, 2}."},
    {"llama3", " {not JSON}", "[]", " {not JSON}"},
    {"deepseek",
     "Hm.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{\"a\": "
     "\"```\"}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>g\n```json\n{}\n```<"
     "｜tool▁call▁end｜><｜tool▁calls▁end｜>",
     "[]",
     "Hm.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{\"a\": "
     "\"```\"}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>g\n```json\n{}\n```<"
     "｜tool▁call▁end｜><｜tool▁calls▁end｜>"},
    {"deepseek",
     "Hm.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{\"a\": "
     "1}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>g\n```json\n{}\n```<"
     "｜tool▁call▁end｜><｜tool▁calls▁end｜>",
     R"([{"name": "f", "arguments": {"a": 1}}, {"name": "g", "arguments": {}}])", "Hm."},
    {"deepseek",
     "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{\"a\": "
     "\"ü\"}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
     R"([{"name": "f", "arguments": {"a": "ü"}}])"},
    {"deepseek_v32",
     "<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"f\">\n<｜DSML｜parameter name=\"a\" string=\"true\">1 "
     "< 2</｜DSML｜parameter>\n<｜DSML｜parameter name=\"b\" "
     "string=\"false\">[1]</｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜function_calls>",
     R"([{"name": "f", "arguments": {"a": "1 < 2", "b": [1]}}])"},
    {"granite", "<|tool_call|>[{\"name\": \"f\", \"arguments\": {\"a\": 1}}]",
     R"([{"name": "f", "arguments": {"a": 1}}])"},
    {"phi4", "<|tool_call|>[{\"name\": \"f\", \"arguments\": {}}]<|/tool_call|>",
     R"([{"name": "f", "arguments": {}}])"},
    {"phi4", "functools[{\"name\": \"f\", \"arguments\": {}}]", R"([{"name": "f", "arguments": {}}])"},
    {"phi4", "I like functools[1].", "[]", "I like functools[1]."},
    {"nemotron", "<TOOLCALL>[{\"name\": \"f\", \"arguments\": {}}]</TOOLCALL>",
     R"([{"name": "f", "arguments": {}}])"},
    {"seed", "<seed:tool_call>\n<function=f>\n<parameter=a>x</parameter>\n</function>\n</seed:tool_call>",
     R"([{"name": "f", "arguments": {"a": "x"}}])"},
    {"llama4", "<|python_start|>[f(a='it\\'s', b=[1, {'c': None}]), g()]<|python_end|>",
     R"([{"name": "f", "arguments": {"a": "it's", "b": [1, {"c": null}]}}, {"name": "g", "arguments": {}}])"},
    {"cohere",
     "<|START_THINKING|>Plan.<|END_THINKING|><|START_ACTION|>[\n{\"tool_call_id\": \"0\", \"tool_name\": "
     "\"f\", \"parameters\": {\"a\": 1}}\n]<|END_ACTION|>",
     R"([{"name": "f", "arguments": {"a": 1}, "id": "0"}])"},
    {"mistral", "Sure.[TOOL_CALLS]f[CALL_ID]abc[ARGS]{\"a\": [1]}",
     R"([{"name": "f", "arguments": {"a": [1]}, "id": "abc"}])", "Sure."},
    {"harmony",
     "<|channel|>analysis<|message|>Need f.<|end|><|start|>assistant<|channel|>commentary to=functions.f "
     "<|constrain|>json<|message|>{\"a\": 1}",
     R"([{"name": "f", "arguments": {"a": 1}}])"},
    {"harmony",
     "<|start|>assistant to=functions.f<|channel|>commentary json<|message|>{}<|call|><|start|>assistant "
     "to=functions.g<|channel|>commentary<|message|>{\"b\": 2}<|call|>",
     R"([{"name": "f", "arguments": {}}, {"name": "g", "arguments": {"b": 2}}])"},
};

TEST(ToolCalls, OfOtherConventions) {
  for (const Case& c : cases) {
    const Json found = taken_apart(speaking(c.convention), c.answer);
    EXPECT_EQ(found["calls"], Json::parse(c.calls)) << c.convention << ": " << c.answer;
    EXPECT_EQ(found["content"], c.content) << c.convention << ": " << c.answer;
  }
}

TEST(ToolCalls, WhatCannotBeReadComesBackAsItWas) {
  for (const Convention* convention : call_conventions()) {
    const Manners manners = Manners::of(nullptr, convention);
    for (const Span& span : convention->spans) {
      if (span.kind != Span::Kind::calls) continue;
      for (const char* block :
           {"", "x", "{", "{\"name\": 1}", "[f(", "call:", "<function=>", "<|\"|>", "\n\n"}) {
        const std::string broken = std::string(span.open) + block + std::string(span.close) +
                                   (span.close.empty() ? "" : " And so on.");
        const Json found = taken_apart(manners, broken);
        if (!found["calls"].empty()) continue;  // glm reads a bare name as a call
        EXPECT_EQ(found["content"], broken) << convention->name;
      }
      const std::string cut = "Well: " + std::string(span.open) + "{\"na";
      if (!span.first_only) {
        EXPECT_EQ(taken_apart(manners, cut)["content"], cut) << convention->name;
      }
    }
  }
}

TEST(ToolCalls, StayTextWhereNoToolsWereOffered) {
  const std::string answer = "<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>";
  EXPECT_EQ(taken_apart(speaking("json_tools"), answer, "", no_tools)["content"], answer);
}

// ---- reasoning

TEST(Reasoning, StandsApart) {
  const Json expected = {{"content", "Four."}, {"reasoning", "2 + 2"}, {"calls", Json::array()}};
  for (const Convention* convention : reasoning_conventions()) {
    for (const Span& span : convention->spans) {
      if (span.kind != Span::Kind::reasoning) continue;
      const std::string open(span.open), close(span.close);
      const Manners manners = speaking(convention->name);
      EXPECT_EQ(taken_apart(manners, open + "\n2 + 2\n" + close + "\n\nFour."), expected) << convention->name;
      EXPECT_EQ(taken_apart(manners, "2 + 2" + close + "Four.", "assistant " + open + "\n"), expected);
      EXPECT_EQ(taken_apart(manners, open + "\n2 + 2\n" + close + "Four.", "assistant " + open), expected)
          << "opened twice";
      EXPECT_EQ(taken_apart(manners, "Four.", open + "\n\n" + close + "\n\n")["content"], "Four.");
      EXPECT_EQ(taken_apart(manners, open + " 2 + 2 ")["reasoning"], "2 + 2") << "cut short";
    }
  }
}

TEST(Reasoning, KeepsItsLinesAndTheContents) {
  const Json found = taken_apart(speaking("think"), "<think>a\n\n  b\n</think>\n\n  c\n\n d \n");
  EXPECT_EQ(found["reasoning"], "a\n\n  b");
  EXPECT_EQ(found["content"], "c\n\n d \n");
  EXPECT_EQ(taken_apart(speaking("think"), " \n plain <thin text </think")["content"],
            " \n plain <thin text </think");
}

TEST(Reasoning, OfHarmony) {
  const Json found =
      taken_apart(speaking("harmony"),
                  "<|channel|>analysis<|message|>Why?<|end|><|start|>assistant<|channel|>commentary<|message|"
                  ">First, <|end|><|start|>assistant<|channel|>final<|message|>a < b");
  EXPECT_EQ(found["reasoning"], "Why?");
  EXPECT_EQ(found["content"], "First, a < b");
  for (const char* plain :
       {"No header <|at> all", "<|start|>assistant", "<|start|>assistant<|channel|>fin", "<|start|>"}) {
    EXPECT_EQ(taken_apart(speaking("harmony"), plain)["content"], plain);
  }
}

TEST(Reasoning, OfCohereAndGranite) {
  Json found = taken_apart(speaking("cohere"),
                           "<|START_THINKING|>Hm.<|END_THINKING|><|START_RESPONSE|>Yes.<|END_RESPONSE|>");
  EXPECT_EQ(found["content"], "Yes.");
  found = taken_apart(speaking("granite_33_think"), "<think>Hm.</think><response>Yes.</response>");
  EXPECT_EQ(found["content"], "Yes.");
  EXPECT_EQ(found["reasoning"], "Hm.");
  EXPECT_EQ(taken_apart(speaking("granite_think"), "I said: Here is my thought process: no")["reasoning"],
            "");
}

// ---- recognition

struct Template {
  const char* source;
  const char *reasoning, *calls;
};

TEST(Manners, AreToldByTheTemplate) {
  const auto tokenizer = golden_tokenizer("gpt2");
  const auto name = [](const Convention* c) { return c == nullptr ? "" : std::string(c->name); };
  for (const Template& t : {
           Template{"<|im_start|>", "", ""},
           Template{"<think> <tool_call> {{ tool_call.name }}", "think", "json_tools"},
           Template{"<tool_call>\\n<function=", "", "qwen3_coder"},
           Template{"<|start|>assistant<|channel|>analysis<|message|>", "harmony", "harmony"},
           Template{"<|START_THINKING|><|START_ACTION|>", "cohere", "cohere"},
           Template{"<arg_key> <tool_call> </think>", "think", "glm47"},
           Template{"<minimax:tool_call><think>", "think", "minimax_m2"},
           Template{"[TOOL_CALLS][THINK]", "mistral_think", "mistral"},
           Template{"<|channel>thought <|tool_call> <tool_call|>", "gemma4_think", "gemma4"},
           Template{"<seed:think><seed:tool_call>", "seed_think", "seed"},
           Template{"<|tool_call|>[", "", "granite"},
           Template{"<|tool_call|><|/tool_call|>", "", "phi4"},
           Template{"<｜tool▁calls▁begin｜></think>", "think", "deepseek"},
           Template{"<think><response>", "granite_33_think", ""},
           Template{"<|python_tag|>", "", "llama3"},
       }) {
    const Manners manners = Manners::of(t.source, *tokenizer);
    EXPECT_EQ(name(manners.reasoning()), t.reasoning) << t.source;
    EXPECT_EQ(name(manners.calls()), t.calls) << t.source;
  }
}

TEST(Manners, NamesAreUnique) {
  for (const auto table : {reasoning_conventions(), call_conventions()}) {
    std::set<std::string_view> names;
    for (const Convention* convention : table) {
      EXPECT_TRUE(names.insert(convention->name).second) << convention->name;
      EXPECT_TRUE(convention->make != nullptr || !convention->spans.empty()) << convention->name;
    }
  }
}

TEST(Manners, TurnsEndWhereTheTemplateEndsThem) {
  const auto tokenizer = golden_tokenizer("qwen");
  const Manners manners = Manners::of("<|im_start|>..<|im_end|>", *tokenizer);
  EXPECT_EQ(manners.end_tokens("<|im_start|>..<|im_end|>", *tokenizer),
            std::vector<std::int32_t>{*tokenizer->id_of("<|im_end|>")});
  EXPECT_TRUE(manners.end_tokens("[INST]", *tokenizer).empty());
  const auto shown = Manners::of(nullptr, find_convention("json_tools")).shown_tokens(*tokenizer, true);
  EXPECT_TRUE(shown.empty()) << "<tool_call> is no special token there";
}

}  // namespace
}  // namespace pome::text::chat
