//! A system that gives the program no thread, when it starts and while it serves.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Signal, getuid};

use crate::tools::tool;
use crate::{ServerProcess, TRANSPORTS, complaint};

on_each_transport! {
    a_start_without_threads_ends_and_says_which_are_missing,
}

fn a_start_without_threads_ends_and_says_which_are_missing(transport: &str) {
    let (Some(prlimit), Some(setpriv)) = (tool("prlimit"), tool("setpriv")) else { return };
    if !getuid().is_root() {
        return httpfsm_testing::not_run("root, to have another user start the program");
    }
    // A place where the other user may start the program.
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
    let server = ServerProcess::spawn(&mut command);
    // No thread has read files so far, and from now on none can start.
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
    // After a failure tokio's pool is not asked again at once.
    let began = Instant::now();
    while server.exchange(get).status != "HTTP/1.1 200 OK" {
        assert!(began.elapsed() < Duration::from_secs(60), "{transport}: no thread is found again");
        thread::sleep(Duration::from_millis(20));
    }
    server.signal(Signal::TERM);
    let (_, errors) = server.end();
    assert!(errors.contains("No thread can be had to read files on"), "{transport}: {errors}");
    assert!(!errors.contains("dropped before it ran"), "{transport}: {errors}");
    assert!(errors.lines().count() < 25, "a report for each request: {transport}: {errors}");
}
