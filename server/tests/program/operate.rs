//! What surrounds the program when it is operated: who reads its streams, who signals it, what the environment says.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getuid, kill_process};

use crate::tools::tool;
use crate::{Answer, FEW_CONNECTIONS, PATIENCE, Server, TRANSPORTS, program, run, serve, text};

on_each_transport! {
    a_reader_of_standard_error_that_stalls_stops_nobody,
    handlers_that_panic_are_not_held_up_by_a_reader_of_standard_error_that_stalls,
    signals_that_mean_nothing_end_nothing,
    every_signal_that_ends_drains,
    recordings_are_switched_as_soon_as_it_is_said_that_the_program_listens,
    who_quits_leaves_no_socket,
    a_start_without_threads_ends_and_says_which_are_missing,
    who_is_turned_away_by_a_limit_is_told_without_the_log,
    who_comes_right_after_another_has_its_place,
    who_sends_all_before_reading_sees_an_early_refusal,
    silent_peers_are_probed,
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// More lines than a pipe, the queue behind it and what is being written hold: two lines of 80 bytes a connection.
const CROWD: usize = 4000;
/// More lines than a pipe holds.
const FEW: usize = 1000;

fn a_reader_of_standard_error_that_stalls_stops_nobody(transport: &str) {
    let mut server = Server::on(transport, &["--app", "hello", "--log", FEW_CONNECTIONS]);
    let exchange = |server: &Server| assert_eq!(server.exchange(GET).status, "HTTP/1.1 200 OK");
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
        // Nobody minds where the test is over.
        let _ = sender.send((stderr.into_inner(), first, line));
    });
    let back = receiver.recv_timeout(PATIENCE);
    let (stderr, first, told) = back.expect("the standard error stream says that lines were dropped");
    assert!(first.is_some_and(|first| first.contains("opened at")));
    assert!(told.starts_with("httpfsm: "), "{told}");
    server.child.stderr = Some(stderr);
    // It stalls once more, to the end.
    (0..FEW).for_each(|_| exchange(&server));
    server.signal(Signal::USR2);
    server.signal(Signal::TERM);
    let (status, errors) = server.end();
    assert_eq!(status.code(), Some(0), "{errors}");
}

fn handlers_that_panic_are_not_held_up_by_a_reader_of_standard_error_that_stalls(transport: &str) {
    let server = Server::on(transport, &["--app", "echo"]);
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

fn signals_that_mean_nothing_end_nothing(transport: &str) {
    let server = Server::on(transport, &["--app", "hello"]);
    for signal in [Signal::HUP, Signal::USR1, Signal::USR2, Signal::PIPE, Signal::XFSZ] {
        server.signal(signal);
        assert_eq!(server.exchange(GET).status, "HTTP/1.1 200 OK", "{signal:?}");
    }
    server.signal(Signal::TERM);
    let (status, errors) = server.end();
    assert_eq!(status.code(), Some(0), "{errors}");
    for name in ["SIGHUP", "SIGUSR1", "SIGUSR2"] {
        assert!(errors.contains(&format!("httpfsm: {name} is ignored")), "{errors}");
    }
}

fn every_signal_that_ends_drains(transport: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    for signal in [Signal::TERM, Signal::INT, Signal::QUIT] {
        let path = folder.path().join("socket");
        let path = path.to_str().expect("text");
        let server = Server::on(transport, &["--app", "hello", "--unix", path]);
        server.signal(signal);
        let (status, errors) = server.end();
        assert_eq!(status.code(), Some(0), "{signal:?}: {errors}");
        assert!(!fs::exists(path).expect("a folder"), "{signal:?} leaves the socket");
    }
}

/// A stream that takes nothing, as long as its reader, the second, is there.
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
    // A standard output that takes nothing holds up the start where it says so.
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
    // On a slow machine what is recorded is told before.
    let lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let told = lines.map(|line| line.expect("text")).find(|line| line.contains("SIGUSR1"));
    child.kill().expect("a running child");
    child.wait().expect("its end");
    let expected = "httpfsm: SIGUSR1: recording no connections until SIGUSR1";
    assert_eq!(told.as_deref(), Some(expected));
}

