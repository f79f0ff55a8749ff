//! Tokenizers, chat templates and grammars for C++, behind `include/pome_edge.h`.
//!
//! Rules of this crate: every entry point goes through `buffer::guard`, so that neither a panic nor an error
//! type of a dependency crosses the boundary; handles are boxed and opaque; nothing is printed.

// What callers must guarantee is said once, in the header.
#![allow(clippy::missing_safety_doc)]

mod budget;
mod buffer;
mod charsmap;
mod grammar;
mod merge;
mod prefixes;
mod protobuf;
mod python;
mod sentencepiece;
mod template;
mod tiktoken;
mod tokenizer;

use buffer::{free, guard, slice, utf8, Buffer, Bytes, Failure, Ids, Kind};
use grammar::{Grammar, Vocabulary};
use template::Template;
use tokenizer::{Table, Tokenizer};

// ---- errors and memory

#[no_mangle]
pub unsafe extern "C" fn pome_edge_error_kind(error: *const Failure) -> Kind {
    (*error).kind
}

#[no_mangle]
pub unsafe extern "C" fn pome_edge_error_message(error: *const Failure) -> Bytes {
    Bytes::borrowed(&(*error).message)
}

#[no_mangle]
pub unsafe extern "C" fn pome_edge_error_free(error: *mut Failure) {
    free(error)
}

#[no_mangle]
pub unsafe extern "C" fn pome_edge_buffer_free(buffer: Buffer) {
    buffer.release()
}

#[no_mangle]
pub unsafe extern "C" fn pome_edge_ids_free(ids: Ids) {
    ids.release()
}

// ---- tokenizers

#[no_mangle]
pub unsafe extern "C" fn pome_edge_tokenizer_new(
    json: Bytes,
    vocab: Bytes,
    merges: Bytes,
    error: *mut *mut Failure,
) -> *mut Tokenizer {
    guard(error, || {
        let tokenizer = if vocab.is_null() {
            Tokenizer::from_json(json.as_slice())?
        } else {
            Tokenizer::from_bpe_files(json.as_slice(), vocab.as_slice(), merges.as_slice())?
        };
        Ok(Box::into_raw(Box::new(tokenizer)))
    })
    .unwrap_or(std::ptr::null_mut())
}

#[no_mangle]
pub unsafe extern "C" fn pome_edge_tokenizer_from_file(
    file: tokenizer::File,
    settings: Bytes,
    bytes: Bytes,
    error: *mut *mut Failure,
) -> *mut Tokenizer {
    guard(error, || {
        let tokenizer = Tokenizer::from_file(file, settings.as_slice(), bytes.as_slice())?;
        Ok(Box::into_raw(Box::new(tokenizer)))
    })
    .unwrap_or(std::ptr::null_mut())
}

#[no_mangle]
pub unsafe extern "C" fn pome_edge_tokenizer_free(tokenizer: *mut Tokenizer) {
    free(tokenizer)
}

#[no_mangle]
pub unsafe extern "C" fn pome_edge_tokenizer_encode(
    tokenizer: *const Tokenizer,
    text: Bytes,
    add_special: bool,
    ids: *mut Ids,
    error: *mut *mut Failure,
) -> bool {
    guard(error, || {
        *ids = Ids::new((*tokenizer).encode(text.as_slice(), add_special)?);
        Ok(())
    })
    .is_some()
}

#[no_mangle]
pub unsafe extern "C" fn pome_edge_tokenizer_decode(
    tokenizer: *const Tokenizer,
    ids: *const u32,
    count: usize,
    skip_special: bool,
    text: *mut Buffer,
    error: *mut *mut Failure,
) -> bool {
    guard(error, || {
        let decoded = (*tokenizer).decode(slice(ids, count), skip_special)?;
        *text = Buffer::new(decoded.into_bytes());
        Ok(())
    })
    .is_some()
}

#[no_mangle]
pub unsafe extern "C" fn pome_edge_tokenizer_size(tokenizer: *const Tokenizer) -> u32 {
    (*tokenizer).size()
}

#[no_mangle]
pub unsafe extern "C" fn pome_edge_tokenizer_id(
    tokenizer: *const Tokenizer,
    token: Bytes,
    id: *mut u32,
) -> bool {
    guard(std::ptr::null_mut(), || {
        let token = utf8(token.as_slice(), "token")?;
        let found = (*tokenizer).id(token);
        found.ok_or_else(|| Failure::new(Kind::Usage, "no such token"))
    })
    .map(|found| *id = found)
    .is_some()
}

#[no_mangle]
pub unsafe extern "C" fn pome_edge_tokenizer_token(
    tokenizer: *const Tokenizer,
    id: u32,
    token: *mut Buffer,
) -> bool {
    guard(std::ptr::null_mut(), || {
        let found = (*tokenizer).token(id);
        found.ok_or_else(|| Failure::new(Kind::Usage, "no such id"))
    })
    .map(|found| *token = Buffer::new(found.into_bytes()))
    .is_some()
}

