//! Bodies that functions write: in order, whole, and with no worker held by readers that stand still.
#![allow(clippy::unwrap_used)]

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use httpfsm::config::ServerConfig;
use httpfsm::handler::{Request, Response};
use httpfsm::status::Status;
use httpfsm_blocking::{Blocking, Server, ServerHandle, sync, written_sync};
use httpfsm_transport::server_spawner;

/// Longer than anything here takes: only a hang reaches it.
const HANG: Duration = Duration::from_secs(60);

/// More than sockets hold between a server and a client that does not read.
const LINES: usize = 15_000;

fn count(body: &mut impl Write, lines: usize) -> io::Result<()> {
    let rest = ".".repeat(990);
    (0..lines).try_for_each(|line| writeln!(body, "{line}{rest}"))
}

fn handler(request: Request) -> Response {
    let lines = request.query().map_or(LINES, |lines| lines.parse().unwrap());
    Response::new(Status::OK).with_body(written_sync(move |body| count(body, lines)))
}

fn start(workers: usize) -> ServerHandle {
    start_on(Blocking::default().workers(workers), ServerConfig::default())
}

fn start_on(transport: Blocking, config: ServerConfig) -> ServerHandle {
    let server = Server::on(transport, config);
    server.listen_tcp("127.0.0.1:0".parse().unwrap()).serve(sync(handler)).unwrap()
}

/// Its handler is the same on every transport, and has its function run where the server does what blocks.
fn start_on_own_spawner(workers: usize) -> ServerHandle {
    let server = Server::on(Blocking::default().workers(workers), ServerConfig::default());
    let handler = async |request: Request| {
        let lines = request.query().map_or(LINES, |lines| lines.parse().unwrap());
        let spawner = server_spawner().unwrap();
        let body = httpfsm_transport::written_sync(spawner, move |body| count(body, lines));
        Response::new(Status::OK).with_body(body)
    };
    server.listen_tcp("127.0.0.1:0".parse().unwrap()).serve(handler).unwrap()
}

fn ask(server: &ServerHandle, target: &str) -> TcpStream {
    let mut client = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    client.set_read_timeout(Some(HANG)).unwrap();
    client.write_all(format!("GET {target} HTTP/1.0\r\nHost: a\r\n\r\n").as_bytes()).unwrap();
    client
}

fn is_whole(mut client: &TcpStream, lines: usize) {
    let (mut response, mut expected) = (Vec::new(), Vec::new());
    client.read_to_end(&mut response).expect("a worker is free");
    count(&mut expected, lines).unwrap();
    let head = response.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    assert!(response[head + 4..] == expected, "{} of {} bytes", response.len() - head, expected.len());
}

#[test]
fn a_response_is_what_its_function_writes() {
    for workers in [1, 4] {
        let server = start(workers);
        for lines in [0, 1, 100, 2000] {
            is_whole(&ask(&server, &format!("/?{lines}")), lines);
        }
    }
}

#[test]
fn readers_that_stand_still_hold_no_more_workers_than_may_wait() {
    for server in [start, start_on_own_spawner].into_iter().flat_map(|start| [start(1), start(2)]) {
        let silent: Vec<_> = (0..6).map(|_| ask(&server, "/")).collect();
        for _ in 0..3 {
            is_whole(&ask(&server, "/?1000"), 1000);
        }
        // They find what they have not read.
        silent.iter().for_each(|client| is_whole(client, LINES));
    }
}

/// As many functions as may run write ahead of their readers, into files that are not to be as long as that: one of them
/// does what the readers wait for, and none is cut.
#[test]
fn readers_of_functions_that_hold_all_workers_are_not_cut_as_long_as_they_read() {
    let config = ServerConfig { max_spooled_bytes: 1 << 20, ..ServerConfig::default() };
    for workers in [1, 2] {
        let transport = Blocking::default().workers(workers).waiting(0).stand_ins(0);
        let server = &start_on(transport, config.clone());
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| is_whole(&ask(server, "/?3000"), 3000));
            }
        });
    }
}

/// Threads of this process that are workers.
fn workers() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.trim_end() == "httpfsm-worker").count()
}

/// In a process of its own, as it counts threads.
#[test]
fn functions_that_wait_where_the_disk_is_full_keep_no_worker_from_others_and_their_threads_end_with_them() {
    const NAME: &str = "functions_that_wait_where_the_disk_is_full_keep_no_worker_from_others_and_their_threads_end_with_them";
    if env::var_os(NAME).is_none() {
        let own = env::current_exe().unwrap();
        let run = Command::new(own).args(["--exact", NAME, "--nocapture"]).env(NAME, "1").output().unwrap();
        return assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    }
    // No response has a place in a file.
    let config = ServerConfig { max_spooled_bytes: 1, ..ServerConfig::default() };
    let server = start_on(Blocking::default().workers(1).stand_ins(3), config);
    let until = |what: &str, expected: usize| {
        let began = Instant::now();
        while workers() != expected {
            assert!(began.elapsed() < HANG, "{what}: {} workers", workers());
            thread::sleep(Duration::from_millis(5));
        }
    };
    until("one function, and one that waits for sockets", 2);
    for _ in 0..2 {
        let silent: Vec<_> = (0..3).map(|_| ask(&server, "/")).collect();
        until("each has given its place up", 5);
        for _ in 0..3 {
            is_whole(&ask(&server, "/?200"), 200);
        }
        // There is no place for one more.
        let mut cut = Vec::new();
        let end = ask(&server, "/").read_to_end(&mut cut);
        assert!(cut.len() < LINES * 990, "{} bytes, {end:?}", cut.len());
        silent.iter().for_each(|client| is_whole(client, LINES));
        until("their threads are gone", 2);
    }
}
