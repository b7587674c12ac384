//! tower-http's layers: those that need no runtime on each transport as they are, the others within one of tokio.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::{get, post};
use futures_lite::stream;
use http::{Method, StatusCode};
use httpfsm::ServerConfig;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{Any, CorsLayer};
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::services::ServeDir;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

use crate::{abrupt, on_each, on_each_in_tokio, split, streamed, to_the_end};

const TEXT: &str = "A sentence that is compressed well, as it is repeated. ";

fn layered() -> Router {
    let long = || async { TEXT.repeat(1000) };
    let pieces = || async { Body::from_stream(stream::iter((0..1000).map(|_| Ok::<_, Infallible>(TEXT)))) };
    Router::new()
        .route("/long", get(long))
        .route("/pieces", get(pieces))
        .route("/length", post(|body: String| async move { body.len().to_string() }))
        .layer(CompressionLayer::new())
        .layer(CorsLayer::new().allow_origin(Any).allow_methods([Method::GET, Method::PUT]))
        .layer(RequestBodyLimitLayer::new(100))
        .layer(TraceLayer::new_for_http())
}

#[test]
fn compressed_responses_are_what_they_were() {
    on_each(&ServerConfig::default(), &layered(), |server| {
        for target in ["/long", "/pieces"] {
            let mut stream = server.connect();
            // HTTP/1.0: without chunks.
            write!(stream, "GET {target} HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n").unwrap();
            let response = to_the_end(&mut stream);
            let head = response.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
            let (head, content) = response.split_at(head);
            let head = String::from_utf8_lossy(head);
            assert!(head.contains("content-encoding: gzip\r\n"), "{head}");
            assert!(content.len() < 5000, "{} bytes", content.len());
            let mut text = String::new();
            flate2::read::GzDecoder::new(content).read_to_string(&mut text).unwrap();
            assert!(text == TEXT.repeat(1000), "{} bytes", text.len());
        }
        let plain = server.ask("GET /long", "", "");
        assert!(plain.to_ascii_lowercase().contains("content-length: 55000\r\n"), "{}", split(&plain).0);
        let head = server.ask("HEAD /long", "Accept-Encoding: gzip\r\n", "");
        assert!(split(&head).1.is_empty(), "{head}");
    });
}

#[test]
fn a_preflight_is_responded_to() {
    on_each(&ServerConfig::default(), &layered(), |server| {
        let fields = "Origin: http://b\r\nAccess-Control-Request-Method: PUT\r\n";
        let response = server.ask("OPTIONS /long", fields, "");
        assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
        assert!(response.contains("access-control-allow-methods: GET,PUT\r\n"), "{response}");
        let simple = server.ask("GET /long", "Origin: http://b\r\n", "");
        assert!(simple.contains("access-control-allow-origin: *\r\n"), "{}", split(&simple).0);
    });
}

#[test]
fn a_limit_holds_with_a_length_and_without() {
    for config in [ServerConfig::default(), streamed()] {
        on_each(&config, &layered(), |server| {
            assert!(server.ask("POST /length", "", &"x".repeat(100)).ends_with("\r\n\r\n100"));
            assert!(server.ask("POST /length", "", &"x".repeat(101)).starts_with("HTTP/1.1 413 "));
            let chunk = "x".repeat(101);
            let chunked = format!(
                "POST /length HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n\
                65\r\n{chunk}\r\n0\r\n\r\n"
            );
            assert!(server.send(chunked).starts_with("HTTP/1.1 413 "));
        });
    }
}

