//! A layer that a listener puts on its connections, and its handshake.

use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use httpfsm::config::ServerConfig;
use httpfsm::handler::Request;
use httpfsm_transport::memory::pair;
use httpfsm_transport::{
    Accepted, Clock, Established, Inline, Layer, LayerError, Layered, ListenerInfo, Preface, PrefaceRead,
    PrefaceVerdict, Service, Wire,
};
use httpfsm_transport_kit::{ToyLayer, ToyPreface};

use crate::support::{GET, ToyClient, Toys, peer, response};

/// A listener whose connections all have the toy layer.
fn layered() -> ListenerInfo {
    ListenerInfo::default().layer(|_| Ok(ToyLayer::server()))
}

/// One whose connections have it behind the line that names the peer.
fn proxied() -> ListenerInfo {
    layered().preface(|_| ToyPreface::default())
}

#[test]
fn a_request_goes_through_the_layer_wherever_the_handshake_is_cut() {
    for (listener, line) in [(layered(), vec![]), (proxied(), ToyPreface::line(&peer(1)))] {
        let mut probe = ToyClient::new(ToyLayer::client());
        let hello = [line.clone(), probe.hello()].concat();
        for at in 0..=hello.len() {
            let mut toys = Toys::with(ServerConfig::default(), listener.clone());
            let connection = toys.connect();
            let mut client = ToyClient::new(ToyLayer::client());
            let _ = client.hello();
            toys.send(&connection, &hello[..at]);
            toys.send(&connection, &hello[at..]);
            assert_eq!(client.open(&connection.take()), b"");
            assert!(client.layer.is_established(), "{at}");
            assert_eq!(toys.heard.take(), [""; 0], "{at}: the client has not confirmed it");
            // The confirmation has four bytes.
            let (request, last) = (client.seal(GET), at % 8);
            toys.send(&connection, &request[..last]);
            assert_eq!(toys.heard.take().len(), usize::from(last >= 4), "{at}");
            toys.send(&connection, &request[last..]);
            let (status, content) = response(&client.open(&connection.take()));
            assert_eq!(status, "HTTP/1.1 200 OK", "{at}");
            let peername = if line.is_empty() { "127.0.0.1:" } else { "192.0.2.1:5000" };
            assert!(content.starts_with(&format!("toys of {peername}")), "{at}: {content}");
            drop(connection);
            toys.server.run();
            toys.is_empty();
        }
    }
}

#[test]
fn plain_bytes_that_come_with_the_end_of_the_handshake_are_the_first_request() {
    let mut toys = Toys::with(ServerConfig::default(), proxied());
    let connection = toys.connect();
    let mut client = ToyClient::new(ToyLayer::client());
    toys.send(&connection, [ToyPreface::line(&peer(1)), client.hello()].concat());
    assert_eq!(client.open(&connection.take()), b"");
    toys.send(&connection, client.seal(GET));
    assert_eq!(response(&client.open(&connection.take())).1, "toys of 192.0.2.1:5000");
}

/// No client of the toy layer can write it before, but another layer's may.
#[test]
fn a_handshake_and_a_request_that_come_at_once_open_the_channel_and_are_answered() {
    let mut toys = Toys::with(ServerConfig::default(), proxied());
    let connection = toys.connect();
    let mut client = ToyClient::new(ToyLayer::client());
    let hello = client.hello();
    // Another server has said hello to it, with the same words.
    let mut answer = Vec::new();
    ToyLayer::server().received(&hello, &mut answer).unwrap();
    assert_eq!(client.open(&answer), b"");
    let all = [ToyPreface::line(&peer(1)), hello, client.seal(GET)].concat();
    toys.send(&connection, all);
    let came = connection.take();
    let (_, sealed) = came.split_at(answer.len());
    assert_eq!(response(&client.open(sealed)).1, "toys of 192.0.2.1:5000");
}

