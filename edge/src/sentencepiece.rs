//! SentencePiece's own files (`tokenizer.model`): read from the protocol buffer, and encoded as the library does.
//!
//! The `tokenizers` crate comes close to it with merges made from scores and a normalizer that works on grapheme
//! clusters, but not to the same ids on every text. So the two searches, byte-pair merging by score and the likeliest
//! path of a unigram model, are written out here, after what version 0.2.3 of the library computes: the numbers are float32
//! and ties are broken as there. Vocabulary, added tokens and decoding stay with the crate.

use ahash::AHashMap;

use crate::buffer::{Failure, Kind, Outcome};
use crate::charsmap::{Normalizer, SPACE};
use crate::merge::{merge, Symbol};
use crate::prefixes::Prefixes;
use crate::protobuf::Fields;
use crate::tokenizer::MAX_ID;

const MAX_PIECE_BYTES: usize = 4096;
const UNKNOWN_PENALTY: f32 = 10.0;
/// For each byte after the first of a user-defined symbol.
const SYMBOL_BONUS: f32 = 0.1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
}

pub struct Piece {
    pub text: String,
    pub score: f32,
    pub kind: Type,
}

#[derive(PartialEq)]
enum Search {
    Unigram,
    Merging,
    Words,
    Characters,
}

pub struct SentencePiece {
    pub pieces: Vec<Piece>,
    pub byte_fallback: bool,
    search: Search,
    normalizer: Normalizer,
    /// What texts are made of; the others (control, byte, unknown) are in `reserved`.
    ids: AHashMap<Vec<u8>, u32>,
    reserved: AHashMap<Vec<u8>, u32>,
    longest: usize,
    symbols: Prefixes,
    all: Prefixes,
    bytes: Vec<u32>,
    unknown: u32,
    lowest_score: f32,
}

/// What the trainer and normalizer messages say, with the format's defaults.
struct Specs {
    model_type: i32,
    byte_fallback: bool,
    space_as_suffix: bool,
    add_dummy_prefix: bool,
    remove_extra_whitespaces: bool,
    escape_whitespaces: bool,
}

impl SentencePiece {
    pub fn parse(file: &[u8]) -> Outcome<Self> {
        let mut pieces = Vec::new();
        let mut charsmap: &[u8] = &[];
        let mut specs = Specs {
            model_type: 1,
            byte_fallback: false,
            space_as_suffix: false,
            add_dummy_prefix: true,
            remove_extra_whitespaces: true,
            escape_whitespaces: true,
        };
        for field in Fields::of(file) {
            match field? {
                (1, piece) => pieces.push(parse_piece(piece.bytes()?)?),
                (2, trainer) => specs.read_trainer(trainer.bytes()?)?,
                (3, normalizer) => charsmap = specs.read_normalizer(normalizer.bytes()?)?,
                (5, denormalizer) => refuse_denormalizer(denormalizer.bytes()?)?,
                _ => {}
            }
        }
        if pieces.len() > MAX_ID as usize {
            return Err(corrupt(format!("{} pieces, limit is {MAX_ID}", pieces.len())));
        }
        let search = match specs.model_type {
            1 => Search::Unigram,
            2 => Search::Merging,
            3 => Search::Words,
            4 => Search::Characters,
            other => {
                let message = format!("SentencePiece model type {other}; 1 to 4 can be read");
                return Err(Failure::new(Kind::Unsupported, message));
            }
        };
        let mut normalizer = Normalizer::new(charsmap)?;
        normalizer.add_dummy_prefix = specs.add_dummy_prefix;
        normalizer.remove_extra_whitespaces = specs.remove_extra_whitespaces;
        normalizer.escape_whitespaces = specs.escape_whitespaces;
        normalizer.space_as_suffix = specs.space_as_suffix;
        Self::assemble(pieces, search, specs.byte_fallback, normalizer)
    }

