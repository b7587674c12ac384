//! The commands of `docs/operating.md` work as they are pasted, in bash and in their order.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Instant;

use httpfsm::config::ServerConfig;

use crate::tools::tool;
use crate::{FEW_CONNECTIONS, PATIENCE, TRANSPORTS, program};

on_each_transport! {
    the_commands_print_what_the_page_says,
}

/// A command, and what it, or the server, prints.
struct PageCommand {
    command: String,
    expected: Option<String>,
}

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operating.md");
    fs::read_to_string(path).expect("the page")
}

/// The commands of the page, with these ports.
fn commands(ports: [u16; 2]) -> Vec<PageCommand> {
    let page = page();
    let blocks =
        page.split("```sh\n").skip(1).map(|rest| rest.split_once("```").expect("the end of a block").0);
    let code = blocks.collect::<String>().replace("\\\n", "");
    let code = code.replace("8080", &ports[0].to_string()).replace("8443", &ports[1].to_string());
    let command = |line: &str| match line.split_once("  # ") {
        Some((command, expected)) => {
            PageCommand { command: command.trim_end().to_owned(), expected: Some(expected.trim().to_owned()) }
        }
        None => PageCommand { command: line.to_owned(), expected: None },
    };
    code.lines().map(command).collect()
}

/// Ports that nobody listens at, and that the system gives to nobody who asks for any.
fn free_ports(transport: &str) -> [u16; 2] {
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    // Those that run beside begin elsewhere: the other transports, and this test in another process.
    let beside = TRANSPORTS.iter().position(|other| *other == transport).unwrap_or_default() * 5;
    let first = 10_000 + (std::process::id() % 1000) as u16 * 20 + beside as u16;
    let mut free = (first..first + 2000).filter(is_free);
    [free.next().expect("a port"), free.next().expect("a port")]
}

/// The server of the page, which is killed when this is dropped, and the lines that it prints to either stream.
struct PageServer {
    child: Child,
    lines: Receiver<String>,
}

impl PageServer {
    fn start(command: &str, transport: &str, port: u16, folder: &Path) -> Self {
        let arguments = command.strip_prefix("httpfsm ").expect("the program");
        let mut command = program();
        command.args(arguments.split_whitespace()).args(["--transport", transport, FEW_CONNECTIONS]);
        if !arguments.contains(" --port ") {
            // The default is that of the page.
            command.args(["--port", &port.to_string()]);
        }
        command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let (tell, lines) = mpsc::channel();
        let (stdout, stderr) = (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
        for stream in [Box::new(stdout) as Box<dyn Read + Send>, Box::new(stderr)] {
            let tell = tell.clone();
            thread::spawn(move || {
                BufReader::new(stream).lines().map_while(Result::ok).try_for_each(|line| tell.send(line))
            });
        }
        Self { child, lines }
    }

    #[track_caller]
    fn prints(&self, expected: &str, beside: &str) {
        let (started, mut lines) = (Instant::now(), Vec::new());
        while let Ok(line) = self.lines.recv_timeout(PATIENCE.saturating_sub(started.elapsed())) {
            if line.contains(expected) {
                return;
            }
            lines.push(line);
        }
        panic!("nothing with {expected:?} in {lines:#?}, nor in {beside:?}");
    }
}

impl Drop for PageServer {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn the_commands_print_what_the_page_says(transport: &str) {
    let (Some(_), Some(_), Some(shell)) = (tool("curl"), tool("openssl"), tool("bash")) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let mut server: Option<PageServer> = None;
    let ports = free_ports(transport);
    for PageCommand { command, expected } in commands(ports) {
        if command.starts_with("httpfsm ") {
            // The ports are those of the one before.
            drop(server.take());
            let started = PageServer::start(&command, transport, ports[0], folder.path());
            started.prints(&expected.expect("where it listens"), &command);
            server = Some(started);
            continue;
        }
        let id = server.as_ref().map(|server| server.child.id().to_string()).unwrap_or_default();
        let mut bash = Command::new(&shell);
        bash.args(["-o", "pipefail", "-c", &command.replace("PID", &id)]);
        let output = bash.env("HOME", folder.path()).env("no_proxy", "*").current_dir(&folder).output();
        let output = output.expect("a shell");
        let printed = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        match (expected, &server) {
            (Some(expected), _) if printed.contains(&expected) => {}
            (Some(expected), Some(server)) if output.status.success() => server.prints(&expected, &printed),
            (expected, _) => {
                assert!(expected.is_none() && output.status.success(), "{command}: {expected:?}\n{printed}");
            }
        }
    }
    assert!(server.is_some(), "the page starts no server");
}

/// What the page says of the defaults.
#[test]
fn the_times_on_the_page_are_those_of_the_server() {
    let page = page();
    let seconds = |config: ServerConfig| config.handshake_timeout.expect("a deadline").as_secs();
    let (plain, hardened) = (seconds(ServerConfig::default()), seconds(ServerConfig::hardened()));
    let sentence = format!("A client has `--handshake-timeout` ({plain} s, with `--hardened` {hardened} s)");
    assert!(page.contains(&sentence), "{sentence}");
}
