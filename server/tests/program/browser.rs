//! A browser looks at the page.

use std::process::Command;

use crate::tools::{Beside, tool};
use crate::{PATIENCE, Server, text};

#[test]
fn chromium_renders_the_page_with_the_machine() {
    let Some(program) = tool("chromium") else { return };
    let server = Server::start(&["--app", "hello"]);
    let profile = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(program);
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--no-proxy-server",
    ]);
    command.arg(format!("--user-data-dir={}", profile.path().display()));
    command.arg("--dump-dom").arg(format!("{}/", server.listening));
    // A browser takes its time to start on a machine that is busy.
    let output = Beside::start(&mut command).output(4 * PATIENCE);
    let (page, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{errors}");
    let picture = page.split("<svg").nth(1).and_then(|rest| rest.split("</svg>").next());
    let picture = picture.unwrap_or_else(|| panic!("no picture in {page}\n{errors}"));
    for state in httpfsm::channel::MACHINE.describe().states {
        let name = format!(">{}</text>", state.label);
        assert!(picture.contains(&name), "no {name} in {picture}");
    }
    assert!(page.contains("server.clisrv_"), "{page}");
}