    fn assemble(
        pieces: Vec<Piece>,
        search: Search,
        byte_fallback: bool,
        normalizer: Normalizer,
    ) -> Outcome<Self> {
        let mut model = SentencePiece {
            byte_fallback,
            search,
            normalizer,
            ids: AHashMap::new(),
            reserved: AHashMap::new(),
            longest: 0,
            symbols: Prefixes::default(),
            all: Prefixes::default(),
            bytes: Vec::new(),
            unknown: 0,
            lowest_score: f32::MAX,
            pieces,
        };
        let mut unknown = None;
        let mut bytes = [None; 256];
        let mut symbols = Vec::new();
        for (id, piece) in (0u32..).zip(&model.pieces) {
            let text = piece.text.as_bytes().to_vec();
            match piece.kind {
                Type::Normal => {
                    model.lowest_score = model.lowest_score.min(piece.score);
                }
                Type::UserDefined => symbols.push((text.clone(), id)),
                Type::Unknown if unknown.is_some() => return Err(corrupt("two unknown pieces")),
                Type::Unknown => unknown = Some(id),
                Type::Byte => match byte_of(&piece.text) {
                    Some(byte) if byte_fallback => bytes[usize::from(byte)] = Some(id),
                    _ => return Err(corrupt(format!("byte piece {:?}", piece.text))),
                },
                Type::Control | Type::Unused => {}
            }
            let is_text = matches!(piece.kind, Type::Normal | Type::UserDefined | Type::Unused);
            if model.ids.contains_key(&text) || model.reserved.contains_key(&text) {
                return Err(corrupt(format!("piece {:?} twice", piece.text)));
            }
            if is_text {
                model.longest = model.longest.max(text.len());
                model.ids.insert(text, id);
            } else {
                model.reserved.insert(text, id);
            }
        }
        model.unknown = unknown.ok_or_else(|| corrupt("no unknown piece"))?;
        if byte_fallback {
            let missing = || corrupt("fewer than 256 byte pieces");
            model.bytes = bytes.into_iter().collect::<Option<_>>().ok_or_else(missing)?;
        }
        model.symbols = Prefixes::new(symbols);
        if model.search == Search::Unigram {
            model.all = Prefixes::new(model.ids.iter().map(|(text, &id)| (text.clone(), id)).collect());
        }
        Ok(model)
    }

    /// The steps of a decoder that undoes the normalization.
    pub fn decoder(&self) -> serde_json::Value {
        let mut steps =
            vec![serde_json::json!({"type": "Replace", "pattern": {"String": SPACE}, "content": " "})];
        if self.byte_fallback {
            steps.push(serde_json::json!({"type": "ByteFallback"}));
        }
        steps.push(serde_json::json!({"type": "Fuse"}));
        let strips = self.normalizer.add_dummy_prefix || self.normalizer.remove_extra_whitespaces;
        if strips && !self.normalizer.space_as_suffix {
            steps.push(serde_json::json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
        }
        serde_json::json!({"type": "Sequence", "decoders": steps})
    }

    /// `prefix`: the text is one that the model's space is put before, if it has one.
    pub fn encode(&self, text: &str, prefix: bool, ids: &mut Vec<u32>) {
        let normalized = self.normalizer.normalize(text.as_bytes(), &self.symbols, prefix);
        let pieces = match self.search {
            Search::Merging => self.merged(&normalized),
            Search::Unigram => self.likeliest(&normalized),
            Search::Words => self.words(&normalized),
            Search::Characters => self.characters(&normalized),
        };
        let mut after_unknown = false;
        for (part, id) in pieces {
            let is_unknown = id == self.unknown;
            if is_unknown && self.byte_fallback {
                ids.extend(part.iter().map(|&byte| self.bytes[usize::from(byte)]));
            } else if !(is_unknown && after_unknown) {
                ids.push(id);
            }
            after_unknown = is_unknown && !self.byte_fallback;
        }
    }

    fn id_of(&self, piece: &[u8]) -> u32 {
        let id = self.reserved.get(piece).or_else(|| self.ids.get(piece));
        id.copied().unwrap_or(self.unknown)
    }

    fn kind(&self, id: u32) -> Type {
        self.pieces[id as usize].kind
    }

    /// Every space begins a word.
    fn words<'a>(&self, text: &'a [u8]) -> Vec<(&'a [u8], u32)> {
        let space = SPACE.as_bytes();
        let mut words = Vec::new();
        let mut begin = 0;
        for end in 1..=text.len() {
            if end == text.len() || text[end..].starts_with(space) {
                words.push((&text[begin..end], self.id_of(&text[begin..end])));
                begin = end;
            }
        }
        words
    }

