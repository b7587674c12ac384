//! When a handler is called, how its response leaves, and what happens if it panics.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use httpfsm::config::ServerConfig;
use httpfsm::fields::Fields;
use httpfsm::handler::{Body, Frame, Request, Response};
use httpfsm::status::Status;
use httpfsm_transport::memory::MemoryServer;

use crate::support::{GET, Gate, post, serve};

#[test]
fn a_ready_handler_gets_a_response_in_one_wake_up() {
    let mut server = serve(|_: Request| async { "Hello, world!" });
    let client = server.connect().unwrap();
    server.run();
    client.send(GET.repeat(16));
    assert_eq!(server.run(), 1);
    assert_eq!(client.take_text().matches("\r\n\r\nHello, world!").count(), 16);
}

#[test]
fn a_handler_that_waits_gets_a_response_when_it_is_woken() {
    let gate = Gate::default();
    let waiting = gate.clone();
    let mut server = serve(move |_: Request| {
        let gate = waiting.clone();
        async move {
            gate.wait().await;
            "late"
        }
    });
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    assert_eq!(client.take_text(), "");
    gate.open();
    assert_eq!(server.run(), 1);
    assert!(client.take_text().ends_with("late"));
}

#[test]
fn early_hints_come_before_the_response() {
    let mut server = serve(|request: Request| async move {
        request.early_hints(Fields::new().with("Link", "</a.css>; rel=preload").unwrap());
        "late"
    });
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    let response = client.take_text();
    assert!(
        response.starts_with("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200"),
        "{response}"
    );
}

#[test]
fn a_response_may_come_before_the_body_was_read() {
    let mut server = serve(|_: Request| async { (Status::FORBIDDEN, "no") });
    let client = server.connect().unwrap();
    client.send(post("/", &"x".repeat(1000)));
    client.send(GET);
    server.run();
    let response = client.take_text();
    assert_eq!(response.matches("HTTP/1.1 403 ").count(), 2, "{response}");
}

#[test]
fn a_panic_is_a_500_and_its_text_is_told_only_if_allowed() {
    for expose in [false, true] {
        let mut config = ServerConfig::default();
        config.channel.expose_tracebacks = expose;
        let mut server = MemoryServer::new(config, |request: Request| async move {
            assert!(request.path() != "/panic", "the cheese is out");
            "fine"
        });
        let client = server.connect().unwrap();
        client.send("GET /panic HTTP/1.1\r\nHost: a\r\n\r\n");
        server.run();
        let response = client.take_text();
        assert!(response.starts_with("HTTP/1.1 500 "), "{response}");
        assert_eq!(response.contains("the cheese is out"), expose, "{response}");
        let other = server.connect().unwrap();
        other.send(GET);
        server.run();
        assert!(other.take_text().ends_with("fine"));
    }
}

#[test]
fn a_source_that_panics_cuts_the_response() {
    let mut server = serve(|_: Request| async {
        let mut first = true;
        Response::new(Status::OK).with_body(Body::from_fn(move |_| {
            assert!(std::mem::take(&mut first), "no more");
            Poll::Ready(Frame::Data(Bytes::from_static(b"first")))
        }))
    });
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    let response = client.take_text();
    assert!(response.starts_with("HTTP/1.1 200 ") && !response.contains("\r\n0\r\n\r\n"), "{response}");
    assert!(client.is_ended());
    let client = server.connect().unwrap();
    client.send("GET / HTTP/1.0\r\n\r\n");
    server.run();
    assert!(client.is_reset(), "its end would look like the end of the response");
}

