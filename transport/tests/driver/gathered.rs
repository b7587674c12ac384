//! Handlers that have their bodies gathered.

use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, ready};

use httpfsm::config::{Bodies, ServerConfig};
use httpfsm::handler::{Body, BodyFailure, Frame, GatherUntil, Request, Response};
use httpfsm::status::Status;
use httpfsm_transport::Held;
use httpfsm_transport::memory::MemoryServer;

use crate::support::{Dropped, GET, Gate, poll, post};

const OVERFLOW: usize = 1000;

fn config() -> ServerConfig {
    let mut config = ServerConfig::default();
    config.channel.inbuf_overflow = OVERFLOW as u64;
    config
}

/// The pieces that can be read at once, and what comes behind them.
async fn pieces(body: &mut Body) -> String {
    let mut lengths = Vec::new();
    let end = loop {
        match poll_fn(|cx| Poll::Ready(body.poll_data(cx))).await {
            Poll::Ready(Some(Ok(bytes))) => lengths.push(bytes.len()),
            Poll::Ready(end) => break format!("{:?}", end.map(Result::err)),
            Poll::Pending => break "more".to_owned(),
        }
    };
    format!("{lengths:?} {end}")
}

fn letter(at: usize) -> u8 {
    b'a' + (at % 26) as u8
}

/// Has the body gathered, and does not wait for it.
async fn ask(body: &mut Body) {
    let _ = poll_fn(|cx| Poll::Ready(body.poll_gathered(GatherUntil::Whole, cx))).await;
}

#[test]
fn a_body_is_whole_when_it_was_gathered_in_memory_or_in_a_file() {
    let mut server = MemoryServer::new(config(), |mut request: Request| async move {
        let body = request.body();
        body.gathered().await;
        format!("{:?}: {}", body.length(), pieces(body).await)
    });
    for (length, expected) in
        [(10, "[10]"), (OVERFLOW, "[1000]"), (OVERFLOW + 1, "[1001]"), (300_000, "[262144, 37856]")]
    {
        let client = server.connect().unwrap();
        let request = post("/", &"x".repeat(length));
        let (most, rest) = request.split_at(request.len() - 5);
        client.send(most);
        server.run();
        let memory = server.held().memory;
        assert_eq!(memory.spooled > 0, length > OVERFLOW + 5, "{memory:?}");
        assert!(client.take().is_empty());
        client.send(rest);
        server.run();
        let response = client.take_text();
        assert!(response.ends_with(&format!("\r\n\r\nSome({length}): {expected} None")), "{response}");
    }
    server.run();
    assert_eq!(server.held().memory.total() + server.held().memory.spooled, 0);
}

#[test]
fn what_was_read_before_is_not_in_it() {
    for length in [100, 20_000] {
        let mut server = MemoryServer::new(config(), |mut request: Request| async move {
            let body = request.body();
            let first = body.next_data().await.unwrap().unwrap();
            // Somebody who waits no longer has asked for more.
            let _ = poll_fn(|cx| Poll::Ready(body.poll_data(cx))).await;
            body.gathered().await;
            let rest = body.collect(1 << 20).await.unwrap();
            let whole: Vec<u8> = first.iter().chain(&rest).copied().collect();
            assert!(whole.iter().zip(0..).all(|(byte, at)| *byte == letter(at)), "{whole:?}");
            format!("{} {}", first.len(), rest.len())
        });
        let client = server.connect().unwrap();
        let body: String = (0..length).map(|at| char::from(letter(at))).collect();
        let request = post("/", &body);
        // So much that the handler asks for more in the poll in which it has the body gathered.
        let (first, rest) = request.split_at(request.len() - length + length / 3);
        client.send(first);
        server.run();
        for piece in rest.as_bytes().chunks(7) {
            client.send(piece);
            server.run();
        }
        let response = client.take_text();
        assert!(response.ends_with(&format!("\r\n\r\n{} {}", length / 3, length - length / 3)), "{response}");
    }
}

#[test]
fn a_future_that_is_dropped_loses_nothing_and_who_reads_waits_for_the_whole() {
    for gathers_again in [false, true] {
        let mut server = MemoryServer::new(config(), move |mut request: Request| async move {
            let body = request.body();
            ask(body).await;
            if gathers_again {
                body.gathered().await;
            }
            let first = body.next_data().await.unwrap().unwrap().len();
            format!("{first}, {}", pieces(body).await)
        });
        let client = server.connect().unwrap();
        client.send(&post("/", &"x".repeat(5000))[..4000]);
        server.run();
        assert!(client.take().is_empty());
        client.send("x".repeat(5000));
        server.run();
        let response = client.take_text();
        assert!(response.contains("\r\n\r\n5000, [] None"), "{response}");
    }
}

