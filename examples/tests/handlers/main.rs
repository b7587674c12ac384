//! What a plain handler is written with, each through the real machine in memory.

mod diagnostics;
mod hostile;
mod multipart;
mod sockets;
mod todo;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cookie::Cookie;
use httpfsm::config::{Bodies, ServerConfig};
use httpfsm::handler::{
    BodyFailure, CollectError, FormError, Handler, IntoResponse as _, Json, JsonError, PairsError, Request,
    Response, with_state,
};
use httpfsm::{BodyError, Fields, Status};
use httpfsm_transport::test::{TestRequest, TestResponse, call, call_with};
use httpfsm_transport::{BodyReader, Inline, block_on, sync};
use serde::{Deserialize, Serialize};

fn respond(handler: impl Handler, request: TestRequest) -> TestResponse {
    block_on(call(handler, request))
}

fn status_and_text(handler: impl Handler, request: TestRequest) -> (u16, String) {
    let response = respond(handler, request);
    (response.status().code(), response.text().to_owned())
}

#[derive(Debug, Deserialize, Serialize)]
struct User {
    name: String,
    age: u8,
}

#[test]
fn a_handler_and_a_function_have_a_state() {
    async fn visit(visits: Arc<AtomicU32>, _request: Request) -> String {
        visits.fetch_add(1, Ordering::Relaxed).to_string()
    }
    fn blocking_visit(visits: Arc<AtomicU32>, _request: Request) -> String {
        visits.fetch_add(10, Ordering::Relaxed).to_string()
    }
    let visits = Arc::new(AtomicU32::new(7));
    let first = respond(with_state(Arc::clone(&visits), visit), TestRequest::get("/"));
    let function = sync(Inline, with_state(Arc::clone(&visits), blocking_visit));
    let second = respond(function, TestRequest::get("/"));
    assert_eq!((first.text(), second.text(), visits.load(Ordering::Relaxed)), ("7", "8", 18));
}

