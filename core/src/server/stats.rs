//! What a server has counted.

use crate::channel::ChannelStats;

/// The counts of a server since it began. Those of a channel are in it once the channel has closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct ServerStats {
    /// Channels that are open now.
    pub n_channels: u64,
    /// The most channels that were open at once.
    pub most_channels: u64,
    /// Channels opened.
    pub opened: u64,
    /// Channels closed.
    pub closed: u64,
    /// Connections refused because `origins` does not name the peer.
    pub refused_origin: u64,
    /// Connections refused at `max_connections`.
    pub refused_full: u64,
    /// Connections refused at `max_connections_per_peer`.
    pub refused_peer: u64,
    /// Connections refused because the server was going out.
    pub refused_draining: u64,
    /// The sum over the closed channels.
    pub channels: ChannelStats,
}

impl ServerStats {
    /// Connections refused, for whatever reason.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused_origin + self.refused_full + self.refused_peer + self.refused_draining
    }
}
