//! Who is at an end of a connection.

use alloc::boxed::Box;
use core::fmt;
use core::net::SocketAddr;

/// The address of one end of a connection.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Peer {
    /// A TCP endpoint.
    Ip(SocketAddr),
    /// A Unix socket, with its path when it has one.
    Unix(Option<Box<str>>),
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => write!(f, "{address}"),
            Self::Unix(Some(path)) => write!(f, "unix:{path}"),
            Self::Unix(None) => f.write_str("unix:"),
        }
    }
}
