//! The addresses of a host, and a socket that listens at each.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use httpfsm::peer::Peer;
use socket2::{Domain, Protocol, Socket, Type};

use super::{Listener, SocketOptions, naming};

/// How often a port is looked for that is free at all addresses of a host.
const TRIES: u32 = 8;

impl Listener {
    /// Listens on a TCP address; port 0 lets the system choose.
    ///
    /// ```
    /// use std::io::ErrorKind;
    ///
    /// use httpfsm::Peer;
    /// use httpfsm_transport::{Listener, SocketOptions};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let options = SocketOptions::default();
    /// let listener = Listener::tcp(([127, 0, 0, 1], 0).into(), &options)?;
    /// let Peer::Ip(address) = *listener.local_addr() else { unreachable!("it listens over TCP") };
    /// let error = Listener::tcp(address, &options).expect_err("it is taken");
    /// assert_eq!(error.kind(), ErrorKind::AddrInUse);
    /// assert!(error.to_string().starts_with(&format!("cannot listen on {address}: ")));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The address is in use or is none of ours, or there are no more sockets to be had.
    pub fn tcp(address: SocketAddr, options: &SocketOptions) -> io::Result<Self> {
        let listen = || {
            let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
            socket.set_reuse_address(true)?;
            if options.reuse_port {
                socket.set_reuse_port(true)?;
            }
            if address.ip() == Ipv6Addr::UNSPECIFIED {
                // All addresses of the machine, also where the system's default is those of IPv6 alone.
                socket.set_only_v6(false)?;
            }
            socket.bind(&address.into())?;
            socket.listen(options.backlog)?;
            Self::from_socket(socket)
        };
        listen().map_err(|error| naming(&error, &address.to_string()))
    }

    /// Listens at each address of a host; at all addresses of the machine where its name is empty. Of several
    /// addresses some may fail, as `::1` of `localhost` does where there is no IPv6: `failed` is told of them. Port 0 is one
    /// port for all of them.
    ///
    /// A name is looked up here, which blocks.
    ///
    /// ```
    /// use httpfsm_transport::{Listener, SocketOptions};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let mut failures = Vec::new();
    /// let failed = |error: &std::io::Error| failures.push(error.to_string());
    /// let listeners = Listener::at_host("localhost", 0, &SocketOptions::default(), failed)?;
    /// // One or two: where there is no IPv6, `::1` is among the failures.
    /// assert!(!listeners.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The host has no address, or none that can be listened at; or somebody listens at one of them, who would get what is
    /// meant for this server.
    pub fn at_host(
        host: &str,
        port: u16,
        options: &SocketOptions,
        mut failed: impl FnMut(&io::Error),
    ) -> io::Result<Vec<Self>> {
        if host.is_empty() {
            // A socket of IPv6 takes IPv4 as well; where there is no IPv6 it cannot be made.
            let everywhere = Self::tcp((Ipv6Addr::UNSPECIFIED, port).into(), options);
            let listener = match everywhere {
                Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                    Self::tcp((Ipv4Addr::UNSPECIFIED, port).into(), options)
                }
                listener => listener,
            };
            return Ok(vec![listener?]);
        }
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let mut addresses = Vec::new();
        for address in resolve(bare, port).map_err(|error| naming(&error, host))? {
            // The file of hosts may name one twice.
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        let mut tries = if port == 0 { TRIES } else { 1 };
        let (listeners, failures) = loop {
            tries -= 1;
            match Self::at_addresses(&addresses, options) {
                // The port that the system chose for one address is somebody's at the next.
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 0 => {}
                listened => break listened?,
            }
        };
        if listeners.is_empty() {
            let missing = || io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address"));
            return Err(failures.into_iter().next().unwrap_or_else(missing));
        }
        failures.iter().for_each(&mut failed);
        Ok(listeners)
    }

