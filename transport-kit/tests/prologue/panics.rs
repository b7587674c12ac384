//! A layer that panics, mostly behind its handshake.

use std::io::{IoSlice, Write};

use httpfsm::config::ServerConfig;
use httpfsm_transport::memory::MemoryClient;
use httpfsm_transport::{Established, Layer, LayerError, ListenerInfo, Preface, PrefaceRead, PrefaceVerdict};
use httpfsm_transport_kit::ToyLayer;

use crate::support::{GET, ToyClient, Toys, peer, response};

/// Which call panics, as soon as the handshake is complete, or before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Call {
    Received,
    BelowEnded,
    Read,
    Write,
    WriteThrough,
    End,
    Held,
    HeldBefore,
    Drop,
    None,
}

/// The toy layer with such a fault.
struct Faulty(ToyLayer, Call);

impl Faulty {
    fn is_due(&self, call: Call) -> bool {
        self.1 == call && self.0.is_established() == (call != Call::HeldBefore)
    }

    fn pass(&self, call: Call) {
        if self.is_due(call) {
            std::panic::resume_unwind(Box::new("as it must"));
        }
    }
}

impl Layer for Faulty {
    fn received(&mut self, below: &[u8], down: &mut Vec<u8>) -> Result<usize, LayerError> {
        self.pass(Call::Received);
        self.0.received(below, down)
    }

    fn below_ended(&mut self) {
        self.pass(Call::BelowEnded);
        self.0.below_ended();
    }

    fn read(&mut self, plain: &mut [u8]) -> Result<Option<usize>, LayerError> {
        self.pass(Call::Read);
        self.0.read(plain)
    }

    fn write(&mut self, plain: &[IoSlice<'_>], down: &mut Vec<u8>) -> Result<usize, LayerError> {
        if self.is_due(Call::Write) {
            // As one that encrypts them where they are to leave.
            down.extend(plain.iter().flat_map(|slice| slice.iter()));
        }
        self.pass(Call::Write);
        self.0.write(plain, down)
    }

    fn write_through(
        &mut self,
        plain: &[IoSlice<'_>],
        below: &mut dyn Write,
        down: &mut Vec<u8>,
    ) -> Result<usize, LayerError> {
        if self.is_due(Call::WriteThrough) {
            assert_eq!(below.write(b"sealed").unwrap(), 6);
            down.extend_from_slice(b"plain");
            self.pass(Call::WriteThrough);
        }
        self.write(plain, down)
    }

    fn end(&mut self, down: &mut Vec<u8>) {
        self.pass(Call::End);
        self.0.end(down);
    }

    fn established(&self) -> Option<Established> {
        self.0.established()
    }

    fn held(&self) -> usize {
        self.pass(Call::HeldBefore);
        self.pass(Call::Held);
        self.0.held()
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.pass(Call::Drop);
    }
}

/// A listener whose layers have this fault.
fn faulty(call: Call) -> ListenerInfo {
    ListenerInfo::default().layer(move |_| Ok(Faulty(ToyLayer::server(), call)))
}

/// A connection through the toy layer behind these bytes, and its client.
fn open(toys: &mut Toys, before: &[u8]) -> (MemoryClient, ToyClient) {
    let connection = toys.connect();
    let mut client = ToyClient::new(ToyLayer::client());
    toys.send(&connection, [before, &client.hello()].concat());
    client.open(&connection.take());
    toys.send(&connection, client.replies());
    (connection, client)
}

/// A connection whose layer has this fault: it makes a request, and its client goes. What is told of it.
fn told_of(call: Call) -> Vec<String> {
    let mut toys = Toys::with(ServerConfig::default(), faulty(Call::None));
    let (healthy, mut other) = open(&mut toys, b"");
    toys.server.set_listener(faulty(call));
    toys.heard.take();
    let (connection, mut client) = open(&mut toys, b"");
    toys.send(&connection, client.seal(GET));
    if call != Call::BelowEnded {
        // By the layer's own end, which is responded to by another.
        let mut end = Vec::new();
        client.layer.end(&mut end);
        toys.send(&connection, end);
    }
    drop(connection);
    toys.server.run();
    let told = toys.heard.take();
    // The others notice nothing.
    toys.send(&healthy, other.seal(GET));
    assert_eq!(response(&other.open(&healthy.take())).0, "HTTP/1.1 200 OK", "{call:?}");
    drop(healthy);
    toys.server.run();
    toys.is_empty();
    told
}

#[test]
fn a_layer_that_panics_behind_its_handshake_ends_its_connection_alone_and_that_is_told_once() {
    use Call::{BelowEnded, Drop, End, Held, None, Read, Received, Write, WriteThrough};
    for call in [None, Received, BelowEnded, Read, Write, WriteThrough, End, Held, Drop] {
        let told = told_of(call);
        let failed = told.iter().filter(|text| *text == "layer failed: A layer panicked: as it must").count();
        assert_eq!(failed, usize::from(call != None), "{call:?}: {told:?}");
        assert_eq!(told.iter().filter(|text| text.starts_with("closed: ")).count(), 1, "{call:?}: {told:?}");
    }
}

#[test]
fn a_layer_that_panics_when_it_is_asked_what_it_holds_ends_its_connection_at_once() {
    let failed = "layer failed: A layer panicked: as it must";
    let mut toys = Toys::with(ServerConfig::default(), faulty(Call::Held));
    let (connection, _client) = open(&mut toys, b"");
    assert!(connection.is_ended(), "nothing else wakes it");
    let told = toys.heard.take();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].starts_with("opened: "), "{told:?}");
    assert_eq!(told[1..], [failed, "closed: Disconnected"]);
    toys.is_empty();

    let mut toys = Toys::with(ServerConfig::default(), faulty(Call::HeldBefore));
    let connection = toys.connect();
    assert!(connection.is_ended(), "nothing else wakes it");
    assert_eq!(toys.heard.take(), [failed, "not opened: Disconnected"]);
    assert!(toys.heard.text().unwrap().ends_with("A layer panicked: as it must"));
    toys.is_empty();
}

/// A byte that stands for a peer.
struct NamesPeer;

impl Preface for NamesPeer {
    fn received(&mut self, bytes: &[u8]) -> PrefaceVerdict {
        bytes.first().map_or(PrefaceVerdict::NeedsMore, |&n| {
            PrefaceVerdict::Read(PrefaceRead::new(1).peername(peer(n)))
        })
    }
}

#[test]
fn a_layer_that_panics_behind_a_preface_is_told_with_the_peer_that_this_names() {
    let mut toys = Toys::with(ServerConfig::default(), faulty(Call::Read).preface(|_| NamesPeer));
    let (connection, _client) = open(&mut toys, &[1]);
    assert!(connection.is_ended());
    assert_eq!(toys.heard.failed_on(), Some(peer(1)));
}

#[test]
fn nothing_is_sent_of_what_a_call_that_panics_has_made_but_what_has_left() {
    for (call, left) in [(Call::Write, ""), (Call::WriteThrough, "sealed")] {
        let mut toys = Toys::with(ServerConfig::default(), faulty(call));
        let (connection, mut client) = open(&mut toys, b"");
        assert_eq!(connection.take(), b"");
        toys.send(&connection, client.seal(GET));
        assert!(connection.is_ended(), "{call:?}");
        assert_eq!(connection.take_text(), left, "{call:?}");
    }
}
