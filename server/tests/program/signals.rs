//! What each signal does, also while the program starts.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::tools::tool;
use crate::{FEW_CONNECTIONS, PATIENCE, ReceivedResponse, ServerProcess, serve};

on_each_transport! {
    signals_that_mean_nothing_end_nothing,
    every_signal_that_ends_drains,
    the_limit_of_processor_time_drains,
    recordings_are_switched_as_soon_as_it_is_said_that_the_program_listens,
    quitting_leaves_no_socket,
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

fn signals_that_mean_nothing_end_nothing(transport: &str) {
    let mut server = ServerProcess::on(transport, &["--app", "hello"]);
    let said = said(&mut server);
    let ignored = [
        (Signal::HUP, "SIGHUP"),
        (Signal::USR1, "SIGUSR1"),
        (Signal::USR2, "SIGUSR2"),
        (Signal::ALARM, "SIGALRM"),
        (Signal::VTALARM, "SIGVTALRM"),
        (Signal::PROF, "SIGPROF"),
        (Signal::IO, "SIGIO"),
        (Signal::POWER, "SIGPWR"),
        (Signal::STKFLT, "SIGSTKFLT"),
    ];
    for (signal, name) in ignored {
        server.signal(signal);
        assert_eq!(server.exchange(GET).status, "HTTP/1.1 200 OK", "{signal:?}");
        // It is said by another thread, which the end of the program would not wait for.
        let line = format!("httpfsm: {name} is ignored.");
        while said.recv_timeout(PATIENCE).expect(name) != line {}
    }
    for signal in [Signal::PIPE, Signal::XFSZ] {
        server.signal(signal);
        assert_eq!(server.exchange(GET).status, "HTTP/1.1 200 OK", "{signal:?}");
    }
    server.signal(Signal::TERM);
    assert_eq!(server.child.wait().expect("a child").code(), Some(0));
}

/// The lines that the program prints to the standard error stream, as they come.
pub(crate) fn said(server: &mut ServerProcess) -> mpsc::Receiver<String> {
    let stderr = BufReader::new(server.child.stderr.take().expect("a pipe"));
    let (tell, said) = mpsc::channel();
    thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
    said
}

fn every_signal_that_ends_drains(transport: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    for signal in [Signal::TERM, Signal::INT, Signal::QUIT, Signal::XCPU] {
        let path = folder.path().join("socket");
        let path = path.to_str().expect("text");
        let server = ServerProcess::on(transport, &["--app", "hello", "--unix", path]);
        server.signal(signal);
        let (status, errors) = server.end();
        assert_eq!(status.code(), Some(0), "{signal:?}: {errors}");
        assert!(!fs::exists(path).expect("a folder"), "{signal:?} leaves the socket");
    }
}

/// From the limit on the system sends SIGXCPU each second. It does not count as the second signal, which would end the
/// program.
fn the_limit_of_processor_time_drains(transport: &str) {
    let server = ServerProcess::on(transport, &["--app", "echo"]);
    let mut client = server.connect();
    client
        .write_all(b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\n1")
        .expect("sent");
    server.signal(Signal::XCPU);
    let started = Instant::now();
    while TcpStream::connect(server.address()).is_ok() {
        assert!(started.elapsed() < PATIENCE, "it does not drain");
        thread::sleep(Duration::from_millis(5));
    }
    // Longer than the time within which two signals count as one.
    thread::sleep(Duration::from_millis(400));
    server.signal(Signal::XCPU);
    thread::sleep(Duration::from_millis(100));
    client.write_all(b"2").expect("sent");
    let mut bytes = Vec::new();
    client.read_to_end(&mut bytes).expect("a response");
    assert_eq!(ReceivedResponse::new(&bytes).status, "HTTP/1.1 200 OK");
    let (status, errors) = server.end();
    assert_eq!(status.code(), Some(0), "{errors}");
    assert_eq!(errors.matches("SIGXCPU").count(), 1, "{errors}");
}

/// A stream that is full as long as its reader, the second of the pair, exists.
fn full() -> (OwnedFd, UnixStream) {
    let (mut full, reader) = UnixStream::pair().expect("a pair");
    full.set_nonblocking(true).expect("an option");
    while full.write(&[0; 4096]).is_ok() {}
    full.set_nonblocking(false).expect("an option");
    (full.into(), reader)
}

fn recordings_are_switched_as_soon_as_it_is_said_that_the_program_listens(transport: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    // The start blocks where it prints the addresses, as the standard output is full.
    let (stdout, _reader) = full();
    let mut command = serve(transport);
    command.args(["--app", "hello", FEW_CONNECTIONS, "--record"]).arg(folder.path().join("records"));
    command.arg("--unix").arg(&path).stdout(stdout).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let started = Instant::now();
    while !path.exists() {
        assert!(started.elapsed() < PATIENCE, "there is no socket");
        thread::sleep(Duration::from_millis(5));
    }
    kill_process(Pid::from_child(&child), Signal::USR1).expect("a running child");
    // On a slow machine the line about the recordings comes first.
    let lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let message = lines.map(|line| line.expect("text")).find(|line| line.contains("SIGUSR1"));
    child.kill().expect("a running child");
    child.wait().expect("its end");
    let expected = "httpfsm: SIGUSR1: recording no connections until SIGUSR1";
    assert_eq!(message.as_deref(), Some(expected));
}

fn quitting_leaves_no_socket(transport: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    // The start blocks after it has made its sockets, as the standard output is full.
    let (stdout, _reader) = full();
    let mut command = serve(transport);
    command.args(["--app", "hello", "--unix"]).arg(&path).stdout(stdout).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let started = Instant::now();
    while child.try_wait().expect("a child").is_none() {
        assert!(started.elapsed() < PATIENCE, "it does not end");
        if path.exists() {
            // The process may have ended meanwhile.
            let _ = kill_process(Pid::from_child(&child), Signal::TERM);
        }
        thread::sleep(Duration::from_millis(100));
    }
    assert!(!path.exists());
}

/// The signal comes between the bind, which makes the file, and the end of the call.
#[test]
fn quitting_while_a_socket_is_made_leaves_none() {
    let Some(strace) = tool("strace") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let mut command = Command::new(strace);
    command.args(["-D", "-f", "-o", "/dev/null", "-e", "trace=listen", "-e"]);
    command.arg("inject=listen:delay_enter=500000").arg(env!("CARGO_BIN_EXE_httpfsm"));
    command.args(["serve", "--app", "hello", "--unix"]).arg(&path).stdout(Stdio::null());
    let mut child = command.stderr(Stdio::piped()).spawn().expect("the program starts");
    let started = Instant::now();
    while !path.exists() {
        assert!(started.elapsed() < PATIENCE, "there is no socket");
        thread::sleep(Duration::from_millis(5));
    }
    kill_process(Pid::from_child(&child), Signal::TERM).expect("a running child");
    let status = child.wait().expect("its end");
    assert_eq!(status.code(), Some(143), "the signal came before the program served");
    assert!(!path.exists());
}