#[test]
fn the_first_byte_chooses_between_plain_text_and_the_layer() {
    let toys = || Toys::new(ServerConfig::default());
    let mut plain = toys();
    let connection = plain.connect();
    plain.send(&connection, GET);
    assert!(response(&connection.take()).1.starts_with("http of "));
    let mut layered = toys();
    let connection = layered.connect();
    let mut client = ToyClient::new(ToyLayer::client());
    layered.send(&connection, client.hello());
    client.open(&connection.take());
    let request = client.seal(GET);
    layered.send(&connection, request);
    assert!(response(&client.open(&connection.take())).1.starts_with("toys of "));
}

#[test]
fn a_preface_may_leave_out_the_layer_of_the_listener() {
    let mut toys = Toys::with(ServerConfig::default(), proxied());
    let connection = toys.connect();
    toys.send(&connection, [&ToyPreface::line(&peer(1)), GET].concat());
    assert_eq!(response(&connection.take()).1, "http of 192.0.2.1:5000");
}

#[test]
fn a_handshake_that_does_not_come_or_stops_is_closed_in_time() {
    for sent in [0, 1, 4, 8, 9] {
        let mut toys = Toys::with(ServerConfig::default(), proxied());
        let connection = toys.connect();
        let hello = ToyClient::new(ToyLayer::client()).hello();
        toys.advance(9_000);
        // Without any of it, the preface is what does not come.
        toys.send(&connection, [&ToyPreface::line(&peer(1)), &hello[..sent]].concat());
        let (left, reason) = if sent == 0 { (1_000, "PrefaceTimeout") } else { (10_000, "HandshakeTimeout") };
        toys.advance(left - 1);
        assert_eq!(toys.heard.take(), [""; 0], "{sent}");
        toys.advance(1);
        assert_eq!(toys.heard.take(), [format!("not opened: {reason}")], "{sent}");
        assert_eq!(
            (connection.is_ended(), connection.take().len()),
            (true, if sent == 9 { 9 } else { 0 }),
            "{sent}"
        );
        toys.is_empty();
    }
    // Without a preface, its time begins when the connection is accepted.
    let mut toys = Toys::with(ServerConfig::default(), layered());
    let connection = toys.connect();
    toys.advance(10_000);
    assert_eq!(toys.heard.take(), ["not opened: HandshakeTimeout"]);
    assert!(connection.is_ended());
}

#[test]
fn a_handshake_that_fails_closes_behind_what_the_layer_says() {
    let mut toys = Toys::with(ServerConfig::default(), layered());
    let connection = toys.connect();
    toys.send(&connection, b"\x01 this is no hello");
    assert_eq!(toys.heard.take(), ["not opened: HandshakeFailed"]);
    let alert = connection.take();
    assert!(connection.is_ended() && !alert.is_empty(), "it has sent an alert: {alert:?}");
    toys.is_empty();
}

#[test]
fn a_peer_that_ends_or_resets_in_the_handshake_is_not_opened() {
    for (resets, reason) in [(false, "PeerEnded"), (true, "Disconnected")] {
        for sent in [0, 3] {
            let mut toys = Toys::with(ServerConfig::default(), layered());
            let connection = toys.connect();
            let hello = ToyClient::new(ToyLayer::client()).hello();
            toys.send(&connection, &hello[..sent]);
            if resets {
                connection.reset()
            } else {
                connection.close_write()
            }
            toys.server.run();
            assert_eq!(toys.heard.take(), [format!("not opened: {reason}")]);
            toys.is_empty();
        }
    }
}

