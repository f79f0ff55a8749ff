#include "base/json.h"

#include <gtest/gtest.h>

#include "base/scratch_folder.h"

namespace pome {
namespace {

std::string message_of(auto&& action) {
  try {
    action();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::corrupt);
    return e.what();
  }
  return "nothing was thrown";
}

TEST(Json, RefusesBrokenDeepAndAmbiguousText) {
  EXPECT_NE(message_of([] { parse_json("{\"a\":", "config.json"); }).find("config.json: not valid JSON"),
            std::string::npos);
  EXPECT_EQ(message_of([] { parse_json(R"({"a":1,"a":2})", "c"); }), "c: key \"a\" occurs twice");
  EXPECT_EQ(message_of([] { parse_json(std::string(300, '['), "c"); }), "c: nested deeper than 200 levels");
  EXPECT_NE(message_of([] { parse_json("\"\xff\"", "c"); }).find("c: not valid JSON"), std::string::npos);
  EXPECT_EQ(message_of([] { parse_json(std::string_view("{}\0x", 4), "c"); }),
            "c: not valid JSON: has a zero byte");
  std::string crowded = "{\"0\":0";
  for (int i = 1; i <= 20000; ++i) crowded += ",\"" + std::to_string(i) + "\":0";
  EXPECT_EQ(message_of([&] { parse_json(crowded + "}", "c"); }), "c: an object has more than 20000 keys");
  EXPECT_EQ(parse_json(R"({"a":{"b":1},"c":{"b":2}})", "c").size(), 2u);
}

TEST(Json, KeepsKeyOrder) { EXPECT_EQ(parse_json(R"({"b":1,"a":2})", "c").dump(), R"({"b":1,"a":2})"); }

TEST(Json, InfinitiesThatPythonWroteAreTagged) {
  const ScratchFolder scratch;
  write_file_atomic(scratch.path() / "c.json",
                    R"({"a":[0.0, Infinity], "b":-Infinity, "c":"\"Infinity", "d":"-Infinity"})");
  EXPECT_EQ(
      load_json(scratch.path() / "c.json").dump(),
      R"({"a":[0.0,{"__float__":"Infinity"}],"b":{"__float__":"-Infinity"},"c":"\"Infinity","d":"-Infinity"})");
  write_file_atomic(scratch.path() / "c.json", "[InfinityInfinity]");
  EXPECT_THROW(load_json(scratch.path() / "c.json"), Error);
}

TEST(Json, TypedMembers) {
  const Json config = parse_json(R"({"n":3,"f":2.5,"whole":4.0,"big":1e12,"s":"x","none":null})", "c");
  EXPECT_EQ(json_value<int>(config, "n", 0), 3);
  EXPECT_EQ(json_value<int>(config, "whole", 0), 4);
  EXPECT_EQ(json_value<int>(config, "none", 7), 7);
  EXPECT_EQ(json_value<int>(config, "absent", 8), 8);
  EXPECT_DOUBLE_EQ(json_value<double>(config, "n", 0), 3.0);
  EXPECT_EQ(message_of([&] { json_value<int>(config, "f", 0); }),
            "f: expected an integer in range, found 2.5");
  EXPECT_NE(message_of([&] { json_value<int>(config, "big", 0); }).find("big: expected"), std::string::npos);
  EXPECT_EQ(message_of([&] { json_value<bool>(config, "s", false); }),
            "s: expected true or false, found \"x\"");
}

}  // namespace
}  // namespace pome
