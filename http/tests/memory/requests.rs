//! What a service sees of a request.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{Extension, Json, MatchedPath, Path, Query, State};
use axum::routing::{get, post};
use axum::{Form, Router};
use http::{HeaderMap, Request, Response, Uri, Version};
use httpfsm::handler::{ConnectionInfo, Extensions};
use httpfsm::peer::Peer;
use httpfsm_http::{Body, Upgrade, service};
use httpfsm_transport::ListenerInfo;
use serde::{Deserialize, Serialize};
use tower::service_fn;

use crate::Case;

#[derive(Serialize, Deserialize)]
struct Item {
    name: String,
    count: u32,
}

async fn item(
    State(prefix): State<&'static str>,
    Path(id): Path<u32>,
    Query(item): Query<Item>,
    matched: MatchedPath,
    headers: HeaderMap,
) -> String {
    let agent = headers["user-agent"].to_str().unwrap();
    format!("{prefix} {id} {} {} {} {agent}", item.name, item.count, matched.as_str())
}

async fn doubled(Json(mut item): Json<Item>) -> Json<Item> {
    item.count *= 2;
    Json(item)
}

fn app() -> Router {
    Router::new()
        .route("/items/{id}", get(item))
        .route("/double", post(doubled))
        .route("/form", post(|Form(item): Form<Item>| async move { format!("{}={}", item.name, item.count) }))
        .with_state("item")
}

/// The memory of a response's map is that of the next request's.
#[test]
fn no_field_of_a_response_is_in_a_later_request() {
    let of = |request: Request<Body>| async move {
        let names: Vec<_> = request.headers().keys().map(http::HeaderName::as_str).collect();
        let response = Response::builder().header("x-secret", "1").header("x-secret", "2").header("x-b", "3");
        Ok::<_, Infallible>(response.body(Body::from(names.join(","))).unwrap())
    };
    let mut case = Case::new(service(service_fn(of)));
    for fields in ["", "X-A: 1\r\nX-B: 2\r\n", ""] {
        let response = case.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
        let names = if fields.is_empty() { "host" } else { "host,x-a,x-b" };
        assert!(response.ends_with(&format!("\r\n\r\n{names}")), "{response}");
    }
}

#[test]
fn extractors_find_what_they_look_for() {
    let mut case = Case::new(service(app()));
    let response =
        case.send("GET /items/7?name=a%20b&count=3 HTTP/1.1\r\nHost: a\r\nUser-Agent: curl\r\n\r\n");
    assert!(response.ends_with("\r\n\r\nitem 7 a b 3 /items/{id} curl"), "{response}");
    let json = "POST /double HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 23\r\n\r\n\
        {\"name\":\"x\",\"count\":21}";
    let response = case.send(json);
    assert!(response.ends_with("\r\n\r\n{\"name\":\"x\",\"count\":42}"), "{response}");
    let form = "POST /form HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n\
        Content-Length: 14\r\n\r\nname=n&count=5";
    let response = case.send(form);
    assert!(response.ends_with("\r\n\r\nn=5"), "{response}");
}

