// C interface of the Rust crate: tokenizers, chat templates, grammars.
//
// Manners, the same for every function:
// - Handles are opaque, made by *_new or *_clone, given back to their own *_free (null is allowed there).
// - pome_edge_bytes is borrowed for the duration of the call. A pome_edge_buffer or pome_edge_ids that a function
//   fills belongs to the caller, who frees it with its own function; text is UTF-8 without a terminating zero.
// - A failing function returns null or false, leaves its outputs alone and stores an error the caller owns in
//   *error. Where there is no error parameter, false means "there is none".
// - No panic, exception or signal crosses; nothing is printed. Calls on one handle through a const pointer may
//   run at the same time on several threads, calls through a non-const pointer may not.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pome_edge_error pome_edge_error;
typedef struct pome_edge_tokenizer pome_edge_tokenizer;
typedef struct pome_edge_template pome_edge_template;
typedef struct pome_edge_vocabulary pome_edge_vocabulary;
typedef struct pome_edge_grammar pome_edge_grammar;

typedef struct {
  const uint8_t* data;
  size_t len;
} pome_edge_bytes;

typedef struct {
  uint8_t* data;
  size_t len;
} pome_edge_buffer;

typedef struct {
  uint32_t* data;
  size_t len;
} pome_edge_ids;

typedef enum {
  POME_EDGE_USAGE = 1,        // the caller's argument is at fault
  POME_EDGE_CORRUPT = 2,      // a file's content is malformed
  POME_EDGE_UNSUPPORTED = 3,  // well formed, but not handled
  POME_EDGE_REFUSED = 4,      // a template called raise_exception; the message is the template's own
  POME_EDGE_LIMIT = 5,        // a bound on size, depth or work was reached
  POME_EDGE_INTERNAL = 6,     // a bug: a panic was caught
} pome_edge_kind;

pome_edge_kind pome_edge_error_kind(const pome_edge_error* error);
// Valid until the error is freed.
pome_edge_bytes pome_edge_error_message(const pome_edge_error* error);
void pome_edge_error_free(pome_edge_error* error);
void pome_edge_buffer_free(pome_edge_buffer buffer);
void pome_edge_ids_free(pome_edge_ids ids);

// ---- tokenizers

// Reads a tokenizer.json. With vocab.data non-null, json is a tokenizer.json whose model has neither vocab nor
// merges, and those come from the bytes of a vocab.json and a merges.txt (byte-pair models only).
pome_edge_tokenizer* pome_edge_tokenizer_new(pome_edge_bytes json, pome_edge_bytes vocab,
                                             pome_edge_bytes merges, pome_edge_error** error);
typedef enum {
  POME_EDGE_SENTENCEPIECE = 0,  // tokenizer.model: unigram and byte-pair models
  POME_EDGE_TIKTOKEN = 1,       // lines of a token in base64 and its rank
} pome_edge_file;

// Reads a tokenizer out of another kind of file; settings is a tokenizer.json without a model. For SentencePiece
// that needs no decoder, and "legacy" says whether every text between special tokens begins with the model's space;
// control symbols become special tokens. add_special adds nothing to such a tokenizer's ids.
pome_edge_tokenizer* pome_edge_tokenizer_from_file(pome_edge_file file, pome_edge_bytes settings,
                                                   pome_edge_bytes bytes, pome_edge_error** error);
void pome_edge_tokenizer_free(pome_edge_tokenizer* tokenizer);

// Any bytes are accepted: what is not UTF-8 is replaced by U+FFFD first, one per maximal invalid part.
bool pome_edge_tokenizer_encode(const pome_edge_tokenizer* tokenizer, pome_edge_bytes text, bool add_special,
                                pome_edge_ids* ids, pome_edge_error** error);
// Ids without a token are skipped.
bool pome_edge_tokenizer_decode(const pome_edge_tokenizer* tokenizer, const uint32_t* ids, size_t count,
                                bool skip_special, pome_edge_buffer* text, pome_edge_error** error);
// One more than the largest id (at most 2^24 - 1); ids below it may be without a token.
uint32_t pome_edge_tokenizer_size(const pome_edge_tokenizer* tokenizer);
bool pome_edge_tokenizer_id(const pome_edge_tokenizer* tokenizer, pome_edge_bytes token, uint32_t* id);
// The token as the vocabulary spells it ("Ġthe", "▁the").
bool pome_edge_tokenizer_token(const pome_edge_tokenizer* tokenizer, uint32_t id, pome_edge_buffer* token);
// A JSON array, by id: {"id", "content", "special", "normalized", "lstrip", "rstrip", "single_word"}.
bool pome_edge_tokenizer_added(const pome_edge_tokenizer* tokenizer, pome_edge_buffer* json,
                               pome_edge_error** error);

