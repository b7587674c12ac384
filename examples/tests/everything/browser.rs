//! A browser opens the page, which tries everything.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use httpfsm_testing::tool;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::{PATIENCE, on_each_transport, wait_for};

#[test]
fn the_page_finds_all_fine() {
    let Some(program) = tool("chromium") else { return };
    on_each_transport(|server| {
        let browser = Browser::open(&program, &format!("http://{}/", server.address));
        let title = wait_for("the page to finish", || {
            browser.titles().into_iter().find(|title| title == "all fine" || title.starts_with("failed"))
        });
        assert_eq!(title, "all fine");
    });
}

/// A browser with one page, killed with all its processes when dropped.
struct Browser {
    child: Child,
    profile: tempfile::TempDir,
}

impl Browser {
    fn open(program: &Path, url: &str) -> Self {
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
            "--remote-debugging-port=0",
        ]);
        command.arg(format!("--user-data-dir={}", profile.path().display())).arg(url);
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { child: command.process_group(0).spawn().expect("the browser starts"), profile }
    }

    /// The titles of its pages, from the list that it gives to debuggers.
    fn titles(&self) -> Vec<String> {
        let list = self.port().and_then(list).unwrap_or_default();
        let pages = list.as_array().into_iter().flatten();
        pages.filter_map(|page| page["title"].as_str().map(str::to_owned)).collect()
    }

    /// The browser writes its port to a file when it listens.
    fn port(&self) -> Option<u16> {
        let written = fs::read_to_string(self.profile.path().join("DevToolsActivePort")).ok()?;
        written.lines().next()?.parse().ok()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// The browser keeps the connection open, so the length says where its response ends.
fn list(port: u16) -> Option<serde_json::Value> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(stream, "GET /json/list HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").ok()?;
    let mut stream = BufReader::new(stream);
    let head = stream.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    let length = head
        .filter_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let length = length.last()?;
    serde_json::from_reader(stream.take(length)).ok()
}
