//! valgrind finds no lost memory after a drain.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::process::Command;

use rustix::process::Signal;

use super::number;
use crate::tools::tool;
use crate::{ServerProcess, serve};

on_each_transport! {
    a_drained_server_has_lost_no_memory,
}

/// The bytes of one connection each.
const REQUESTS: [&str; 10] = [
    "GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\nGET /bytes/1000 HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /bytes/300000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    "POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;e=f\r\nhello\r\n0\r\nA: b\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhello",
    "POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nno size",
    "GET /nowhere HTTP/1.0\r\n\r\n",
    "GET /plaintext HTT",
    "no HTTP\r\n\r\n",
];

fn a_drained_server_has_lost_no_memory(transport: &str) {
    let Some(valgrind) = tool("valgrind") else { return };
    let program = serve(transport);
    let mut command = Command::new(valgrind);
    command.args(["--quiet", "--error-exitcode=9", "--leak-check=full"]);
    command.args(["--show-leak-kinds=definite", "--errors-for-leak-kinds=definite"]);
    command.arg(program.get_program()).args(program.get_args());
    command.args(["--app", "bench", "--port", "0", "--threads", "2"]);
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let server = ServerProcess::spawn(&mut command);
    for at in 0..number(20, 500) {
        let mut stream = server.connect();
        stream.write_all(REQUESTS[at % REQUESTS.len()].as_bytes()).expect("sent");
        // Every other client closes at once.
        if at % 2 == 0 {
            stream.shutdown(Shutdown::Write).expect("an end");
            stream.read_to_end(&mut Vec::new()).expect("a response and its end");
        }
    }
    // It is idle when the server drains.
    let mut idle = server.connect();
    idle.write_all(b"GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    assert!(idle.read(&mut [0; 1024]).expect("a response") > 0);
    server.signal(Signal::TERM);
    let (status, errors) = server.end();
    assert_eq!(status.code(), Some(0), "{errors}");
}
