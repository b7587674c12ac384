//! Who may connect: `origins`, a list of (host, port) pairs.
//!
//! Hosts are addresses or CIDR blocks. Names are for the program to resolve: the machine asks nobody.

use alloc::boxed::Box;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

use crate::peer::Peer;

/// One entry of `origins`: an address or a CIDR block, with or without the peer's port, or every Unix socket.
///
/// | text | peers |
/// |---|---|
/// | `127.0.0.1`, `::1`, `[::1]` | one address, any port |
/// | `127.0.0.1:5000`, `[::1]:5000` | one address, connecting from that port |
/// | `10.0.0.0/8`, `2001:db8::/32` | a block (RFC 4632 section 3.1) |
/// | `10.0.0.0/8:5000`, `[2001:db8::/32]:5000` | a block, from that port |
/// | `unix` | whoever may open the Unix socket |
///
/// An IPv4-mapped IPv6 address, as a dual-stack socket reports it, is its IPv4 address, in peers and in entries.
/// `Display` writes a text that parses to the same entry.
///
/// ```
/// use httpfsm::origins::{Origin, allows};
/// use httpfsm::peer::Peer;
///
/// let origins: Vec<Origin> = vec!["10.0.0.0/8".parse()?, "::1".parse()?];
/// assert!(allows(&origins, &Peer::Ip("10.1.2.3:5000".parse()?)));
/// assert!(!allows(&origins, &Peer::Ip("192.0.2.1:5000".parse()?)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Origin(Hosts);

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Hosts {
    /// Addresses whose first `prefix` bits are those of `address`; its other bits are zero.
    Block {
        address: IpAddr,
        prefix: u8,
        port: Option<u16>,
    },
    Unix,
}

/// Whether `peer` may connect. An empty list lets everybody in.
///
/// ```
/// use httpfsm::origins::{Origin, allows};
/// use httpfsm::peer::Peer;
///
/// let origins = [Origin::UNIX, "10.0.0.0/8".parse()?];
/// assert!(allows(&origins, &Peer::Unix(None)));
/// assert!(!allows(&origins, &Peer::Ip("192.0.2.1:5000".parse()?)));
/// assert!(allows(&[], &Peer::Ip("192.0.2.1:5000".parse()?)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn allows(origins: &[Origin], peer: &Peer) -> bool {
    origins.is_empty() || origins.iter().any(|origin| origin.covers(peer))
}

impl Origin {
    /// Every peer on a Unix socket.
    pub const UNIX: Self = Self(Hosts::Unix);

    /// The peers whose address begins with the first `prefix` bits of `address`, from `port` only if one is given.
    ///
    /// ```
    /// use std::net::IpAddr;
    ///
    /// use httpfsm::origins::{Origin, OriginError};
    ///
    /// let block = Origin::block(IpAddr::from([10, 0, 0, 0]), 8, None)?;
    /// assert_eq!(block.to_string(), "10.0.0.0/8");
    /// // 10.1.0.0/16, or 10.0.0.0/8? It does not guess.
    /// assert_eq!(Origin::block(IpAddr::from([10, 1, 0, 0]), 8, None), Err(OriginError::HostBits));
    /// # Ok::<(), OriginError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If `prefix` is longer than the address, or `address` has bits set behind it.
    pub fn block(address: IpAddr, prefix: u8, port: Option<u16>) -> Result<Self, OriginError> {
        if prefix > bits(address) {
            return Err(OriginError::Prefix);
        }
        if masked(address, prefix) != address {
            return Err(OriginError::HostBits);
        }
        let (address, prefix) = match address.to_canonical() {
            // No shorter than what all mapped addresses begin with: its last bits are set.
            mapped @ IpAddr::V4(_) if address.is_ipv6() => (mapped, prefix.saturating_sub(MAPPED)),
            _ => (address, prefix),
        };
        Ok(Self(Hosts::Block { address, prefix, port }))
    }

    /// Whether this entry lets `peer` in.
    ///
    /// ```
    /// use httpfsm::origins::Origin;
    /// use httpfsm::peer::Peer;
    ///
    /// let origin: Origin = "192.0.2.1:5000".parse()?;
    /// assert!(origin.covers(&Peer::Ip("192.0.2.1:5000".parse()?)));
    /// assert!(!origin.covers(&Peer::Ip("192.0.2.1:5001".parse()?)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn covers(&self, peer: &Peer) -> bool {
        match (self.0, peer.ip()) {
            (Hosts::Unix, None) => true,
            (Hosts::Block { address, prefix, port }, Some(ip)) => {
                masked(ip, prefix) == address && (port.is_none() || port == peer.port())
            }
            _ => false,
        }
    }
}

