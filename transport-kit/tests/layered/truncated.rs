//! Peers that end the connection without the end of the layer: between messages, and within them.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Instant;

use httpfsm::channel::{CompiledConfig, Facts};
use httpfsm::config::{ChannelConfig, ServerConfig};
use httpfsm::error::CloseReason;
use httpfsm::handler::{ConnectionInfo, Handler, Request, Subscriber};
use httpfsm::peer::Peer;
use httpfsm::response::ResponseRef;
use httpfsm::{Fields, Status};
use httpfsm_transport::memory::pair;
use httpfsm_transport::{Clock, Connection, Driver, Event, Held, Inline, Layered, Service, Timer, Wire};
use httpfsm_transport_kit::ToyLayer;

use crate::support::{Toy, cx, read, toys};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// How connections end.
#[derive(Default)]
struct Ends(Mutex<Vec<String>>);

impl Ends {
    fn push(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }
}

impl Subscriber for Ends {
    fn connection_lost(&self, _: &ConnectionInfo, text: &str) {
        self.push(format!("lost: {text}"));
    }

    fn peer_ended(&self, _: &ConnectionInfo) {
        self.push("ended".into());
    }

    fn closed(&self, _: &ConnectionInfo, reason: CloseReason) {
        self.push(format!("{reason:?}"));
    }
}

const LOST: &str =
    "lost: The connection ended before the end of the protocol below HTTP, so what came may be cut.";

async fn respond(request: Request) -> String {
    match request.target() {
        "/wait" => std::future::pending().await,
        "/large" => "x".repeat(100_000),
        _ => "fine".into(),
    }
}

fn poll<H: Handler, W: Wire>(driver: &mut Option<Driver<H, W>>) {
    for _ in 0..20 {
        if driver.as_mut().is_some_and(|driver| Pin::new(driver).poll(&mut cx()).is_ready()) {
            *driver = None;
        }
    }
}

/// The client sends this, takes what comes, and is gone. How its connection ends, and what came.
fn ends(sends: &[u8], reads: bool) -> (Vec<String>, Vec<u8>) {
    let ends = Arc::<Ends>::default();
    let subscriber: Arc<dyn Subscriber> = Arc::clone(&ends) as _;
    let config = ServerConfig::default();
    let service = Service::new(config, Clock::manual(), Arc::new(Inline), Some(subscriber), respond);
    let (near, far) = pair(5000);
    let server = Layered::new(far, ToyLayer::server());
    let mut driver = service.connect(server, Peer::Unix(None), Peer::Unix(None)).ok();
    let mut client = Layered::new(near, ToyLayer::client());
    let (mut sent, mut came) = (0, Vec::new());
    for _ in 0..100 {
        let _ = client.poll_flush(&mut cx());
        poll(&mut driver);
        if sent == 0 || reads {
            if let Poll::Ready(Ok(bytes)) = read(&mut client, 1000) {
                came.extend(bytes);
            }
        }
        if let Some(rest @ [_, ..]) = sends.get(sent..) {
            if let Poll::Ready(Ok(taken)) = client.poll_write(&mut cx(), rest) {
                sent += taken;
            }
        }
    }
    assert_eq!(sent, sends.len());
    assert_eq!(*ends.0.lock().unwrap(), [""; 0], "before it is gone");
    drop(client);
    poll(&mut driver);
    assert!(driver.is_none(), "{driver:?}");
    assert_eq!(service.held(), Held::default());
    let ends = std::mem::take(&mut *ends.0.lock().unwrap());
    (ends, came)
}

#[test]
fn an_end_before_a_request_or_behind_a_whole_response_is_the_peers_end_and_no_loss() {
    for requests in 0..3 {
        let (ends, came) = ends(&GET.repeat(requests), true);
        assert_eq!(ends, ["PeerEnded"], "{requests}");
        assert_eq!(came.windows(4).filter(|bytes| *bytes == b"fine").count(), requests);
    }
}

#[test]
fn behind_the_last_response_it_is_what_the_server_waits_for() {
    let (ends, came) = ends(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", true);
    assert!(came.ends_with(b"fine"));
    assert_eq!(ends, ["RequestedByPeer"]);
}

#[test]
fn within_a_request_or_a_response_it_is_a_loss() {
    let post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf";
    let wait = b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n";
    for sends in [&GET[..10], &post[..], wait, &[GET, &GET[..10]].concat()] {
        let (ends, _) = ends(sends, true);
        assert_eq!(ends.first().map(String::as_str), Some(LOST), "{}", sends.escape_ascii());
        assert_eq!(ends.last().map(String::as_str), Some("Disconnected"), "{}", sends.escape_ascii());
    }
    let (ends, _) = ends(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n", false);
    assert!(ends[0].starts_with("lost: "), "{ends:?}");
    assert_eq!(ends.last().map(String::as_str), Some("Disconnected"));
}

struct Never;

impl Timer for Never {
    fn poll_until(&mut self, _: &mut Context<'_>, _: Instant) -> Poll<()> {
        Poll::Pending
    }
}

/// The same of a connection that is pulled event by event.
#[test]
fn at_level_1_it_is_the_peers_end_between_messages_and_a_loss_within_them() {
    for (sends, reason) in [
        (&b""[..], CloseReason::PeerEnded),
        (GET, CloseReason::PeerEnded),
        (&GET[..10], CloseReason::Disconnected),
    ] {
        let (mut client, wire): (Toy, Toy) = toys(5000);
        let compiled = Arc::new(CompiledConfig::new(&ChannelConfig::default()));
        let mut connection = Connection::new(wire, Never, compiled, Facts::default());
        let (mut sent, mut seen) = (0, Vec::new());
        for _ in 0..100 {
            let _ = client.poll_flush(&mut cx());
            let _ = read(&mut client, 1000);
            if let Some(rest @ [_, ..]) = sends.get(sent..) {
                if let Poll::Ready(Ok(taken)) = client.poll_write(&mut cx(), rest) {
                    sent += taken;
                }
            }
            if let Poll::Ready(Some(event)) = connection.poll_event(&mut cx()) {
                if matches!(event, Event::Request) {
                    connection.respond(ResponseRef::new(Status::OK, &Fields::new(), b"fine")).unwrap();
                }
                seen.push(event);
            }
        }
        assert_eq!(sent, sends.len());
        drop(client);
        while let Poll::Ready(Some(event)) = connection.poll_event(&mut cx()) {
            seen.push(event);
        }
        assert!(matches!(seen.last(), Some(Event::Closed(closed)) if *closed == reason), "{seen:?}");
    }
}
