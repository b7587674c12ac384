//! A layer that panics behind its handshake.

use std::io::IoSlice;

use httpfsm::config::ServerConfig;
use httpfsm_transport::{Established, Layer, LayerError, ListenerInfo};
use httpfsm_transport_kit::ToyLayer;

use crate::support::{GET, ToyClient, Toys, response};

/// Which call panics, as soon as the handshake is complete.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Call {
    Received,
    BelowEnded,
    Read,
    Write,
    End,
    Held,
    Drop,
    None,
}

/// The toy layer with such a fault.
struct Faulty(ToyLayer, Call);

impl Faulty {
    fn pass(&self, call: Call) {
        if self.1 == call && self.0.is_established() {
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
        self.pass(Call::Write);
        self.0.write(plain, down)
    }

    fn end(&mut self, down: &mut Vec<u8>) {
        self.pass(Call::End);
        self.0.end(down);
    }

    fn established(&self) -> Option<Established> {
        self.0.established()
    }

    fn held(&self) -> usize {
        self.pass(Call::Held);
        self.0.held()
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.pass(Call::Drop);
    }
}

/// A connection whose layer has this fault: it makes a request, and its client goes. What is told of it.
fn told_of(call: Call) -> Vec<String> {
    let listener = ListenerInfo::default();
    let healthy = listener.clone().layer(|_| Ok(ToyLayer::server()));
    let mut toys = Toys::with(ServerConfig::default(), healthy);
    let open = |toys: &mut Toys| {
        let connection = toys.connect();
        let mut client = ToyClient::new(ToyLayer::client());
        toys.send(&connection, client.hello());
        client.open(&connection.take());
        toys.send(&connection, client.replies());
        (connection, client)
    };
    let (healthy, mut other) = open(&mut toys);
    toys.server.set_listener(listener.layer(move |_| Ok(Faulty(ToyLayer::server(), call))));
    toys.heard.take();
    let (connection, mut client) = open(&mut toys);
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
    use Call::{BelowEnded, Drop, End, Held, None, Read, Received, Write};
    for call in [None, Received, BelowEnded, Read, Write, End, Held, Drop] {
        let told = told_of(call);
        let failed =
            told.iter().filter(|text| *text == "prologue failed: A layer panicked: as it must").count();
        assert_eq!(failed, usize::from(call != None), "{call:?}: {told:?}");
        assert_eq!(told.iter().filter(|text| text.starts_with("closed: ")).count(), 1, "{call:?}: {told:?}");
    }
}
