//! What a server has counted.

use crate::channel::ChannelStats;

/// The counts of a server since it began. Those of a channel are in it once the channel has closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct ServerStats {
    /// Channels that are open now. A connection that was admitted counts as one, also while what comes before HTTP on it is
    /// read, and if it ends then.
    pub n_channels: u64,
    /// The most channels that were open at once.
    pub most_channels: u64,
    /// Channels opened, counted as in [`n_channels`](Self::n_channels).
    pub opened: u64,
    /// Channels closed.
    pub closed: u64,
    /// Connections not admitted because `origins` does not name the peer.
    pub not_admitted_origin: u64,
    /// Connections not admitted at `max_connections`.
    pub not_admitted_full: u64,
    /// Connections not admitted at `max_connections_per_peer`.
    pub not_admitted_peer: u64,
    /// Connections not admitted because the server was going out.
    pub not_admitted_draining: u64,
    /// The sum over the closed channels.
    pub channels: ChannelStats,
}

impl ServerStats {
    /// Connections not admitted, for whatever reason.
    #[must_use]
    pub fn not_admitted(&self) -> u64 {
        self.not_admitted_origin
            + self.not_admitted_full
            + self.not_admitted_peer
            + self.not_admitted_draining
    }
}
