//! SentencePiece's normalization: a table of replacements, then the rules about spaces.
//!
//! The table ("precompiled charsmap") is a double-array trie of the darts-clone library in a blob: its size, its
//! units, then the replacements, each ended by a zero. The longest entry at a place wins.

use crate::buffer::{Failure, Kind, Outcome};
use crate::prefixes::Prefixes;

pub const SPACE: &str = "\u{2581}";
const REPLACEMENT: &[u8] = "\u{FFFD}".as_bytes();
/// As many matches as the original looks at.
const MAX_MATCHES: usize = 32;

pub struct Normalizer {
    pub add_dummy_prefix: bool,
    pub remove_extra_whitespaces: bool,
    pub escape_whitespaces: bool,
    pub space_as_suffix: bool,
    units: Vec<u32>,
    replacements: Vec<u8>,
}

impl Normalizer {
    pub fn new(charsmap: &[u8]) -> Outcome<Self> {
        let mut normalizer = Normalizer {
            add_dummy_prefix: true,
            remove_extra_whitespaces: true,
            escape_whitespaces: true,
            space_as_suffix: false,
            units: Vec::new(),
            replacements: Vec::new(),
        };
        if charsmap.is_empty() {
            return Ok(normalizer);
        }
        let broken = || Failure::new(Kind::Corrupt, "precompiled_charsmap: cut short");
        let (size, rest) = charsmap.split_first_chunk::<4>().ok_or_else(broken)?;
        let size = u32::from_le_bytes(*size) as usize;
        if size > rest.len() {
            return Err(broken());
        }
        let (units, replacements) = rest.split_at(size);
        let units = units
            .chunks_exact(4)
            .map(|u| u32::from_le_bytes([u[0], u[1], u[2], u[3]]));
        normalizer.units = units.collect();
        normalizer.replacements = replacements.to_vec();
        Ok(normalizer)
    }

    /// `symbols` are not replaced. `prefix`: whether the text is one that a space is put before.
    pub fn normalize(&self, mut text: &[u8], symbols: &Prefixes, prefix: bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len() + text.len() / 4 + 3);
        if self.remove_extra_whitespaces {
            while !text.is_empty() {
                let (piece, length) = self.next(text, symbols);
                if piece != b" " {
                    break;
                }
                text = &text[length..];
            }
        }
        if text.is_empty() {
            return out;
        }
        let space = if self.escape_whitespaces {
            SPACE.as_bytes()
        } else {
            b" "
        };
        let prefix = prefix && self.add_dummy_prefix;
        if prefix && !self.space_as_suffix {
            out.extend_from_slice(space);
        }
        let mut after_space = self.remove_extra_whitespaces;
        while !text.is_empty() {
            let (mut piece, length) = self.next(text, symbols);
            while after_space && piece.first() == Some(&b' ') {
                piece = &piece[1..];
            }
            for &byte in piece {
                match byte {
                    b' ' => out.extend_from_slice(space),
                    _ => out.push(byte),
                }
            }
            if let Some(&last) = piece.last() {
                after_space = last == b' ';
            }
            after_space &= self.remove_extra_whitespaces;
            text = &text[length..];
        }
        if self.remove_extra_whitespaces {
            while out.ends_with(space) {
                out.truncate(out.len() - space.len());
            }
        }
        if prefix && self.space_as_suffix {
            out.extend_from_slice(space);
        }
        out
    }

    /// What stands for the start of `text`, and how much of that it stands for.
    fn next<'a>(&'a self, text: &'a [u8], symbols: &Prefixes) -> (&'a [u8], usize) {
        if let Some(length) = symbols.longest(text) {
            return (&text[..length], length);
        }
        if let Some((length, place)) = self.longest_entry(text) {
            let value = self.replacements.get(place..).unwrap_or_default();
            let end = value.iter().position(|&byte| byte == 0).unwrap_or(value.len());
            return (&value[..end], length);
        }
        match character_bytes(text) {
            Some(length) => (&text[..length], length),
            None => (REPLACEMENT, 1),
        }
    }

    fn longest_entry(&self, text: &[u8]) -> Option<(usize, usize)> {
        let offset = |unit: u32| ((unit >> 10) << ((unit & 0x200) >> 6)) as usize;
        let mut place = offset(*self.units.first()?);
        let mut longest = None;
        let mut matches = 0;
        for (i, &byte) in text.iter().enumerate() {
            place ^= usize::from(byte);
            let Some(&unit) = self.units.get(place) else { break };
            if unit & 0x8000_00FF != u32::from(byte) {
                break;
            }
            place ^= offset(unit);
            if unit & 0x100 != 0 {
                let Some(&value) = self.units.get(place) else {
                    break;
                };
                longest = Some((i + 1, (value & 0x7FFF_FFFF) as usize));
                matches += 1;
                if matches == MAX_MATCHES {
                    break;
                }
            }
        }
        longest
    }
}

/// Bytes of the character at the start of `text`; `None` where that is not UTF-8.
fn character_bytes(text: &[u8]) -> Option<usize> {
    let length = match text.first()? {
        0..=0x7F => 1,
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return None,
    };
    std::str::from_utf8(text.get(..length)?).is_ok().then_some(length)
}
