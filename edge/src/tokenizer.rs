//! Tokenizers read from the bytes of a `tokenizer.json`, of the older `vocab.json` and `merges.txt`, or of the files of
//! SentencePiece and tiktoken.
//!
//! Ids must equal those of the Python package, so the `tokenizers` crate does the work. Only the reading of BPE
//! models is our own: upstream buffers the whole model as generic JSON values first, which alone takes longer than
//! mapping the weights. The same builder receives the same vocabulary and merges, so the model is the same.

use std::collections::BTreeMap;

use ahash::AHashMap;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::Value;
use tokenizers::models::bpe::{BpeBuilder, BPE};
use tokenizers::{AddedToken, DecoderWrapper, ModelWrapper};
use tokenizers::{OffsetReferential, OffsetType, PreTokenizer};

use crate::buffer::{utf8, Buffer, Failure, Ids, Kind, Outcome};
use crate::sentencepiece::{SentencePiece, Type};
use crate::tiktoken::Tiktoken;

/// Ids above this are refused: tables are indexed by id, and no model has 16 million tokens.
pub const MAX_ID: u32 = (1 << 24) - 1;

/// The values of `pome_edge_file` in the header.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(dead_code)]
pub enum File {
    SentencePiece = 0,
    Tiktoken = 1,
}

/// A search for tokens that the crate does not have.
enum Search {
    SentencePiece {
        model: Box<SentencePiece>,
        /// Every text between special tokens begins with the model's space, not only the first.
        always_prefix: bool,
    },
    Tiktoken(Tiktoken),
}

pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// Used in place of the inner model, which then only knows the vocabulary.
    search: Option<Search>,
    plan: Plan,
    size: u32,
}

/// What each id stands for, by id; the layout of `pome_edge_table` in the header.
#[repr(C)]
pub struct Table {
    bytes: Buffer,
    offsets: Ids,
    flags: Buffer,
    decoder: u32,
    first_differs: bool,
    strip_character: u8,
    strip_count: u32,
}

const FLAG_SPECIAL: u8 = 1;
const FLAG_ADDED: u8 = 2;
const FLAG_BYTE: u8 = 4;
const FLAG_ABSENT: u8 = 8;

/// How the configured decoder turns tokens into text, where that can be said token by token.
#[derive(Clone, Copy, PartialEq)]
enum DecoderKind {
    /// Only the whole sequence can be decoded.
    Opaque = 0,
    /// Concatenate the bytes, then replace what is not UTF-8.
    Bytes = 1,
    /// Concatenate text; runs of byte tokens are replaced as a whole when they are not UTF-8.
    Pieces = 2,
}

struct Plan {
    kind: DecoderKind,
    first_differs: bool,
    strip: Option<(u8, u32)>,
    rewrites: Vec<(String, String)>,
    byte_fallback: bool,
    word_prefix: Option<String>,
}

impl Tokenizer {
    pub fn from_json(json: &[u8]) -> Outcome<Self> {
        let document: Document = parse(utf8(json, "tokenizer.json")?, "tokenizer.json")?;
        match document.model.and_then(read_bpe) {
            Some(bpe) => Self::assemble(bpe, document),
            None => {
                let inner = tokenizers::Tokenizer::from_bytes(json).map_err(corrupt)?;
                Self::finish(inner, None)
            }
        }
    }

    /// `settings` is a tokenizer.json whose model has neither `vocab` nor `merges`.
    pub fn from_bpe_files(settings: &[u8], vocab: &[u8], merges: &[u8]) -> Outcome<Self> {
        let document: Document = parse(utf8(settings, "settings")?, "settings")?;
        let mut bpe = match document.model {
            Some(model) => parse(model.get(), "settings")?,
            None => Bpe::default(),
        };
        bpe.vocab = Some(parse(utf8(vocab, "vocab.json")?, "vocab.json")?);
        bpe.merges = Some(read_merges(utf8(merges, "merges.txt")?)?);
        Self::assemble(bpe, document)
    }