#[test]
fn what_no_route_takes_is_the_router_s_to_refuse() {
    let mut case = Case::new(service(app()));
    assert_eq!(case.ask("GET", "/nowhere"), "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    let refused = case.ask("DELETE", "/double");
    assert!(refused.starts_with("HTTP/1.1 405 ") && refused.contains("allow: POST\r\n"), "{refused}");
    let bad =
        "POST /double HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1\r\n\r\n{";
    assert!(case.send(bad).starts_with("HTTP/1.1 400 "));
    assert_eq!(case.told.take(), [""; 0]);
}

#[derive(PartialEq, Debug)]
struct Zone(&'static str);

async fn where_from(Extension(connection): Extension<Arc<ConnectionInfo>>) -> String {
    let Peer::Ip(peer) = &connection.peername else { return String::new() };
    let zone = connection.extensions.get::<Zone>().map(|zone| zone.0);
    format!("{} {} {} {zone:?}", peer.ip(), connection.scheme, connection.channel)
}

#[test]
fn the_extensions_have_the_connection_and_what_its_listener_has() {
    let mut case = Case::new(service(Router::new().route("/", get(where_from))));
    assert!(case.ask("GET", "/").ends_with("127.0.0.1 http server.clisrv_1 None"));
    let mut extensions = Extensions::default();
    extensions.insert(Zone("internal"));
    let mut listener = ListenerInfo::default();
    listener.scheme = Some("https".into());
    listener.extensions = extensions;
    case.server.set_listener(listener);
    case.client = case.server.connect().unwrap();
    let response = case.ask("GET", "/");
    assert!(response.ends_with("127.0.0.1 https server.clisrv_2 Some(\"internal\")"), "{response}");
}

async fn described(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let (method, uri, version) = (request.method(), request.uri(), request.version());
    let upgrades = request.extensions().get::<Upgrade>().is_some();
    let old = version == Version::HTTP_10;
    Ok(Response::new(format!("{method} {uri} {old} {upgrades} {}", request.headers().len()).into()))
}

#[test]
fn each_form_of_a_request_reaches_the_service() {
    for (head, seen) in [
        ("GET /a?b=c HTTP/1.1\r\nHost: a\r\n", "GET /a?b=c false false 1"),
        ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n", "GET / true false 1"),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n", "OPTIONS * false false 1"),
        ("PURGE http://b:1/x HTTP/1.1\r\nHost: b:1\r\n", "PURGE http://b:1/x false false 1"),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n", "GET / false true 3"),
    ] {
        let mut case = Case::new(service(service_fn(described)));
        let response = case.send(format!("{head}\r\n"));
        assert!(response.ends_with(&format!("\r\n\r\n{seen}")), "{head}: {response}");
    }
}

/// Also those of a request whose target the service keeps longer than the request.
#[test]
fn requests_in_a_row_do_not_see_each_other_s_heads() {
    let (kept, uris) = std::sync::mpsc::channel::<(Uri, HeaderMap)>();
    let keep = move |request: Request<Body>| {
        kept.send((request.uri().clone(), request.headers().clone())).unwrap();
        async { Ok::<_, Infallible>(Response::new(Body::from("kept"))) }
    };
    let mut case = Case::new(service(service_fn(keep)));
    let pipelined: String = (0..20)
        .map(|n| format!("GET /{n}/{} HTTP/1.1\r\nHost: h{n}\r\nX-{n}: v\r\n\r\n", "x".repeat(n)))
        .collect();
    assert_eq!(case.send(pipelined).matches("\r\n\r\nkept").count(), 20);
    for (n, (uri, headers)) in uris.try_iter().enumerate() {
        assert_eq!(uri, *format!("/{n}/{}", "x".repeat(n)));
        assert_eq!((&headers["host"], headers.len()), (&format!("h{n}").parse().unwrap(), 2), "{headers:?}");
    }
}

#[test]
fn what_the_types_cannot_express_is_refused_without_the_service() {
    let mut config = httpfsm::ServerConfig::default();
    config.channel.max_request_target_size = 0;
    config.channel.max_request_fields = 0;
    config.channel.max_request_header_size = 1 << 20;
    let handler = service(service_fn(described));
    let mut server = httpfsm_transport::memory::MemoryServer::new(config, handler);
    let many: String = (0..40_000).map(|n| format!("a{n}:b\r\n")).collect();
    for (target, fields, status) in [
        ("/<", "", "400 Bad Request"),
        ("/>", "", "400 Bad Request"),
        ("/?<", "", "400 Bad Request"),
        ("/?>", "", "400 Bad Request"),
        ("/`", "", "400 Bad Request"),
        ("/?`", "", "200 OK"),
        ("/\"", "", "200 OK"),
        ("/?\"", "", "400 Bad Request"),
        ("http://a%41b/", "", "400 Bad Request"),
        (&"/a".repeat(40_000), "", "414 URI Too Long"),
        ("/", &many, "431 Request Header Fields Too Large"),
        ("/", "", "200 OK"),
    ] {
        let client = server.connect().unwrap();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
        server.run();
        let response = client.take_text();
        assert!(response.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{response}");
    }
}
