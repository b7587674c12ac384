//! Bytes by their number and a checksum that their order changes, and bytes to send: some that show where they stood, and
//! some that nothing makes fewer of.

use std::fmt;

/// So many bytes, and their FNV-1a hash.
#[derive(Clone, Copy)]
pub(crate) struct Sum {
    bytes: u64,
    hash: u64,
}

impl Default for Sum {
    fn default() -> Self {
        Self { bytes: 0, hash: 0xcbf2_9ce4_8422_2325 }
    }
}

impl Sum {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut sum = Self::default();
        sum.add(bytes);
        sum
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        for &byte in bytes {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, {:016x}", self.bytes, self.hash)
    }
}

/// Printable bytes that repeat only after 26 * 257 of them.
pub(crate) fn pattern(from: usize, bytes: usize) -> Vec<u8> {
    (from..from + bytes).map(|at| b"abcdefghijklmnopqrstuvwxyz"[(at + at / 257) % 26]).collect()
}

/// Bytes that no compression makes fewer of, as if by chance: those of `splitmix64` at their places.
pub(crate) fn noise(from: usize, bytes: usize) -> Vec<u8> {
    let byte = |at: usize| {
        let seed = (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) as u8
    };
    (from..from + bytes).map(byte).collect()
}
