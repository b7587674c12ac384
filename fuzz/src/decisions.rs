//! The first line of an input: octets that decide, again and again.

/// Splits an input at its first LF into decisions and the rest; without an LF nothing decides.
pub fn split(input: &[u8]) -> (&[u8], &[u8]) {
    match input.iter().position(|octet| *octet == b'\n') {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (&[], input),
    }
}

/// The decisions in turn, from the beginning again after the last; zeros if there are none.
pub struct Decisions<'d> {
    octets: &'d [u8],
    at: usize,
}

impl<'d> Decisions<'d> {
    /// Starts with the first.
    pub fn new(octets: &'d [u8]) -> Self {
        Self { octets, at: 0 }
    }

    /// The next one.
    pub fn next(&mut self) -> u8 {
        let octet = self.octets.get(self.at).copied().unwrap_or(0);
        self.at = if self.octets.is_empty() { 0 } else { (self.at + 1) % self.octets.len() };
        octet
    }
}
