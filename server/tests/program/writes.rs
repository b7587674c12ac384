//! What the server writes at once, as strace sees it.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::tools::tool;
use crate::{FEW_CONNECTIONS, PATIENCE, ServerProcess};

on_each_transport! {
    an_interim_head_is_in_a_write_of_its_own,
}

/// The statuses of the heads in each write.
fn heads(trace: &Path) -> Vec<Vec<String>> {
    let started = Instant::now();
    let text = loop {
        let text = fs::read_to_string(trace).unwrap_or_default();
        if text.ends_with("+++\n") && text.lines().last().is_some_and(|line| line.contains("exited")) {
            break text;
        }
        assert!(started.elapsed() < PATIENCE, "strace does not end: {text}");
        thread::sleep(Duration::from_millis(5));
    };
    let statuses = |line: &str| -> Vec<String> {
        line.split("HTTP/1.1 ").skip(1).map(|head| head.chars().take(3).collect()).collect()
    };
    text.lines().map(statuses).filter(|heads| !heads.is_empty()).collect()
}

/// Some proxies take two heads in one read for a fault. These wait for each other in the output: nothing but the end of a
/// head parts them. On the blocking transport they never wait for each other, since each handler ends on a thread of its
/// own; `core/tests` have what parts them there.
fn an_interim_head_is_in_a_write_of_its_own(transport: &str) {
    let Some(strace) = tool("strace") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let trace = folder.path().join("trace");
    let mut command = Command::new(strace);
    command.args(["-D", "-f", "-s", "4096", "-e", "trace=write,writev,sendto,sendmsg", "-o"]).arg(&trace);
    command.arg(env!("CARGO_BIN_EXE_httpfsm"));
    command.args(["serve", "--app", "bench", "--port", "0", "--transport", transport, FEW_CONNECTIONS]);
    let server = ServerProcess::spawn(&mut command);

    let get = "GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n";
    let post = |fields| format!("POST /echo HTTP/1.1\r\nHost: a\r\n{fields}Content-Length: 4\r\n\r\n");
    let mut client = server.connect();
    client.write_all((get.repeat(2) + &post("Expect: 100-continue\r\n")).as_bytes()).expect("sent");
    let mut received = Vec::new();
    while !received.ends_with(b"HTTP/1.1 100 Continue\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).expect("a 100");
        received.extend_from_slice(&byte);
    }
    client.write_all(("body".to_owned() + &post("Connection: close\r\n") + "last").as_bytes()).expect("sent");
    client.read_to_end(&mut received).expect("responses and the end");
    assert!(received.ends_with(b"\r\n\r\nlast"), "{}", received.escape_ascii());

    server.signal(Signal::TERM);
    assert_eq!(server.end().0.code(), Some(0));
    let heads = heads(&trace);
    assert_eq!(heads.concat(), ["200", "200", "100", "200", "200"], "{heads:?}");
    assert!(heads.contains(&vec!["100".to_owned()]), "{heads:?}");
}