#[test]
fn the_poll_after_a_flush_comes_when_its_bytes_have_left() {
    let step = Arc::new(AtomicUsize::new(0));
    let reached = Arc::clone(&step);
    let handler = move |_: Request| {
        let reached = Arc::clone(&reached);
        async move {
            Response::new(Status::OK).with_body(Body::from_fn(move |_| {
                Poll::Ready(match reached.fetch_add(1, Ordering::SeqCst) {
                    0 => Frame::Data(Bytes::from(vec![b'x'; 3000])),
                    1 => Frame::Flush,
                    _ => Frame::End,
                })
            }))
        }
    };
    let mut server = MemoryServer::with(ServerConfig::default(), 1000, None, handler);
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    assert_eq!(step.load(Ordering::SeqCst), 2);
    let mut received = Vec::new();
    while step.load(Ordering::SeqCst) < 3 {
        let bytes = client.take_at_most(500);
        assert!(!bytes.is_empty());
        received.extend(bytes);
        server.run();
    }
    assert!(received.len() >= 2000, "{}", received.len());
}

#[test]
fn a_source_of_endless_flushes_leaves_others_their_turn() {
    let polls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&polls);
    let handler = move |request: Request| {
        let count = Arc::clone(&count);
        async move {
            let empty = request.path() == "/empty";
            Response::new(Status::OK).with_body(Body::from_fn(move |_| {
                count.fetch_add(1, Ordering::SeqCst);
                assert!(count.load(Ordering::SeqCst) < 100_000);
                Poll::Ready(if empty { Frame::Data(Bytes::new()) } else { Frame::Flush })
            }))
        }
    };
    let service = httpfsm_transport::Service::new(
        ServerConfig::default(),
        httpfsm_transport::Clock::manual(),
        Arc::new(httpfsm_transport::Inline),
        None,
        handler,
    );
    for path in ["/empty", "/flush"] {
        let (mut near, far) = httpfsm_transport::memory::pair(1000);
        let peer = httpfsm::peer::Peer::Unix(None);
        let mut driver = service.connect(far, peer.clone(), peer).unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        let _ = httpfsm_transport::Wire::poll_write(&mut near, &mut cx, request.as_bytes());
        polls.store(0, Ordering::SeqCst);
        assert!(std::pin::Pin::new(&mut driver).poll(&mut cx).is_pending());
        let pulled = polls.load(Ordering::SeqCst);
        assert!(pulled <= 16 * 64, "{path}: {pulled} frames in one wake-up");
    }
}

#[test]
fn as_many_requests_as_allowed_are_with_the_application() {
    let config = ServerConfig { maximum_simultaneous_requests: 2, ..ServerConfig::default() };
    let gate = Gate::default();
    let waiting = gate.clone();
    let mut server = MemoryServer::new(config, move |_: Request| {
        let gate = waiting.clone();
        async move { poll_fn(|cx| gate.poll(cx)).await }
    });
    let clients: Vec<_> = (0..3).map(|_| server.connect().unwrap()).collect();
    for client in &clients {
        client.send(GET);
        server.run();
    }
    assert!(clients[2].take_text().starts_with("HTTP/1.1 503 "));
    clients[0].reset();
    server.run();
    let next = server.connect().unwrap();
    next.send(GET);
    server.run();
    assert_eq!(next.take_text(), "");
    gate.open();
    server.run();
    assert!(next.take_text().starts_with("HTTP/1.1 204 "));
}

/// However many there are, the handler has those of one window, and the rest waits with the peer.
#[test]
fn of_a_million_requests_whose_responses_nobody_reads_few_get_one() {
    const RESPONSE: usize = 1000;
    let responses = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&responses);
    let mut server = serve(move |_: Request| {
        count.fetch_add(1, Ordering::SeqCst);
        async { Response::bytes(vec![b'x'; RESPONSE]) }
    });
    let client = server.connect().unwrap();
    let thousand = GET.repeat(1000);
    for _ in 0..1000 {
        client.send(&thousand);
        server.run();
    }
    // 64 KiB on the way, and 64 KiB unsent.
    let most = 2 * (64 << 10) / RESPONSE + 1;
    assert!(responses.load(Ordering::SeqCst) <= most, "{responses:?} of {most}");
    client.reset();
    server.run();
    assert_eq!(server.connections(), 0);
}
