//! Tiktoken's files: a line per token, its bytes in base64 and its rank, which is its id.

use ahash::AHashMap;

use crate::buffer::{Failure, Kind, Outcome};
use crate::merge::{merge, Symbol};

const MAX_TOKEN_BYTES: usize = 4096;

pub struct Tiktoken {
    ranks: AHashMap<Vec<u8>, u32>,
    longest: usize,
}

impl Tiktoken {
    pub fn parse(file: &[u8]) -> Outcome<Self> {
        let mut ranks = AHashMap::new();
        let mut longest = 0;
        for (number, line) in file.split(|&byte| byte == b'\n').enumerate() {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                continue;
            }
            let entry = parse_line(line).filter(|(token, _)| token.len() <= MAX_TOKEN_BYTES);
            let (token, rank) = entry.ok_or_else(|| {
                let message = format!("line {} is not a token in base64 and its rank", number + 1);
                Failure::new(Kind::Corrupt, message)
            })?;
            longest = longest.max(token.len());
            if ranks.insert(token, rank).is_some() {
                let message = format!("line {}: the token was there before", number + 1);
                return Err(Failure::new(Kind::Corrupt, message));
            }
        }
        if let Some(byte) = (0..=255u8).find(|&byte| !ranks.contains_key(&[byte][..])) {
            let message = format!("byte {byte} is no token of the {} in the file", ranks.len());
            return Err(Failure::new(Kind::Corrupt, message));
        }
        Ok(Tiktoken { ranks, longest })
    }

    pub fn ranks(&self) -> impl Iterator<Item = (&[u8], u32)> {
        self.ranks.iter().map(|(token, &rank)| (token.as_slice(), rank))
    }

    /// `word` is what the pattern cut out of the text.
    pub fn encode(&self, word: &[u8], ids: &mut Vec<u32>) {
        if let Some(&id) = self.ranks.get(word) {
            ids.push(id);
            return;
        }
        let bytes = (0..word.len()).map(|i| Symbol {
            part: i..i + 1,
            frozen: false,
        });
        let parts = merge(bytes.collect(), |left, right| {
            let joined = left.start..right.end;
            (joined.len() <= self.longest).then(|| self.ranks.get(&word[joined]).copied())?
        });
        ids.extend(parts.into_iter().map(|part| self.ranks[&word[part]]));
    }
}

fn parse_line(line: &[u8]) -> Option<(Vec<u8>, u32)> {
    let blank = line.iter().position(|&byte| byte == b' ')?;
    let rank = std::str::from_utf8(&line[blank + 1..])
        .ok()?
        .trim()
        .parse()
        .ok()?;
    let token = from_base64(&line[..blank])?;
    (!token.is_empty()).then_some((token, rank))
}

fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    let digits = text.iter().rposition(|&c| c != b'=').map_or(0, |last| last + 1);
    if !text.len().is_multiple_of(4) || text.len() - digits > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits * 3 / 4);
    let mut bits = 0u32;
    for (i, &digit) in text[..digits].iter().enumerate() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        if i % 4 != 0 {
            bytes.push((bits >> (6 - 2 * (i % 4))) as u8);
        }
    }
    Some(bytes)
}
