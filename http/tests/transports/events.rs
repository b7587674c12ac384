//! Streams of events that are kept alive by comments.

use std::convert::Infallible;
use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use futures_lite::{Stream, StreamExt, stream};
use httpfsm::ServerConfig;
use httpfsm_http::sse::{Event, KeepAlive, Sse};

use crate::{on_each, to_the_end, until, wait_for};

const SHORT: Duration = Duration::from_millis(20);

/// Nothing here waits for so long.
const LONG: Duration = Duration::from_secs(3600);

fn open(server: &crate::Running, target: &str) -> TcpStream {
    let mut stream = server.connect();
    write!(stream, "GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let head = until(&mut stream, "\r\n\r\n").to_ascii_lowercase();
    assert!(head.contains("\r\ncontent-type: text/event-stream\r\n"), "{head}");
    assert!(head.contains("\r\ncache-control: no-cache\r\n"), "{head}");
    stream
}

fn one() -> impl Stream<Item = Result<Event, Infallible>> + Send {
    stream::once(Ok(Event::default().data("one")))
}

/// An event, and then silence.
async fn silent(keep_alive: KeepAlive) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    Sse::new(one().chain(stream::pending())).keep_alive(keep_alive)
}

#[test]
fn comments_come_while_a_stream_is_silent() {
    let app = Router::new()
        .route("/text", get(|| silent(KeepAlive::new().interval(SHORT).text("still here"))))
        .route("/default", get(|| silent(KeepAlive::default().interval(SHORT))))
        .route(
            "/event",
            get(|| silent(KeepAlive::new().interval(SHORT).event(Event::default().event("ping")))),
        );
    on_each(&ServerConfig::default(), &app, |server| {
        for (target, comment) in
            [("/text", ": still here\n\n"), ("/default", ":\n\n"), ("/event", "event: ping\n\n")]
        {
            let mut stream = open(server, target);
            let first = until(&mut stream, "data: one\n\n\r\n");
            assert!(!first.contains(comment), "{:?}: {first}", server.on);
            for _ in 0..3 {
                let chunk = format!("{:x}\r\n{comment}\r\n", comment.len());
                assert_eq!(until(&mut stream, &chunk), chunk, "{:?}", server.on);
            }
        }
    });
}

/// Yields `left` events, one after the other, and then its end.
async fn busy(left: usize, keep_alive: KeepAlive) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let events = stream::unfold(left, |left| async move {
        let left = left.checked_sub(1)?;
        // Until then the stream is silent.
        smol::Timer::after(Duration::from_millis(1)).await;
        Some((Ok(Event::default().data("tick")), left))
    });
    Sse::new(events).keep_alive(keep_alive)
}

#[test]
fn a_stream_ends_with_its_last_event_whatever_keeps_it_alive() {
    let app = Router::new()
        .route("/long", get(|| busy(3, KeepAlive::new().interval(LONG))))
        .route("/never", get(|| busy(3, KeepAlive::new().interval(Duration::MAX))));
    on_each(&ServerConfig::default(), &app, |server| {
        for target in ["/long", "/never"] {
            let mut stream = open(server, target);
            let events = "c\r\ndata: tick\n\n\r\n".repeat(3) + "0\r\n\r\n";
            assert_eq!(String::from_utf8_lossy(&to_the_end(&mut stream)), events, "{:?}", server.on);
        }
    });
}

/// Counts those that are alive.
struct Alive(Arc<AtomicUsize>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn a_client_that_is_gone_ends_its_stream_at_a_comment() {
    let alive = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&alive);
    let handler = move || async move {
        counted.fetch_add(1, Ordering::SeqCst);
        let alive = Alive(counted);
        let events = one().chain(stream::pending().map(move |event| {
            let _ = &alive;
            event
        }));
        Sse::new(events).keep_alive(KeepAlive::new().interval(SHORT))
    };
    // A client that ends its side may still read, so nothing but a write finds out that it does not.
    let mut config = ServerConfig::default();
    config.channel.peer_ended_timeout = None;
    on_each(&config, &Router::new().route("/", get(handler)), |server| {
        let mut stream = open(server, "/");
        until(&mut stream, "data: one\n\n\r\n");
        assert_eq!(alive.load(Ordering::SeqCst), 1, "{:?}", server.on);
        drop(stream);
        wait_for("the end of the stream", || alive.load(Ordering::SeqCst) == 0);
    });
}
