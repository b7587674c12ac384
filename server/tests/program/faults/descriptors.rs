//! A server that has no descriptor left.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};

use super::{GET, HeldResources};
use crate::tools::tool;
use crate::{PATIENCE, ServerProcess};

on_each_transport! {
    an_acceptor_without_descriptors_does_not_spin_and_recovers,
    without_descriptors_idle_connections_are_closed_for_new_ones,
    slow_downloads_leave_descriptors_for_others,
}

const DESCRIPTORS: usize = 32;
const CLIENTS: usize = 100;

fn an_acceptor_without_descriptors_does_not_spin_and_recovers(transport: &str) {
    let server = ServerProcess::on(transport, &["--app", "bench"]);
    let before = HeldResources::at_rest(&server);
    let limit = Some(DESCRIPTORS as u64);
    prlimit(
        Some(Pid::from_child(&server.child)),
        Resource::Nofile,
        Rlimit { current: limit, maximum: limit },
    )
    .expect("a limit");
    let mut early = server.connect();
    early.write_all(b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello").expect("sent");

    let clients: Vec<_> = (0..CLIENTS).map(|_| server.connect()).collect();
    let started = Instant::now();
    while HeldResources::of(&server).descriptors < DESCRIPTORS {
        assert!(started.elapsed() < PATIENCE, "the server takes only {}", HeldResources::of(&server));
        thread::sleep(Duration::from_millis(5));
    }
    rests(&server);
    early.write_all(b"world").expect("sent");
    receive(&mut early, b"\r\n\r\n10");

    drop((early, clients));
    server.exchange(GET).assert("HTTP/1.1 200 OK", "Hello, World!");
    before.is_all_that_is_left(&server);
}

/// The longest idle connection is closed for each new one.
fn without_descriptors_idle_connections_are_closed_for_new_ones(transport: &str) {
    let server = ServerProcess::on(transport, &["--app", "bench"]);
    let limit = Some(DESCRIPTORS as u64);
    let limit = Rlimit { current: limit, maximum: limit };
    prlimit(Some(Pid::from_child(&server.child)), Resource::Nofile, limit).expect("a limit");
    let mut idle = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = server.connect();
        ask(&mut client);
        idle.push(client);
    }
    server.signal(Signal::TERM);
    let (status, errors) = server.end();
    assert_eq!(status.code(), Some(0), "{errors}");
    assert!(errors.contains("No connection can be accepted at 127.0.0.1:"), "{errors}");
}

/// Each download holds two descriptors, its own and that of the file; idle connections are closed for new ones.
fn slow_downloads_leave_descriptors_for_others(transport: &str) {
    let Some(prlimit) = tool("prlimit") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("small"), "small").expect("written");
    let large = fs::File::create(folder.path().join("large")).expect("a file");
    // More than the kernel and the server hold for a peer that does not read.
    large.set_len(64 << 20).expect("a length");
    let program = crate::serve(transport);
    let mut limited = Command::new(prlimit);
    limited.arg("--nofile=512").arg(program.get_program()).args(program.get_args());
    let server = ServerProcess::spawn(limited.args(["--port", "0"]).arg(folder.path()));

    let mut slow: Vec<_> = (0..220).map(|_| server.connect()).collect();
    for client in &mut slow {
        client.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
        let mut first = [0; 13];
        client.read_exact(&mut first).expect("a response");
        assert_eq!(first, *b"HTTP/1.1 200 ");
    }
    // More than fit into the limit, and they stay open.
    let mut others = Vec::new();
    for _ in 0..140 {
        let mut client = server.connect();
        client.write_all(b"GET /small HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
        let response = whole(&mut client);
        assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
        others.push(client);
    }
    drop((slow, others));
    server.signal(Signal::TERM);
    let (_, errors) = server.end();
    let message = "the default of --max-connections is 224 instead of 20000: of the 512 descriptors that may be open (ulimit -n), half are kept for files";
    assert!(errors.contains(message), "{errors}");
}

/// Each connection may hold a temporary file beside its socket.
#[test]
fn bodies_that_are_kept_whole_leave_descriptors_for_their_files() {
    let Some(prlimit) = tool("prlimit") else { return };
    let echo = |bodies| ["--app", "echo", "--bodies", bodies];
    for (arguments, connections) in [
        (&["--app", "bench", "--transport", "blocking"][..], 224),
        (&["--app", "bench", "--transport", "blocking", "--bodies", "streamed"], 336),
        (&["--app", "bench", "--transport", "tokio"], 336),
        (&echo("whole"), 224),
        (&echo("streamed"), 336),
    ] {
        let mut limited = Command::new(&prlimit);
        limited.arg("--nofile=512").arg(env!("CARGO_BIN_EXE_httpfsm")).args(["serve", "--port", "0"]);
        let server = ServerProcess::spawn(limited.args(arguments));
        server.signal(Signal::TERM);
        let (_, errors) = server.end();
        let message = format!(
            "the default of --max-connections is {connections} instead of 20000: of the 512 descriptors"
        );
        assert!(errors.contains(&message), "{arguments:?}: {errors}");
    }
}