fn who_quits_leaves_no_socket(transport: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    // A standard output that takes nothing holds up the start, which has made its sockets by then.
    let (stdout, _reader) = full();
    let mut command = serve(transport);
    command.args(["--app", "hello", "--unix"]).arg(&path).stdout(stdout).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let started = Instant::now();
    while child.try_wait().expect("a child").is_none() {
        assert!(started.elapsed() < PATIENCE, "it does not end");
        if path.exists() {
            // Nobody minds where it has just ended.
            let _ = kill_process(Pid::from_child(&child), Signal::TERM);
        }
        thread::sleep(Duration::from_millis(100));
    }
    assert!(!path.exists());
}

/// Between the bind, which makes the file, and the end of the call that does.
#[test]
fn who_quits_while_a_socket_is_made_leaves_none() {
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
    assert!(!path.exists(), "{status}");
}

fn who_is_turned_away_by_a_limit_is_told_without_the_log(transport: &str) {
    let server = Server::on(transport, &["--app", "hello", "--max-connections-per-peer", "1"]);
    let mut first = server.connect();
    first.write_all(b"GET / HTTP/1.1\r\n").expect("sent");
    for _ in 0..20 {
        let mut second = server.connect();
        let mut bytes = Vec::new();
        let _ = second.read_to_end(&mut bytes);
        assert_eq!(text(&bytes), "");
    }
    drop(first);
    server.signal(Signal::TERM);
    let (_, errors) = server.end();
    let told = errors
        .lines()
        .filter(|line| {
            line.contains("The peer has as many connections open as --max-connections-per-peer allows.")
        })
        .count();
    assert!((1..20).contains(&told), "{errors}");
}

/// The server may see them on different threads, and the next before the end of the one before.
fn who_comes_right_after_another_has_its_place(transport: &str) {
    let server = Server::on(transport, &["--app", "hello", "--max-connections", "1"]);
    let (mut idle, mut turned_away) = (None, 0);
    for turn in 0..400 {
        let mut client = server.connect();
        let leaves = turn % 4 > 0;
        let request: &[u8] = if leaves { GET } else { b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" };
        // It may be turned away before.
        let _ = client.write_all(request);
        let mut first = [0; 13];
        match client.read_exact(&mut first) {
            Ok(()) if leaves => {
                client.read_to_end(&mut Vec::new()).expect("a response");
            }
            Ok(()) => idle = Some(client),
            Err(_) => turned_away += 1,
        }
    }
    drop(idle);
    // A machine that is busy may let the thread of the one before wait for longer than the server does.
    assert!(turned_away < 20, "{turned_away} of 400 were turned away");
}

#[test]
fn what_a_platform_sets_beside_a_service_is_not_for_us() {
    let mut command = program();
    command.args(["serve", "--app", "hello", "--host", "127.0.0.1"]).env("HTTPFSM_PORT", "tcp://10.0.0.1:80");
    command.env("HTTPFSM_SERVICE_HOST", "10.0.0.1").env("HTTPFSM_PORT_80_TCP_ADDR", "10.0.0.1");
    // The default port may be taken by somebody else; a socket is not.
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    command.args(["--port", "0", "--unix"]).arg(&path);
    command.env("HTTPFSM_RECORD_SAMPLE", "10").env("HTTPFSM_RECORD_MASK_BODIES", "1");
    command.env("HTTPFSM_LOG", "").env("HTTPFSM_HARDENED", "yes").env("HTTPFSM_HEDA_TIMEOUT", "3s");
    let server = Server::spawn(&mut command);
    assert_eq!(server.exchange(GET).status, "HTTP/1.1 200 OK");
    server.signal(Signal::TERM);
    let (status, errors) = server.end();
    assert_eq!(status.code(), Some(0), "{errors}");
    let told = "httpfsm: The variable HTTPFSM_HEDA_TIMEOUT is unknown and ignored. Did you mean HTTPFSM_HEAD_TIMEOUT?\n";
    assert!(errors.starts_with(told) && errors.lines().count() == 2, "{errors}");
}

/// What the program says of a mistake, on the way to this exit code.
#[track_caller]
pub(crate) fn complaint(command: &mut Command, code: i32) -> String {
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let started = Instant::now();
    let status = loop {
        match child.try_wait().expect("a child") {
            Some(status) => break status,
            None if started.elapsed() > PATIENCE => {
                let _ = child.kill();
                panic!("{command:?} does not end");
            }
            None => thread::sleep(Duration::from_millis(5)),
        }
    };
    let mut errors = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut errors).expect("text");
    assert_eq!(status.code(), Some(code), "{command:?}: {errors}");
    errors
}

