//! A server to be: what is said of it holds in whatever order it was said, and its sockets are made when it serves.
#![allow(clippy::unwrap_used)]

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm::handler::{Handler, Request};
use httpfsm::peer::Peer;
use httpfsm_transport::{
    Inline, Listener, ListeningSocket, Opening, Server, ServerHandle, SocketOptions, Transport, unix_peer,
};
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

/// A transport that takes the listeners and never accepts.
#[derive(Clone, Default)]
struct Takes(Arc<Mutex<Option<Vec<Listener>>>>);

impl Transport for Takes {
    fn start<H: Handler>(self, mut opening: Opening, handler: H) -> io::Result<ServerHandle> {
        let (_, handle) = opening.service(Arc::new(Inline), handler)?;
        *self.0.lock().unwrap() = Some(opening.listeners);
        Ok(handle)
    }
}

impl Takes {
    fn listeners(&self) -> Vec<Listener> {
        self.0.lock().unwrap().take().expect("it was started")
    }
}

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

async fn handler(_: Request) -> &'static str {
    "fine"
}

fn server(takes: &Takes) -> Server<Takes> {
    Server::on(takes.clone(), ServerConfig::default())
}

/// Whether the socket shares its address, which only `SO_REUSEPORT` before it was bound allows.
fn shares_its_address(listener: &Listener, options: &SocketOptions) -> bool {
    listener.twin(options).unwrap().is_some()
}

/// How many connections the system takes for a listener that accepts none.
fn how_many_wait(path: &Path) -> usize {
    let mut waiting = Vec::new();
    loop {
        let client = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        client.set_nonblocking(true).unwrap();
        match client.connect(&SockAddr::unix(path).unwrap()) {
            Ok(()) if waiting.len() < 2000 => waiting.push(client),
            Ok(()) => return waiting.len(),
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                return waiting.len();
            }
        }
    }
}

#[test]
fn options_hold_for_listeners_that_were_added_before_them() {
    let options = SocketOptions {
        reuse_port: true,
        backlog: 7,
        nodelay: false,
        keepalive: Some(Duration::from_secs(77)),
        ..SocketOptions::default()
    };
    let place = tempfile::tempdir().unwrap();
    let paths = [place.path().join("before"), place.path().join("after")];
    let takes = Takes::default();
    let server = server(&takes).listen_tcp(ANY).listen_unix(&paths[0]).options(options.clone());
    let handle = server.listen_tcp(ANY).listen_unix(&paths[1]).serve(handler).unwrap();
    let listeners = takes.listeners();
    let (mut tcp, mut unix) = (0, 0);
    for listener in listeners {
        match listener.local_addr() {
            Peer::Ip(_) => {
                tcp += 1;
                assert!(shares_its_address(&listener, &options));
                let (_, ListeningSocket::Tcp(socket)) = listener.into_parts() else {
                    panic!("another socket")
                };
                let socket = SockRef::from(&socket);
                assert!(!socket.tcp_nodelay().unwrap());
                assert!(socket.keepalive().unwrap());
                assert_eq!(socket.tcp_keepalive_time().unwrap().as_secs(), 77);
            }
            Peer::Unix(_) => {
                let path = &paths[unix];
                unix += 1;
                // What a full backlog means is exact for these: so many wait, and the one whom `accept` would take.
                assert_eq!(how_many_wait(path), 8, "{}", path.display());
            }
        }
    }
    assert_eq!((tcp, unix), (2, 2));
    handle.begin_drain(Some(Duration::ZERO));
}

#[test]
fn listeners_keep_their_order_however_they_came() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("socket");
    let (made, given) =
        (Listener::tcp(ANY, &SocketOptions::default()).unwrap(), TcpListener::bind(ANY).unwrap());
    let expected = [made.local_addr().clone(), unix_peer(Some(&path)), Peer::Ip(given.local_addr().unwrap())];
    let takes = Takes::default();
    let server = server(&takes).listener(made).listen_unix(&path).listen_fd(&given).unwrap().listen_tcp(ANY);
    assert!(!path.exists(), "it is made when the server serves");
    let handle = server.serve(handler).unwrap();
    assert!(path.exists());
    let addresses = handle.local_addrs();
    assert_eq!(addresses.len(), 4);
    assert_eq!(addresses[..3], expected);
    assert!(matches!(addresses[3], Peer::Ip(address) if address.port() > 0));
    handle.begin_drain(Some(Duration::ZERO));
}

#[test]
fn an_address_that_cannot_be_listened_at_is_named_and_nothing_is_left_of_the_others() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("socket");
    let taken = TcpListener::bind(ANY).unwrap();
    let address = taken.local_addr().unwrap();
    let takes = Takes::default();
    let failed = server(&takes).listen_unix(&path).listen_tcp(address).listen_tcp(ANY).serve(handler);
    let error = failed.map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    assert!(!path.exists());
    assert!(takes.0.lock().unwrap().is_none(), "it was not started");

    let missing = place.path().join("no/socket");
    let error = server(&takes).listen_unix(&missing).serve(handler).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains(&missing.display().to_string()), "{error}");
}

#[test]
fn without_a_listener_the_configured_host_and_port_are_listened_at_with_the_options() {
    let options = SocketOptions { reuse_port: true, ..SocketOptions::default() };
    let mut config = ServerConfig { port: 0, ..ServerConfig::default() };
    config.host = "127.0.0.1".into();
    let takes = Takes::default();
    let handle = Server::on(takes.clone(), config).options(options.clone()).serve(handler).unwrap();
    assert!(shares_its_address(&takes.listeners()[0], &options));
    handle.begin_drain(Some(Duration::ZERO));
}
