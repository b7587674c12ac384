//! The address of one end of a connection.

use alloc::boxed::Box;
use core::fmt;
use core::net::{IpAddr, SocketAddr};

/// The address of one end of a connection: `peername` is the remote end's, `sockname` our own.
///
/// `Display` writes `192.0.2.1:5000`, `[2001:db8::1]:5000`, `unix:/run/web.sock`, or `unix` for a Unix socket
/// without a name.
///
/// ```
/// use httpfsm::Peer;
///
/// let peers = [Peer::Ip("192.0.2.1:5000".parse()?), Peer::Unix(Some("/run/web.sock".into()))];
/// assert_eq!(peers.map(|peer| peer.to_string()), ["192.0.2.1:5000", "unix:/run/web.sock"]);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Peer {
    /// An IP address and a port.
    Ip(SocketAddr),
    /// A Unix socket, with its path where it has one (a client's mostly has none).
    Unix(Option<Box<str>>),
}

impl Peer {
    /// The IP address, an IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2) as the IPv4 address it stands for;
    /// `None` for a Unix socket.
    ///
    /// ```
    /// use std::net::IpAddr;
    ///
    /// use httpfsm::Peer;
    ///
    /// // What a socket for both versions of IP reports for a peer that speaks IPv4.
    /// let peer = Peer::Ip("[::ffff:192.0.2.1]:5000".parse()?);
    /// assert_eq!(peer.ip(), Some(IpAddr::from([192, 0, 2, 1])));
    /// assert_eq!(Peer::Unix(None).ip(), None);
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(address) => Some(address.ip().to_canonical()),
            Self::Unix(_) => None,
        }
    }

    /// The port; `None` for a Unix socket.
    ///
    /// ```
    /// use httpfsm::Peer;
    ///
    /// assert_eq!(Peer::Ip("192.0.2.1:5000".parse()?).port(), Some(5000));
    /// assert_eq!(Peer::Unix(None).port(), None);
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Ip(address) => Some(address.port()),
            Self::Unix(_) => None,
        }
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix(Some(path)) => write!(f, "unix:{path}"),
            Self::Unix(None) => f.write_str("unix"),
        }
    }
}

#[cfg(test)]
mod tests {
    use core::net::SocketAddr;
    use std::string::ToString;

    use super::Peer;

    fn ip(text: &str) -> Peer {
        Peer::from(text.parse::<SocketAddr>().unwrap())
    }

    #[test]
    fn a_peer_prints_as_it_is_known() {
        assert_eq!(ip("192.0.2.1:80").to_string(), "192.0.2.1:80");
        assert_eq!(ip("[2001:db8::1]:80").to_string(), "[2001:db8::1]:80");
        assert_eq!(Peer::Unix(Some("/run/web.sock".into())).to_string(), "unix:/run/web.sock");
        assert_eq!(Peer::Unix(None).to_string(), "unix");
    }

    #[test]
    fn a_mapped_address_is_its_ipv4_address() {
        assert_eq!(ip("[::ffff:192.0.2.1]:80").ip(), ip("192.0.2.1:99").ip());
        assert_eq!(ip("[::ffff:192.0.2.1]:80").port(), Some(80));
        assert_eq!(Peer::Unix(None).ip(), None);
        assert_eq!(Peer::Unix(None).port(), None);
    }
}
