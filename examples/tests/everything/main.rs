//! The program, as its users see it, on each transport.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

mod browser;
mod files;
mod readme;
mod responses;
mod signals;
mod ticks;
mod websocket;

/// The transports that the program is tested on.
const TRANSPORTS: &[&str] = &["tokio", "async-std", "smol", "blocking"];

/// Long enough for a loaded machine; nothing here waits for it unless it fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts the program on each transport, and ends it as a user does.
fn on_each_transport(test: impl Fn(&ServerProcess)) {
    on_each_transport_with(&[], test);
}

/// The same, with more flags.
fn on_each_transport_with(flags: &[&str], test: impl Fn(&ServerProcess)) {
    for transport in TRANSPORTS {
        let server = ServerProcess::start(transport, flags);
        let name = NameOnFailure(transport);
        test(&server);
        drop(name);
        server.end();
    }
}

/// Says on which transport a test failed.
struct NameOnFailure(&'static str);

impl Drop for NameOnFailure {
    fn drop(&mut self) {
        if thread::panicking() {
            let _ = writeln!(io::stderr(), "on {}", self.0);
        }
    }
}

/// The running program, killed when dropped.
struct ServerProcess {
    child: Child,
    address: SocketAddr,
    /// Where it may make its folder of uploads.
    temporary: TempDir,
}

impl ServerProcess {
    fn start(transport: &str, flags: &[&str]) -> Self {
        let temporary = tempfile::tempdir().expect("a directory");
        let mut child = Command::new(env!("CARGO_BIN_EXE_everything"))
            .args(["--port", "0", "--transport", transport])
            .args(flags)
            .env("TMPDIR", temporary.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut first = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut first).expect("a line");
        let address =
            first.trim_end().strip_prefix("listening on http://").and_then(|text| text.parse().ok());
        let address = address.unwrap_or_else(|| panic!("the first line is {first:?}"));
        Self { child, address, temporary }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream
    }

    /// Sends a head and a content, and reads the responses up to the end of the connection.
    fn exchange(&self, request_line: &str, fields: &str, content: impl AsRef<[u8]>) -> ReceivedResponse {
        let mut stream = self.connect();
        let head = format!("{request_line} HTTP/1.1\r\nHost: example\r\nConnection: close\r\n{fields}\r\n");
        stream.write_all(head.as_bytes()).expect("sent");
        stream.write_all(content.as_ref()).expect("sent");
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("a response and its end");
        ReceivedResponse::new(&bytes)
    }

    fn get(&self, target: &str) -> ReceivedResponse {
        self.exchange(&format!("GET {target}"), "", "")
    }

    fn post(&self, target: &str, content: impl AsRef<[u8]>) -> ReceivedResponse {
        let length = format!("Content-Length: {}\r\n", content.as_ref().len());
        self.exchange(&format!("POST {target}"), &length, content)
    }

    /// The files in its folder of uploads.
    fn files(&self) -> Vec<PathBuf> {
        let paths = |folder: &Path| -> Vec<PathBuf> {
            let entries = fs::read_dir(folder).expect("a folder");
            entries.map(|entry| entry.expect("an entry").path()).collect()
        };
        paths(self.temporary.path()).iter().flat_map(|folder| paths(folder)).collect()
    }

    /// How many sockets it holds.
    fn sockets(&self) -> usize {
        let descriptors = fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("a process");
        let links = descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
    }

    /// The most memory that it has had so far, in KiB.
    fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("a process");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.parse().ok());
        peak.unwrap_or_else(|| panic!("no peak in {status}"))
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("a running child");
    }

    /// Drains it by a signal.
    fn end(self) {
        self.end_by(Signal::TERM);
    }

    /// Sends it a signal, waits for its end, and checks that its folder is removed.
    fn end_by(mut self, signal: Signal) {
        // An earlier signal may have ended it.
        if self.child.try_wait().expect("a child").is_none() {
            self.signal(signal);
        }
        let status = wait_for("the end of the program", || self.child.try_wait().expect("a child"));
        assert!(status.success(), "{status}");
        let left: Vec<_> = fs::read_dir(self.temporary.path()).expect("a folder").collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The final response, and what came before it.
#[derive(Debug)]
struct ReceivedResponse {
    interim: Option<String>,
    head: String,
    content: Vec<u8>,
}

impl ReceivedResponse {
    fn new(bytes: &[u8]) -> Self {
        let (head, rest) = split(bytes);
        if !head.starts_with("HTTP/1.1 1") {
            return Self { interim: None, head, content: rest.to_vec() };
        }
        Self { interim: Some(head), ..Self::new(rest) }
    }

    fn status(&self) -> u16 {
        let status = self.head.split(' ').nth(1).and_then(|code| code.parse().ok());
        status.unwrap_or_else(|| panic!("no status in {}", self.head))
    }

    fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.split("\r\n").filter_map(|line| line.split_once(": "));
        fields.find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn text(&self) -> String {
        String::from_utf8(self.content.clone()).expect("text")
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.content).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// Decodes the chunks: the content, and the trailer section after it.
    fn chunks(&self) -> (Vec<u8>, String) {
        assert_eq!(self.field("Transfer-Encoding"), Some("chunked"), "{}", self.head);
        let (mut content, mut rest) = (Vec::new(), &self.content[..]);
        loop {
            let end = rest.windows(2).position(|two| two == b"\r\n").expect("the end of a line");
            let length =
                std::str::from_utf8(&rest[..end]).ok().and_then(|hex| usize::from_str_radix(hex, 16).ok());
            let length = length.expect("the length of a chunk");
            rest = &rest[end + 2..];
            if length == 0 {
                return (content, String::from_utf8(rest.to_vec()).expect("text"));
            }
            content.extend_from_slice(&rest[..length]);
            rest = &rest[length + 2..];
        }
    }
}

/// The head, and what follows it.
fn split(bytes: &[u8]) -> (String, &[u8]) {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no head in {:?}", String::from_utf8_lossy(bytes)));
    (String::from_utf8(bytes[..end].to_vec()).expect("text"), &bytes[end + 4..])
}

/// Calls `ask` until it returns something, for at most [`PATIENCE`].
#[track_caller]
fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
