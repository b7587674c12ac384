//! What the compiler says of what is no handler and of what is no response.

use std::path::Path;
use std::process::Command;

const WRONG: &str = r#"
use httpfsm::handler::{Handler, Request};

struct NotThere;
async fn no_response(_: Request) -> Result<String, NotThere> { Err(NotThere) }
fn blocks(_: Request) -> String { String::new() }
fn is_handler(_: impl Handler) {}

pub fn all() {
    is_handler(no_response);
    is_handler(blocks);
    is_handler("nothing of the kind");
}

#[derive(Clone)]
struct Counting(std::cell::Cell<u32>);

impl tower_service::Service<http::Request<httpfsm_http::Body>> for Counting {
    type Response = http::Response<String>;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<httpfsm_http::Body>) -> Self::Future {
        std::future::ready(Ok(http::Response::new(self.0.get().to_string())))
    }
}

pub fn service() {
    is_handler(httpfsm_http::service(Counting(Default::default())));
}
"#;

/// Compiles, so that warnings are given.
const FORGETFUL: &str = r#"
pub fn main(listener: std::net::TcpListener) -> std::io::Result<()> {
    let handler = |_: httpfsm::Request| async { "Hello, world!" };
    httpfsm_blocking::serve(listener, httpfsm::ServerConfig::default(), handler)?;
    Ok(())
}
"#;

#[test]
fn the_compiler_says_what_to_do() {
    let scratch = tempfile::tempdir().unwrap();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let manifest = format!(
        "[package]\nname = \"wrong\"\nedition = \"2024\"\n[lib]\npath = \"lib.rs\"\n[dependencies]\nhttpfsm = {{ path = {:?} }}\n\
         httpfsm-http = {{ path = {:?} }}\nhttpfsm-blocking = {{ path = {:?} }}\nhttp = \"1\"\ntower-service = \"0.3\"\n[workspace]\n",
        workspace.join("core"),
        workspace.join("http"),
        workspace.join("transport-blocking"),
    );
    std::fs::write(scratch.path().join("Cargo.toml"), manifest).unwrap();
    // The versions of the workspace are on this machine already.
    std::fs::copy(workspace.join("Cargo.lock"), scratch.path().join("Cargo.lock")).unwrap();
    let said_of = |code| {
        std::fs::write(scratch.path().join("lib.rs"), code).unwrap();
        let check = Command::new(env!("CARGO"))
            .args(["check", "--offline", "--color", "never"])
            .current_dir(scratch.path())
            .env("CARGO_TARGET_DIR", scratch.path().join("target"))
            .output()
            .unwrap();
        String::from_utf8_lossy(&check.stderr).into_owned()
    };
    let said = said_of(WRONG);
    for words in [
        "`NotThere` is no response",
        "implement `IntoResponse` for it",
        "`Json(value)` with the feature `json`",
        "`.with_field(..)`",
        "a handler returns a future of a response, and `String` is none",
        "an async function is a handler already; `sync(function)` of the transport",
        "`&str` is no handler",
        "`with_state(state, function)`",
        "`httpfsm_http::service(..)`",
        "`service(Locked::new(..))`",
    ] {
        assert!(said.contains(words), "{words}\n{said}");
    }
    let said = said_of(FORGETFUL);
    for words in ["unused `ServerHandle`", "`with_graceful_shutdown(signal)`"] {
        assert!(said.contains(words), "{words}\n{said}");
    }
}
