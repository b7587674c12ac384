//! Whatever varies in a run, drawn by proptest.
use proptest::prelude::*;

/// Whatever varies, one byte at a time; after the last one from the beginning.
#[derive(Clone, Debug)]
pub(crate) struct Choices {
    bytes: Vec<u8>,
    at: usize,
}

impl Choices {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), at: 0 }
    }

    pub(crate) fn next(&mut self) -> usize {
        let byte = self.bytes[self.at % self.bytes.len()];
        self.at += 1;
        // The bytes come round again, but not in the same places.
        usize::from(byte ^ (self.at / self.bytes.len()) as u8)
    }

    /// Small most of the time, never 0.
    pub(crate) fn amount(&mut self) -> usize {
        let choice = self.next();
        match choice % 4 {
            0 => 1,
            1 => 1 + choice / 4,
            2 => 16 * (1 + choice / 4),
            _ => 1 << 16,
        }
    }
}

pub(crate) fn choices() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 1..40)
}