    fn characters<'a>(&self, mut text: &'a [u8]) -> Vec<(&'a [u8], u32)> {
        let mut characters = Vec::new();
        while !text.is_empty() {
            let length = self
                .symbols
                .longest(text)
                .unwrap_or_else(|| character_bytes(text));
            let (character, rest) = text.split_at(length);
            characters.push((character, self.id_of(character)));
            text = rest;
        }
        characters
    }

    fn merged<'a>(&self, text: &'a [u8]) -> Vec<(&'a [u8], u32)> {
        let mut symbols = Vec::with_capacity(text.len());
        let mut place = 0;
        while place < text.len() {
            let found = self.symbols.longest(&text[place..]);
            let length = found.unwrap_or_else(|| character_bytes(&text[place..]));
            symbols.push(Symbol {
                part: place..place + length,
                frozen: found.is_some(),
            });
            place += length;
        }
        // What unused pieces, which serve as steps to longer ones only, were made of.
        let mut halves = AHashMap::new();
        let parts = merge(symbols, |left, right| {
            let joined = &text[left.start..right.end];
            if joined.len() > self.longest {
                return None;
            }
            let &id = self.ids.get(joined)?;
            if self.kind(id) == Type::Unused {
                halves.insert(joined, (&text[left.clone()], &text[right.clone()]));
            }
            Some(HighFirst(self.pieces[id as usize].score))
        });
        let mut pieces = Vec::with_capacity(parts.len());
        let mut open = Vec::new();
        for part in parts {
            open.push(&text[part]);
            while let Some(piece) = open.pop() {
                let id = self.id_of(piece);
                match halves.get(piece) {
                    Some(&(left, right)) if self.kind(id) == Type::Unused => open.extend([right, left]),
                    _ => pieces.push((piece, id)),
                }
            }
        }
        pieces
    }

    fn likeliest<'a>(&self, text: &'a [u8]) -> Vec<(&'a [u8], u32)> {
        #[derive(Clone)]
        struct Best {
            id: u32,
            score: f32,
            start: usize,
        }
        const UNSET: usize = usize::MAX;
        let mut best = vec![
            Best {
                id: 0,
                score: 0.0,
                start: UNSET
            };
            text.len() + 1
        ];
        let unknown_score = self.lowest_score - UNKNOWN_PENALTY;
        let mut start = 0;
        while start < text.len() {
            let so_far = best[start].score;
            let one = character_bytes(&text[start..]);
            let mut has_single = false;
            self.all.each(&text[start..], |length, id| {
                let score = match self.kind(id) {
                    Type::Unused => return,
                    // A bonus, as every other piece costs something.
                    Type::UserDefined => SYMBOL_BONUS * (length - 1) as f32,
                    _ => self.pieces[id as usize].score,
                };
                let score = score + so_far;
                let target = &mut best[start + length];
                if target.start == UNSET || score > target.score {
                    *target = Best { id, score, start };
                }
                has_single |= length == one;
            });
            if !has_single {
                let score = unknown_score + so_far;
                let target = &mut best[start + one];
                if target.start == UNSET || score > target.score {
                    *target = Best {
                        id: self.unknown,
                        score,
                        start,
                    };
                }
            }
            start += one;
        }
        let mut pieces = Vec::new();
        let mut end = text.len();
        while end > 0 {
            let Best { id, start, .. } = best[end];
            pieces.push((&text[start..end], id));
            end = start;
        }
        pieces.reverse();
        pieces
    }
}

