//! The program from outside: what it prints, how it responds, how it ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Makes a test of each of these functions on each of [`TRANSPORTS`]: `what_it_holds::on_tokio`, and so on.
macro_rules! on_each_transport {
    ($($check:ident),+ $(,)?) => {
        $(mod $check {
            #[test]
            fn on_tokio() {
                super::$check("tokio");
            }

            #[test]
            fn on_async_std() {
                super::$check("async-std");
            }

            #[test]
            fn on_smol() {
                super::$check("smol");
            }

            #[test]
            fn on_blocking() {
                super::$check("blocking");
            }
        })+
    };
}

mod bench;
mod browser;
mod choose;
mod complaints;
mod connections;
mod curl;
mod drain;
mod draw;
mod echo;
mod environment;
mod faults;
mod files;
mod hello;
mod help;
mod hostile;
mod large;
mod operating;
mod proxy;
mod record;
mod relay;
mod serve;
mod signals;
mod slow;
mod streams;
mod threads;
mod tls;
mod tools;
mod unix_socket;
mod writes;
mod wrk;

/// What `--transport` takes.
const TRANSPORTS: [&str; 4] = ["tokio", "async-std", "smol", "blocking"];

/// A limit that the descriptors of every machine allow, so that no note at the start says that it is lowered.
const FEW_CONNECTIONS: &str = "--max-connections=100";

/// Long enough for a loaded machine; nothing here waits for it unless it fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// The program, with none of its variables in the environment.
fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_httpfsm"));
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("HTTPFSM_") || name_text.starts_with("RIG_") {
            command.env_remove(&name);
        }
    }
    command
}

/// The command `serve` on a transport.
fn serve(transport: &str) -> Command {
    let mut command = program();
    command.args(["serve", "--transport", transport]);
    command
}

/// Runs the program to its end.
fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().expect("the program starts")
}

/// What the program prints to the standard error stream before it ends with this exit code.
#[track_caller]
fn complaint(command: &mut Command, code: i32) -> String {
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let started = Instant::now();
    let status = loop {
        match child.try_wait().expect("a child") {
            Some(status) => break status,
            None if started.elapsed() > PATIENCE => {
                let _ = child.kill();
                panic!("{command:?} does not end");
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let mut errors = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut errors).expect("text");
    assert_eq!(status.code(), Some(code), "{command:?}: {errors}");
    errors
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// A running `httpfsm serve`, killed when dropped.
struct ServerProcess {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// What the first line says after `listening on `.
    listening: String,
}

impl ServerProcess {
    /// Starts `serve --port 0` with these arguments, for tests that do not depend on the transport.
    fn start(arguments: &[&str]) -> Self {
        Self::spawn(program().args(["serve", "--port", "0"]).args(arguments))
    }

    /// Starts it on a transport.
    fn on(transport: &str, arguments: &[&str]) -> Self {
        Self::spawn(serve(transport).args(["--port", "0"]).args(arguments))
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut first = String::new();
        stdout.read_line(&mut first).expect("a line");
        let listening = first.trim_end().strip_prefix("listening on ").map(str::to_owned);
        let listening = listening.unwrap_or_else(|| panic!("the first line is {first:?}"));
        Self { child, stdout, listening }
    }

    fn address(&self) -> SocketAddr {
        let address =
            self.listening.trim_start_matches("https://").trim_start_matches("http://").parse().ok();
        address.unwrap_or_else(|| panic!("no address: {}", self.listening))
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address()).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream
    }

    /// Sends one request that ends in `Connection: close`, or one of HTTP/1.0, and returns the whole response.
    fn exchange(&self, request: &[u8]) -> ReceivedResponse {
        let mut stream = self.connect();
        stream.write_all(request).expect("sent");
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("a response and its end");
        ReceivedResponse::new(&bytes)
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("a running child");
    }

    /// Waits for the end of the program; returns its status and what it printed to the standard error stream.
    fn end(mut self) -> (ExitStatus, String) {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                let mut errors = String::new();
                let mut stderr = self.child.stderr.take().expect("a pipe");
                stderr.read_to_string(&mut errors).expect("text");
                return (status, errors);
            }
            assert!(started.elapsed() < PATIENCE, "the program does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A response, taken apart.
#[derive(Debug)]
struct ReceivedResponse {
    status: String,
    fields: Vec<(String, String)>,
    content: Vec<u8>,
}

impl ReceivedResponse {
    fn new(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no head in {:?}", String::from_utf8_lossy(bytes)));
        let head = text(&bytes[..end]);
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap_or_default().to_owned();
        let fields = lines.map(|line| {
            let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("a field line: {line:?}"));
            (name.to_ascii_lowercase(), value.to_owned())
        });
        Self { status, fields: fields.collect(), content: bytes[end + 4..].to_vec() }
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    fn text(&self) -> String {
        text(&self.content)
    }

    #[track_caller]
    fn assert(&self, status: &str, content: &str) {
        assert_eq!((self.status.as_str(), self.text().as_str()), (status, content), "{self:?}");
    }
}
