//! Bodies both ways, larger than any buffer, and as they come.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::sse::{Event, Sse};
use axum::routing::{get, post};
use bytes::Bytes;
use futures_lite::{StreamExt, stream};
use http_body_util::BodyExt;
use httpfsm::ServerConfig;

use crate::{on_each, split, streamed, to_the_end, until};

const LARGE: usize = 8 << 20;

async fn count(request: Request) -> String {
    let mut body = request.into_body();
    let (mut bytes, mut sum, mut trailer) = (0, 0_u64, String::new());
    while let Some(frame) = body.frame().await {
        match frame.unwrap().into_data() {
            Ok(data) => {
                bytes += data.len();
                sum = data.iter().fold(sum, |sum, &byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
            }
            Err(frame) => trailer = format!("{:?}", frame.into_trailers().unwrap()),
        }
    }
    format!("{bytes} {sum} {trailer}")
}

fn large() -> Body {
    let pieces = (0..LARGE / 8192).map(|n| Ok::<_, Infallible>(Bytes::from(vec![n as u8; 8192])));
    Body::from_stream(stream::iter(pieces))
}

/// An event at once, and one a moment later, by a timer that needs no runtime.
fn events() -> Sse<impl stream::Stream<Item = Result<Event, Infallible>> + Send> {
    let later = stream::once_future(async {
        smol::Timer::after(Duration::from_millis(20)).await;
        "later"
    });
    Sse::new(stream::once("at once").chain(later).map(|text| Ok(Event::default().data(text))))
}

fn app() -> Router {
    Router::new()
        .route("/count", post(count))
        .route("/echo", post(|request: Request| async { request.into_body() }))
        .route("/large", get(|| async { large() }))
        .route("/events", get(|| async { events() }))
        .layer(axum::extract::DefaultBodyLimit::disable())
}

fn content() -> Vec<u8> {
    (0..LARGE as u32).map(|at| (at ^ (at >> 8)) as u8).collect()
}

fn chunked(content: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    for chunk in content.chunks(100_000) {
        write!(wire, "{:x}\r\n", chunk.len()).unwrap();
        wire.extend_from_slice(chunk);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"0\r\nX-Sum: 7\r\n\r\n");
    wire
}

#[test]
fn uploads_are_read_whole_with_their_trailers() {
    let content = content();
    let sum = content.iter().fold(0_u64, |sum, &byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    for config in [ServerConfig::default(), streamed()] {
        on_each(&config, &app(), |server| {
            let head = |framing: &str| {
                format!("POST /count HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{framing}\r\n\r\n")
            };
            let mut known = head(&format!("Content-Length: {LARGE}")).into_bytes();
            known.extend_from_slice(&content);
            assert_eq!(split(&server.send(known)).1, format!("{LARGE} {sum} "), "{:?}", server.on);
            let mut unknown = head("Transfer-Encoding: chunked").into_bytes();
            unknown.extend_from_slice(&chunked(&content));
            let response = server.send(unknown);
            assert_eq!(split(&response).1, format!("{LARGE} {sum} {{\"x-sum\": \"7\"}}"), "{:?}", server.on);
        });
    }
}

#[test]
fn downloads_arrive_whole_however_slowly_they_are_read() {
    on_each(&ServerConfig::default(), &app(), |server| {
        let mut stream = server.connect();
        stream.write_all(b"GET /large HTTP/1.0\r\n\r\n").unwrap();
        let head = until(&mut stream, "\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200 ") || head.starts_with("HTTP/1.0 200 "), "{head}");
        std::thread::sleep(Duration::from_millis(50));
        let received = to_the_end(&mut stream);
        assert_eq!(received.len(), LARGE, "{:?}", server.on);
        assert!(
            received.chunks(8192).enumerate().all(|(n, piece)| piece.iter().all(|&byte| byte == n as u8))
        );
    });
}

#[test]
fn an_echo_goes_both_ways_at_once_with_trailers() {
    on_each(&streamed(), &app(), |server| {
        let mut stream = server.connect();
        stream.write_all(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        for n in 0..5 {
            let chunk = format!("7\r\npiece {n}\r\n");
            stream.write_all(chunk.as_bytes()).unwrap();
            until(&mut stream, &chunk);
        }
        stream.write_all(b"0\r\nX-Sum: 7\r\n\r\n").unwrap();
        assert_eq!(until(&mut stream, "\r\n\r\n").to_ascii_lowercase(), "0\r\nx-sum: 7\r\n\r\n");
        // And the connection goes on.
        stream.write_all(b"GET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        assert!(String::from_utf8_lossy(&to_the_end(&mut stream)).starts_with("HTTP/1.1 404 "));
    });
}

#[test]
fn a_client_that_waits_for_a_100_gets_it_when_the_body_is_read() {
    on_each(&ServerConfig::default(), &app(), |server| {
        let mut stream = server.connect();
        let head = "POST /count HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\
            Expect: 100-continue\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        assert_eq!(until(&mut stream, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(b"ab").unwrap();
        let response = String::from_utf8(to_the_end(&mut stream)).unwrap();
        assert_eq!(split(&response).1, "2 3105 ");
        // One that is refused without being read gets none.
        let refused = head.replace("POST /count", "POST /nowhere");
        assert!(server.send(refused).starts_with("HTTP/1.1 404 "));
    });
}

#[test]
fn events_arrive_one_by_one() {
    on_each(&ServerConfig::default(), &app(), |server| {
        let mut stream = server.connect();
        stream.write_all(b"GET /events HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        assert!(until(&mut stream, "\r\n\r\n").contains("text/event-stream"));
        until(&mut stream, "data: at once\n\n\r\n");
        until(&mut stream, "data: later\n\n\r\n");
        let mut rest = String::new();
        stream.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "0\r\n\r\n");
    });
}