    /// Listens at each of these addresses, at one port where theirs is 0; those that failed, beside. That one is in use is a
    /// failure of all.
    fn at_addresses(
        addresses: &[SocketAddr],
        options: &SocketOptions,
    ) -> io::Result<(Vec<Self>, Vec<io::Error>)> {
        let (mut listeners, mut failures, mut chosen) = (Vec::new(), Vec::new(), 0);
        for address in addresses {
            let port = if address.port() == 0 { chosen } else { address.port() };
            // Its scope stays (RFC 4007): `fe80::1%eth0` is an address of that interface.
            let mut address = *address;
            address.set_port(port);
            match Self::tcp(address, options) {
                Ok(listener) => {
                    if let Peer::Ip(local) = listener.local_addr() {
                        chosen = local.port();
                    }
                    listeners.push(listener);
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
                Err(error) => failures.push(error),
            }
        }
        Ok((listeners, failures))
    }

    /// Another socket on the same address, for another thread; `None` where the system does not spread connections
    /// over several.
    ///
    /// A socket for each thread, all at one address:
    ///
    /// ```
    /// use httpfsm_transport::{Listener, SocketOptions};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let options = SocketOptions { reuse_port: true, ..SocketOptions::default() };
    /// let listener = Listener::tcp(([127, 0, 0, 1], 0).into(), &options)?;
    /// let twin = listener.twin(&options)?.expect("the system spreads connections over several");
    /// assert_eq!(twin.local_addr(), listener.local_addr());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`tcp`](Self::tcp).
    pub fn twin(&self, options: &SocketOptions) -> io::Result<Option<Self>> {
        match self.local {
            // Whatever the options say: the socket has the option.
            Peer::Ip(address) if self.socket.reuse_port()? => {
                let twin = Self::tcp(address, &SocketOptions { reuse_port: true, ..options.clone() })?;
                Ok(Some(Self { info: Arc::clone(&self.info), ..twin }))
            }
            Peer::Ip(_) | Peer::Unix(_) => Ok(None),
        }
    }
}

/// The addresses of a host, with this port. It blocks while a name is looked up.
///
/// The system would take `127.1` for 127.0.0.1, `1.2.3` for 1.2.0.3 and `010.0.0.1` for 8.0.0.1: here, what ends in a
/// number is an address as everybody writes it, or an error.
///
/// ```
/// use std::io::ErrorKind;
///
/// use httpfsm_transport::resolve;
///
/// # fn main() -> std::io::Result<()> {
/// assert_eq!(resolve("192.0.2.1", 80)?, [([192, 0, 2, 1], 80).into()]);
/// assert_eq!(resolve("127.1", 80).unwrap_err().kind(), ErrorKind::InvalidInput);
/// assert!(resolve("localhost", 80)?.iter().all(|address| address.ip().is_loopback() && address.port() == 80));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Those of the look-up, and [`InvalidInput`](io::ErrorKind::InvalidInput) for such numbers.
pub fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    if ends_in_a_number(host) {
        let text = "it is no address; expected four numbers from 0 to 255, as in 192.0.2.1";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok((host, port).to_socket_addrs()?.collect())
}

fn ends_in_a_number(host: &str) -> bool {
    let last = host.strip_suffix('.').unwrap_or(host).rsplit('.').next().unwrap_or_default();
    let digits = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    (!last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()))
        || digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddrV6;

    use super::*;

