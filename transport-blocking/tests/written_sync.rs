//! Bodies that functions write: in order, whole, and with no worker held by readers that stand still.
#![allow(clippy::unwrap_used)]

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm::handler::{Request, Response};
use httpfsm::status::Status;
use httpfsm_blocking::{Blocking, Server, ServerHandle, sync, written_sync};

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
    let server = Server::on(Blocking::default().workers(workers), ServerConfig::default());
    server.listen_tcp("127.0.0.1:0".parse().unwrap()).serve(sync(handler)).unwrap()
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
    for workers in [1, 2] {
        let server = start(workers);
        let silent: Vec<_> = (0..6).map(|_| ask(&server, "/")).collect();
        for _ in 0..3 {
            is_whole(&ask(&server, "/?1000"), 1000);
        }
        // They find what they have not read.
        silent.iter().for_each(|client| is_whole(client, LINES));
    }
}
