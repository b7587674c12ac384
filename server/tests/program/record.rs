//! `serve --record` and `replay`.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::tools::tool;
use crate::{FEW_CONNECTIONS, ServerProcess, complaint, program, run, text};

on_each_transport! {
    what_is_recorded_replays,
    what_curl_did_replays,
}

const SECRET: &[u8] = b"POST /?a HTTP/1.1\r\nHost: a\r\nCookie: sid=secret\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody";

fn folder() -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a directory");
    let name = folder.path().to_str().expect("text").to_owned();
    (folder, name)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(folder).expect("a folder").map(|file| file.expect("a file").path()).collect();
    files.sort();
    files
}

/// Replays a recording, which must succeed; returns what was printed.
fn replayed(file: &Path) -> String {
    let output = run(&["replay", "--step", file.to_str().expect("text")]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

fn what_is_recorded_replays(transport: &str) {
    let (folder, name) = folder();
    let server = ServerProcess::on(transport, &["--app", "echo", "--record", &name]);
    assert!(server.exchange(SECRET).status.contains("200"));
    assert!(server.exchange(b"G@T\r\n\r\n").status.contains("400"));
    server.signal(Signal::TERM);
    assert!(server.end().0.success());

    let files = files(folder.path());
    assert_eq!(files.len(), 2);
    let steps = replayed(&files[0]);
    for shown in [
        "> RxData | Fresh -> ",
        "| Cookie: xxxxxxxxxx\\r\\n",
        "< HttpRequest POST /?a HTTP/1.1",
        "= Fresh on RxData: Receive, ParseHead\n",
        "= Fresh then DequeueRequest: DeliverRequest -> WaitResponse",
        "> HttpResponse 200",
        "> Sent ",
        "< HttpChannelClosed RequestedByPeer",
    ] {
        assert!(steps.contains(shown), "no {shown:?} in {steps}");
    }
    let last = steps.lines().last().unwrap_or_default();
    assert!(last.starts_with("replayed ") && last.ends_with(" inputs: equal"), "{last}");
    assert!(replayed(&files[1]).contains("< Refused 400"));

    let recording = fs::read_to_string(&files[0]).expect("text");
    assert!(!recording.contains("secret"), "{recording}");
    let line = recording.lines().position(|line| line.contains("200 OK")).expect("a response") + 1;
    fs::write(&files[0], recording.replace("200 OK", "200 KO")).expect("written");
    let output = run(&["replay", files[0].to_str().expect("text")]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), String::new()));
    let message = text(&output.stderr);
    let expected = format!("httpfsm: {}: line {line} differs\n    expected: ", files[0].display());
    assert!(message.starts_with(&expected), "{message}");
    assert!(message.contains("200 KO") && message.contains("200 OK"), "{message}");
}

fn what_curl_did_replays(transport: &str) {
    let Some(curl) = tool("curl") else { return };
    let (folder, name) = folder();
    let server = ServerProcess::on(transport, &["--app", "hello", "--record", &name, "--record-mask-bodies"]);
    let url = format!("http://{}/", server.address());
    let arguments = ["-q", "-sS", "--noproxy", "*", "-u", "me:secret", "-d", "a secret", &url, &url];
    let output = std::process::Command::new(curl).args(arguments).output().expect("curl starts");
    assert!(output.status.success(), "{}", text(&output.stderr));
    server.signal(Signal::TERM);
    assert!(server.end().0.success());
    let files = files(folder.path());
    assert_eq!(files.len(), 1);
    assert!(replayed(&files[0]).ends_with(" inputs: equal\n"));
    let recording = fs::read_to_string(&files[0]).expect("text");
    assert!(!recording.contains("secret") && !recording.contains("bWU6c2VjcmV0"), "{recording}");
}

