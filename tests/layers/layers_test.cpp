// Reads layers.txt and every #include of src/: a room may use itself and what stands beneath it, nothing
// else.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <sstream>

namespace {

namespace fs = std::filesystem;
using Rooms = std::map<std::string, std::set<std::string>>;  // room → every room it may include

Rooms read_layers(std::istream& text) {
  Rooms rooms;
  for (std::string line; std::getline(text, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    std::string room;
    words >> room;
    std::set<std::string> allowed{room};
    for (std::string below; words >> below;) {
      const auto known = rooms.find(below);
      if (known == rooms.end())
        throw std::runtime_error(room + " names " + below + ", which does not stand above it");
      allowed.insert(known->second.begin(), known->second.end());
    }
    if (!rooms.emplace(room, allowed).second) throw std::runtime_error(room + " occurs twice");
  }
  return rooms;
}

// "file:line includes other" for every include that layers.txt forbids.
std::vector<std::string> violations(const Rooms& rooms, const fs::path& file, const std::string& room,
                                    std::istream& text) {
  std::vector<std::string> found;
  int number = 0;
  for (std::string line; std::getline(text, line);) {
    ++number;
    const std::size_t quote = line.find("#include \"");
    if (quote == std::string::npos) continue;
    const std::string target = line.substr(quote + 10, line.find('/', quote) - quote - 10);
    if (target == "pome" || target.find('"') != std::string::npos)
      continue;  // the public headers; files of edge/
    const bool allowed = rooms.contains(target) && rooms.at(room).contains(target);
    if (!allowed) found.push_back(file.string() + ":" + std::to_string(number) + " includes " + target);
  }
  return found;
}

TEST(Layers, EveryIncludeIsAllowed) {
  const fs::path root = POME_SOURCE_DIR;
  std::ifstream layers(root / "layers.txt");
  const Rooms rooms = read_layers(layers);
  int files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(root / "src")) {
    const fs::path extension = entry.path().extension();
    if (extension != ".h" && extension != ".cpp") continue;
    ++files;
    const std::string room = fs::relative(entry.path(), root / "src").begin()->string();
    ASSERT_TRUE(rooms.contains(room)) << "layers.txt does not name src/" << room;
    std::ifstream text(entry.path());
    for (const std::string& violation : violations(rooms, entry.path(), room, text))
      ADD_FAILURE() << violation;
  }
  EXPECT_GT(files, 0);
}

TEST(Layers, RejectsUpwardsAndSideways) {
  std::istringstream layers("base\nquant base\ntext base\ngraph quant\n");
  const Rooms rooms = read_layers(layers);
  const auto count = [&](const std::string& room, const std::string& include) {
    std::istringstream text("#include \"" + include + "\"\n");
    return violations(rooms, "x.h", room, text).size();
  };
  EXPECT_EQ(count("graph", "base/error.h"), 0u);
  EXPECT_EQ(count("graph", "pome/error.h"), 0u);
  EXPECT_EQ(count("base", "graph/graph.h"), 1u);
  EXPECT_EQ(count("quant", "text/tokenizer.h"), 1u);
  EXPECT_EQ(count("quant", "nowhere/x.h"), 1u);
}

}  // namespace