    /// `settings` is a tokenizer.json without a model.
    pub fn from_file(file: File, settings: &[u8], bytes: &[u8]) -> Outcome<Self> {
        let mut document: Document = parse(utf8(settings, "settings")?, "settings")?;
        let mut vocab = AHashMap::new();
        let search = match file {
            File::SentencePiece => {
                let model = Box::new(SentencePiece::parse(bytes)?);
                let decoder = serde_json::from_value(model.decoder());
                document.decoder = Some(decoder.map_err(|e| Failure::new(Kind::Internal, e))?);
                let mut special = Vec::new();
                for (id, piece) in (0..).zip(&model.pieces) {
                    vocab.insert(piece.text.clone(), id);
                    if matches!(piece.kind, Type::Control | Type::Unknown) {
                        special.push(Added::special(&piece.text));
                    }
                }
                document.added_tokens.splice(0..0, special);
                Search::SentencePiece {
                    model,
                    always_prefix: document.legacy,
                }
            }
            File::Tiktoken => {
                let model = Tiktoken::parse(bytes)?;
                vocab.extend(model.ranks().map(|(token, id)| (spell_byte_level(token), id)));
                Search::Tiktoken(model)
            }
        };
        let bpe = Bpe {
            vocab: Some(vocab),
            ..Bpe::default()
        };
        let mut tokenizer = Self::assemble(bpe, document)?;
        tokenizer.search = Some(search);
        Ok(tokenizer)
    }

    fn assemble(bpe: Bpe, document: Document) -> Outcome<Self> {
        if let Some(version) = document.version.filter(|v| v != "1.0") {
            let message = format!("tokenizer.json: version {version:?}, \"1.0\" expected");
            return Err(Failure::new(Kind::Unsupported, message));
        }
        let (model, size) = bpe.build()?;
        let mut inner = tokenizers::Tokenizer::new(ModelWrapper::BPE(model));
        inner.with_normalizer(document.normalizer).map_err(corrupt)?;
        inner.with_pre_tokenizer(document.pre_tokenizer);
        inner.with_post_processor(document.post_processor);
        inner.with_decoder(document.decoder);
        let tokens = document.added_tokens.into_iter().map(|added| added.token);
        inner.add_tokens(tokens).map_err(corrupt)?;
        Self::finish(inner, Some(size))
    }

    /// `size` is one more than the model's largest id, if that is known already.
    fn finish(mut inner: tokenizers::Tokenizer, size: Option<u32>) -> Outcome<Self> {
        // Settings of the file's author for batches; one prompt is neither cut nor filled up.
        inner.with_truncation(None).map_err(corrupt)?;
        inner.with_padding(None);
        let model_size = size.unwrap_or_else(|| {
            let ids = inner.get_vocab(false);
            ids.values().max().map_or(0, |id| id.saturating_add(1))
        });
        let added = inner.get_added_vocabulary().get_added_tokens_decoder();
        let added_size = added.keys().max().map_or(0, |id| id.saturating_add(1));
        let size = model_size.max(added_size);
        if size > MAX_ID {
            let message = format!("tokenizer.json: token id {}, limit is {MAX_ID}", size - 1);
            return Err(Failure::new(Kind::Corrupt, message));
        }
        let plan = Plan::of(inner.get_decoder())?;
        Ok(Tokenizer {
            inner,
            search: None,
            plan,
            size,
        })
    }

    /// Bytes that are not UTF-8 become U+FFFD first, as in Python's `bytes.decode(errors="replace")`.
    pub fn encode(&self, text: &[u8], add_special: bool) -> Outcome<Vec<u32>> {
        let text = String::from_utf8_lossy(text);
        if let Some(search) = &self.search {
            return self.encode_by(search, &text);
        }
        let encoding = self.inner.encode_fast(text, add_special);
        let encoding = encoding.map_err(|e| Failure::new(Kind::Corrupt, e))?;
        Ok(encoding.get_ids().to_vec())
    }

    fn encode_by(&self, search: &Search, text: &str) -> Outcome<Vec<u32>> {
        let added = self.inner.get_added_vocabulary();
        let mut parts = added.extract_and_normalize(self.inner.get_normalizer(), text);
        if let Some(pattern) = self.inner.get_pre_tokenizer() {
            let cut = pattern.pre_tokenize(&mut parts);
            cut.map_err(|e| Failure::new(Kind::Corrupt, e))?;
        }
        let mut ids = Vec::new();
        let parts = parts.get_splits(OffsetReferential::Original, OffsetType::None);
        for (i, (part, _, tokens)) in parts.into_iter().enumerate() {
            match (tokens, search) {
                (Some(tokens), _) => ids.extend(tokens.iter().map(|token| token.id)),
                (None, Search::Tiktoken(model)) => model.encode(part.as_bytes(), &mut ids),
                (None, Search::SentencePiece { model, always_prefix }) => {
                    model.encode(part, *always_prefix || i == 0, &mut ids)
                }
            }
        }
        Ok(ids)
    }

    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Outcome<String> {
        let text = self.inner.decode(ids, skip_special);
        text.map_err(|e| Failure::new(Kind::Corrupt, e))
    }

