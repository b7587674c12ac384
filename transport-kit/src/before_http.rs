//! What comes before HTTP, on a listener of a transport.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use httpfsm::config::ServerConfig;
use httpfsm::error::CloseReason;
use httpfsm::handler::{ConnectionInfo, Request, Subscriber};
use httpfsm::peer::Peer;
use httpfsm::server::NotAdmitted;
use httpfsm_transport::{
    HandedOver, Layer, Listener, Server, ServerHandle, SocketOptions, Transport, block_on,
};

use crate::sockets;
use crate::toy::ToyLayer;
use crate::toy_preface::ToyPreface;

/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(30);
/// A deadline that is to come.
const SOON: Duration = Duration::from_millis(50);

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const LAST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

async fn tell(request: Request) -> String {
    format!("{} of {}", request.scheme(), request.connection().peername)
}

/// Why connections ended that were not opened.
#[derive(Clone, Default)]
struct Unopened(Arc<Mutex<Vec<CloseReason>>>);

impl Unopened {
    fn push(&self, reason: CloseReason) {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(reason);
    }

    fn all(&self) -> Vec<CloseReason> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
}

impl Subscriber for Unopened {
    fn not_opened(&self, _: &ConnectionInfo, reason: CloseReason, _: Option<&str>) {
        self.push(reason);
    }

    fn not_admitted(&self, _: &Peer, _: &Peer, _: NotAdmitted) {
        self.push(CloseReason::NotAdmitted);
    }
}

/// A server under test.
struct ToyServer {
    handle: ServerHandle,
    address: SocketAddr,
    unopened: Unopened,
}