fn a_start_without_threads_ends_and_says_which_are_missing(transport: &str) {
    let (Some(prlimit), Some(setpriv)) = (tool("prlimit"), tool("setpriv")) else { return };
    if !getuid().is_root() {
        return httpfsm_testing::not_run("root, to have another user start the program");
    }
    // Where that user may start it.
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("a folder");
    let copy = folder.path().join("httpfsm");
    fs::copy(env!("CARGO_BIN_EXE_httpfsm"), &copy).expect("a copy");
    // Threads are counted by user.
    let user = 54_000 + TRANSPORTS.iter().position(|name| *name == transport).expect("a transport");
    for threads in 1..=4 {
        let mut command = Command::new(&prlimit);
        command.arg(format!("--nproc={threads}")).arg(&setpriv).arg(format!("--reuid={user}"));
        command.args(["--regid=54000", "--clear-groups"]).arg(&copy).args(["serve", "--app", "hello"]);
        command.args(["--port", "0", "--threads", "3", "--transport", transport]);
        let path = folder.path().join("stdout");
        command.stdout(File::create(&path).expect("a file"));
        let errors = complaint(&mut command, 1);
        assert_eq!(fs::read_to_string(&path).expect("text"), "", "it says that it listens: {errors}");
        let last = errors.lines().last().unwrap_or_default();
        assert!(
            last.starts_with("httpfsm: The thread") && last.contains("could not be started: "),
            "{errors}"
        );
    }
}

#[test]
fn without_a_thread_that_reads_files_the_response_is_503() {
    for (transport, threads) in [("tokio", "1"), ("tokio", "2"), ("async-std", "2"), ("smol", "2")] {
        no_thread_reads_files(transport, threads);
    }
}

fn no_thread_reads_files(transport: &str, threads: &str) {
    let (Some(prlimit), Some(setpriv)) = (tool("prlimit"), tool("setpriv")) else { return };
    if !getuid().is_root() {
        return httpfsm_testing::not_run("root, to have another user start the program");
    }
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("a folder");
    let copy = folder.path().join("httpfsm");
    fs::copy(env!("CARGO_BIN_EXE_httpfsm"), &copy).expect("a copy");
    let as_user = || {
        let mut command = Command::new(&setpriv);
        command.args(["--reuid=54100", "--regid=54000", "--clear-groups"]);
        command
    };
    let mut command = as_user();
    command.arg(&copy).args(["serve", "--port", "0", "--transport", transport, "--threads", threads]);
    // A trace has many lines.
    command.arg(folder.path()).env("RUST_BACKTRACE", "0");
    let server = Server::spawn(&mut command);
    // No thread has been needed to read files so far, and now there is none.
    let limit = |threads: &str| {
        let mut command = as_user();
        command.arg(&prlimit).arg(format!("--pid={}", server.child.id())).arg(format!("--nproc={threads}:"));
        assert!(command.status().expect("prlimit starts").success(), "{command:?}");
    };
    limit("1");
    let get = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    for _ in 0..50 {
        server
            .exchange(get)
            .assert("HTTP/1.1 503 Service Unavailable", "The server has no resources left for the moment.\n");
    }
    limit("100");
    // tokio is not asked at once.
    let began = Instant::now();
    while server.exchange(get).status != "HTTP/1.1 200 OK" {
        assert!(began.elapsed() < Duration::from_secs(60), "{transport}: no thread is found again");
        thread::sleep(Duration::from_millis(20));
    }
    server.signal(Signal::TERM);
    let (_, errors) = server.end();
    assert!(errors.contains("No thread can be had to read files on"), "{transport}: {errors}");
    assert!(!errors.contains("dropped before it ran"), "{transport}: {errors}");
    assert!(errors.lines().count() < 25, "told for each request: {transport}: {errors}");
}

