#include "cli/input.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "services/logits.h"
#include "services/text_model.h"
#include "store/resolve.h"

namespace pome::cli {
namespace {

constexpr Example examples[]{
    {"pome detokenize demo 17 42 99", ""},
    {"pome tokenize demo hello | pome detokenize demo", "there and back"},
};

struct Detokenize {
  std::vector<std::string> words;
  fs::path file;
  bool skip_special = false;
  bool json = false;
};

// Numbers, however they are separated: "1 2 3" and "[1, 2, 3]" alike; or what tokenize --json prints.
std::vector<std::int32_t> parse_ids(std::string text) {
  if (text.starts_with('{')) return services::parse_token_ids(text, "ids");
  for (char& c : text) {
    if (c == ',' || c == '[' || c == ']' || c == '\n' || c == '\t' || c == '\r') c = ' ';
  }
  std::vector<std::int32_t> ids;
  for (std::size_t at = 0; (at = text.find_first_not_of(' ', at)) != std::string::npos;) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    ids.push_back(parse_value<std::int32_t>("ID", text.substr(at, end - at)));
    at = end;
  }
  return ids;
}

Action declare(Options& options) {
  auto o = std::make_shared<Detokenize>();
  options.words({"MODEL", "ID…"}, o->words, 1, std::string::npos);
  options.option("--file", o->file, "FILE", "read the ids from here");
  options.flag("--skip-special-tokens", o->skip_special, "leave special tokens out");
  options.flag("--json", o->json, "one object: text");
  return [o] {
    const auto place = store::resolve(o->words.front(), store::Paths::from_environment());
    o->words.erase(o->words.begin());
    const auto ids = parse_ids(read_text(o->file, o->words));
    const auto model = services::TextModel::open(place.folder);
    for (const std::int32_t id : ids) {
      if (!model->tokenizer().token(id)) {
        fail(ErrorKind::usage, "token {} is not in the vocabulary of {}", id, place.name);
      }
    }
    const std::string text = model->tokenizer().decode(ids, o->skip_special);
    if (o->json) {
      print_json({{"text", text}});
    } else {
      print(text + "\n");
    }
  };
}

}  // namespace

extern constexpr Verb detokenize_verb{"detokenize", Group::look_inside, "the text of token ids", examples,
                                      declare};

}  // namespace pome::cli