#[no_mangle]
pub unsafe extern "C" fn pome_edge_tokenizer_added(
    tokenizer: *const Tokenizer,
    json: *mut Buffer,
    error: *mut *mut Failure,
) -> bool {
    guard(error, || {
        *json = Buffer::new((*tokenizer).added_tokens()?.into_bytes());
        Ok(())
    })
    .is_some()
}

#[no_mangle]
pub unsafe extern "C" fn pome_edge_tokenizer_table(
    tokenizer: *const Tokenizer,
    table: *mut Table,
    error: *mut *mut Failure,
) -> bool {
    guard(error, || {
        *table = (*tokenizer).table()?;
        Ok(())
    })
    .is_some()
}

// ---- templates

#[no_mangle]
pub unsafe extern "C" fn pome_edge_template_new(source: Bytes, error: *mut *mut Failure) -> *mut Template {
    guard(error, || {
        let source = utf8(source.as_slice(), "chat template")?;
        Ok(Box::into_raw(Box::new(Template::new(source)?)))
    })
    .unwrap_or(std::ptr::null_mut())
}

#[no_mangle]
pub unsafe extern "C" fn pome_edge_template_free(template: *mut Template) {
    free(template)
}

#[no_mangle]
pub unsafe extern "C" fn pome_edge_template_render(
    template: *const Template,
    variables: Bytes,
    now: i64,
    text: *mut Buffer,
    error: *mut *mut Failure,
) -> bool {
    guard(error, || {
        let rendered = (*template).render(variables.as_slice(), now)?;
        *text = Buffer::new(rendered.into_bytes());
        Ok(())
    })
    .is_some()
}

// ---- grammars

#[no_mangle]
pub unsafe extern "C" fn pome_edge_vocabulary_new(
    tokenizer: *const Tokenizer,
    size: u32,
    eos: *const u32,
    eos_count: usize,
    error: *mut *mut Failure,
) -> *mut Vocabulary {
    guard(error, || {
        let vocabulary = Vocabulary::new(&*tokenizer, size, slice(eos, eos_count))?;
        Ok(Box::into_raw(Box::new(vocabulary)))
    })
    .unwrap_or(std::ptr::null_mut())
}

#[no_mangle]
pub unsafe extern "C" fn pome_edge_vocabulary_free(vocabulary: *mut Vocabulary) {
    free(vocabulary)
}

#[no_mangle]
pub unsafe extern "C" fn pome_edge_grammar_new(
    vocabulary: *const Vocabulary,
    language: grammar::Language,
    source: Bytes,
    error: *mut *mut Failure,
) -> *mut Grammar {
    guard(error, || {
        let source = utf8(source.as_slice(), "grammar")?;
        let grammar = Grammar::new(&*vocabulary, language, source)?;
        Ok(Box::into_raw(Box::new(grammar)))
    })
    .unwrap_or(std::ptr::null_mut())
}

#[no_mangle]
pub unsafe extern "C" fn pome_edge_grammar_clone(
    grammar: *const Grammar,
    error: *mut *mut Failure,
) -> *mut Grammar {
    guard(error, || Ok(Box::into_raw(Box::new((*grammar).copy())))).unwrap_or(std::ptr::null_mut())
}

#[no_mangle]
pub unsafe extern "C" fn pome_edge_grammar_free(grammar: *mut Grammar) {
    free(grammar)
}

#[no_mangle]
pub unsafe extern "C" fn pome_edge_grammar_mask(
    grammar: *mut Grammar,
    words: *mut u32,
    count: usize,
    error: *mut *mut Failure,
) -> bool {
    guard(error, || {
        let words = std::slice::from_raw_parts_mut(words, count);
        (*grammar).mask(words)
    })
    .is_some()
}

#[no_mangle]
pub unsafe extern "C" fn pome_edge_grammar_commit(
    grammar: *mut Grammar,
    ids: *const u32,
    count: usize,
    error: *mut *mut Failure,
) -> bool {
    guard(error, || (*grammar).commit(slice(ids, count))).is_some()
}

#[no_mangle]
pub unsafe extern "C" fn pome_edge_grammar_rollback(
    grammar: *mut Grammar,
    count: usize,
    error: *mut *mut Failure,
) -> bool {
    guard(error, || (*grammar).rollback(count)).is_some()
}

#[no_mangle]
pub unsafe extern "C" fn pome_edge_grammar_state(
    grammar: *mut Grammar,
    state: *mut u32,
    error: *mut *mut Failure,
) -> bool {
    guard(error, || {
        *state = (*grammar).state()?;
        Ok(())
    })
    .is_some()
}

#[no_mangle]
pub unsafe extern "C" fn pome_edge_grammar_forced(
    grammar: *mut Grammar,
    bytes: *mut Buffer,
    error: *mut *mut Failure,
) -> bool {
    guard(error, || {
        *bytes = Buffer::new((*grammar).forced());
        Ok(())
    })
    .is_some()
}
