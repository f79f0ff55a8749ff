//! A set of byte strings that is asked which of them a text begins with.

/// Sorted, and narrowed byte by byte: no memory beyond the strings themselves.
#[derive(Default)]
pub struct Prefixes {
    entries: Vec<(Vec<u8>, u32)>,
    /// Where the entries of each first byte begin; 257 of them.
    starts: Vec<usize>,
}

impl Prefixes {
    pub fn new(mut entries: Vec<(Vec<u8>, u32)>) -> Self {
        entries.retain(|(bytes, _)| !bytes.is_empty());
        entries.sort();
        let starts = (0..=256).map(|byte| entries.partition_point(|(e, _)| usize::from(e[0]) < byte));
        Prefixes {
            starts: starts.collect(),
            entries,
        }
    }

    /// Calls `found` with the length and the value of each entry that `text` begins with, shortest first.
    pub fn each(&self, text: &[u8], mut found: impl FnMut(usize, u32)) {
        let Some(&first) = text.first() else { return };
        if self.entries.is_empty() {
            return;
        }
        let first = usize::from(first);
        let mut candidates = &self.entries[self.starts[first]..self.starts[first + 1]];
        for length in 1.. {
            // An entry that ends here sorts before those that go on.
            while let Some(((bytes, value), rest)) = candidates.split_first() {
                if bytes.len() != length {
                    break;
                }
                found(length, *value);
                candidates = rest;
            }
            let Some(&next) = text.get(length) else { return };
            let low = candidates.partition_point(|(e, _)| e[length] < next);
            let high = candidates.partition_point(|(e, _)| e[length] <= next);
            candidates = &candidates[low..high];
            if candidates.is_empty() {
                return;
            }
        }
    }

    pub fn longest(&self, text: &[u8]) -> Option<usize> {
        let mut longest = None;
        self.each(text, |length, _| longest = Some(length));
        longest
    }
}