#[test]
fn a_bad_value_of_the_environment_is_told_with_its_variable() {
    for (name, value) in [
        ("HTTPFSM_PORT", "eighty"),
        ("HTTPFSM_LOG", "perhaps"),
        ("HTTPFSM_HEAD_TIMEOUT", "soon"),
        ("HTTPFSM_TRANSPORT", "pigeon"),
        ("HTTPFSM_ORIGINS", ""),
        ("HTTPFSM_UNIX_MODE", "999"),
        ("HTTPFSM_UNIX_MODE", "2770"),
        ("HTTPFSM_HOST", "localhost:80"),
        ("HTTPFSM_RECORD_SAMPLE", "-1"),
    ] {
        let errors = complaint(program().arg("serve").env(name, value), 2);
        assert!(errors.contains(name), "{name}: {errors}");
        let flag = format!("--{}", name["HTTPFSM_".len()..].to_lowercase().replace('_', "-"));
        let given = format!("{flag}={value}");
        let errors = complaint(program().args(["serve", &given]).env(name, value), 2);
        assert!(errors.contains(&flag) && !errors.contains(name), "{given}: {errors}");
    }
}

#[test]
fn what_a_variable_gives_in_vain_is_told_with_its_variable() {
    for (name, value) in [("HTTPFSM_ROOT", "/srv"), ("HTTPFSM_HIDDEN", "true"), ("HTTPFSM_TYPES", "/x")] {
        let errors = complaint(program().args(["serve", "--app", "hello"]).env(name, value), 2);
        assert!(errors.contains(&format!("of the variable {name} is for --app files")), "{errors}");
    }
    for name in ["HTTPFSM_IDENTITY", "HTTPFSM_HOST", "HTTPFSM_PORT", "HTTPFSM_UNIX_MODE"] {
        let errors = complaint(program().arg("serve").env(name, OsStr::from_bytes(b"\xff")), 2);
        assert!(errors.contains(name) && !errors.contains("panicked"), "{errors}");
    }
}

#[test]
fn a_flag_without_its_value_does_not_swallow_the_next() {
    for arguments in [["--identity", "--hardened"], ["--host", "--log"], ["--origins", "--port"]] {
        let errors = complaint(program().arg("serve").args(arguments), 2);
        assert!(errors.contains(arguments[0]), "{errors}");
    }
    let errors = complaint(program().args(["serve", "--head-timeout", "-1"]), 2);
    assert!(errors.contains("--head-timeout"), "{errors}");
}

#[test]
fn every_complaint_names_what_it_is_about() {
    let folder = tempfile::tempdir().expect("a folder");
    let inside = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    let missing = inside("none/none");
    let file = inside("file");
    fs::write(&file, "").expect("written");
    for (arguments, named) in [
        (vec!["serve", &missing], &*missing),
        (vec!["serve", &file], &file),
        (vec!["serve", "--record", "/proc/x"], "/proc/x"),
        (vec!["serve", "--record", "/proc"], "/proc"),
        (vec!["serve", "--record", &file], &file),
        (vec!["serve", "--port", "0", "--unix", &missing], &missing),
        (vec!["serve", "--port", "0", "--unix", &file], &file),
        (vec!["serve", "--host", "192.0.2.1", "--port", "0"], "192.0.2.1"),
        (vec!["serve", "--host", "nobody.invalid"], "nobody.invalid"),
        (vec!["serve", "--host", "127.0.1"], "127.0.1"),
        (vec!["replay", &missing], &missing),
        (vec!["replay", &file], &file),
    ] {
        let errors = complaint(program().args(&arguments), 1);
        assert!(errors.starts_with("httpfsm: ") && errors.contains(named), "{arguments:?}: {errors}");
        assert!(!errors.contains("panicked"), "{arguments:?}: {errors}");
    }
}

#[test]
fn recordings_are_not_kept_where_they_would_be_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("root");
    fs::create_dir(&root).expect("a folder");
    std::os::unix::fs::symlink(&root, folder.path().join("link")).expect("a link");
    for place in ["root", "root/records", "link/records", "root/.records"] {
        let place = folder.path().join(place);
        let errors = complaint(program().arg("serve").arg(&root).arg("--record").arg(&place), 1);
        for named in [&root, &place] {
            assert!(errors.contains(named.to_str().expect("text")), "{errors}");
        }
    }
    let mut command = program();
    command.args(["serve", "--port", "0"]).arg(&root).arg("--record").arg(folder.path().join("records"));
    assert_eq!(Server::spawn(&mut command).exchange(GET).status, "HTTP/1.1 200 OK");
}

