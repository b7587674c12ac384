//! Bodies that fail, and clients that go away.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::routing::{get, post};
use bytes::Bytes;
use futures_lite::stream;
use http_body_util::BodyExt;
use httpfsm::ServerConfig;

use crate::{abrupt, on_each, streamed, until, wait_for};

/// How many futures and bodies live.
#[derive(Clone, Default)]
struct Alive(Arc<AtomicUsize>);

struct Guard(Alive);

impl Alive {
    fn one(&self) -> Guard {
        self.0.fetch_add(1, Ordering::SeqCst);
        Guard(self.clone())
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn waits(State(alive): State<Alive>, request: Request) -> String {
    let _guard = alive.one();
    let _ = request.into_body().collect().await;
    std::future::pending().await
}

async fn endless(State(alive): State<Alive>) -> Body {
    let guard = alive.one();
    Body::from_stream(stream::unfold(guard, |guard| async move {
        Some((Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 1000])), guard))
    }))
}

fn app(alive: &Alive) -> Router {
    let broken = || {
        let frames = [Ok("piece"), Err(std::io::Error::other("the disk is gone"))];
        Body::from_stream(stream::iter(frames))
    };
    Router::new()
        .route("/waits", post(waits))
        .route("/endless", get(endless))
        .route("/broken", get(move || async move { broken() }))
        .route("/length", post(|body: Bytes| async move { body.len().to_string() }))
        .with_state(alive.clone())
}

#[test]
fn a_response_that_fails_is_cut() {
    on_each(&ServerConfig::default(), &app(&Alive::default()), |server| {
        let response = server.send("GET /broken HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(response.contains("5\r\npiece\r\n") && !response.contains("0\r\n\r\n"), "{response}");
    });
}

/// The machine's own response, whatever the service waits for.
#[test]
fn a_request_that_fails_is_its_client_s_fault() {
    for mut config in [ServerConfig::default(), streamed()] {
        config.channel.max_request_body_size = 100;
        config.channel.max_trailer_size = 100;
        let chunk = format!("65\r\n{}\r\n0\r\n\r\n", "x".repeat(101));
        let trailers = format!("0\r\nX: {}\r\n\r\n", "x".repeat(100));
        on_each(&config, &app(&Alive::default()), |server| {
            let head = "POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
            for (content, status) in [("zz\r\n", 400), (&chunk, 413), (&trailers, 431)] {
                let response = server.send(format!("{head}{content}"));
                let expected = format!("HTTP/1.1 {status} ");
                assert!(response.starts_with(&expected), "{:?}, {status}: {response}", server.on);
            }
        });
    }
}

#[test]
fn a_body_that_stops_is_responded_to_in_time() {
    for mut config in [ServerConfig::default(), streamed()] {
        config.channel.body_timeout = Some(Duration::from_millis(50));
        on_each(&config, &app(&Alive::default()), |server| {
            for framing in ["Content-Length: 5\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n2\r\n"] {
                let response = server.send(format!("POST /length HTTP/1.1\r\nHost: a\r\n{framing}he"));
                assert!(response.starts_with("HTTP/1.1 408 "), "{:?}: {response}", server.on);
            }
        });
    }
}

#[test]
fn a_client_that_goes_away_ends_the_future_and_the_body() {
    let alive = Alive::default();
    on_each(&abrupt(), &app(&alive), |server| {
        let mut waiting = server.connect();
        waiting.write_all(b"POST /waits HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf").unwrap();
        let mut reading = server.connect();
        reading.write_all(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        until(&mut reading, "\r\n\r\n");
        wait_for("both to begin", || alive.count() == 2);
        drop(reading);
        wait_for("the body to be dropped", || alive.count() == 1);
        drop(waiting);
        wait_for("the future to be dropped", || alive.count() == 0);
    });
}
