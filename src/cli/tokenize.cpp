#include "cli/input.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "services/text_model.h"
#include "store/resolve.h"

namespace pome::cli {
namespace {

constexpr Example examples[]{
    {"pome tokenize demo \"hello world\"", "token ids on one line"},
    {"pome tokenize demo --pieces \"hello world\"", "each id with what it stands for"},
    {"pome tokenize demo --file text.txt --json", ""},
};

struct Tokenize {
  std::vector<std::string> words;
  fs::path file;
  bool pieces = false;
  bool plain = false;
  bool json = false;
};

void tokenize(Tokenize& o) {
  const auto place = store::resolve(o.words.front(), store::Paths::from_environment());
  o.words.erase(o.words.begin());
  const std::string text = read_text(o.file, o.words);
  const auto model = services::TextModel::open(place.folder);
  const auto ids = o.plain ? model->tokenizer().encode(text, false) : model->encode(text);
  const auto piece = [&](std::int32_t id) { return model->tokenizer().token(id).value_or(""); };
  if (o.json) {
    Json pieces = Json::array();
    for (const std::int32_t id : ids) pieces.push_back(piece(id));
    print_json({{"tokens", ids}, {"pieces", std::move(pieces)}, {"count", ids.size()}});
  } else if (o.pieces) {
    std::vector<std::vector<std::string>> rows;
    for (const std::int32_t id : ids) rows.push_back({std::to_string(id), piece(id)});
    print(table(rows));
  } else {
    print(fmt::format("{}\n", fmt::join(ids, " ")));
  }
}

Action declare(Options& options) {
  auto o = std::make_shared<Tokenize>();
  options.words({"MODEL", "TEXT…"}, o->words, 1, std::string::npos);
  options.option("--file", o->file, "FILE", "read the text from here, byte for byte");
  options.flag("--pieces", o->pieces, "one token per line, as the vocabulary spells it");
  options.flag("--no-special-tokens", o->plain, "without the tokens that the model expects around a text");
  options.flag("--json", o->json, "one object: tokens, pieces, count");
  return [o] { tokenize(*o); };
}

}  // namespace

extern constexpr Verb tokenize_verb{"tokenize", Group::look_inside, "the token ids of a text", examples,
                                    declare};

}  // namespace pome::cli
