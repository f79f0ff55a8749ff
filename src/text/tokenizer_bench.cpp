// What the user waits for: loading a tokenizer of Qwen's size, and reading long prompts with it.
#include "text/tokenizer.h"

#include <benchmark/benchmark.h>

#include <array>
#include <random>
#include <set>

#include "base/json.h"
#include "text/grammar.h"

namespace pome::text {
namespace {

constexpr std::size_t vocabulary_size = 151'643;

// A tokenizer.json of 152 thousand byte-level tokens: runs of spaces, then merges of random known tokens,
// whose lengths come out like those of trained vocabularies.
const std::string& big_tokenizer() {
  static const std::string text = [] {
    Json vocab = Json::object(), merges = Json::array();
    std::vector<std::string> tokens;
    std::set<std::string> known;
    const auto add = [&](const std::string& token) {
      if (!known.insert(token).second) return false;
      tokens.push_back(token);
      return true;
    };
    for (unsigned char c = '!'; c <= '~'; ++c) add(std::string(1, static_cast<char>(c)));
    add("Ġ");
    add("Ċ");
    const auto merge = [&](const std::string& left, const std::string& right) {
      if (add(left + right)) merges.push_back(Json::array({left, right}));
    };
    std::string spaces = "Ġ";
    for (int i = 0; i < 6; ++i, spaces += spaces) merge(spaces, spaces);
    std::mt19937 random(7);
    while (tokens.size() < vocabulary_size) {
      const std::string left = tokens[random() % std::min<std::size_t>(tokens.size(), 20'000)];
      const std::string right = tokens[random() % std::min<std::size_t>(tokens.size(), 2'000)];
      if (left.size() + right.size() <= 16 && !right.starts_with("Ġ")) merge(left, right);
    }
    auto& map = vocab.get_ref<Json::object_t&>();
    for (std::size_t i = 0; i < tokens.size(); ++i) map.push_back({tokens[i], i});
    Json added = Json::array();
    for (int i = 0; i < 26; ++i) {
      added.push_back({{"id", vocabulary_size + static_cast<std::size_t>(i)},
                       {"content", "<|special_" + std::to_string(i) + "|>"},
                       {"single_word", false},
                       {"lstrip", false},
                       {"rstrip", false},
                       {"normalized", false},
                       {"special", true}});
    }
    const char* words =
        R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
    const Json split = {
        {"type", "Split"}, {"pattern", {{"Regex", words}}}, {"behavior", "Isolated"}, {"invert", false}};
    const Json bytes = {
        {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", false}, {"use_regex", false}};
    return Json{{"version", "1.0"},
                {"added_tokens", added},
                {"normalizer", {{"type", "NFC"}}},
                {"pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", Json::array({split, bytes})}}},
                {"post_processor", bytes},
                {"decoder", bytes},
                {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", merges}}}}
        .dump();
  }();
  return text;
}

const Tokenizer& tokenizer() {
  static const auto loaded = Tokenizer::parse(big_tokenizer());
  return *loaded;
}

void load(benchmark::State& state) {
  const std::string& json = big_tokenizer();
  for (auto _ : state) benchmark::DoNotOptimize(Tokenizer::parse(json));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(big_tokenizer().size()));
}
BENCHMARK(load)->Unit(benchmark::kMillisecond);

void vocabulary(benchmark::State& state) {
  const std::int32_t end = vocabulary_size;
  const Tokenizer& loaded = tokenizer();
  for (auto _ : state) Vocabulary(loaded, loaded.size(), {&end, 1});
}
BENCHMARK(vocabulary)->Unit(benchmark::kMillisecond);

void mask(benchmark::State& state) {
  const std::int32_t end = vocabulary_size;
  const Vocabulary words(tokenizer(), tokenizer().size(), {&end, 1});
  Grammar grammar(words, GrammarLanguage::json_object, "");
  grammar.commit(tokenizer().encode("{\"a\": [", false));
  std::vector<std::uint32_t> bits(grammar.mask_words());
  for (auto _ : state) {
    grammar.commit(tokenizer().encode("1", false));
    grammar.mask(bits);
    grammar.rollback(1);
  }
}
BENCHMARK(mask)->Unit(benchmark::kMicrosecond);

void encode(benchmark::State& state, const std::string& unit) {
  std::string text;
  while (text.size() < 1'000'000) text += unit;
  const Tokenizer& loaded = tokenizer();
  for (auto _ : state) benchmark::DoNotOptimize(loaded.encode(text));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK_CAPTURE(encode, prose, "The model answers questions, 12 at a time; it's \"free\".\n")
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encode, spaces, " ")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encode, newlines, "\n")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encode, letters, "ab")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encode, punctuation, "!?")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encode, quotes, "'")->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace pome::text