/// Its handler has responded; its head waits for the first frame.
#[test]
fn a_source_may_have_the_body_gathered() {
    let mut server = MemoryServer::new(config(), |mut request: Request| async move {
        let mut body = request.take_body();
        let until = GatherUntil::Whole;
        Response::new(Status::OK).with_body(Body::from_fn(move |cx| {
            ready!(body.poll_gathered(until, cx));
            let frame = ready!(body.poll_frame(cx));
            Poll::Ready(match frame {
                Frame::Data(bytes) => Frame::Data(format!("{} bytes,", bytes.len()).into()),
                other => other,
            })
        }))
    });
    for expect in ["", "Expect: 100-continue\r\n"] {
        let client = server.connect().unwrap();
        let request = post("/", &"x".repeat(5000)).replacen("\r\n\r\n", &format!("\r\n{expect}\r\n"), 1);
        let (head, body) = request.split_at(request.len() - 5000);
        client.send(head);
        server.run();
        client.send(&body[..4000]);
        server.run();
        let before = client.take_text();
        assert!(!before.contains("bytes,"), "{before}");
        client.send(&body[4000..]);
        server.run();
        let after = client.take_text();
        assert!(after.contains("5000 bytes,"), "{before}{after}");
    }
}

#[test]
fn a_body_that_is_dropped_while_it_is_gathered_is_gathered_no_longer() {
    let gate = Gate::default();
    let waits = gate.clone();
    let mut server = MemoryServer::new(config(), move |mut request: Request| {
        let waits = waits.clone();
        async move {
            let mut body = request.take_body();
            ask(&mut body).await;
            if request.path() == "/waits" {
                waits.wait().await;
                drop(body);
                request.disconnected().await;
            }
            "done"
        }
    });
    let client = server.connect().unwrap();
    client.send(&post("/waits", &"x".repeat(9000))[..2000]);
    server.run();
    assert!(server.held().memory.spooled > 0);
    gate.open();
    server.run();
    let memory = server.held().memory;
    assert_eq!((memory.spooled, memory.bodies), (0, 0), "{memory:?}");
    client.reset();
    server.run();
    let client = server.connect().unwrap();
    let request = post("/", &"x".repeat(5000));
    client.send(&request[..3000]);
    server.run();
    assert!(client.take_text().ends_with("\r\n\r\ndone"));
    assert_eq!(server.held().memory.spooled, 0);
    client.send(&request[3000..]);
    client.send(GET);
    server.run();
    assert!(client.take_text().ends_with("\r\n\r\ndone"), "the connection goes on");
}

#[test]
fn a_body_that_breaks_off_is_refused_and_its_handler_dropped() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&dropped);
    let mut server = MemoryServer::new(config(), move |mut request: Request| {
        let guard = Dropped(Arc::clone(&count));
        async move {
            request.body().gathered().await;
            drop(guard);
            "whole"
        }
    });
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (n, (rest, status)) in [("no chunk\r\n", "400"), ("5\r\nabc", "400")].iter().enumerate() {
        let client = server.connect().unwrap();
        client.send(head);
        server.run();
        client.send(rest);
        client.close_write();
        server.run();
        let response = client.take_text();
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{response}");
        assert_eq!(dropped.load(Ordering::SeqCst), n + 1);
    }
    let client = server.connect().unwrap();
    client.send(head);
    server.run();
    client.reset();
    server.run();
    assert_eq!((dropped.load(Ordering::SeqCst), server.held()), (3, Held::default()));
}

/// The handler asked to hear of the loss, so it runs on.
#[test]
fn who_runs_on_when_the_connection_is_lost_reads_that_the_body_is_not_whole() {
    let seen = Arc::new(std::sync::Mutex::new(None));
    let tell = Arc::clone(&seen);
    let mut server = MemoryServer::new(config(), move |mut request: Request| {
        let tell = Arc::clone(&tell);
        async move {
            let mut disconnected = Box::pin(request.disconnected());
            let body = request.body();
            poll_fn(|cx| {
                let _ = disconnected.as_mut().poll(cx);
                body.poll_gathered(GatherUntil::Whole, cx)
            })
            .await;
            let read = body.next_data().await;
            *tell.lock().unwrap() = read.map(|read| matches!(read, Err(BodyFailure::Request(_))));
        }
    });
    let client = server.connect().unwrap();
    client.send(&post("/", &"x".repeat(5000))[..3000]);
    server.run();
    client.reset();
    server.run();
    assert_eq!(*seen.lock().unwrap(), Some(true));
    assert_eq!(server.held(), Held::default());
}

/// It is asked for on a thread of its own, while the rest of the body is on its way.
#[test]
fn a_body_that_is_in_needs_no_permit() {
    let mut config = config();
    config.channel.bodies = Some(Bodies::Streamed);
    let bodies = Arc::new(Mutex::new(Vec::new()));
    let its = Arc::clone(&bodies);
    let mut server = MemoryServer::new(config, move |mut request: Request| {
        let its = Arc::clone(&its);
        async move {
            let mut body = request.take_body();
            // So all of it is asked for.
            assert!(poll_fn(|cx| Poll::Ready(body.poll_data(cx))).await.is_pending());
            its.lock().unwrap().push(body);
            pending::<()>().await;
        }
    });
    server.permit_waiting(1);
    let client = server.connect().unwrap();
    let request = post("/", "hello");
    let (head, content) = request.split_at(request.len() - 5);
    client.send(head);
    server.run();
    let mut body = bodies.lock().unwrap().pop().unwrap();
    let mut gathered = || poll(poll_fn(|cx| body.poll_gathered(GatherUntil::WholeOrPermitted, cx)));
    assert!(gathered().is_pending());
    client.send(content);
    server.run();
    assert_eq!(server.held().permits, 0);
    assert!(gathered().is_ready());
    assert_eq!(poll(pieces(&mut body)), Poll::Ready("[5] None".to_owned()));
}