/// Scores are checked to be numbers when they are read.
struct HighFirst(f32);

impl Ord for HighFirst {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.0.partial_cmp(&self.0).unwrap_or(std::cmp::Ordering::Equal)
    }
}

impl PartialOrd for HighFirst {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for HighFirst {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == std::cmp::Ordering::Equal
    }
}

impl Eq for HighFirst {}

/// By the first byte alone, whatever follows.
fn character_bytes(text: &[u8]) -> usize {
    let length = match text[0] >> 4 {
        0xC | 0xD => 2,
        0xE => 3,
        0xF => 4,
        _ => 1,
    };
    length.min(text.len())
}

fn byte_of(piece: &str) -> Option<u8> {
    let digits = piece.strip_prefix("<0x")?.strip_suffix('>')?;
    (digits.len() == 2).then(|| u8::from_str_radix(digits, 16).ok())?
}

fn parse_piece(message: &[u8]) -> Outcome<Piece> {
    let mut piece = Piece {
        text: String::new(),
        score: 0.0,
        kind: Type::Normal,
    };
    for field in Fields::of(message) {
        match field? {
            (1, text) => piece.text = text.text()?.into(),
            (2, score) => piece.score = score.float()?,
            (3, kind) => piece.kind = parse_type(kind.number()?)?,
            _ => {}
        }
    }
    if piece.text.is_empty() || piece.text.len() > MAX_PIECE_BYTES {
        let message = format!(
            "a piece of {} bytes, 1 to {MAX_PIECE_BYTES} expected",
            piece.text.len()
        );
        return Err(corrupt(message));
    }
    if !piece.score.is_finite() {
        return Err(corrupt(format!(
            "piece {:?} has score {}",
            piece.text, piece.score
        )));
    }
    Ok(piece)
}

fn parse_type(number: i32) -> Outcome<Type> {
    use Type::*;
    let types = [Normal, Unknown, Control, UserDefined, Unused, Byte];
    let found = types.into_iter().find(|&t| t as i32 == number);
    found.ok_or_else(|| corrupt(format!("a piece of type {number}")))
}

impl Specs {
    fn read_trainer(&mut self, message: &[u8]) -> Outcome<()> {
        for field in Fields::of(message) {
            match field? {
                (3, value) => self.model_type = value.number()?,
                (24, value) => self.space_as_suffix = value.flag()?,
                (35, value) => self.byte_fallback = value.flag()?,
                _ => {}
            }
        }
        Ok(())
    }

    fn read_normalizer<'a>(&mut self, message: &'a [u8]) -> Outcome<&'a [u8]> {
        let mut charsmap: &[u8] = &[];
        for field in Fields::of(message) {
            match field? {
                (2, value) => charsmap = value.bytes()?,
                (3, value) => self.add_dummy_prefix = value.flag()?,
                (4, value) => self.remove_extra_whitespaces = value.flag()?,
                (5, value) => self.escape_whitespaces = value.flag()?,
                _ => {}
            }
        }
        Ok(charsmap)
    }
}

/// A table of replacements for decoded text; no published language model has one.
fn refuse_denormalizer(message: &[u8]) -> Outcome<()> {
    for field in Fields::of(message) {
        if let (2, charsmap) = field? {
            if !charsmap.bytes()?.is_empty() {
                let message = "a SentencePiece model with a denormalizer cannot be read";
                return Err(Failure::new(Kind::Unsupported, message));
            }
        }
    }
    Ok(())
}

fn corrupt(what: impl std::fmt::Display) -> Failure {
    Failure::new(Kind::Corrupt, format!("not a SentencePiece model: {what}"))
}