impl ToyServer {
    fn start<T: Transport>(server: Server<T>) -> Result<Self, String> {
        let listen = Listener::tcp((Ipv4Addr::LOCALHOST, 0).into(), &SocketOptions::default());
        let listener =
            listen.map_err(text)?.preface(|_| ToyPreface::default()).layer(|_| Ok(ToyLayer::server()));
        let listener = listener.behind_proxies();
        let Peer::Ip(address) = *listener.local_addr() else { return Err("It has no address.".to_owned()) };
        let unopened = Unopened::default();
        let server = server.subscriber(unopened.clone()).listener(listener.hand_over(echo));
        Ok(Self { handle: server.serve(tell).map_err(text)?, address, unopened })
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let stream = sockets::connect(self.address, false, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// Sends pieces in writes of their own, and reads to the end.
    fn exchange(&self, pieces: &[&[u8]]) -> io::Result<String> {
        let mut stream = self.connect()?;
        for piece in pieces {
            stream.write_all(piece)?;
        }
        let mut heard = String::new();
        stream.read_to_string(&mut heard)?;
        Ok(heard)
    }

    /// Waits until it is so.
    fn wait(&self, what: &str, is_so: impl Fn(&Self) -> bool) -> Result<(), String> {
        let began = Instant::now();
        while !is_so(self) {
            if began.elapsed() > PATIENCE {
                return Err(format!("The server does not take up {what}."));
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Has the server go out, and says why connections ended that were not opened.
    fn stop(self) -> Vec<CloseReason> {
        block_on(self.handle.begin_drain(None).gone());
        self.unopened.all()
    }
}

/// Sends back what a connection of another protocol sends, until it ends.
fn echo(handed: HandedOver) {
    thread::spawn(move || {
        let (leftover, io) = handed.connection.into_parts();
        let mut connection = httpfsm::handler::Upgraded::new(Default::default(), io);
        let _ = block_on(async {
            connection.write_all(&leftover).await?;
            let mut buffer = [0; 100];
            loop {
                match connection.read(&mut buffer).await? {
                    0 => return connection.close().await,
                    read => connection.write_all(&buffer[..read]).await?,
                }
            }
        });
    });
}

/// Checks what comes before HTTP on servers that `make` makes: prefaces that are cut anywhere, broken or too long, a
/// handshake, deadlines, limits, a drain, other protocols. A transport calls it in a test of its own; where it needs a
/// runtime, within one that serves while this blocks.
///
/// # Errors
///
/// A connection is not served as it is to be; the text says which.
pub fn before_http<T: Transport>(make: impl Fn(ServerConfig) -> Server<T>) -> Result<(), String> {
    let start = |config: ServerConfig| ToyServer::start(make(config));
    prefaces(start(ServerConfig::default())?)?;
    layers(start(ServerConfig::default())?)?;
    named_peers(start(ServerConfig { max_connections_per_peer: 1, ..ServerConfig::default() })?)?;
    let soon = Some(SOON);
    silence(
        start(ServerConfig { preface_timeout: soon, ..ServerConfig::default() })?,
        CloseReason::PrefaceTimeout,
    )?;
    let config = ServerConfig { handshake_timeout: soon, ..ServerConfig::default() };
    silence(start(config)?, CloseReason::HandshakeTimeout)?;
    eviction(start(ServerConfig { max_connections: 1, ..ServerConfig::default() })?)?;
    other_protocols(start(ServerConfig::default())?)?;
    drain(start(ServerConfig::default())?)
}

fn prefaces(server: ToyServer) -> Result<(), String> {
    let line = ToyPreface::line(&peer(1));
    let all = [&line, LAST].concat();
    for at in 0..all.len() {
        let (one, other) = all.split_at(at);
        let heard = server.exchange(&[one, other]).map_err(text)?;
        is(&format!("behind a preface that is cut at {at}"), &heard, "\r\n\r\nhttp of 192.0.2.1:5000")?;
    }
    let refused =
        "400 Bad Request\nWhat comes before the first request is not what this server expects there.\n";
    is("behind a broken preface", &server.exchange(&[b"FROM nowhere\r\n", GET]).map_err(text)?, refused)?;
    let long = [b"FROM ", &[b'1'; 5000][..]].concat();
    let refused =
        "400 Bad Request\nWhat comes before the first request is longer than this server accepts.\n";
    is("behind a long preface", &server.exchange(&[&long]).map_err(text)?, refused)?;
    ended(server, &[])
}

fn layers(server: ToyServer) -> Result<(), String> {
    for line in [vec![], ToyPreface::line(&peer(1))] {
        let heard = through_layer(&server, &line).map_err(text)?;
        let from = if line.is_empty() { "127.0.0.1:" } else { "192.0.2.1:5000" };
        if !heard.contains(&format!("\r\n\r\ntoys of {from}")) {
            return Err(format!("Through a layer is heard \"{heard}\"."));
        }
    }
    ended(server, &[])
}

/// What a client of the layer hears.
fn through_layer(server: &ToyServer, line: &[u8]) -> io::Result<String> {
    let (mut layer, mut down, mut heard) = (ToyLayer::client(), Vec::new(), Vec::new());
    let mut stream = server.connect()?;
    layer.received(&[], &mut down)?;
    stream.write_all(line)?;
    for byte in &down {
        stream.write_all(std::slice::from_ref(byte))?;
    }
    let (mut asked, mut buffer, mut plain) = (false, [0; 1000], [0; 1000]);
    loop {
        let read = stream.read(&mut buffer)?;
        let mut came = &buffer[..read];
        down.clear();
        while !came.is_empty() {
            came = &came[layer.received(came, &mut down)?..];
        }
        while let Some(bytes @ 1..) = layer.read(&mut plain)? {
            heard.extend_from_slice(&plain[..bytes]);
        }
        if layer.is_established() && !std::mem::replace(&mut asked, true) {
            layer.write(&[IoSlice::new(LAST)], &mut down)?;
        }
        stream.write_all(&down)?;
        if read == 0 || heard.windows(4).any(|end| end == b"toys") {
            return Ok(String::from_utf8_lossy(&heard).into_owned());
        }
    }
}

fn named_peers(server: ToyServer) -> Result<(), String> {
    let connected: io::Result<Vec<_>> = (0..3).map(|_| server.connect()).collect();
    let mut streams = connected.map_err(text)?;
    // None has named its peer yet, and all are from one address.
    server.wait("three connections of a proxy", |server| server.handle.stats().n_channels == 3)?;
    for (n, stream) in (1..).zip(&mut streams) {
        stream.write_all(&[&ToyPreface::line(&peer(n)), GET].concat()).map_err(text)?;
        let mut first = [0; 12];
        stream.read_exact(&mut first).map_err(text)?;
        is("of a peer that is named", &String::from_utf8_lossy(&first), "HTTP/1.1 200")?;
    }
    // The server may close it before all of it was read.
    let heard = server.exchange(&[&[&ToyPreface::line(&peer(1)), GET].concat()]).unwrap_or_default();
    if !heard.is_empty() {
        return Err(format!("A second connection of a peer that is named hears \"{heard}\"."));
    }
    drop(streams);
    ended(server, &[CloseReason::NotAdmitted])
}

fn silence(server: ToyServer, reason: CloseReason) -> Result<(), String> {
    let sent = match reason {
        CloseReason::PrefaceTimeout => b"FROM".to_vec(),
        _ => [&ToyPreface::line(&peer(1))[..], &[ToyLayer::FIRST_BYTE]].concat(),
    };
    let heard = server.exchange(&[&sent]).map_err(text)?;
    if !heard.is_empty() {
        return Err(format!("A peer that is silent hears \"{heard}\"."));
    }
    ended(server, &[reason])
}

fn eviction(server: ToyServer) -> Result<(), String> {
    let mut first = server.connect().map_err(text)?;
    first.write_all(b"FROM").map_err(text)?;
    // It may not have been accepted yet, and then the second is.
    server.wait("a connection", |server| server.handle.stats().n_channels > 0)?;
    let heard = server.exchange(&[LAST]).map_err(text)?;
    if !heard.contains("\r\n\r\nhttp of 127.0.0.1:") {
        return Err(format!("A connection that takes the place of another hears \"{heard}\"."));
    }
    let _ = first.read(&mut [0]);
    ended(server, &[CloseReason::Evicted])
}

fn other_protocols(server: ToyServer) -> Result<(), String> {
    let mut stream = server.connect().map_err(text)?;
    let mut heard = String::new();
    let mut exchange = || {
        stream.write_all(b"OTHER\r\nahead")?;
        stream.read_exact(&mut [0; 5])?;
        stream.write_all(b"and behind")?;
        stream.shutdown(std::net::Shutdown::Write)?;
        stream.read_to_string(&mut heard)
    };
    exchange().map_err(text)?;
    is("from another protocol", &heard, "and behind")?;
    ended(server, &[])
}

fn drain(server: ToyServer) -> Result<(), String> {
    let mut streams = Vec::new();
    let line = ToyPreface::line(&peer(1));
    for sent in [&b"FROM"[..], &[&line[..], &[ToyLayer::FIRST_BYTE]].concat()] {
        let mut stream = server.connect().map_err(text)?;
        stream.write_all(sent).map_err(text)?;
        streams.push(stream);
    }
    ended(server, &[CloseReason::Drained, CloseReason::Drained])
}

fn ended(server: ToyServer, expected: &[CloseReason]) -> Result<(), String> {
    let unopened = server.stop();
    if unopened == expected {
        return Ok(());
    }
    Err(format!("Connections ended before they opened: {unopened:?}, and not {expected:?}."))
}

fn is(what: &str, heard: &str, end: &str) -> Result<(), String> {
    if heard.ends_with(end) { Ok(()) } else { Err(format!("{what} is heard \"{heard}\" and not \"{end}\".")) }
}

fn peer(n: u8) -> Peer {
    Peer::Ip(SocketAddr::from(([192, 0, 2, n], 5000)))
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