#[test]
fn json_comes_and_goes() {
    async fn older(mut request: Request) -> Result<Json<User>, JsonError> {
        let user: User = request.json(64).await?;
        Ok(Json(User { age: user.age + 1, ..user }))
    }
    let post = |content: &'static str| TestRequest::post("/", content);
    let json = |content| post(content).field("Content-Type", "application/json; charset=utf-8");
    let response = respond(older, json(r#"{"name": "Ada", "age": 36}"#));
    assert_eq!(response.field("Content-Type"), Some(&b"application/json"[..]));
    assert_eq!(response.text(), r#"{"name":"Ada","age":37}"#);
    let problem = post(r#"{"name": "Ada", "age": 36}"#).field("content-type", "Application/Problem+JSON");
    assert_eq!(respond(older, problem).status(), Status::OK);

    let (code, text) = status_and_text(older, json(r#"{"name": "Ada", "age": "old"}"#));
    assert_eq!(code, 422, "{text}");
    assert!(text.contains("expected u8 at line 1"), "{text}");
    assert_eq!(status_and_text(older, json(r#"{"name": "#)).0, 400);
    assert_eq!(
        respond(
            older,
            json(concat!(
                r#"{"name": "Ada", "age": 36, "#,
                r#""more": "#,
                r#""0123456789012345678901234567890"}"#
            ))
        )
        .status(),
        Status::CONTENT_TOO_LARGE
    );
    for other in ["text/plain", "application/jsonp", "+json", "multipart/form-data; boundary=+json"] {
        let request = post("{}").field("Content-Type", other);
        assert_eq!(status_and_text(older, request).0, 415, "{other}");
    }
    assert_eq!(status_and_text(older, post("{}")).0, 415);
    let twice = json("{}").field("Content-Type", "application/json");
    assert_eq!(status_and_text(older, twice).0, 415);
}

/// The operator is told why, and the peer is not.
#[test]
fn a_value_that_is_no_json_is_a_500() {
    struct Never;
    impl Serialize for Never {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("the database's password is 1234"))
        }
    }
    let response = Json(Never).into_response();
    assert_eq!(response.status, Status::INTERNAL_SERVER_ERROR);
    assert!(response.failure().is_some_and(|text| text.contains("1234")));
    let response = respond(|_: Request| async { Json(Never) }, TestRequest::get("/"));
    assert!(!response.text().contains("1234"), "{response:?}");
}

#[test]
fn a_query_is_pairs_or_a_value() {
    async fn pairs(request: Request) -> String {
        request.query_pairs().map(|(name, value)| format!("{name}={value};")).collect()
    }
    async fn user(request: Request) -> Result<String, PairsError> {
        let User { name, age } = request.query_as()?;
        Ok(format!("{name} {age}"))
    }
    let get = TestRequest::get;
    assert_eq!(respond(pairs, get("/?a=1&b=%C3%A4+%20x&a=2&c")).text(), "a=1;b=ä  x;a=2;c=;");
    assert_eq!(respond(pairs, get("/")).text(), "");
    assert_eq!(respond(user, get("/?age=36&name=Ada")).text(), "Ada 36");
    assert_eq!(status_and_text(user, get("/?age=360&name=Ada")).0, 400);
    let (code, text) = status_and_text(user, get("/"));
    assert_eq!((code, text.contains("missing field")), (400, true), "{text}");
}

#[test]
fn a_form_is_a_value() {
    async fn user(mut request: Request) -> Result<String, FormError> {
        let User { name, age } = request.form(32).await?;
        Ok(format!("{name} {age}"))
    }
    let form = |content: &'static str| {
        TestRequest::post("/", content).field("Content-Type", "application/x-www-form-urlencoded")
    };
    assert_eq!(respond(user, form("name=Ada+L.&age=36")).text(), "Ada L. 36");
    assert_eq!(status_and_text(user, form("name=Ada")).0, 400);
    assert_eq!(
        respond(user, form("name=Ada&age=36&more=01234567890123456789")).status(),
        Status::CONTENT_TOO_LARGE
    );
    assert_eq!(status_and_text(user, TestRequest::post_json("/", "name=Ada&age=36")).0, 415);
}

#[test]
fn cookies_come_and_go() {
    async fn count(request: Request) -> Response {
        let visits = request.cookie("visits").and_then(|cookie| cookie.value().parse().ok()).unwrap_or(0);
        let names: Vec<_> = request.cookies().map(|cookie| cookie.name().to_owned()).collect();
        let visits = Cookie::build(("visits", (visits + 1).to_string())).path("/").http_only(true);
        Response::text(names.join(",")).with_cookie(visits).without_cookie(Cookie::build("old").path("/"))
    }
    let request = TestRequest::get("/").field("Cookie", "a=1; visits=41; =; nonsense").field("Cookie", "b=2");
    let response = respond(count, request);
    assert_eq!(response.text(), "a,visits,b");
    let set: Vec<_> =
        response.fields().filter(|field| field.name == "Set-Cookie").map(|field| field.value).collect();
    assert_eq!(set[0], b"visits=42; HttpOnly; Path=/");
    assert!(set[1].starts_with(b"old=; Path=/; Max-Age=0; Expires="), "{}", String::from_utf8_lossy(set[1]));
    let split = |_: Request| async { Response::text("").with_cookie(Cookie::new("a", "b\r\nX-Evil: 1")) };
    let response = respond(split, TestRequest::get("/"));
    assert_eq!((response.status(), response.field("X-Evil")), (Status::INTERNAL_SERVER_ERROR, None));
}

/// An attribute, say.
#[test]
fn a_cookie_brings_nothing_along() {
    let cookies = [
        Cookie::new("a", "b; Domain=example.com"),
        Cookie::new("a=b; Domain", "example.com"),
        Cookie::new("", "b"),
        Cookie::build(("a", "b")).path("/; Secure").build(),
        Cookie::build(("a", "b")).domain("a.example; Secure").build(),
    ];
    for cookie in cookies {
        let set = cookie.to_string();
        let response = Response::text("").with_cookie(cookie).with_status(Status::OK);
        assert_eq!(response.status, Status::INTERNAL_SERVER_ERROR, "{set}");
        assert!(response.fault().is_some_and(|fault| fault.to_string().contains("cookie")), "{set}");
        assert_eq!(response.fields.get("Set-Cookie"), None, "{set}");
    }
}

#[test]
fn an_io_error_has_the_status_of_the_failure_of_a_body() {
    let error = io::Error::other(BodyFailure::Request(BodyError::TimedOut));
    assert_eq!(error.into_response().status, Status::REQUEST_TIMEOUT);
    let response = io::Error::other("/etc/secret is missing").into_response();
    assert_eq!(response.status, Status::INTERNAL_SERVER_ERROR);
    assert_eq!(response.failure(), Some("/etc/secret is missing"));
    assert_eq!(response.body.length(), Some(0));

    fn copy(request: Request) -> io::Result<String> {
        io::read_to_string(BodyReader::new(request.into_body()))
    }
    let mut config = ServerConfig::default();
    config.channel.bodies = Some(Bodies::Whole);
    let request = TestRequest::post("/", "text");
    assert_eq!(block_on(call_with(config, sync(Inline, copy), request)).text(), "text");
}

#[test]
fn the_head_is_read_beside_the_body() {
    async fn both(mut request: Request) -> Result<String, CollectError> {
        let (head, body) = request.split();
        let path = head.path();
        let content = body.collect(10).await?;
        Ok(format!("{path}: {}", content.len()))
    }
    assert_eq!(respond(both, TestRequest::post("/a?b", "123")).text(), "/a: 3");
}

#[test]
fn fields_are_made_of_pairs() {
    let fields = Fields::try_from_iter([("A", "1"), ("B", "2"), ("A", "3")]);
    assert_eq!(fields.map(|fields| fields.iter().count()), Ok(3));
    assert!(Fields::try_from_iter([("A", "1"), ("B", "2\r\nC: 3")]).is_err());
}
