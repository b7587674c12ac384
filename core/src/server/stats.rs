//! What a server has counted.

/// The counts of one channel. The channel keeps them; the server adds them to its own when the channel closes, so
/// that requests touch nothing that is shared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ChannelStats {
    /// Requests that reached the application.
    pub requests: u64,
    /// Requests that the machine itself refused.
    pub refused: u64,
    /// Octets received.
    pub octets_in: u64,
    /// Octets sent.
    pub octets_out: u64,
}

/// The counts of a server since it began. Those of a channel are in it once the channel has closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
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

impl ChannelStats {
    /// Adds the counts of another channel; saturates.
    pub fn merge(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.refused = self.refused.saturating_add(other.refused);
        self.octets_in = self.octets_in.saturating_add(other.octets_in);
        self.octets_out = self.octets_out.saturating_add(other.octets_out);
    }
}

impl ServerStats {
    /// Connections refused, for whatever reason.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused_origin + self.refused_full + self.refused_peer + self.refused_draining
    }
}
