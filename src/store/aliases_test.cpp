#include "store/aliases.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "store/fake_store.h"

namespace pome::store {
namespace {

template <class Function>
ErrorKind kind_of(Function function) {
  try {
    function();
  } catch (const Error& error) {
    return error.kind();
  }
  ADD_FAILURE() << "no error was thrown";
  return ErrorKind::internal;
}

TEST(Aliases, AreKeptInOrderAndReplaced) {
  const FakeStore store;
  Aliases aliases(store.paths);
  EXPECT_TRUE(aliases.all().empty());
  aliases.set({"small", "org/small", Json::object()});
  aliases.set({"poet", "org/large", {{"system_prompt", "Rhyme."}, {"temperature", 0.5}}});
  aliases.set({"small", "org/smaller", Json::object()});
  const std::vector<Alias> all = Aliases(store.paths).all();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].name, "small");
  EXPECT_EQ(all[0].model, "org/smaller");
  EXPECT_EQ(all[1].settings["system_prompt"], "Rhyme.");
  EXPECT_EQ(aliases.find("poet")->model, "org/large");
  EXPECT_FALSE(aliases.find("Poet"));
}

TEST(Aliases, RemoveNamesTheNearest) {
  const FakeStore store;
  Aliases aliases(store.paths);
  aliases.set({"poet", "org/large", Json::object()});
  try {
    aliases.remove("peot");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::not_found);
    EXPECT_NE(error.hint().find("poet"), std::string::npos);
  }
  aliases.remove("poet");
  EXPECT_TRUE(aliases.all().empty());
}

TEST(Aliases, RefuseNamesThatMeanSomethingElse) {
  const FakeStore store;
  Aliases aliases(store.paths);
  aliases.set({"fine-1.5", "org/name", Json::object()});
  for (const char* name : {"", "demo", "org/name", "-x", ".", "..", "two words", "ä"}) {
    EXPECT_EQ(kind_of([&] { aliases.set({name, "org/name", Json::object()}); }), ErrorKind::usage) << name;
  }
  EXPECT_EQ(kind_of([&] { aliases.set({"chain", "fine-1.5", Json::object()}); }), ErrorKind::usage);
  EXPECT_EQ(kind_of([&] { aliases.set({"empty", "", Json::object()}); }), ErrorKind::usage);
  EXPECT_EQ(aliases.all().size(), 1u);
}

TEST(Aliases, ABrokenFileIsNamed) {
  const FakeStore store;
  for (const char* content :
       {"[]", "{", R"({"a": 1})", R"({"a": {}})", R"({"a": {"model": "m", "settings": []}})"}) {
    FakeStore::put(store.paths.data / "aliases.json", content);
    try {
      Aliases(store.paths).all();
      FAIL() << content;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::corrupt);
      EXPECT_NE(std::string(error.what()).find("aliases.json"), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace pome::store
