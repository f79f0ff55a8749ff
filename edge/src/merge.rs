//! Byte-pair merging: of all neighbours whose join is a token the best are joined, the leftmost first, until none is
//! left. What counts is the joined token alone, as in SentencePiece and tiktoken, not which two halves it came from.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::ops::Range;

/// A part of the text. Frozen ones join nobody.
pub struct Symbol {
    pub part: Range<usize>,
    pub frozen: bool,
}

struct Pair<K> {
    rank: K,
    left: usize,
    right: usize,
    length: usize,
}

/// Smaller ranks first, then smaller places; `BinaryHeap` hands out the largest.
impl<K: Ord> Ord for Pair<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        (Reverse(&self.rank), Reverse(self.left)).cmp(&(Reverse(&other.rank), Reverse(other.left)))
    }
}

impl<K: Ord> PartialOrd for Pair<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Ord> PartialEq for Pair<K> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<K: Ord> Eq for Pair<K> {}

const NONE: usize = usize::MAX;

/// The parts that remain of `symbols`, which lie end to end. `rank` says of two neighbours how soon they join; `None`: never.
pub fn merge<K: Ord>(
    symbols: Vec<Symbol>,
    mut rank: impl FnMut(&Range<usize>, &Range<usize>) -> Option<K>,
) -> Vec<Range<usize>> {
    let count = symbols.len();
    let frozen: Vec<bool> = symbols.iter().map(|s| s.frozen).collect();
    let mut parts: Vec<Range<usize>> = symbols.into_iter().map(|s| s.part).collect();
    let mut next: Vec<usize> = (1..=count).map(|i| if i == count { NONE } else { i }).collect();
    let mut before: Vec<usize> = (0..count).map(|i| if i == 0 { NONE } else { i - 1 }).collect();
    let mut agenda = BinaryHeap::new();
    let mut add = |agenda: &mut BinaryHeap<Pair<K>>, parts: &[Range<usize>], left: usize, right: usize| {
        if left == NONE || right == NONE || frozen[left] || frozen[right] {
            return;
        }
        if let Some(rank) = rank(&parts[left], &parts[right]) {
            let length = parts[left].len() + parts[right].len();
            agenda.push(Pair {
                rank,
                left,
                right,
                length,
            });
        }
    };
    for right in 1..count {
        add(&mut agenda, &parts, right - 1, right);
    }
    while let Some(Pair {
        left, right, length, ..
    }) = agenda.pop()
    {
        let gone = parts[left].is_empty() || parts[right].is_empty();
        if gone || parts[left].len() + parts[right].len() != length {
            continue;
        }
        parts[left].end = parts[right].end;
        parts[right].start = parts[right].end;
        next[left] = next[right];
        if next[left] != NONE {
            before[next[left]] = left;
        }
        add(&mut agenda, &parts, before[left], left);
        add(&mut agenda, &parts, left, next[left]);
    }
    parts.retain(|part| !part.is_empty());
    parts
}
