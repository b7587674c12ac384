//! What a server has counted.

use crate::channel::ChannelStats;

/// The counts of a server since it began. Those of a channel are in it once the channel has closed.
///
/// ```
#[doc = include_str!("../examples/server.txt")]
/// let mut server = Server::new(ServerConfig::default());
/// server.handle(Moment::START, connected)?;
/// let stats = server.stats();
/// assert_eq!((stats.opened, stats.n_channels, stats.closed), (1, 1, 0));
/// # Ok::<(), httpfsm::server::ServerNotAccepted>(())
/// ```
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
    ///
    /// ```
    #[doc = include_str!("../examples/server.txt")]
    /// let mut config = ServerConfig::default();
    /// config.max_connections = 1;
    /// let mut server = Server::new(config);
    /// server.handle(Moment::START, connected.clone())?;
    /// server.handle(Moment::START, connected)?;
    /// let stats = server.stats();
    /// assert_eq!((stats.not_admitted(), stats.not_admitted_full), (1, 1));
    /// # Ok::<(), httpfsm::server::ServerNotAccepted>(())
    /// ```
    #[must_use]
    pub fn not_admitted(&self) -> u64 {
        self.not_admitted_origin
            + self.not_admitted_full
            + self.not_admitted_peer
            + self.not_admitted_draining
    }
}
