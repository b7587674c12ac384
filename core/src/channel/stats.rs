//! What a channel has counted.

/// Counters of one channel. It keeps them by itself, so that requests touch nothing that is shared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct ChannelStats {
    /// Requests whose heads were complete and broke no rule. The application is told of each, unless the machine responds
    /// to it before (a 503 of a busy server) or the connection ends.
    pub requests: u64,
    /// Requests that the machine responded to by itself, for the peer's mistake or for a reason of the server's own.
    pub refused: u64,
    /// Bytes received.
    pub received: u64,
    /// Bytes sent.
    pub sent: u64,
}

impl ChannelStats {
    /// Adds the counts of another channel; saturates.
    pub fn merge(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.refused = self.refused.saturating_add(other.refused);
        self.received = self.received.saturating_add(other.received);
        self.sent = self.sent.saturating_add(other.sent);
    }
}