/// Over a connection that holds few bytes, what the layer says leaves when there is room.
#[test]
fn a_handshake_over_a_narrow_connection_is_done_in_pieces() {
    for capacity in (1..30).chain([1000]) {
        let handler = |_: Request| async { "fine" };
        let service = Service::new(ServerConfig::default(), Clock::manual(), Arc::new(Inline), None, handler);
        let (near, far) = pair(capacity);
        let accepted = Accepted::new(far, peer(9), peer(8)).with_listener(Arc::new(layered()));
        let mut driver = service.connect_accepted(accepted).unwrap();
        let mut client = Layered::new(near, ToyLayer::client());
        let (mut sent, mut heard, mut buffer) = (0, Vec::new(), [0; 100]);
        let cx = &mut Context::from_waker(Waker::noop());
        for _ in 0..2000 {
            let _ = client.poll_flush(cx);
            if let Poll::Ready(Ok(read)) = client.poll_read(cx, &mut buffer) {
                heard.extend_from_slice(&buffer[..read]);
            }
            if let (Some(rest @ [_, ..]), true) = (GET.get(sent..), client.layer().is_established()) {
                if let Poll::Ready(Ok(taken)) = client.poll_write(cx, rest) {
                    sent += taken;
                }
            }
            assert!(Pin::new(&mut driver).poll(cx).is_pending());
            if heard.ends_with(b"fine") {
                break;
            }
        }
        assert!(heard.ends_with(b"fine"), "{capacity}: {}", heard.escape_ascii());
    }
}

#[test]
fn bytes_of_the_layer_that_are_no_request_leave_a_connection_as_idle_as_it_was() {
    let config = ServerConfig { max_connections: 2, ..ServerConfig::default() };
    let mut toys = Toys::with(config, layered());
    let mut clients = [(); 2].map(|()| {
        toys.advance(1);
        let (connection, mut client) = (toys.connect(), ToyClient::new(ToyLayer::client()));
        toys.send(&connection, client.hello());
        assert_eq!(client.open(&connection.take()), b"");
        toys.send(&connection, client.seal(GET));
        assert_eq!(response(&client.open(&connection.take())).0, "HTTP/1.1 200 OK");
        (connection, client)
    });
    toys.advance(1);
    let (longest, client) = &mut clients[0];
    let record = client.seal(GET);
    toys.send(longest, &record[..1]);
    toys.advance(1);
    let _third = toys.connect();
    assert_eq!(clients.map(|(connection, _)| connection.is_ended()), [true, false]);
}

/// A layer without a handshake: it inverts each byte.
#[derive(Default)]
pub(crate) struct Inverse {
    plain: Vec<u8>,
    ended: bool,
}

impl Layer for Inverse {
    fn received(&mut self, below: &[u8], _: &mut Vec<u8>) -> Result<usize, LayerError> {
        self.plain.extend(below.iter().map(|byte| !byte));
        Ok(below.len())
    }

    fn below_ended(&mut self) {
        self.ended = true;
    }

    fn read(&mut self, plain: &mut [u8]) -> Result<Option<usize>, LayerError> {
        let read = plain.len().min(self.plain.len());
        plain[..read].copy_from_slice(&self.plain[..read]);
        self.plain.drain(..read);
        Ok(if read == 0 && !self.ended { None } else { Some(read) })
    }

    fn write(&mut self, plain: &[std::io::IoSlice<'_>], down: &mut Vec<u8>) -> Result<usize, LayerError> {
        let before = down.len();
        down.extend(plain.iter().flat_map(|slice| slice.iter()).map(|byte| !byte));
        Ok(down.len() - before)
    }

    fn end(&mut self, _: &mut Vec<u8>) {}
}

pub(crate) fn inverse(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| !byte).collect()
}

#[test]
fn a_layer_without_a_handshake_opens_at_once() {
    let listener = ListenerInfo::default().layer(|_| Ok(Inverse::default()));
    let mut toys = Toys::with(ServerConfig::default(), listener);
    let connection = toys.connect();
    assert!(toys.heard.take()[0].starts_with("opened: "), "before its first byte");
    toys.send(&connection, inverse(GET));
    assert!(response(&inverse(&connection.take())).1.starts_with("http of "));
}

/// A layer with a handshake of two steps: it responds to the first, and waits for the second.
#[derive(Default)]
struct Steps {
    steps: usize,
    rest: Inverse,
}

impl Layer for Steps {
    fn received(&mut self, below: &[u8], down: &mut Vec<u8>) -> Result<usize, LayerError> {
        match (self.steps, below) {
            (_, []) => Ok(0),
            (0, _) => {
                self.steps = 1;
                down.extend_from_slice(b"go on");
                Ok(1)
            }
            (1, _) => {
                self.steps = 2;
                Ok(1)
            }
            _ => self.rest.received(below, down),
        }
    }

