//! Routes, extractors, statuses, pipelines.

use axum::extract::{Extension, Json, Path, Query};
use axum::routing::{get, post};
use axum::{Form, Router};
use httpfsm::ServerConfig;
use httpfsm::handler::ConnectionInfo;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::sync::Arc;

use crate::{on_each, split, until};

#[derive(Serialize, Deserialize)]
struct Sum {
    a: i64,
    b: i64,
}

async fn sum(Json(sum): Json<Sum>) -> Json<serde_json::Value> {
    Json(serde_json::json!({ "sum": sum.a + sum.b }))
}

async fn peer(Extension(connection): Extension<Arc<ConnectionInfo>>) -> String {
    connection.peername.to_string()
}

fn app() -> Router {
    Router::new()
        .route("/", get(|| async { "root" }))
        .route("/users/{name}", get(|Path(name): Path<String>| async move { format!("user {name}") }))
        .route("/query", get(|Query(sum): Query<Sum>| async move { (sum.a * sum.b).to_string() }))
        .route("/form", post(|Form(sum): Form<Sum>| async move { (sum.a - sum.b).to_string() }))
        .route("/sum", post(sum))
        .route("/peer", get(peer))
        .route(
            "/panic",
            get(|| async {
                if true {
                    panic!("as it is told to")
                }
            }),
        )
}

#[test]
fn extractors_and_statuses_are_as_everywhere() {
    on_each(&ServerConfig::default(), &app(), |server| {
        let content = |line: &str, fields: &str, content: &str| {
            let response = server.ask(line, fields, content);
            let (head, content) = split(&response);
            format!("{} {content}", &head[9..12])
        };
        let json = "Content-Type: application/json\r\n";
        let form = "Content-Type: application/x-www-form-urlencoded\r\n";
        for (line, fields, sent, expected) in [
            ("GET /", "", "", "200 root"),
            ("HEAD /", "", "", "200 "),
            ("GET /users/a%20b", "", "", "200 user a b"),
            ("GET /query?a=6&b=7", "", "", "200 42"),
            ("GET /query?a=6", "", "", "400 Failed to deserialize query string: missing field `b`"),
            ("POST /form", form, "a=9&b=4", "200 5"),
            ("POST /sum", json, "{\"a\":1,\"b\":2}", "200 {\"sum\":3}"),
            (
                "POST /sum",
                "",
                "{\"a\":1,\"b\":2}",
                "415 Expected request with `Content-Type: application/json`",
            ),
            ("GET /nowhere", "", "", "404 "),
            ("DELETE /sum", "", "", "405 "),
        ] {
            assert_eq!(content(line, fields, sent), expected, "{line} on {:?}", server.on);
        }
        let head = server.ask("HEAD /", "", "").to_ascii_lowercase();
        assert!(head.contains("\r\ncontent-length: 4\r\n"), "{head}");
        let peer = server.ask("GET /peer", "", "");
        assert!(split(&peer).1.starts_with("127.0.0.1:"), "{peer}");
    });
}

#[test]
fn pipelined_requests_are_responded_to_in_their_order() {
    on_each(&ServerConfig::default(), &app(), |server| {
        let requests: String =
            (0..50).map(|n| format!("GET /users/{n}. HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
        let mut stream = server.connect();
        stream.write_all(requests.as_bytes()).unwrap();
        for n in 0..50 {
            until(&mut stream, &format!("\r\n\r\nuser {n}."));
        }
    });
}

#[test]
fn a_panic_is_a_500_and_the_server_goes_on() {
    on_each(&ServerConfig::default(), &app(), |server| {
        for _ in 0..20 {
            assert!(server.ask("GET /panic", "", "").starts_with("HTTP/1.1 500 "), "{:?}", server.on);
        }
        assert!(server.ask("GET /", "", "").ends_with("root"));
    });
}
