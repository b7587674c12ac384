//! The first line of an input: bytes that decide, again and again.

/// Splits an input at its first LF into decisions and the rest; without an LF nothing decides.
pub fn split(input: &[u8]) -> (&[u8], &[u8]) {
    match input.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (&[], input),
    }
}

/// The decisions in turn, from the beginning again after the last; zeros if there are none.
pub struct Decisions<'d> {
    bytes: &'d [u8],
    at: usize,
}

impl<'d> Decisions<'d> {
    /// Starts with the first.
    pub fn new(bytes: &'d [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next one.
    pub fn next(&mut self) -> u8 {
        let byte = self.bytes.get(self.at).copied().unwrap_or(0);
        self.at = if self.bytes.is_empty() { 0 } else { (self.at + 1) % self.bytes.len() };
        byte
    }
}
