//! The core alone: one connection without a socket, its driver loop and its handler.

use crate::load::ANSWER;

/// One keep-alive connection whose peer is the caller.
#[derive(Default)]
pub struct InProcess {
    sent: Vec<u8>,
}

impl InProcess {
    /// A new connection.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Hands `octets` to the machine, answers every request, and returns how many octets were sent.
    pub fn exchange(&mut self, octets: &[u8]) -> usize {
        // A stand-in that counts heads, until the machine is there.
        self.sent.clear();
        for _ in octets.windows(4).filter(|window| *window == b"\r\n\r\n") {
            self.sent.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n");
            self.sent.extend_from_slice(ANSWER);
        }
        self.sent.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Load;

    #[test]
    fn every_request_is_answered() {
        for load in Load::ALL {
            let mut connection = InProcess::new();
            let first = connection.exchange(&load.octets());
            assert!(first >= load.requests_per_write() * ANSWER.len(), "{load}: {first} octets");
            assert_eq!(connection.exchange(&load.octets()), first, "{load}");
        }
    }
}