    fn below_ended(&mut self) {
        self.rest.below_ended();
    }

    fn read(&mut self, plain: &mut [u8]) -> Result<Option<usize>, LayerError> {
        self.rest.read(plain)
    }

    fn write(&mut self, plain: &[std::io::IoSlice<'_>], down: &mut Vec<u8>) -> Result<usize, LayerError> {
        self.rest.write(plain, down)
    }

    fn end(&mut self, _: &mut Vec<u8>) {}

    fn established(&self) -> Option<Established> {
        (self.steps == 2).then(Established::default)
    }
}

#[test]
fn a_handshake_of_several_steps_sends_each_of_them() {
    let listener = ListenerInfo::default().layer(|_| Ok(Steps::default()));
    let mut toys = Toys::with(ServerConfig::default(), listener);
    let connection = toys.connect();
    toys.send(&connection, "1");
    assert_eq!((connection.take_text().as_str(), toys.heard.take().len()), ("go on", 0));
    toys.send(&connection, [b"2".to_vec(), inverse(GET)].concat());
    assert!(response(&inverse(&connection.take())).1.starts_with("http of "));
}

/// A layer that breaks a rule in its handshake.
struct Broken(fn(&mut Vec<u8>) -> Result<usize, LayerError>, Option<usize>);

impl Layer for Broken {
    fn received(&mut self, below: &[u8], down: &mut Vec<u8>) -> Result<usize, LayerError> {
        if below.is_empty() { Ok(0) } else { (self.0)(down) }
    }

    fn below_ended(&mut self) {}

    fn read(&mut self, _: &mut [u8]) -> Result<Option<usize>, LayerError> {
        Ok(self.1)
    }

    fn write(&mut self, _: &[std::io::IoSlice<'_>], _: &mut Vec<u8>) -> Result<usize, LayerError> {
        Ok(0)
    }

    fn end(&mut self, _: &mut Vec<u8>) {}

    fn established(&self) -> Option<Established> {
        None
    }
}

#[test]
fn a_layer_that_takes_nothing_or_gives_bytes_too_soon_fails() {
    for (takes, gives) in [(0, None), (1, Some(1))] {
        let received: fn(&mut Vec<u8>) -> _ = if takes == 0 { |_| Ok(0) } else { |_| Ok(1) };
        let listener = ListenerInfo::default().layer(move |_| Ok(Broken(received, gives)));
        let mut toys = Toys::with(ServerConfig::default(), listener);
        let connection = toys.connect();
        toys.send(&connection, "x");
        assert_eq!(toys.heard.take(), ["not opened: HandshakeFailed"]);
        assert!(connection.is_ended());
        toys.is_empty();
    }
}

/// A layer that panics at its first bytes, or when it is asked whether it is established.
struct Bomb {
    at_first: bool,
}

impl Layer for Bomb {
    fn received(&mut self, below: &[u8], _: &mut Vec<u8>) -> Result<usize, LayerError> {
        assert!(!self.at_first, "as it must");
        Ok(below.len())
    }

    fn below_ended(&mut self) {}

    fn read(&mut self, _: &mut [u8]) -> Result<Option<usize>, LayerError> {
        Ok(None)
    }