#[test]
fn a_standard_output_that_takes_nothing_is_named_and_one_that_nobody_reads_is_no_failure() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("left");
    for arguments in [&["draw"][..], &["serve", "--unix", path.to_str().expect("text")]] {
        let Ok(full) = File::options().write(true).open("/dev/full") else {
            httpfsm_testing::not_run("/dev/full");
            break;
        };
        let errors = complaint(program().args(arguments).stdout(full), 1);
        assert!(errors.contains("the standard output"), "{arguments:?}: {errors}");
    }
    assert!(!fs::exists(&path).expect("a folder"), "a start that fails leaves no socket");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    assert_eq!(complaint(program().arg("draw").stdout(writer), 0), "");
    // Of the server both lines come at once, so whoever reads one and leaves ends nothing.
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = program();
    command.args(["serve", "--unix"]).arg(&path).stdout(writer).stdin(Stdio::null()).stderr(Stdio::piped());
    let mut beside = crate::tools::Beside::start_with(&mut command);
    let mut stream = beside.connect(&path);
    stream.write_all(GET).expect("sent");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("a response");
    assert_eq!(Answer::new(&bytes).status, "HTTP/1.1 200 OK");
}

#[test]
fn a_unix_socket_with_an_owner_is_left_to_it_also_while_its_backlog_is_full() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let owner = UnixListener::bind(&path).expect("a socket");
    rustix::net::listen(&owner, 0).expect("a listener");
    let _waiting = std::os::unix::net::UnixStream::connect(&path).expect("a connection");
    let errors = complaint(program().args(["serve", "--unix"]).arg(&path), 1);
    assert!(errors.contains(path.to_str().expect("text")), "{errors}");
}

#[test]
fn a_unix_socket_is_made_with_its_permissions() {
    let folder = tempfile::tempdir().expect("a folder");
    for mode in ["600", "660", "666"] {
        let path = folder.path().join(mode);
        let mut command = serve("tokio");
        let _server = Server::spawn(command.args(["--unix-mode", mode, "--unix"]).arg(&path));
        let permissions = fs::metadata(&path).expect("a socket").permissions();
        assert_eq!(format!("{:o}", permissions.mode() & 0o777), mode);
    }
    let output = run(&["serve", "--unix-mode", "660"]);
    assert_eq!(output.status.code(), Some(2), "it needs a socket");
    assert!(text(&output.stderr).contains("--unix-mode") && text(&output.stderr).contains("needs --unix\n"));
}

/// As Python's http.client does.
fn who_sends_all_before_reading_sees_an_early_refusal(transport: &str) {
    for (app, method) in [("files", "POST"), ("files", "GET"), ("hello", "PUT")] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = serve(transport);
        command.args(["--port", "0", "--app", app]);
        if app == "files" {
            command.arg(folder.path());
        }
        let server = Server::spawn(&mut command);
        let mut stream = server.connect();
        let length = 30_000_000;
        write!(
            stream,
            "{method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        )
        .expect("sent");
        stream.write_all(&vec![b'x'; length]).expect("sent");
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("a response");
        let status = if method == "GET" { "HTTP/1.1 200 OK" } else { "HTTP/1.1 405 Method Not Allowed" };
        assert_eq!(Answer::new(&bytes).status, status);
    }
}

/// What the kernel does for the connections of a server, as `ss` tells it.
fn silent_peers_are_probed(transport: &str) {
    if crate::tools::tool("ss").is_none() {
        return;
    }
    for (arguments, probed) in [(&[][..], true), (&["--tcp-keepalive", "none"], false)] {
        let server = Server::on(transport, arguments);
        let client = server.connect();
        let (ours, port) = (client.local_addr().expect("an address").port(), server.address().port());
        let connection = format!("( sport = :{port} and dport = :{ours} )");
        let ss = || {
            text(
                &Command::new("ss")
                    .args(["-Htno", "state", "established", &connection])
                    .output()
                    .expect("ss")
                    .stdout,
            )
        };
        // The kernel has accepted it; the option is the listener's.
        let told = ss();
        assert_eq!(told.contains("timer:(keepalive,"), probed, "{told}");
    }
}
