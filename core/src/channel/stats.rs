//! What a channel has counted.

/// Counters of one channel. It keeps them by itself, so that requests touch nothing that is shared.
///
/// ```
#[doc = include_str!("../examples/fresh_channel.txt")]
/// let head = b"GET / HTTP/1.1\r\n\r\n";
/// channel.handle(&now, Input::RxData(head))?;
/// channel.handle(&now, Input::Sent(channel.unsent_len()))?;
/// let stats = channel.stats();
/// // `Host` is missing, so the machine has responded by itself.
/// assert_eq!((stats.requests, stats.refused, stats.received), (0, 1, head.len() as u64));
/// assert!(stats.sent > 0);
/// # Ok::<(), httpfsm::channel::NotAccepted>(())
/// ```
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
    ///
    /// ```
    #[doc = include_str!("../examples/waiting_channel.txt")]
    /// use httpfsm::channel::ChannelStats;
    ///
    /// let mut all = ChannelStats::default();
    /// all.merge(&channel.stats());
    /// all.merge(&channel.stats());
    /// assert_eq!(all.requests, 2);
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    pub fn merge(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.refused = self.refused.saturating_add(other.refused);
        self.received = self.received.saturating_add(other.received);
        self.sent = self.sent.saturating_add(other.sent);
    }
}
