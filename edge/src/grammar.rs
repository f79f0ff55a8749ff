//! Grammar masks: which tokens may come next (llguidance over our own token bytes).
//!
//! `toktrie_hf_tokenizers` would pin another version of `tokenizers`, so the trie is built from
//! `Tokenizer::table`. Tokenization inside llguidance is greedy; it is only used for hints, never for masks.

use std::sync::Arc;

use llguidance::api::TopLevelGrammar;
use llguidance::{Matcher, ParserFactory};
use serde_json::Value;
use toktrie::{ApproximateTokEnv, InferenceCapabilities, TokEnv, TokRxInfo, TokTrie};

use crate::buffer::{Failure, Kind, Outcome};
use crate::tokenizer::{Tokenizer, MAX_ID};

/// Deeper groups than this are refused before a recursive parser sees them.
const MAX_NESTING: usize = 200;
const MAX_SOURCE_BYTES: usize = 4 << 20;

/// The values of `pome_edge_language` in the header.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(dead_code)]
pub enum Language {
    JsonSchema = 0,
    JsonObject = 1,
    Regex = 2,
    Lark = 3,
}

/// A model's tokens as a trie, shared by all its grammars.
pub struct Vocabulary {
    factory: ParserFactory,
}

impl Vocabulary {
    /// `size` is the number of logits, which may exceed the tokenizer's; the rest never matches.
    pub fn new(tokenizer: &Tokenizer, size: u32, eos: &[u32]) -> Outcome<Self> {
        let known = tokenizer.size();
        if size < known || size > MAX_ID + 1 {
            let message = format!("vocabulary of {size} logits for a tokenizer of {known} ids");
            return Err(Failure::new(Kind::Usage, message));
        }
        if eos.is_empty() || eos.iter().any(|&id| id >= size) {
            let message = format!("end tokens {eos:?} are not ids below {size}");
            return Err(Failure::new(Kind::Usage, message));
        }
        let words = tokenizer.grammar_words(size)?;
        let info = TokRxInfo::new(size, eos[0]);
        let trie = TokTrie::from(&info, &words).with_eos_tokens(eos);
        let env: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let slices = llguidance::earley::SlicedBiasComputer::general_slices();
        let mut factory = ParserFactory::new(&env, InferenceCapabilities::default(), &slices)
            .map_err(|e| Failure::new(Kind::Internal, e))?;
        factory.quiet().limits_mut().verbose_errors = false;
        Ok(Vocabulary { factory })
    }
}

/// One generation's place in a grammar.
pub struct Grammar {
    matcher: Matcher,
    words: usize,
}

impl Grammar {
    pub fn new(vocabulary: &Vocabulary, language: Language, source: &str) -> Outcome<Self> {
        if source.len() > MAX_SOURCE_BYTES {
            let message = format!("grammar of {} bytes, limit is {MAX_SOURCE_BYTES}", source.len());
            return Err(Failure::new(Kind::Limit, message));
        }
        check_nesting(source)?;
        let grammar = match language {
            Language::JsonSchema => TopLevelGrammar::from_json_schema(parse_schema(source)?),
            Language::JsonObject => TopLevelGrammar::from_json_schema(serde_json::json!({"type": "object"})),
            Language::Regex => TopLevelGrammar::from_regex(source),
            Language::Lark => TopLevelGrammar::from_lark(source.to_string()),
        };
        let parser = vocabulary.factory.create_parser(grammar);
        let matcher = Matcher::new(parser);
        if let Some(message) = matcher.get_error() {
            return Err(Failure::new(Kind::Unsupported, one_line(&message)));
        }
        Ok(Grammar {
            matcher,
            words: vocabulary.factory.tok_env().tok_trie().vocab_size().div_ceil(32),
        })
    }

    /// A copy that may be used on another thread at the same time.
    pub fn copy(&self) -> Self {
        Grammar {
            matcher: self.matcher.deep_clone(),
            words: self.words,
        }
    }

    /// Sets bit `id % 32` of word `id / 32` for every allowed id and clears the others.
    pub fn mask(&mut self, words: &mut [u32]) -> Outcome<()> {
        if words.len() < self.words {
            let message = format!("mask of {} words, {} needed", words.len(), self.words);
            return Err(Failure::new(Kind::Usage, message));
        }
        let mask = self.matcher.compute_mask_or_eos().map_err(broken)?;
        let bits = &mask.as_slice()[..self.words];
        words[..self.words].copy_from_slice(bits);
        words[self.words..].fill(0);
        Ok(())
    }

    /// All or nothing: a token that the grammar does not allow leaves it where it was.
    pub fn commit(&mut self, ids: &[u32]) -> Outcome<()> {
        let allowed = self.matcher.validate_tokens(ids).map_err(broken)?;
        if let Some(id) = ids.get(allowed) {
            let message = format!("token {id} is not allowed by the grammar here");
            return Err(Failure::new(Kind::Usage, message));
        }
        self.matcher.consume_tokens(ids).map_err(broken)
    }

    pub fn rollback(&mut self, count: usize) -> Outcome<()> {
        self.matcher.rollback(count).map_err(broken)
    }

    /// Bit 0: the text so far is complete; bit 1: nothing but an end token may follow.
    pub fn state(&mut self) -> Outcome<u32> {
        let stopped = self.matcher.is_stopped();
        let accepting = stopped || self.matcher.is_accepting().map_err(broken)?;
        Ok(accepting as u32 | (stopped as u32) << 1)
    }

    /// The bytes that must come next whatever is sampled.
    pub fn forced(&mut self) -> Vec<u8> {
        self.matcher.compute_ff_bytes()
    }
}

fn broken(error: impl std::fmt::Display) -> Failure {
    let message = one_line(&error.to_string());
    let limited = ["limit", "fuel", "too many", "too complex"]
        .iter()
        .any(|word| message.to_lowercase().contains(word));
    let kind = if limited { Kind::Limit } else { Kind::Internal };
    Failure::new(kind, message)
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn parse_schema(source: &str) -> Outcome<Value> {
    serde_json::from_str(source).map_err(|e| Failure::new(Kind::Usage, format!("schema is not JSON: {e}")))
}

fn check_nesting(source: &str) -> Outcome<()> {
    let mut depth = 0usize;
    for byte in source.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_NESTING {
            let message = format!("grammar nests deeper than {MAX_NESTING} groups");
            return Err(Failure::new(Kind::Limit, message));
        }
    }
    Ok(())
}