typedef enum {
  POME_EDGE_DECODER_OPAQUE = 0,  // only the whole sequence can be decoded
  POME_EDGE_DECODER_BYTES = 1,   // concatenate; replace each maximal invalid part by U+FFFD
  POME_EDGE_DECODER_PIECES = 2,  // concatenate; a run of byte tokens that is not UTF-8 gives U+FFFD per byte
} pome_edge_decoder;

enum {
  POME_EDGE_TOKEN_SPECIAL = 1,  // left out by decode with skip_special
  POME_EDGE_TOKEN_ADDED = 2,
  POME_EDGE_TOKEN_BYTE = 4,    // stands for one byte of a character (POME_EDGE_DECODER_PIECES only)
  POME_EDGE_TOKEN_ABSENT = 8,  // the id has no token
};

// What each id contributes to decoded text. Token i is bytes[offsets[i], offsets[i + 1]); flags has one byte per
// id. The three arrays are freed one by one.
typedef struct {
  pome_edge_buffer bytes;
  pome_edge_ids offsets;  // size + 1
  pome_edge_buffer flags;
  uint32_t decoder;          // pome_edge_decoder
  bool first_differs;        // the first token of a text is what decode gives for it alone
  uint8_t strip_character;   // up to strip_count of this ASCII character are dropped from the start of the text
  uint32_t strip_count;
} pome_edge_table;

bool pome_edge_tokenizer_table(const pome_edge_tokenizer* tokenizer, pome_edge_table* table,
                               pome_edge_error** error);

// ---- chat templates

pome_edge_template* pome_edge_template_new(pome_edge_bytes source, pome_edge_error** error);
void pome_edge_template_free(pome_edge_template* compiled);
// variables is a JSON object (messages, tools, add_generation_prompt, ...). now is what strftime_now shows: the
// local wall clock, counted in seconds as if it were UTC. Work and output are bounded.
bool pome_edge_template_render(const pome_edge_template* compiled, pome_edge_bytes variables, int64_t now,
                               pome_edge_buffer* text, pome_edge_error** error);

// ---- grammars

// size is the number of logits (at least the tokenizer's size); the tokenizer may be freed afterwards.
pome_edge_vocabulary* pome_edge_vocabulary_new(const pome_edge_tokenizer* tokenizer, uint32_t size,
                                               const uint32_t* eos, size_t eos_count, pome_edge_error** error);
void pome_edge_vocabulary_free(pome_edge_vocabulary* vocabulary);

typedef enum {
  POME_EDGE_JSON_SCHEMA = 0,
  POME_EDGE_JSON_OBJECT = 1,  // any JSON object; source is not read
  POME_EDGE_REGEX = 2,
  POME_EDGE_LARK = 3,
} pome_edge_language;

// A source the engine cannot honour is refused as unsupported, naming the keyword. Needs its vocabulary no longer.
pome_edge_grammar* pome_edge_grammar_new(const pome_edge_vocabulary* vocabulary, pome_edge_language language,
                                         pome_edge_bytes source, pome_edge_error** error);
pome_edge_grammar* pome_edge_grammar_clone(const pome_edge_grammar* grammar, pome_edge_error** error);
void pome_edge_grammar_free(pome_edge_grammar* grammar);

// Bit id % 32 of words[id / 32] is set when the token may come next; count is at least ceil(size / 32).
bool pome_edge_grammar_mask(pome_edge_grammar* grammar, uint32_t* words, size_t count, pome_edge_error** error);
// All of the tokens or none of them.
bool pome_edge_grammar_commit(pome_edge_grammar* grammar, const uint32_t* ids, size_t count,
                              pome_edge_error** error);
bool pome_edge_grammar_rollback(pome_edge_grammar* grammar, size_t count, pome_edge_error** error);
// Bit 0: the text is complete; bit 1: only an end token may follow.
bool pome_edge_grammar_state(pome_edge_grammar* grammar, uint32_t* state, pome_edge_error** error);
// The bytes that must come next, if any.
bool pome_edge_grammar_forced(pome_edge_grammar* grammar, pome_edge_buffer* bytes, pome_edge_error** error);

#ifdef __cplusplus
}
#endif
