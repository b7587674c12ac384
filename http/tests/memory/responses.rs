//! What becomes of a service's response.

use std::convert::Infallible;
use std::task::Poll;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{Empty, Full};
use httpfsm::handler::Frame;
use httpfsm_http::{Body, Locked, service};
use tower::util::BoxCloneService;
use tower::{ServiceExt, service_fn};

use crate::Case;

const LENGTHS: [(&str, &str); 3] = [("GET", "hello"), ("HEAD", ""), ("POST", "hello")];

#[test]
fn a_known_length_is_sent_and_the_response_to_head_has_no_content() {
    let app = Router::new().fallback(|| async { ([("x-a", "1")], "hello") });
    let mut case = Case::new(service(app));
    for (method, content) in LENGTHS {
        let expected = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\
            content-type: text/plain; charset=utf-8\r\nx-a: 1\r\n\r\n";
        let response = case.ask(method, "/");
        assert!(sorted(&response) == sorted(&format!("{expected}{content}")), "{method}: {response}");
    }
}

/// The lines of a head in an order of their own.
fn sorted(response: &str) -> (Vec<&str>, &str) {
    let (head, content) = response.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<_> = head.lines().collect();
    lines.sort_unstable();
    (lines, content)
}

/// Whether the body is one of ours, or of `http-body-util`.
#[test]
fn head_and_statuses_without_content_are_framed_as_they_are_to_be() {
    for (method, status, head) in [
        ("HEAD", 200, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        ("GET", 204, "HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", 304, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
        ("GET", 205, "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n"),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        let own = service_fn(move |_: Request<Body>| async move {
            let mut response = Response::new(Body::from("hello"));
            *response.status_mut() = status;
            Ok::<_, Infallible>(response)
        });
        let theirs = service_fn(move |_: Request<Body>| async move {
            let mut response = Response::new(Full::new(bytes::Bytes::from("hello")));
            *response.status_mut() = status;
            Ok::<_, Infallible>(response)
        });
        assert_eq!(Case::new(service(own)).ask(method, "/"), head);
        assert_eq!(Case::new(service(theirs)).ask(method, "/"), head);
    }
}

#[test]
fn a_body_without_bytes_is_none() {
    let empty =
        service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(Response::new(Empty::<&[u8]>::new())) });
    let none = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(Case::new(service(empty)).ask("GET", "/"), none);
    let own = service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(Response::new(Body::empty())) });
    assert_eq!(Case::new(service(own)).ask("GET", "/"), none);
    // One that says at its end that there was nothing.
    let ended = || axum::body::Body::from_stream(futures_lite::stream::empty::<Result<&str, Infallible>>());
    let app = Router::new().route("/", get(move || async move { ended() }));
    assert_eq!(Case::new(service(app)).ask("GET", "/"), none);
}

#[test]
fn content_of_unknown_length_is_chunked_as_it_was_yielded() {
    let stream = || futures_lite::stream::iter(["one", "", "two"].map(Ok::<_, Infallible>));
    let app = Router::new().route("/", get(move || async move { axum::body::Body::from_stream(stream()) }));
    let mut case = Case::new(service(app));
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n";
    assert_eq!(case.ask("GET", "/"), chunked);
    // The router itself has dropped the body, so nobody knows how it would have been framed.
    assert_eq!(case.ask("HEAD", "/"), "HTTP/1.1 200 OK\r\n\r\n");
}

#[test]
fn what_the_machine_writes_is_left_out_of_a_response() {
    let fields =
        [("transfer-encoding", "chunked"), ("keep-alive", "timeout=5"), ("connection", "keep-alive")];
    let app = Router::new()
        .route("/", get(move || async move { (fields, "hello") }))
        .route("/close", get(|| async { ([("connection", "x, close")], "hello") }));
    let mut case = Case::new(service(app));
    let response = case.ask("GET", "/");
    assert!(
        response.contains("\r\nContent-Length: 5\r\n") && response.ends_with("\r\n\r\nhello"),
        "{response}"
    );
    for (name, _) in fields {
        assert!(!response.to_lowercase().contains(name), "{response}");
    }
    let closes = case.ask("GET", "/close");
    assert!(closes.contains("\r\nConnection: close\r\n") && !closes.contains("x,"), "{closes}");
    assert!(case.client.is_ended());
}

#[test]
fn a_length_that_is_none_is_a_500_of_which_the_subscriber_is_told() {
    let app = Router::new().route(
        "/",
        get(|| async {
            let mut response = "hello".into_response();
            response.headers_mut().append("content-length", HeaderValue::from_static("five"));
            response
        }),
    );
    let mut case = Case::new(service(app));
    assert_eq!(case.ask("GET", "/"), "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(case.told.take(), ["field: The value of Content-Length is not a decimal number below 2^64."]);
    assert!(case.ask("GET", "/").starts_with("HTTP/1.1 500 "), "the connection goes on");
}

#[test]
fn a_date_of_the_service_is_the_only_one() {
    let app = Router::new().route("/", get(|| async { [("date", "then"), ("server", "mine")] }));
    let mut case = Case::new(service(app));
    let response = case.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(response.contains("date: then\r\n") && !response.contains("Date: "), "{response}");
    assert!(response.contains("server: mine\r\n") && !response.contains("Server: "), "{response}");
}

#[test]
fn many_fields_and_repeated_ones_are_sent_in_their_order() {
    let fields: Vec<_> = (0..300).map(|n| ("set-cookie", format!("c{n}=v"))).collect();
    let expected: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let respond = move |_: Request<Body>| {
        let mut response = Response::new(Body::empty());
        for (name, value) in &fields {
            response.headers_mut().append(*name, value.parse().unwrap());
        }
        async { Ok::<_, Infallible>(response) }
    };
    let mut case = Case::new(service(service_fn(respond)));
    for _ in 0..3 {
        let response = case.ask("GET", "/");
        assert!(response.contains(&expected), "{response}");
    }
}

/// The memory of a large header map is used again by whatever comes next on this thread.
#[test]
fn no_field_of_a_response_is_seen_by_the_next_request() {
    let respond = |request: Request<Body>| {
        let mut response = Response::new(Body::from(request.headers().len().to_string()));
        for n in 0..40 {
            let name = http::HeaderName::from_bytes(format!("x-{n}").as_bytes()).unwrap();
            response.headers_mut().insert(name, HeaderValue::from_static("v"));
        }
        async { Ok::<_, Infallible>(response) }
    };
    let mut case = Case::new(service(service_fn(respond)));
    for _ in 0..5 {
        assert!(case.ask("GET", "/").ends_with("\r\n\r\n1"));
    }
}

#[test]
fn a_service_that_is_not_sync_serves_each_request_by_a_clone() {
    let inner =
        service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(Response::new(Body::from("cloned"))) });
    let boxed = BoxCloneService::new(inner.map_response(|response| response));
    let mut case = Case::new(service(Locked::new(boxed)));
    for _ in 0..2 {
        assert!(case.ask("GET", "/").ends_with("\r\n\r\ncloned"));
    }
}

#[test]
fn a_body_of_the_transport_is_passed_on_as_it_is() {
    let respond = |_: Request<Body>| {
        let mut frames = vec![Frame::End, Frame::Data("b".into()), Frame::Flush, Frame::Data("a".into())];
        let body = httpfsm::Body::from_fn(move |_| Poll::Ready(frames.pop().unwrap_or(Frame::End)));
        async { Ok::<_, Infallible>(Response::new(Body::from(body))) }
    };
    let response = Case::new(service(service_fn(respond))).ask("GET", "/");
    assert!(response.ends_with("\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n"), "{response}");
}
