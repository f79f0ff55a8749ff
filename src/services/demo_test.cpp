// The bundled model: the hundred questions it is judged on, and the tokens that the reference computed.
#include <gtest/gtest.h>

#include <regex>
#include <sstream>

#include "services/generate.h"
#include "services/tiny_model.h"

namespace pome::services {
namespace {

class Demo : public testing::TestWithParam<graph::Precision> {
 protected:
  ScratchFolder scratch;
  Library library{{.backend = "cpu",
                   .computing = {.precision = GetParam()},
                   .engine = {},
                   .paths = {.data = scratch.path(),
                             .state = scratch.path(),
                             .cache = scratch.path(),
                             .config = scratch.path(),
                             .hf_cache = scratch.path(),
                             .demo = fs::path(POME_SOURCE_DIR) / "assets/demo",
                             .catalogue = fs::path(POME_SOURCE_DIR) / "assets/catalogue.json"}}};
  std::shared_ptr<const OpenModel> model = library.open("demo");
};

TEST_P(Demo, GivesTheReferencesGreedyTokens) {
  const Json recorded = load_json(golden("demo/greedy.json"));
  for (const Json& entry : recorded.at("cases")) {
    const auto question = entry.at("question").get<std::string>();
    GenerateRequest request;
    request.messages = Json::array({message("user", question)});
    EXPECT_EQ(model->text->prompt(request.messages, {}),
              entry.at("prompt_ids").get<std::vector<std::int32_t>>())
        << question;
    const Answer answer = generate(library, *model, request);
    EXPECT_EQ(answer.text, entry.at("answer").get<std::string>()) << question;
    auto tokens = entry.at("answer_ids").get<std::vector<std::int32_t>>();
    if (!tokens.empty() && tokens.size() == answer.tokens.size() + 1) tokens.pop_back();  // the end token
    EXPECT_EQ(answer.tokens, tokens) << question;
  }
}

TEST_P(Demo, AnswersNinetyOfAHundredQuestionsWithTheirKeyFacts) {
  std::istringstream lines(read_file(fs::path(POME_SOURCE_DIR) / "tools/demo_model/questions.jsonl"));
  const auto says = [](const std::string& answer, const Json& pattern) {
    return std::regex_search(answer, std::regex(pattern.get<std::string>(), std::regex::icase));
  };
  int asked = 0, right = 0;
  std::string missed;
  for (std::string line; std::getline(lines, line);) {
    const Json entry = parse_json(line, "questions.jsonl");
    GenerateRequest request;
    request.messages = Json::array({message("user", entry.at("question").get<std::string>())});
    const std::string answer = generate(library, *model, request).text;
    bool good = true;
    for (const Json& pattern : entry.at("must")) good = good && says(answer, pattern);
    if (entry.contains("must_not")) {
      for (const Json& pattern : entry.at("must_not")) good = good && !says(answer, pattern);
    }
    ++asked;
    if (good) {
      ++right;
    } else {
      missed += entry.at("question").get<std::string>() + " → " + answer + "\n";
    }
  }
  EXPECT_EQ(asked, 100);
  EXPECT_GE(right, 90) << missed;
  RecordProperty("right", right);
}

INSTANTIATE_TEST_SUITE_P(Precisions, Demo,
                         testing::Values(graph::Precision::exact, graph::Precision::standard),
                         [](const auto& param) {
                           return param.param == graph::Precision::exact ? "exact" : "default";
                         });

}  // namespace
}  // namespace pome::services
