//! Octets by their number and a checksum that their order changes, and octets to send that show where they stood.

use std::fmt;

/// So many octets, and their FNV-1a hash.
#[derive(Clone, Copy)]
pub(crate) struct Sum {
    octets: u64,
    hash: u64,
}

impl Default for Sum {
    fn default() -> Self {
        Self { octets: 0, hash: 0xcbf2_9ce4_8422_2325 }
    }
}

impl Sum {
    pub(crate) fn of(octets: &[u8]) -> Self {
        let mut sum = Self::default();
        sum.add(octets);
        sum
    }

    pub(crate) fn add(&mut self, octets: &[u8]) {
        self.octets += octets.len() as u64;
        for &octet in octets {
            self.hash = (self.hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(crate) fn octets(&self) -> u64 {
        self.octets
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} octets, {:016x}", self.octets, self.hash)
    }
}

/// Printable octets that repeat only after 26 * 257 of them.
pub(crate) fn pattern(from: usize, octets: usize) -> Vec<u8> {
    (from..from + octets).map(|at| b"abcdefghijklmnopqrstuvwxyz"[(at + at / 257) % 26]).collect()
}