impl From<IpAddr> for Origin {
    /// One address, any port.
    fn from(address: IpAddr) -> Self {
        let address = address.to_canonical();
        Self(Hosts::Block { address, prefix: bits(address), port: None })
    }
}

/// Why a text is no entry of `origins`.
///
/// ```
/// use httpfsm::origins::{Origin, OriginError};
///
/// let error = "localhost".parse::<Origin>().unwrap_err();
/// // A name: the program may resolve it, and make an entry of each address.
/// assert_eq!(error, OriginError::Host("localhost".into()));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum OriginError {
    /// The host is no address; a name, perhaps, which is to be resolved first. Holds what stands for the host.
    Host(Box<str>),
    /// The prefix length is no number, or longer than the address.
    Prefix,
    /// The address has bits set behind the prefix, so that it is unclear which block is meant.
    HostBits,
    /// The port is no number from 0 to 65535.
    Port,
}

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => write!(
                f,
                "The host {host:?} is no IPv4 or IPv6 address; host names are not resolved here, only by the program."
            ),
            Self::Prefix => {
                f.write_str("The prefix length is no number from 0 to 32 (IPv4) or from 0 to 128 (IPv6).")
            }
            Self::HostBits => {
                f.write_str("The address has bits set behind the prefix; expected zeros, as in 10.0.0.0/8.")
            }
            Self::Port => f.write_str("The port is no number from 0 to 65535."),
        }
    }
}

impl core::error::Error for OriginError {}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        if text == "unix" {
            return Ok(Self::UNIX);
        }
        let (block, port) = split_port(text);
        let (host, prefix) = match block.split_once('/') {
            Some((host, prefix)) => (host, Some(prefix)),
            None => (block, None),
        };
        let address: IpAddr = host.parse().map_err(|_| OriginError::Host(host.into()))?;
        let prefix = prefix.map(|digits| number(digits).ok_or(OriginError::Prefix)).transpose()?;
        let port = port.map(|digits| number(digits).ok_or(OriginError::Port)).transpose()?;
        Self::block(address, prefix.unwrap_or(bits(address)), port)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Hosts::Block { address, prefix, port } = self.0 else {
            return f.write_str("unix");
        };
        let bracketed = address.is_ipv6() && port.is_some();
        f.write_str(if bracketed { "[" } else { "" })?;
        write!(f, "{address}")?;
        if prefix != bits(address) {
            write!(f, "/{prefix}")?;
        }
        f.write_str(if bracketed { "]" } else { "" })?;
        port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// The bits before the IPv4 address in an IPv4-mapped one.
const MAPPED: u8 = 96;

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// `address` with zeros behind its first `prefix` bits; all of it where `prefix` is longer than that.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    let behind = u32::from(bits(address).saturating_sub(prefix));
    match address {
        IpAddr::V4(v4) => {
            Ipv4Addr::from_bits(v4.to_bits() & u32::MAX.checked_shl(behind).unwrap_or(0)).into()
        }
        IpAddr::V6(v6) => {
            Ipv6Addr::from_bits(v6.to_bits() & u128::MAX.checked_shl(behind).unwrap_or(0)).into()
        }
    }
}

/// Takes `host:port` and `[host]:port` apart. Several colons without brackets are an IPv6 address alone.
fn split_port(text: &str) -> (&str, Option<&str>) {
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        match rest.strip_prefix(':') {
            Some(port) => return (host, Some(port)),
            None if rest.is_empty() => return (host, None),
            None => return (text, None),
        }
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (text, None),
    }
}

/// A decimal number, without the sign that `parse` would take.
fn number<N: FromStr>(digits: &str) -> Option<N> {
    if digits.starts_with('+') { None } else { digits.parse().ok() }
}

#[cfg(test)]
mod tests {
    use core::net::SocketAddr;
    use std::string::ToString;

    use proptest::prelude::*;

    use super::{Origin, OriginError, allows};
    use crate::peer::Peer;