#[test]
fn a_start_that_fails_says_nothing_of_its_connections() {
    let Some(prlimit) = tool("prlimit") else { return };
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
    let port = taken.local_addr().expect("an address").port().to_string();
    let mut limited = Command::new(prlimit);
    limited.arg("--nofile=512").arg(env!("CARGO_BIN_EXE_httpfsm")).args(["serve", "--port", &port]);
    let said = crate::complaint(&mut limited, 1);
    assert!(said.contains("Address already in use") && said.lines().count() == 1, "{said}");
}

/// The look-up of a link needs a descriptor.
#[test]
fn a_folder_is_listed_whole_or_not_at_all() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("file"), "").expect("written");
    std::os::unix::fs::symlink("file", folder.path().join("link")).expect("a link");
    let server = ServerProcess::spawn(crate::serve("tokio").args(["--port", "0"]).arg(folder.path()));
    let mut client = server.connect();
    let mut seen = BTreeSet::new();
    for limit in (0..40).rev() {
        let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
        prlimit(Some(Pid::from_child(&server.child)), Resource::Nofile, limit).expect("a limit");
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
        let response = whole(&mut client);
        assert_eq!(response.starts_with("HTTP/1.1 200 "), response.contains("href=\"link\""), "{response}");
        seen.insert(response[..13].to_owned());
    }
    assert_eq!(Vec::from_iter(&seen), ["HTTP/1.1 200 ", "HTTP/1.1 503 "]);
}

/// A response with a Content-Length.
#[track_caller]
fn whole(stream: &mut TcpStream) -> String {
    let mut response = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let n = stream.read(&mut piece).expect("a response");
        assert_ne!(n, 0, "an end behind {:?}", String::from_utf8_lossy(&response));
        response.extend_from_slice(&piece[..n]);
        let text = String::from_utf8_lossy(&response);
        if let Some((head, content)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).expect("a length");
            if content.len() == length.parse::<usize>().expect("a number") {
                return text.into_owned();
            }
        }
    }
}

/// One request on a connection that stays.
#[track_caller]
fn ask(stream: &mut TcpStream) {
    stream.write_all(b"GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    receive(stream, b"Hello, World!");
}

/// Reads until this has come.
#[track_caller]
fn receive(stream: &mut TcpStream, end: &[u8]) {
    let mut response = Vec::new();
    while !response.ends_with(end) {
        let mut piece = [0; 1024];
        let n = stream.read(&mut piece).expect("a response");
        assert_ne!(n, 0, "an end behind {:?}", String::from_utf8_lossy(&response));
        response.extend_from_slice(&piece[..n]);
    }
}

/// Waits until the server rests for half a second. A thread that spins takes all of the processor, or little on a busy
/// machine, but it is always runnable.
#[track_caller]
fn rests(server: &ServerProcess) {
    const LOOKS: u32 = 20;
    let (started, mut seen) = (Instant::now(), Vec::new());
    while started.elapsed() < PATIENCE / 2 {
        let (ticks, mut running) = (processor_time(server), 0);
        for _ in 0..LOOKS {
            thread::sleep(Duration::from_millis(25));
            running += u32::from(is_a_thread_running(server));
        }
        let ticks = processor_time(server) - ticks;
        if ticks <= 3 && running <= LOOKS / 4 {
            return;
        }
        seen.push((ticks, running));
    }
    panic!(
        "hundredths of half a second without descriptors, and looks of {LOOKS} at which a thread runs: {seen:?}"
    );
}

fn is_a_thread_running(server: &ServerProcess) -> bool {
    let threads = fs::read_dir(format!("/proc/{}/task", server.child.id())).expect("a running server");
    let mut stats =
        threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok());
    // The name of the thread may contain blanks; the state follows it.
    stats.any(|stat| stat.rsplit_once(") ").is_some_and(|(_, fields)| fields.starts_with('R')))
}

/// The processor time of the server in hundredths of a second.
fn processor_time(server: &ServerProcess) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", server.child.id())).expect("a running server");
    // The name of the program may contain blanks; the third field follows it.
    let (_, fields) = stat.rsplit_once(") ").expect("fields");
    fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
}
