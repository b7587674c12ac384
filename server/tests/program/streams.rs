//! The output streams of the program when the reader stalls, when it is closed, and when the disk is full.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;

use rustix::process::Signal;

use crate::tools::BackgroundProgram;
use crate::{FEW_CONNECTIONS, PATIENCE, ReceivedResponse, ServerProcess, complaint, program};

on_each_transport! {
    a_reader_of_standard_error_that_stalls_stops_nobody,
    handlers_that_panic_are_not_held_up_by_a_reader_of_standard_error_that_stalls,
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// Connections whose lines, two of 80 bytes each, fill a pipe, the queue and the batch that is being written.
const CROWD: usize = 4000;
/// Requests whose lines fill a pipe.
const FEW: usize = 1000;

fn a_reader_of_standard_error_that_stalls_stops_nobody(transport: &str) {
    let mut server = ServerProcess::on(transport, &["--app", "hello", "--log", FEW_CONNECTIONS]);
    let exchange = |server: &ServerProcess| assert_eq!(server.exchange(GET).status, "HTTP/1.1 200 OK");
    (0..CROWD).for_each(|_| exchange(&server));
    // The reader is back.
    let stderr = server.child.stderr.take().expect("a pipe");
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let (mut stderr, mut line, mut first) = (BufReader::new(stderr), String::new(), None);
        while !line.contains("lines were dropped here") {
            line.clear();
            if stderr.read_line(&mut line).expect("text") == 0 {
                break;
            }
            first.get_or_insert_with(|| line.clone());
        }
        // The test may be over.
        let _ = sender.send((stderr.into_inner(), first, line));
    });
    let back = receiver.recv_timeout(PATIENCE);
    let (stderr, first, message) = back.expect("the standard error stream says that lines were dropped");
    assert!(first.is_some_and(|first| first.contains("opened at")));
    assert!(message.starts_with("httpfsm: "), "{message}");
    server.child.stderr = Some(stderr);
    // It stalls once more, to the end.
    (0..FEW).for_each(|_| exchange(&server));
    server.signal(Signal::USR2);
    server.signal(Signal::TERM);
    let (status, errors) = server.end();
    assert_eq!(status.code(), Some(0), "{errors}");
}

fn handlers_that_panic_are_not_held_up_by_a_reader_of_standard_error_that_stalls(transport: &str) {
    let server = ServerProcess::on(transport, &["--app", "echo"]);
    for _ in 0..FEW {
        let request = b"GET /_rig/panic HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        assert_eq!(server.exchange(request).status, "HTTP/1.1 500 Internal Server Error");
    }
    assert_eq!(server.exchange(GET).status, "HTTP/1.1 200 OK");
    server.signal(Signal::TERM);
    let (status, errors) = server.end();
    assert_eq!(status.code(), Some(0), "{errors}");
    assert!(errors.contains("/_rig/panic asks for it"), "{errors}");
}

#[test]
fn a_standard_output_that_takes_nothing_is_named_and_one_that_nobody_reads_is_no_failure() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("left");
    let serve = ["serve", "--unix", path.to_str().expect("text")];
    let printers = [
        &["draw"][..],
        &["--help"],
        &["--version"],
        &["help", "serve"],
        &["serve", "--help"],
        &["draw", "-h"],
    ];
    for arguments in printers.into_iter().chain([&serve[..]]) {
        let Ok(full) = File::options().write(true).open("/dev/full") else {
            httpfsm_testing::not_run("/dev/full");
            break;
        };
        let errors = complaint(program().args(arguments).stdout(full), 1);
        assert!(errors.contains("the standard output"), "{arguments:?}: {errors}");
        assert!(!errors.contains("serving"), "{arguments:?}: {errors}");
    }
    assert!(!fs::exists(&path).expect("a folder"), "a start that fails leaves no socket");
    for arguments in printers {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        assert_eq!(complaint(program().args(arguments).stdout(writer), 0), "", "{arguments:?}");
    }
    // The server serves on when the reader of its addresses has closed the pipe.
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = program();
    command.args(["serve", "--unix"]).arg(&path).stdout(writer).stdin(Stdio::null()).stderr(Stdio::piped());
    let mut program = BackgroundProgram::start_with(&mut command);
    let mut stream = program.connect(&path);
    stream.write_all(GET).expect("sent");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("a response");
    assert_eq!(ReceivedResponse::new(&bytes).status, "HTTP/1.1 200 OK");
}