    /// One more than the largest id; ids may have holes.
    pub fn size(&self) -> u32 {
        self.size
    }

    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// A JSON array of `{"id", "content", "special", …}` in order of ids.
    pub fn added_tokens(&self) -> Outcome<String> {
        let tokens: BTreeMap<_, _> = self.inner.get_added_tokens_decoder().into_iter().collect();
        let list: Vec<Value> = tokens
            .iter()
            .map(|(id, t)| {
                serde_json::json!({"id": id, "content": t.content, "special": t.special,
                    "normalized": t.normalized, "lstrip": t.lstrip, "rstrip": t.rstrip,
                    "single_word": t.single_word})
            })
            .collect();
        serde_json::to_string(&list).map_err(|e| Failure::new(Kind::Internal, e))
    }

    pub fn table(&self) -> Outcome<Table> {
        let mut bytes = Vec::with_capacity(self.size as usize * 8);
        let mut offsets = Vec::with_capacity(self.size as usize + 1);
        let mut flags = Vec::with_capacity(self.size as usize);
        offsets.push(0);
        for id in 0..self.size {
            let mut flag = FLAG_ABSENT;
            if let Some(token) = self.decoded_name(id) {
                flag = self.flags(id, &token);
                flag |= self.plan.append(token, &mut bytes);
            }
            flags.push(flag);
            let end = u32::try_from(bytes.len());
            offsets.push(end.map_err(|_| Failure::new(Kind::Limit, "token texts exceed 4 GiB"))?);
        }
        Ok(Table {
            bytes: Buffer::new(bytes),
            offsets: Ids::new(offsets),
            flags: Buffer::new(flags),
            decoder: self.plan.kind as u32,
            first_differs: self.plan.first_differs,
            strip_character: self.plan.strip.map_or(0, |(c, _)| c),
            strip_count: self.plan.strip.map_or(0, |(_, count)| count),
        })
    }

    /// The words of the grammar trie: special tokens carry llguidance's marker so that they never match as text.
    pub fn grammar_words(&self, size: u32) -> Outcome<Vec<Vec<u8>>> {
        if self.plan.kind == DecoderKind::Opaque {
            let message = "this tokenizer's decoder gives no text per token, so grammars cannot use it";
            return Err(Failure::new(Kind::Unsupported, message));
        }
        let word = |id| {
            let Some(token) = self.decoded_name(id) else {
                return Vec::new();
            };
            let mut word = Vec::new();
            if self.flags(id, &token) & FLAG_SPECIAL != 0 {
                word.push(toktrie::TokTrie::SPECIAL_TOKEN_MARKER);
                word.extend_from_slice(token.as_bytes());
            } else {
                self.plan.append(token, &mut word);
            }
            word
        };
        Ok((0..size).map(word).collect())
    }

    /// The string that the decoder receives for an id.
    fn decoded_name(&self, id: u32) -> Option<String> {
        use tokenizers::Model;
        let added = self.inner.get_added_vocabulary();
        let name = added.simple_id_to_token(id);
        name.or_else(|| self.inner.get_model().id_to_token(id))
    }

    fn flags(&self, id: u32, token: &str) -> u8 {
        let added = self.inner.get_added_vocabulary();
        let mut flags = 0;
        if added.is_special_token(token) {
            flags |= FLAG_SPECIAL;
        }
        if added.get_added_tokens_decoder().contains_key(&id) {
            flags |= FLAG_ADDED;
        }
        flags
    }
}

impl Plan {
    fn opaque() -> Self {
        Plan {
            kind: DecoderKind::Opaque,
            first_differs: false,
            strip: None,
            rewrites: Vec::new(),
            byte_fallback: false,
            word_prefix: None,
        }
    }

    fn of(decoder: Option<&DecoderWrapper>) -> Outcome<Self> {
        let Some(decoder) = decoder else {
            return Ok(Plan::opaque());
        };
        let value = serde_json::to_value(decoder).map_err(|e| Failure::new(Kind::Internal, e))?;
        let mut steps = Vec::new();
        flatten(&value, &mut steps);
        Ok(Plan::from_steps(&steps).unwrap_or_else(Plan::opaque))
    }