    fn origin(text: &str) -> Origin {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn peer(text: &str) -> Peer {
        Peer::from(text.parse::<SocketAddr>().unwrap())
    }

    #[track_caller]
    fn check(entry: &str, from: &str, expected: bool) {
        assert_eq!(allows(&[origin(entry)], &peer(from)), expected, "{entry} and {from}");
    }

    #[test]
    fn an_empty_list_lets_everybody_in() {
        assert!(allows(&[], &peer("192.0.2.1:1")));
        assert!(allows(&[], &Peer::Unix(None)));
    }

    #[test]
    fn an_address_lets_itself_in_from_any_port() {
        check("127.0.0.1", "127.0.0.1:1", true);
        check("127.0.0.1", "127.0.0.2:1", false);
        check("127.0.0.1", "[::1]:1", false);
        check("::1", "[::1]:1", true);
        check("[::1]", "[::1]:1", true);
        check("::1", "[::2]:1", false);
    }

    #[test]
    fn a_port_is_the_port_the_peer_connects_from() {
        check("127.0.0.1:5000", "127.0.0.1:5000", true);
        check("127.0.0.1:5000", "127.0.0.1:5001", false);
        check("[::1]:80", "[::1]:80", true);
        check("[::1]:80", "[::1]:81", false);
        check("10.0.0.0/8:5000", "10.9.9.9:5000", true);
        check("10.0.0.0/8:5000", "10.9.9.9:5001", false);
    }

    #[test]
    fn a_block_ends_at_its_last_address() {
        check("10.0.0.0/8", "10.255.255.255:1", true);
        check("10.0.0.0/8", "11.0.0.0:1", false);
        check("192.0.2.128/25", "192.0.2.127:1", false);
        check("192.0.2.128/25", "192.0.2.128:1", true);
        check("2001:db8::/32", "[2001:db8:ffff::1]:1", true);
        check("2001:db8::/32", "[2001:db9::]:1", false);
        check("0.0.0.0/0", "203.0.113.9:1", true);
        check("0.0.0.0/0", "[2001:db8::1]:1", false);
        check("::/0", "[2001:db8::1]:1", true);
        check("::/0", "192.0.2.1:1", false);
    }

    #[test]
    fn a_mapped_peer_is_an_ipv4_peer_whoever_writes_it() {
        check("10.0.0.0/8", "[::ffff:10.1.2.3]:1", true);
        check("10.0.0.0/8", "[::ffff:11.1.2.3]:1", false);
        check("::ffff:10.0.0.0/104", "10.1.2.3:1", true);
        check("::ffff:10.0.0.0/104", "11.1.2.3:1", false);
        check("::ffff:192.0.2.1", "[::ffff:192.0.2.1]:1", true);
        check("::/0", "[::ffff:192.0.2.1]:1", false);
    }

    #[test]
    fn unix_is_every_unix_socket_and_no_address() {
        assert!(allows(&[origin("unix")], &Peer::Unix(None)));
        assert!(allows(&[origin("unix")], &Peer::Unix(Some("/run/a".into()))));
        check("unix", "127.0.0.1:1", false);
        assert!(!allows(&[origin("0.0.0.0/0"), origin("::/0")], &Peer::Unix(None)));
    }

    #[test]
    fn what_is_no_entry_says_why() {
        let error = |text: &str| text.parse::<Origin>().unwrap_err();
        for name in [
            "localhost",
            "localhost:80",
            "",
            "10.0.0",
            "1.2.3.4.5",
            "unix:/run/a",
            "[::1",
            "[::1]80",
            "[::1]x",
            "[::1] ",
            "::g",
            "fe80::1%eth0",
        ] {
            assert!(matches!(error(name), OriginError::Host(_)), "{name}");
        }
        assert!(error("example.com").to_string().contains("not resolved here"));
        for prefix in ["10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/x", "10.0.0.0/+8", "10.0.0.0/8/8"] {
            assert_eq!(error(prefix), OriginError::Prefix, "{prefix}");
        }
        assert_eq!(error("10.1.0.0/8"), OriginError::HostBits);
        assert_eq!(error("2001:db8::1/32"), OriginError::HostBits);
        for port in ["127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:+1", "[::1]:", "[::1]:x"] {
            assert_eq!(error(port), OriginError::Port, "{port}");
        }
    }

    #[test]
    fn an_entry_prints_as_it_was_written() {
        for text in [
            "127.0.0.1",
            "127.0.0.1:5000",
            "10.0.0.0/8",
            "10.0.0.0/8:5000",
            "0.0.0.0/0",
            "::1",
            "[::1]:80",
            "2001:db8::/32",
            "[2001:db8::/32]:5000",
            "::/0",
            "unix",
        ] {
            assert_eq!(origin(text).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn every_entry_parses_from_what_it_prints(
            address: core::net::IpAddr, prefix in 0u8..=128, port: Option<u16>,
        ) {
            let prefix = prefix.min(super::bits(address));
            let entry = Origin::block(super::masked(address, prefix), prefix, port).unwrap();
            prop_assert_eq!(entry.to_string().parse::<Origin>(), Ok(entry), "{}", entry);
            let mapped = address.to_canonical() != address && prefix < super::MAPPED;
            let peer = Peer::Ip((address, port.unwrap_or(1)).into());
            prop_assert_eq!(entry.covers(&peer), !mapped, "{} and {}", entry, address);
        }
    }
}
