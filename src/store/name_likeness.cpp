#include "store/name_likeness.h"

#include <algorithm>
#include <cctype>
#include <string>
#include <vector>

namespace pome::store {
namespace {

constexpr double packaging_weight = 0.15;

struct Word {
  std::string text;
  double weight = 1;
};

bool tells_packaging(std::string_view word) {
  constexpr std::string_view known[] = {"mlx",  "bf16", "fp16", "f16",   "hf",   "dwq", "4bit", "8bit",
                                        "6bit", "3bit", "5bit", "2bit",  "q4",   "q8",  "meta", "mxfp4",
                                        "gguf", "awq",  "gptq", "optiq", "int4", "int8"};
  return std::find(std::begin(known), std::end(known), word) != std::end(known);
}

// "mlx-community/Phi-3.5-mini-instruct-4bit" → phi, 3.5, mini, instruct, 4bit. The account says nothing about
// the model. Letters and digits part, except that a size keeps its unit (7b) and a width its word (4bit).
std::vector<Word> words(std::string_view name) {
  name.remove_prefix(std::min(name.find('/') + 1, name.size()));
  std::vector<std::string> parts(1);
  for (const char c : name) {
    const auto u = static_cast<unsigned char>(c);
    if (std::isalnum(u) == 0 && c != '.') {
      parts.emplace_back();
      continue;
    }
    std::string& part = parts.back();
    const bool digit = std::isdigit(u) != 0;
    const bool begins_number = digit && !part.empty() && part.back() != '.' &&
                               std::isdigit(static_cast<unsigned char>(part.back())) == 0 && part.size() > 2;
    if (begins_number) parts.emplace_back();
    parts.back() += static_cast<char>(std::tolower(u));
  }
  std::vector<Word> result;
  for (std::string& part : parts) {
    if (part.empty() || part == ".") continue;
    const double weight = tells_packaging(part) ? packaging_weight : 1;
    result.push_back({std::move(part), weight});
  }
  return result;
}

}  // namespace

double name_likeness(std::string_view a, std::string_view b) {
  const std::vector<Word> left = words(a);
  std::vector<Word> right = words(b);
  double common = 0;
  double all = 0;
  for (const Word& word : right) all += word.weight;
  for (const Word& word : left) {
    all += word.weight;
    const auto same =
        std::find_if(right.begin(), right.end(), [&](const Word& other) { return other.text == word.text; });
    if (same == right.end()) continue;
    common += 2 * word.weight;
    right.erase(same);
  }
  return all == 0 ? 0 : common / all;
}

}  // namespace pome::store