    #[test]
    fn without_a_host_every_address_of_the_machine_is_listened_at() -> io::Result<()> {
        let listeners = Listener::at_host("", 0, &SocketOptions::default(), |error| panic!("{error}"))?;
        let [listener] = &listeners[..] else { panic!("one socket: {listeners:?}") };
        let Peer::Ip(address) = *listener.local_addr() else { unreachable!("it is TCP") };
        assert!(address.ip().is_unspecified());
        assert!(std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, address.port())).is_ok());
        Ok(())
    }

    /// A link-local address is one of an interface (RFC 4007 section 6); whether there is one here or not.
    #[test]
    fn the_scope_of_an_address_stays() {
        let address = SocketAddrV6::new(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x77), 0, 0, 4_000_000_000);
        let listened = Listener::at_addresses(&[address.into()], &SocketOptions::default());
        // Without its scope: EINVAL, as the system asks for one; with this one: ENODEV, as there are not so many.
        let (_, failures) = listened.unwrap_or_else(|error| panic!("{error}"));
        let errors: Vec<_> = failures.iter().map(io::Error::to_string).collect();
        assert!(errors.iter().all(|error| !error.contains("Invalid argument")), "{errors:?}");
        assert_eq!(errors.len(), 1, "{errors:?}");
    }

    #[test]
    fn a_host_of_which_no_address_can_be_listened_at_fails_with_its_first_reason() -> io::Result<()> {
        let first = Listener::tcp((Ipv4Addr::LOCALHOST, 0).into(), &SocketOptions::default())?;
        let Peer::Ip(address) = *first.local_addr() else { unreachable!("it is TCP") };
        let options = SocketOptions::default();
        let mut told = 0;
        let failed = Listener::at_host("127.0.0.1", address.port(), &options, |_| told += 1);
        let failed = failed.map(|_| ()).map_err(|error| error.kind());
        assert_eq!((failed, told), (Err(io::ErrorKind::AddrInUse), 0));
        Ok(())
    }

    #[test]
    fn a_host_of_several_addresses_has_one_port_and_is_not_shared_with_others() -> io::Result<()> {
        let options = SocketOptions::default();
        let listeners = Listener::at_host("localhost", 0, &options, |_| ())?;
        let ports = listeners.iter().map(|listener| match listener.local_addr() {
            Peer::Ip(address) => address.port(),
            Peer::Unix(_) => unreachable!("it is TCP"),
        });
        let ports: Vec<u16> = ports.collect();
        assert!(ports.iter().all(|port| *port == ports[0]), "{ports:?}");
        // One of its addresses is taken, whatever the others are.
        drop(listeners);
        let other = Listener::tcp((Ipv4Addr::LOCALHOST, 0).into(), &options)?;
        let Peer::Ip(address) = *other.local_addr() else { unreachable!("it is TCP") };
        let failed = Listener::at_host("localhost", address.port(), &options, |_| ()).map(|_| ());
        assert_eq!(failed.map_err(|error| error.kind()), Err(io::ErrorKind::AddrInUse));
        Ok(())
    }

    #[test]
    fn an_address_that_is_named_twice_is_listened_at_once() -> io::Result<()> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (listeners, failures) = Listener::at_addresses(&[address], &SocketOptions::default())?;
        assert_eq!((listeners.len(), failures.len()), (1, 0));
        // At the port of the first, where it is already.
        let twice = Listener::at_addresses(&[address, address], &SocketOptions::default()).map(|_| ());
        assert_eq!(twice.map_err(|error| error.kind()), Err(io::ErrorKind::AddrInUse));
        Ok(())
    }

    #[test]
    fn an_address_in_use_is_named() -> io::Result<()> {
        let first = Listener::tcp((Ipv4Addr::LOCALHOST, 0).into(), &SocketOptions::default())?;
        let Peer::Ip(address) = *first.local_addr() else { unreachable!("it is TCP") };
        let second = Listener::tcp(address, &SocketOptions::default());
        let error = second.map(|_| ()).map_err(|error| (error.kind(), error.to_string()));
        let (kind, text) = error.err().unwrap_or_else(|| unreachable!("it is in use"));
        assert_eq!(kind, io::ErrorKind::AddrInUse);
        assert!(text.contains(&address.to_string()), "{text}");
        Ok(())
    }

    #[test]
    fn a_twin_shares_the_address_whatever_the_options_say() -> io::Result<()> {
        let shared = SocketOptions { reuse_port: true, ..SocketOptions::default() };
        let listener = Listener::tcp((Ipv4Addr::LOCALHOST, 0).into(), &shared)?;
        let twin = listener.twin(&SocketOptions::default())?;
        assert_eq!(twin.map(|twin| twin.local_addr().clone()), Some(listener.local_addr().clone()));
        Ok(())
    }

    #[test]
    fn a_unix_socket_has_no_twin() -> io::Result<()> {
        let place = tempfile::tempdir()?;
        let options = SocketOptions::default();
        let listener = Listener::unix(place.path().join("socket"), &options)?;
        assert!(listener.twin(&options)?.is_none());
        Ok(())
    }

    #[test]
    fn what_only_looks_like_an_address_is_none() {
        for host in
            ["1.2.3", "127.1", "2130706433", "0x7f000001", "0x7f.1", "010.0.0.1", "1.2.3.4.", "0x", "a.1"]
        {
            let failed = resolve(host, 80).map_err(|error| error.kind());
            assert_eq!(failed, Err(io::ErrorKind::InvalidInput), "{host}");
        }
        for host in ["127.0.0.1", "::1", "localhost"] {
            assert!(resolve(host, 80).is_ok_and(|found| found.iter().all(|at| at.port() == 80)), "{host}");
        }
    }
}
