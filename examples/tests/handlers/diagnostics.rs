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
"#;

#[test]
fn the_compiler_says_what_to_do() {
    let scratch = tempfile::tempdir().unwrap();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let manifest = format!(
        "[package]\nname = \"wrong\"\nedition = \"2024\"\n[lib]\npath = \"lib.rs\"\n[dependencies]\nhttpfsm = {{ path = {:?} }}\n\
         [workspace]\n",
        workspace.join("core"),
    );
    std::fs::write(scratch.path().join("Cargo.toml"), manifest).unwrap();
    std::fs::write(scratch.path().join("lib.rs"), WRONG).unwrap();
    // The versions of the workspace are on this machine already.
    std::fs::copy(workspace.join("Cargo.lock"), scratch.path().join("Cargo.lock")).unwrap();
    let check = Command::new(env!("CARGO"))
        .args(["check", "--offline", "--color", "never"])
        .current_dir(scratch.path())
        .env("CARGO_TARGET_DIR", scratch.path().join("target"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&check.stderr);
    for words in [
        "`NotThere` is no response",
        "implement `IntoResponse` for it",
        "a handler returns a future of a response, and `String` is none",
        "`sync(function)` of the transport",
        "`&str` is no handler",
        "`with_state(state, function)`",
    ] {
        assert!(said.contains(words), "{words}\n{said}");
    }
}
