#include "text/tokenizer.h"

#include "base/json.h"
#include "text/edge.h"

namespace pome::text {

namespace {

pome_edge_tokenizer* open(pome_edge_bytes json, pome_edge_bytes vocab, pome_edge_bytes merges) {
  edge::Call call;
  pome_edge_tokenizer* handle = pome_edge_tokenizer_new(json, vocab, merges, call.slot());
  call.check();
  return handle;
}

std::vector<AddedToken> read_added(const pome_edge_tokenizer* handle) {
  edge::Call call;
  edge::Buffer json;
  pome_edge_tokenizer_added(handle, json.out(), call.slot());
  call.check();
  std::vector<AddedToken> added;
  for (const Json& token : Json::parse(json.view())) {
    added.push_back({token["id"], token["content"], token["special"]});
  }
  return added;
}

}  // namespace

void Tokenizer::Free::operator()(pome_edge_tokenizer* handle) const { pome_edge_tokenizer_free(handle); }

Tokenizer::Tokenizer(pome_edge_tokenizer* handle) : handle_(handle), added_(read_added(handle)) {}

void Tokenizer::put_around(const Surround& surround) {
  own_surround_ = true;
  const auto append = [this](const std::optional<std::string>& name, std::vector<std::int32_t>& ids) {
    if (!name) return;
    const std::optional<std::int32_t> id = id_of(*name);
    if (!id) fail(ErrorKind::corrupt, "tokenizer_config.json: token \"{}\" is not in the vocabulary", *name);
    ids.push_back(*id);
  };
  append(surround.before, before_);
  append(surround.after, after_);
}

Tokenizer::~Tokenizer() = default;

std::shared_ptr<const Tokenizer> Tokenizer::parse(std::string_view tokenizer_json) {
  return std::shared_ptr<const Tokenizer>(new Tokenizer(open(edge::bytes(tokenizer_json), {}, {})));
}

std::shared_ptr<const Tokenizer> Tokenizer::parse_bpe(std::string_view settings, std::string_view vocab_json,
                                                      std::string_view merges_txt,
                                                      const std::optional<Surround>& surround) {
  const std::shared_ptr<Tokenizer> tokenizer(
      new Tokenizer(open(edge::bytes(settings), edge::bytes(vocab_json), edge::bytes(merges_txt))));
  if (surround) tokenizer->put_around(*surround);
  return tokenizer;
}

std::shared_ptr<const Tokenizer> Tokenizer::parse_file(
    TokenizerFile kind, std::string_view settings, std::string_view bytes,
    const std::function<Surround(const Tokenizer&)>& around) {
  edge::Call call;
  pome_edge_tokenizer* handle = pome_edge_tokenizer_from_file(
      kind == TokenizerFile::sentencepiece ? POME_EDGE_SENTENCEPIECE : POME_EDGE_TIKTOKEN,
      edge::bytes(settings), edge::bytes(bytes), call.slot());
  call.check();
  const std::shared_ptr<Tokenizer> tokenizer(new Tokenizer(handle));
  tokenizer->put_around(around(*tokenizer));
  return tokenizer;
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text, bool add_special) const {
  edge::Call call;
  edge::Ids ids;
  pome_edge_tokenizer_encode(handle_.get(), edge::bytes(text), add_special && !own_surround_, ids.out(),
                             call.slot());
  call.check();
  std::vector<std::int32_t> result;
  result.reserve(ids.view().size() + before_.size() + after_.size());
  if (add_special) result = before_;
  result.insert(result.end(), ids.view().begin(), ids.view().end());
  if (add_special) result.insert(result.end(), after_.begin(), after_.end());
  return result;
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids, bool skip_special) const {
  edge::Call call;
  edge::Buffer text;
  pome_edge_tokenizer_decode(handle_.get(), edge::unsigned_ids(ids), ids.size(), skip_special, text.out(),
                             call.slot());
  call.check();
  return std::string(text.view());
}

std::int32_t Tokenizer::size() const {
  return static_cast<std::int32_t>(pome_edge_tokenizer_size(handle_.get()));
}

std::optional<std::int32_t> Tokenizer::id_of(std::string_view token) const {
  std::uint32_t id = 0;
  if (!pome_edge_tokenizer_id(handle_.get(), edge::bytes(token), &id)) return std::nullopt;
  return static_cast<std::int32_t>(id);
}

std::optional<std::string> Tokenizer::token(std::int32_t id) const {
  edge::Buffer token;
  if (id < 0 || !pome_edge_tokenizer_token(handle_.get(), static_cast<std::uint32_t>(id), token.out())) {
    return std::nullopt;
  }
  return std::string(token.view());
}

const TokenTable& Tokenizer::table() const {
  std::call_once(table_once_, [this] {
    edge::Call call;
    pome_edge_table raw{};
    pome_edge_tokenizer_table(handle_.get(), &raw, call.slot());
    const edge::Buffer all(raw.bytes), flags(raw.flags);
    const edge::Ids offsets(raw.offsets);
    call.check();
    table_.decoding = static_cast<Decoding>(raw.decoder);
    table_.first_differs = raw.first_differs;
    table_.strip_character = static_cast<char>(raw.strip_character);
    table_.strip_count = raw.strip_count;
    table_.all = all.view();
    table_.offsets.assign(offsets.view().begin(), offsets.view().end());
    table_.flags.assign(flags.view().begin(), flags.view().end());
  });
  return table_;
}

}  // namespace pome::text