#[test]
fn a_signal_switches_recordings_while_the_program_serves() {
    let (folder, name) = folder();
    let mut server =
        ServerProcess::start(&["--app", "hello", "--record", &name, "--record-sample", "0", FEW_CONNECTIONS]);
    let mut stderr = BufReader::new(server.child.stderr.take().expect("a pipe"));
    let mut begins = String::new();
    stderr.read_line(&mut begins).expect("a line");
    assert_eq!(begins, "httpfsm: recording no connections until SIGUSR1\n");
    let mut switch = |server: &ServerProcess, expected: &str| {
        server.signal(Signal::USR1);
        let mut message = String::new();
        stderr.read_line(&mut message).expect("a line");
        assert_eq!(message, format!("httpfsm: SIGUSR1: {expected}\n"));
    };
    server.exchange(SECRET);
    switch(&server, &format!("recording all connections to {name}, 1000 at most"));
    server.exchange(SECRET);
    let mut kept = server.connect();
    kept.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    kept.read_exact(&mut [0]).expect("a response");
    switch(&server, "recording no further connections");
    server.exchange(SECRET);
    server.signal(Signal::TERM);
    drop(kept);
    std::io::copy(&mut stderr, &mut std::io::sink()).expect("its end");
    assert!(server.child.wait().expect("a child").success());
    let files = files(folder.path());
    assert_eq!(files.len(), 2, "{files:?}");
    for file in files {
        replayed(&file);
    }
}

#[test]
fn what_cannot_be_replayed_is_reported() {
    let (folder, _) = folder();
    let file = folder.path().join("no.jsonl");
    let output = run(&["replay", file.to_str().expect("text")]);
    assert!(!output.status.success() && text(&output.stderr).contains("no.jsonl: No such file"));
    fs::write(&file, "hello\n").expect("written");
    let output = run(&["replay", file.to_str().expect("text")]);
    assert!(!output.status.success());
    let expected = format!("httpfsm: {}: this is not a recording: ", file.display());
    assert!(text(&output.stderr).starts_with(&expected));
    fs::write(&file, "").expect("written");
    let output = run(&["replay", file.to_str().expect("text")]);
    assert_eq!(text(&output.stderr), format!("httpfsm: {}: the file is empty\n", file.display()));
}

#[test]
fn what_is_no_regular_file_is_not_replayed_nor_waited_for() {
    let (folder, _) = folder();
    let fifo = folder.path().join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a FIFO");
    for path in [&*fifo, folder.path(), Path::new("/dev/null")] {
        let errors = complaint(program().arg("replay").arg(path), 1);
        assert_eq!(errors, format!("httpfsm: {}: it is no regular file\n", path.display()));
    }
}

/// The help says so of everything after the last complete line, or after the end.
#[test]
fn what_follows_a_recording_is_not_looked_at() {
    let (folder, _) = folder();
    let file = folder.path().join("a.jsonl");
    let recording = include_bytes!("../../../record/tests/recordings/pipelined.jsonl");
    for (tail, end) in [(&b"not a line\n"[..], "equal"), (b"\xff\n{\"in\":\"none\"}\n", "equal")] {
        fs::write(&file, [&recording[..], tail].concat()).expect("written");
        let steps = replayed(&file);
        assert!(steps.trim_end().ends_with(end), "{steps}");
    }
    // Cut after the fourth line, and after the fifth, which is the second input.
    for (lines, printed) in [(4, "replayed 1 input: equal; "), (5, "replayed 2 inputs: equal; ")] {
        let lines = recording.split_inclusive(|byte| *byte == b'\n').take(lines);
        fs::write(&file, lines.collect::<Vec<_>>().concat()).expect("written");
        let output = run(&["replay", file.to_str().expect("text")]);
        assert!(text(&output.stdout).starts_with(printed), "{output:?}");
    }
    // The program ended while it wrote, in the middle of a character.
    let lines = recording.strip_suffix(b"{\"end\":\"over\"}\n").expect("the last line");
    fs::write(&file, [lines, "{\"text\":\"\u{e4}".as_bytes().strip_suffix(b"\xa4").expect("half")].concat())
        .expect("written");
    let steps = replayed(&file);
    assert!(steps.trim_end().ends_with("equal; the recording breaks off"), "{steps}");
    // The disk was full.
    fs::write(&file, [lines, b"{\"end\":\"failed\"}\n"].concat()).expect("written");
    let steps = replayed(&file);
    assert!(steps.trim_end().ends_with("what follows could not be written, as on a full disk"), "{steps}");
}