    fn write(&mut self, _: &[IoSlice<'_>], _: &mut Vec<u8>) -> Result<usize, LayerError> {
        Ok(0)
    }

    fn end(&mut self, _: &mut Vec<u8>) {}

    fn established(&self) -> Option<Established> {
        assert!(self.at_first, "as it must");
        None
    }
}

#[test]
fn a_layer_that_panics_ends_its_connection_alone_and_that_is_told() {
    for at_first in [true, false] {
        let listener = ListenerInfo::default().layer(move |_| Ok(Bomb { at_first }));
        let mut toys = Toys::with(ServerConfig::default(), listener);
        let client = toys.connect();
        toys.send(&client, "x");
        let expected = ["layer failed: A layer panicked: as it must", "not opened: Disconnected"];
        assert_eq!(toys.heard.take(), expected, "at the first bytes: {at_first}");
        assert!(client.is_ended());
        toys.is_empty();
    }
}

/// What has come of a record is in the layer, in its handshake and behind it.
#[test]
fn what_a_layer_holds_is_in_the_ledger() {
    let mut toys = Toys::with(ServerConfig::default(), layered());
    let connection = toys.connect();
    let mut client = ToyClient::new(ToyLayer::client());
    let hello = client.hello();
    toys.send(&connection, &hello[..7]);
    assert!((7..100).contains(&toys.server.held().memory.output), "{:?}", toys.server.held());
    toys.send(&connection, &hello[7..]);
    assert_eq!(toys.server.held().memory.total(), 0);
    client.open(&connection.take());
    let long = [b"GET / HTTP/1.1\r\nHost: a\r\nX: ", &[b'x'; 900][..], b"\r\n\r\n"].concat();
    let request = client.seal(&long);
    let (half, rest) = request.split_at(800);
    toys.send(&connection, half);
    assert!((700..3000).contains(&toys.server.held().memory.output), "{:?}", toys.server.held());
    assert_eq!(toys.server.held().memory.input, 0);
    toys.send(&connection, rest);
    assert_eq!(response(&client.open(&connection.take())).0, "HTTP/1.1 200 OK");
    assert_eq!(toys.server.held().memory.total(), 0);
    drop(connection);
    toys.server.run();
    toys.is_empty();
}

/// It is a record of which most is missing, and the server may hold nothing.
#[test]
fn a_server_without_room_finishes_handshakes_and_responds() {
    let config = ServerConfig { max_buffered_bytes: 1, ..ServerConfig::default() };
    let mut toys = Toys::with(config, layered());
    let held = toys.connect();
    toys.send(&held, &ToyClient::new(ToyLayer::client()).hello()[..7]);
    assert!(toys.server.held().memory.total() > 1);
    let connection = toys.connect();
    let mut client = ToyClient::new(ToyLayer::client());
    toys.send(&connection, client.hello());
    client.open(&connection.take());
    let request = client.seal(GET);
    for byte in request {
        toys.send(&connection, [byte]);
    }
    assert_eq!(response(&client.open(&connection.take())).0, "HTTP/1.1 200 OK");
}

/// With a preface before it and without one.
#[test]
fn a_layer_that_cannot_be_made_closes_the_connection_and_that_is_told() {
    let own: fn() -> _ = || LayerError::own("There is no key.");
    let peers: fn() -> _ = || LayerError::peer("There is no such name.");
    for (error, is_own) in [(own, true), (peers, false)] {
        let listener = ListenerInfo::default().layer(move |_| Err::<ToyLayer, _>(error()));
        for (listener, sent) in
            [(listener.clone(), vec![b'x']), (listener.preface(|_| LineOnly), ToyPreface::line(&peer(1)))]
        {
            let mut toys = Toys::with(ServerConfig::default(), listener);
            let connection = toys.connect();
            toys.send(&connection, sent);
            let mut expected = vec!["not opened: HandshakeFailed"];
            if is_own {
                expected.insert(
                    0,
                    "prologue failed: No layer was made: The protocol below HTTP cannot go on: There is no key.",
                );
            }
            assert_eq!(toys.heard.take(), expected);
            let text = toys.heard.text().unwrap();
            assert!(
                text.ends_with(if is_own { ": There is no key." } else { ": There is no such name." }),
                "{text}"
            );
            assert!(connection.is_ended() && connection.take().is_empty());
            toys.is_empty();
        }
    }
}

/// A line, and then the layer of the listener.
struct LineOnly;

impl Preface for LineOnly {
    fn received(&mut self, bytes: &[u8]) -> PrefaceVerdict {
        match bytes.iter().position(|byte| *byte == b'\n') {
            Some(end) => PrefaceVerdict::Read(PrefaceRead::new(end + 1)),
            None => PrefaceVerdict::NeedsMore,
        }
    }
}