#[test]
fn files_and_their_ranges_are_served_within_a_runtime() {
    let folder = tempfile::tempdir().unwrap();
    let content: String = (0..100_000).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
    std::fs::write(folder.path().join("file.txt"), &content).unwrap();
    let app = Router::new().fallback_service(ServeDir::new(folder.path()));
    on_each_in_tokio(&ServerConfig::default(), &app, |server| {
        let whole = server.ask("GET /file.txt", "", "");
        assert!(split(&whole).1 == content, "{:?}: {}", server.on, split(&whole).0);
        assert!(
            whole.contains("content-type: text/plain") && !whole.contains("chunked"),
            "{}",
            split(&whole).0
        );
        let part = server.ask("GET /file.txt", "Range: bytes=26-77\r\n", "");
        let (head, part) = split(&part);
        assert!(
            head.starts_with("HTTP/1.1 206 ") && head.contains("content-range: bytes 26-77/100000"),
            "{head}"
        );
        assert_eq!(part, &content[26..78]);
        let beyond = server.ask("GET /file.txt", "Range: bytes=100000-\r\n", "");
        assert!(beyond.starts_with("HTTP/1.1 416 "), "{beyond}");
        let head = server.ask("HEAD /file.txt", "", "");
        assert!(head.to_ascii_lowercase().contains("content-length: 100000\r\n"), "{head}");
        assert_eq!(split(&head).1, "");
        let since = "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT\r\n";
        let unchanged = server.ask("GET /file.txt", since, "");
        assert!(unchanged.starts_with("HTTP/1.1 304 ") && split(&unchanged).1.is_empty(), "{unchanged}");
        assert!(server.ask("GET /none", "", "").starts_with("HTTP/1.1 404 "));
    });
}

/// Calls tokio where it is made and where it is dropped.
struct NeedsTokio;

impl NeedsTokio {
    fn new() -> Self {
        tokio::spawn(async {});
        MADE.fetch_add(1, Ordering::SeqCst);
        Self
    }
}

impl Drop for NeedsTokio {
    fn drop(&mut self) {
        // Panics outside of a runtime.
        tokio::spawn(async {});
        DROPPED.fetch_add(1, Ordering::SeqCst);
    }
}

static MADE: AtomicUsize = AtomicUsize::new(0);
static DROPPED: AtomicUsize = AtomicUsize::new(0);

#[test]
fn what_calls_tokio_is_polled_and_dropped_within_a_runtime() {
    let slow = || async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        "slow"
    };
    let never = || async {
        let _needs = NeedsTokio::new();
        std::future::pending::<()>().await;
    };
    let ticks = || async {
        Body::from_stream(stream::unfold((0, NeedsTokio::new()), |(n, needs)| async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            (n < 3).then_some((Ok::<_, Infallible>(format!("tick {n};")), (n + 1, needs)))
        }))
    };
    let endless = || async {
        let needs = NeedsTokio::new();
        Body::from_stream(stream::unfold(needs, |needs| async move {
            Some((Ok::<_, Infallible>("x".repeat(1000)), needs))
        }))
    };
    let spawned = |request: Request| async {
        tokio::spawn(async { axum::body::to_bytes(request.into_body(), 100).await.unwrap() }).await.unwrap()
    };
    let app = Router::new()
        .route("/slow", get(slow))
        .route("/never", get(never))
        .route("/ticks", get(ticks))
        .route("/endless", get(endless))
        .route("/spawned", post(spawned))
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, Duration::from_secs(30)))
        .route(
            "/late",
            get(never).layer(TimeoutLayer::with_status_code(
                StatusCode::GATEWAY_TIMEOUT,
                Duration::from_millis(20),
            )),
        );
    on_each_in_tokio(&abrupt(), &app, |server| {
        let dropped = || DROPPED.load(Ordering::SeqCst);
        assert!(server.ask("GET /slow", "", "").ends_with("slow"), "{:?}", server.on);
        assert!(server.ask("POST /spawned", "", "sent").ends_with("sent"), "{:?}", server.on);
        let before = dropped();
        assert!(server.ask("GET /late", "", "").starts_with("HTTP/1.1 504 "), "{:?}", server.on);
        crate::wait_for("its drop", || dropped() == before + 1);
        let ticks = server.send("GET /ticks HTTP/1.0\r\n\r\n");
        assert!(ticks.ends_with("tick 0;tick 1;tick 2;"), "{:?}: {ticks}", server.on);
        crate::wait_for("its drop", || dropped() == before + 2);
        for (number, target) in ["/never", "/endless"].into_iter().enumerate() {
            let mut stream = server.connect();
            write!(stream, "GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            // A request whose client is gone before it was called makes none.
            crate::wait_for("its call", || MADE.load(Ordering::SeqCst) == before + 3 + number);
            drop(stream);
            crate::wait_for("its drop", || dropped() == before + 3 + number);
        }
    });
}
