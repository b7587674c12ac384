//! The options of a socket.

use std::io;
use std::time::Duration;

use socket2::{Socket, TcpKeepalive};

/// Options of the sockets that a server makes or is given. Linux hands those of a listener on to what it accepts, so
/// they cost no system call per connection.
///
/// ```
/// use httpfsm::Peer;
/// use httpfsm_transport::{Listener, SocketOptions};
///
/// # fn main() -> std::io::Result<()> {
/// let options = SocketOptions { reuse_port: true, backlog: 4096, ..SocketOptions::default() };
/// let first = Listener::tcp(([127, 0, 0, 1], 0).into(), &options)?;
/// let Peer::Ip(address) = *first.local_addr() else { unreachable!("it listens over TCP") };
/// // The system spreads the connections over both.
/// let second = Listener::tcp(address, &options)?;
/// assert_eq!(first.local_addr(), second.local_addr());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SocketOptions {
    /// Send small segments at once (TCP_NODELAY). Default `true`.
    pub nodelay: bool,
    /// Connections that may wait to be accepted. Default 1024.
    pub backlog: i32,
    /// After how much silence TCP probes whether the peer is there. Four probes follow, each a quarter of this apart, and
    /// without a reply the connection is lost: after twice this time. In whole seconds, from 4 to 32,767. Default 60 s;
    /// `None`: never. It ends the work for peers that are gone without a word; deadlines end those that are silent.
    pub keepalive: Option<Duration>,
    /// Permissions of the path of a Unix socket, as in `0o660`. Default `None`: those that the umask leaves.
    pub unix_mode: Option<u32>,
    /// Let several sockets listen on one address (SO_REUSEPORT), the system spreading connections over them.
    /// Default `false`.
    pub reuse_port: bool,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self {
            nodelay: true,
            backlog: 1024,
            keepalive: Some(Duration::from_secs(60)),
            unix_mode: None,
            reuse_port: false,
        }
    }
}

/// Keepalive probes without a reply, after which a connection is lost.
const PROBES: u32 = 4;
/// The longest silence before a probe that Linux knows.
const LONGEST_SILENCE: Duration = Duration::from_secs(32_767);

impl SocketOptions {
    /// Sets those that accepted sockets of TCP inherit from their listener.
    pub(super) fn set(&self, socket: &Socket) -> io::Result<()> {
        socket.set_tcp_nodelay(self.nodelay)?;
        let Some(silence) = self.keepalive else { return socket.set_keepalive(false) };
        let silence = silence.clamp(Duration::from_secs(PROBES.into()), LONGEST_SILENCE);
        let probes = TcpKeepalive::new().with_time(silence).with_interval(silence / PROBES);
        socket.set_tcp_keepalive(&probes.with_retries(PROBES))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::Listener;

    #[test]
    fn keepalive_is_the_option_of_tcp_alone() -> io::Result<()> {
        let options = SocketOptions { keepalive: Some(Duration::from_secs(77)), ..SocketOptions::default() };
        for (keepalive, probes) in [
            (Some(77), Some((77, 19))),
            (Some(1), Some((4, 1))),
            (Some(100_000), Some((32_767, 8191))),
            (None, None),
        ] {
            let options =
                SocketOptions { keepalive: keepalive.map(Duration::from_secs), ..SocketOptions::default() };
            let listener = Listener::tcp((Ipv4Addr::LOCALHOST, 0).into(), &options)?;
            // What it inherits from whoever made it does not count.
            listener.socket.set_keepalive(true)?;
            listener.apply(&options)?;
            let socket = &listener.socket;
            let set = (socket.tcp_keepalive_time()?.as_secs(), socket.tcp_keepalive_interval()?.as_secs());
            assert_eq!(socket.keepalive()?.then_some(set), probes, "{keepalive:?}");
        }
        assert_eq!(SocketOptions::default().keepalive, Some(Duration::from_secs(60)));
        let place = tempfile::tempdir()?;
        Listener::unix(place.path().join("socket"), &options)?.apply(&options)
    }
}