    /// `None` for a pipeline whose text per token depends on its neighbours.
    fn from_steps(steps: &[&Value]) -> Option<Self> {
        let mut plan = Plan::opaque();
        plan.kind = DecoderKind::Pieces;
        let mut fused = false;
        for (i, step) in steps.iter().enumerate() {
            match step["type"].as_str()? {
                "ByteLevel" if i == 0 => plan.kind = DecoderKind::Bytes,
                "Fuse" => fused = true,
                _ if fused && step["type"] != "Strip" => return None,
                "Replace" if !plan.byte_fallback && plan.kind == DecoderKind::Pieces => {
                    let pattern = step["pattern"]["String"].as_str()?;
                    let content = step["content"].as_str()?;
                    plan.rewrites.push((pattern.into(), content.into()));
                }
                "ByteFallback" if !plan.first_differs && plan.kind == DecoderKind::Pieces => {
                    plan.byte_fallback = true
                }
                "Metaspace" if i == 0 => {
                    let replacement = step["replacement"].as_str()?;
                    plan.rewrites.push((replacement.into(), " ".into()));
                    plan.first_differs = step["prepend_scheme"] != "never";
                }
                "WordPiece" if steps.len() == 1 && step["cleanup"] == false => {
                    plan.word_prefix = Some(step["prefix"].as_str()?.into());
                    plan.first_differs = true;
                }
                "Strip" if fused && plan.strip.is_none() && step["stop"] == 0 => {
                    let [character] = step["content"].as_str()?.as_bytes() else {
                        return None;
                    };
                    let count = u32::try_from(step["start"].as_u64()?).ok()?;
                    plan.strip = Some((*character, count));
                }
                _ => return None,
            }
        }
        Some(plan)
    }

    /// Appends the bytes of a token that is not the first one; returns `FLAG_BYTE` for a byte token.
    fn append(&self, token: String, bytes: &mut Vec<u8>) -> u8 {
        if self.kind == DecoderKind::Bytes {
            append_byte_level(&token, bytes);
            return 0;
        }
        if let Some(prefix) = &self.word_prefix {
            match token.strip_prefix(prefix.as_str()) {
                Some(rest) => bytes.extend_from_slice(rest.as_bytes()),
                None => {
                    bytes.push(b' ');
                    bytes.extend_from_slice(token.as_bytes());
                }
            }
            return 0;
        }
        let mut text = token;
        for (pattern, content) in &self.rewrites {
            if !pattern.is_empty() && text.contains(pattern.as_str()) {
                text = text.replace(pattern.as_str(), content);
            }
        }
        if self.byte_fallback {
            if let Some(byte) = fallback_byte(&text) {
                bytes.push(byte);
                return FLAG_BYTE;
            }
        }
        bytes.extend_from_slice(text.as_bytes());
        0
    }
}

fn flatten<'a>(decoder: &'a Value, steps: &mut Vec<&'a Value>) {
    match decoder["decoders"].as_array() {
        Some(list) => list.iter().for_each(|d| flatten(d, steps)),
        None => steps.push(decoder),
    }
}

/// GPT-2's table: printable Latin-1 stands for itself, the other bytes for U+0100 and on, in order.
fn byte_of(character: char) -> Option<u8> {
    let code = character as u32;
    match code {
        0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF => Some(code as u8),
        0x100..=0x120 => Some((code - 0x100) as u8),
        0x121..=0x142 => Some((code - 0x121 + 0x7F) as u8),
        0x143 => Some(0xAD),
        _ => None,
    }
}

/// The other way round.
fn spell_byte_level(bytes: &[u8]) -> String {
    let spell = |&byte: &u8| {
        let code = match byte {
            0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF => u32::from(byte),
            0..=0x20 => 0x100 + u32::from(byte),
            0x7F..=0xA0 => 0x121 + u32::from(byte - 0x7F),
            0xAD => 0x143,
        };
        char::from_u32(code).unwrap_or_default()
    };
    bytes.iter().map(spell).collect()
}

/// A token with any character outside the table stands for its own UTF-8, as in upstream's decoder.
fn append_byte_level(token: &str, bytes: &mut Vec<u8>) {
    let start = bytes.len();
    for character in token.chars() {
        match byte_of(character) {
            Some(byte) => bytes.push(byte),
            None => {
                bytes.truncate(start);
                bytes.extend_from_slice(token.as_bytes());
                return;
            }
        }
    }
}

fn fallback_byte(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    (token.len() == 6).then(|| u8::from_str_radix(digits, 16).ok())?
}

// ---- reading

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    version: Option<String>,
    #[serde(default)]
    added_tokens: Vec<Added>,
    normalizer: Option<tokenizers::NormalizerWrapper>,
    pre_tokenizer: Option<tokenizers::PreTokenizerWrapper>,
    post_processor: Option<tokenizers::PostProcessorWrapper>,
    decoder: Option<DecoderWrapper>,
    /// Of SentencePiece models alone: as transformers' classes have it in tokenizer_config.json.
    #[serde(default)]
    legacy: bool,
}

