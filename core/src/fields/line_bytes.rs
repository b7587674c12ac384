//! Field lines as bytes: a constant, a few in place, or many on the heap.

use alloc::vec::Vec;

use crate::part::{part, part_mut};

/// Bytes held in place. With the length and the variant they fill the words that are there anyway.
pub(super) const INLINE: usize = 70;

/// What the first allocation takes at least, so that a response with a dozen fields allocates once.
const FIRST_ALLOCATION: usize = 512;

/// Lines of `Name: value CRLF`, ready to be copied.
#[derive(Clone)]
pub(super) enum LineBytes {
    /// The lines of a response as most are made: nothing is copied before the encoder does.
    Static(&'static [u8]),
    /// A few lines.
    Inline {
        /// How many of the bytes are used.
        len: u8,
        /// The bytes.
        bytes: [u8; INLINE],
    },
    /// More.
    Heap(Vec<u8>),
}

impl LineBytes {
    pub(super) const fn new() -> Self {
        Self::Static(b"")
    }

    #[inline]
    pub(super) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Static(lines) => lines,
            Self::Inline { len, bytes } => part(bytes, ..usize::from(*len)),
            Self::Heap(lines) => lines,
        }
    }

    /// Bytes on the heap.
    pub(super) fn heap_len(&self) -> usize {
        match self {
            Self::Heap(lines) => lines.capacity(),
            Self::Static(_) | Self::Inline { .. } => 0,
        }
    }

    /// Appends `name: value CRLF`.
    pub(super) fn push_line(&mut self, name: &str, value: &[u8]) {
        self.append([name.as_bytes(), b": ", value, b"\r\n"]);
    }

    /// Appends lines.
    pub(super) fn extend(&mut self, lines: &[u8]) {
        self.append([lines]);
    }

    /// Removes all lines and keeps the allocation.
    pub(super) fn clear(&mut self) {
        match self {
            Self::Heap(lines) => lines.clear(),
            Self::Static(_) | Self::Inline { .. } => *self = Self::new(),
        }
    }

    fn append<const N: usize>(&mut self, pieces: [&[u8]; N]) {
        let used = self.as_slice().len();
        let needed = pieces.iter().fold(used, |sum, piece| sum + piece.len());
        if let Self::Static(lines) = *self {
            *self = if needed <= INLINE {
                let mut bytes = [0; INLINE];
                // Fits: `used` is at most `needed`.
                if let Some(start) = bytes.get_mut(..used) {
                    start.copy_from_slice(lines);
                }
                Self::Inline { len: used as u8, bytes }
            } else {
                Self::Heap(allocated(needed, lines))
            };
        }
        if needed > INLINE {
            if let Self::Inline { .. } = self {
                *self = Self::Heap(allocated(needed, self.as_slice()));
            }
        }
        match self {
            Self::Inline { len, bytes } => {
                let mut rest = part_mut(bytes, used..needed);
                for piece in pieces {
                    let Some((room, after)) = rest.split_at_mut_checked(piece.len()) else { return };
                    room.copy_from_slice(piece);
                    rest = after;
                }
                *len = needed as u8;
            }
            Self::Heap(lines) => {
                lines.reserve(needed - used);
                for piece in pieces {
                    lines.extend_from_slice(piece);
                }
            }
            Self::Static(_) => {}
        }
    }
}

#[cold]
fn allocated(needed: usize, lines: &[u8]) -> Vec<u8> {
    let mut all = Vec::with_capacity(needed.max(FIRST_ALLOCATION));
    all.extend_from_slice(lines);
    all
}

impl Default for LineBytes {
    fn default() -> Self {
        Self::new()
    }
}

impl PartialEq for LineBytes {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for LineBytes {}

#[cfg(test)]
mod tests {
    use std::string::String;

    use super::*;

    #[test]
    fn lines_are_the_same_wherever_they_are_held() {
        for start in [&b""[..], b"A: b\r\n", &[b'x'; INLINE], &[b'x'; 600]] {
            for length in (0..=INLINE + 2).chain([600]) {
                let mut lines = LineBytes::Static(Vec::leak(start.to_vec()));
                let value = "v".repeat(length);
                lines.push_line("N", value.as_bytes());
                lines.push_line("M", b"w");
                lines.extend(b"O: p\r\n");
                let expected =
                    String::from_utf8_lossy(start).into_owned() + "N: " + &value + "\r\nM: w\r\nO: p\r\n";
                assert_eq!(String::from_utf8_lossy(lines.as_slice()), expected);
                lines.clear();
                assert_eq!(lines.as_slice(), b"");
                lines.push_line("N", b"v");
                assert_eq!(lines.as_slice(), b"N: v\r\n");
            }
        }
    }

    #[test]
    fn nothing_is_allocated_up_to_the_bytes_held_in_place() {
        let mut lines = LineBytes::new();
        lines.extend(&[b'x'; INLINE]);
        assert!(matches!(lines, LineBytes::Inline { .. }));
        lines.extend(b"x");
        assert!(matches!(lines, LineBytes::Heap(_)));
        assert_eq!(size_of::<LineBytes>(), 72);
    }
}
