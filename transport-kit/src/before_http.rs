//! What comes before HTTP, on a listener of a transport or on connections that are given to a server.

mod server;

use std::io::{self, IoSlice, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use httpfsm::config::ServerConfig;
use httpfsm::error::CloseReason;
use httpfsm::peer::Peer;
use httpfsm_transport::{Layer, Server, Transport};

pub use server::PrefacedConnections;
use server::{PATIENCE, ToyServer};

use crate::subject::Served;
use crate::toy::ToyLayer;
use crate::toy_preface::ToyPreface;

/// A deadline that is to come.
const SOON: Duration = Duration::from_millis(50);

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const LAST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// Checks what comes before HTTP on servers that `make` makes: prefaces that are cut anywhere, broken or too long, a
/// handshake, deadlines, limits, a drain, other protocols. A transport calls it in a test of its own; where it needs a
/// runtime, within one that serves while this blocks.
///
/// ```
/// use httpfsm_tokio::Server;
/// use httpfsm_transport_kit::before_http;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
/// let _inside = runtime.enter();
/// before_http(Server::new)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// A connection is not served as it is to be; the text says which.
pub fn before_http<T: Transport>(make: impl Fn(ServerConfig) -> Server<T>) -> Result<(), String> {
    checks(|config| ToyServer::start(make(config)))
}

/// The same on connections that are given to a server of yours one by one, as a transport without listeners does. `serve`
/// makes the server and says how peers connect to it:
///
/// ```
/// use httpfsm_tokio::{BlockingPool, Io};
/// use httpfsm_transport_kit::{Ends, PrefacedConnections, Served, before_http_over};
/// use tokio::io::duplex;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
/// before_http_over(|plan: PrefacedConnections| {
///     let server = plan.connections(BlockingPool)?;
///     let (handle, runtime) = (server.handle(), runtime.handle().clone());
///     Ok(Served::over(handle, move |ends: Ends| {
///         let (peer, io) = duplex(ends.capacity);
///         // The preface is the listener's, of which the connection is.
///         if let Ok(connection) = server.serve_accepted(plan.accepted(Io::new(io), ends)) {
///             drop(runtime.spawn(connection));
///         }
///         Ok(Io::new(peer))
///     }))
/// })?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// As [`before_http`].
pub fn before_http_over(serve: impl Fn(PrefacedConnections) -> io::Result<Served>) -> Result<(), String> {
    checks(|config| ToyServer::over(config, &serve))
}

fn checks(start: impl Fn(ServerConfig) -> Result<ToyServer, String>) -> Result<(), String> {
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
    // A server of connections that are given to it turns this one away while the first closes.
    let (mut heard, began) = (String::new(), Instant::now());
    while heard.is_empty() && began.elapsed() < PATIENCE {
        heard = server.exchange(&[LAST]).unwrap_or_default();
    }
    if !heard.contains("\r\n\r\nhttp of 127.0.0.1:") {
        return Err(format!("A connection that takes the place of another hears \"{heard}\"."));
    }
    let _ = first.read(&mut [0]);
    let mut unopened = server.stop();
    unopened.retain(|reason| *reason != CloseReason::NotAdmitted);
    is_expected(&unopened, &[CloseReason::Evicted])
}

fn other_protocols(server: ToyServer) -> Result<(), String> {
    let mut stream = server.connect().map_err(text)?;
    let mut heard = String::new();
    let mut exchange = || {
        stream.write_all(b"OTHER\r\nahead")?;
        stream.read_exact(&mut [0; 5])?;
        stream.write_all(b"and behind")?;
        stream.fin();
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
    is_expected(&server.stop(), expected)
}

fn is_expected(unopened: &[CloseReason], expected: &[CloseReason]) -> Result<(), String> {
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
