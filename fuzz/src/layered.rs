//! A connection through a layer: its peer cuts the records anywhere, and the plain bytes in them.
//!
//! The first line of an input decides (any bytes up to LF). The rest are plain bytes, which travel through the layer of the
//! transport kit; what comes back has to be what a connection without a layer is sent. Or, where the line says so, they are
//! what comes from below the layer: then nothing plain may leave, and the connection has to end with its peer.
//!
//! Seen to fail where the layer's wire drops what the layer has not taken at once.

use std::io::IoSlice;

use httpfsm::handler::{IntoResponse, Request, Response};
use httpfsm::{ServerConfig, Status};
use httpfsm_transport::memory::{MemoryClient, MemoryServer};
use httpfsm_transport::{Layer, ListenerInfo};
use httpfsm_transport_kit::ToyLayer;

use crate::decisions::{Decisions, split};

/// Bytes of an input that are sent.
const MOST: usize = 16 << 10;
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Sends the bytes in a layer and without one, and compares; or below the layer.
pub fn check(input: &[u8]) {
    let (decisions, bytes) = split(input);
    let mut decisions = Decisions::new(decisions);
    // More than the layer takes at once.
    let mut bytes = bytes.repeat(1 + usize::from(decisions.next()) / 16);
    bytes.truncate(MOST);
    let bytes = &*bytes;
    if decisions.next() % 4 == 3 {
        below(&mut decisions, bytes);
    } else {
        let (layered, plain) = (through(&mut decisions, bytes), plain(bytes));
        // Whether a 100 is sent may depend on the cuts: it is of no use once content has come (RFC 9110 section 10.1.1).
        let (layered, plain) = (without_continue(&layered), without_continue(&plain));
        assert!(layered == plain, "{}\nthrough the layer, and without:\n{}", show(&layered), show(&plain));
    }
}

/// What is sent to a peer without a layer.
fn plain(bytes: &[u8]) -> Vec<u8> {
    let mut server = MemoryServer::new(ServerConfig::default(), respond);
    let client = server.connect().expect("a new server has room");
    client.send(bytes);
    client.close_write();
    let mut came = Vec::new();
    while run(&mut server, &client, &mut came) {}
    came
}

/// What is sent to a peer of the layer, taken out of its records.
fn through(decisions: &mut Decisions<'_>, bytes: &[u8]) -> Vec<u8> {
    let mut server = MemoryServer::new(ServerConfig::default(), respond);
    server.set_listener(ListenerInfo::default().layer(|_| Ok(ToyLayer::server())));
    let client = server.connect().expect("a new server has room");
    let mut peer = LayerPeer::new();
    let mut rest = bytes;
    loop {
        // The handshake comes first, and a write may take a part.
        let record = IoSlice::new(&rest[..rest.len().min(piece(decisions))]);
        let written = match rest {
            [] => 0,
            _ => peer.layer.write(&[record], &mut peer.down).expect("nothing broke the layer's protocol"),
        };
        rest = &rest[written..];
        let is_over = rest.is_empty() && peer.layer.is_established();
        if is_over {
            peer.layer.end(&mut peer.down);
        }
        while !peer.down.is_empty() {
            let cut = peer.down.len().min(piece(decisions));
            client.send(peer.down.drain(..cut).collect::<Vec<_>>());
            if is_over && peer.down.is_empty() {
                client.close_write();
            }
            let mut came = Vec::new();
            while run(&mut server, &client, &mut came) {}
            peer.receive(&came);
        }
        if is_over {
            return peer.plain;
        }
    }
}

/// Sends the bytes as what comes from below.
fn below(decisions: &mut Decisions<'_>, bytes: &[u8]) {
    let mut server = MemoryServer::new(ServerConfig::default(), respond);
    server.set_listener(ListenerInfo::default().layer(|_| Ok(ToyLayer::server())));
    let client = server.connect().expect("a new server has room");
    let (mut rest, mut came) = (bytes, Vec::new());
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(rest.len().min(piece(decisions)));
        client.send(piece);
        rest = behind;
        while run(&mut server, &client, &mut came) {}
    }
    client.close_write();
    while run(&mut server, &client, &mut came) {}
    assert!(!came.windows(5).any(|bytes| bytes == b"HTTP/"), "plain bytes left: {}", show(&came));
    assert_eq!(server.connections(), 0, "the connection goes on without a peer");
}

/// How many bytes go at once: from one to 16 KiB, mostly few.
fn piece(decisions: &mut Decisions<'_>) -> usize {
    let decision = usize::from(decisions.next());
    1 + decision * decision / 4
}

/// Runs the server, and takes what it sends. `false` if nothing came.
fn run<F>(server: &mut MemoryServer<F>, client: &MemoryClient, came: &mut Vec<u8>) -> bool
where
    F: httpfsm::Handler,
{
    server.run();
    let bytes = client.take();
    came.extend_from_slice(&bytes);
    !bytes.is_empty()
}

/// Responds with the length of the content: in what pieces it came does not show.
async fn respond(mut request: Request) -> Response {
    let (method, target) = (request.method().to_owned(), request.target().to_owned());
    match request.body().collect(MOST).await {
        Ok(content) => format!("{method} {target} {}", content.len()).into_response(),
        Err(_) => Response::new(Status::CONTENT_TOO_LARGE),
    }
}

/// The peer's end of the layer.
struct LayerPeer {
    layer: ToyLayer,
    /// What it sends.
    down: Vec<u8>,
    /// What it could not take yet.
    below: Vec<u8>,
    plain: Vec<u8>,
}

impl LayerPeer {
    fn new() -> Self {
        let mut peer =
            Self { layer: ToyLayer::client(), down: Vec::new(), below: Vec::new(), plain: Vec::new() };
        // A client's hello.
        peer.receive(&[]);
        peer
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.below.extend_from_slice(bytes);
        loop {
            let taken =
                self.layer.received(&self.below, &mut self.down).expect("the server keeps the protocol");
            self.below.drain(..taken);
            let mut plain = [0; 4096];
            let before = self.plain.len();
            while let Some(read @ 1..) = self.layer.read(&mut plain).expect("the server keeps the protocol") {
                self.plain.extend_from_slice(&plain[..read]);
            }
            if taken == 0 && self.plain.len() == before {
                return;
            }
        }
    }
}

fn without_continue(bytes: &[u8]) -> Vec<u8> {
    let mut rest = bytes;
    let mut kept = Vec::with_capacity(bytes.len());
    while let Some((first, behind)) = rest.split_first() {
        match rest.strip_prefix(CONTINUE) {
            Some(behind) => rest = behind,
            None => {
                kept.push(*first);
                rest = behind;
            }
        }
    }
    kept
}

fn show(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string().replace("\\r\\n", "\n")
}