#[derive(Deserialize)]
struct Added {
    #[serde(flatten)]
    token: AddedToken,
}

impl Added {
    fn special(content: &str) -> Self {
        let token = AddedToken::from(content, true).normalized(false);
        Added { token }
    }
}

#[derive(Deserialize, Default)]
struct Bpe {
    #[serde(rename = "type")]
    kind: Option<String>,
    dropout: Option<f32>,
    unk_token: Option<String>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
    fuse_unk: Option<bool>,
    byte_fallback: Option<bool>,
    ignore_merges: Option<bool>,
    vocab: Option<AHashMap<String, u32>>,
    merges: Option<Vec<Merge>>,
}

struct Merge(String, String);

impl Merge {
    fn parse(line: &str) -> Option<Self> {
        let (left, right) = line.split_once(' ')?;
        (!right.contains(' ')).then(|| Merge(left.into(), right.into()))
    }
}

/// Either `"a b"` or `["a", "b"]`; written out because an untagged enum would buffer every element.
impl<'de> Deserialize<'de> for Merge {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Merge;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a merge of two tokens")
            }

            fn visit_str<E: serde::de::Error>(self, line: &str) -> Result<Merge, E> {
                Merge::parse(line).ok_or_else(|| E::custom(format!("merge {line:?} is not two tokens")))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Merge, A::Error> {
                let short = || serde::de::Error::custom("merge of fewer than two tokens");
                let left = seq.next_element()?.ok_or_else(short)?;
                let right = seq.next_element()?.ok_or_else(short)?;
                Ok(Merge(left, right))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// `None` when the model is of another type, or malformed: upstream's reader then handles it and words the error.
fn read_bpe(model: &RawValue) -> Option<Bpe> {
    let bpe: Bpe = serde_json::from_str(model.get()).ok()?;
    let is_bpe = bpe.kind.as_deref().is_none_or(|kind| kind == "BPE");
    (is_bpe && bpe.vocab.is_some() && bpe.merges.is_some()).then_some(bpe)
}

fn read_merges(text: &str) -> Outcome<Vec<Merge>> {
    let lines = text.lines().enumerate();
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with("#version"))
        .map(|(number, line)| {
            Merge::parse(line).ok_or_else(|| {
                let message = format!("merges.txt: line {} is not two tokens", number + 1);
                Failure::new(Kind::Corrupt, message)
            })
        })
        .collect()
}

impl Bpe {
    /// The model, and one more than its largest id.
    fn build(self) -> Outcome<(BPE, u32)> {
        let vocab = self.vocab.unwrap_or_default();
        let merges = self.merges.unwrap_or_default();
        let size = vocab.values().max().map_or(0, |id| id.saturating_add(1));
        let mut builder = BpeBuilder::new()
            .fuse_unk(self.fuse_unk.unwrap_or(false))
            .byte_fallback(self.byte_fallback.unwrap_or(false))
            .ignore_merges(self.ignore_merges.unwrap_or(false));
        if let Some(dropout) = self.dropout {
            builder = builder.dropout(dropout);
        }
        if let Some(token) = self.unk_token {
            builder = builder.unk_token(token);
        }
        if let Some(prefix) = self.continuing_subword_prefix {
            // The builder cuts this many bytes off without looking.
            if let Some(Merge(left, right)) = merges.iter().find(|m| !m.1.starts_with(&prefix)) {
                let message = format!("merge {left:?} {right:?} lacks the prefix {prefix:?}");
                return Err(corrupt(message));
            }
            builder = builder.continuing_subword_prefix(prefix);
        }
        if let Some(suffix) = self.end_of_word_suffix {
            builder = builder.end_of_word_suffix(suffix);
        }
        let merges = merges.into_iter().map(|m| (m.0, m.1)).collect();
        let model = builder.vocab_and_merges(vocab, merges).build();
        Ok((model.map_err(corrupt)?, size))
    }
}

fn parse<'a, T: Deserialize<'a>>(json: &'a str, what: &str) -> Outcome<T> {
    serde_json::from_str(json).map_err(|e| Failure::new(Kind::Corrupt, format!("{what}: {e}")))
}

fn corrupt(error: impl std::fmt::Display) -> Failure {
    Failure::new(Kind::Corrupt, format!("tokenizer.json: {error}"))
}
