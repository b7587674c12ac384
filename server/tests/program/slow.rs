//! Peers that read slowly, or not at all.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::{PATIENCE, ReceivedResponse, ServerProcess};

on_each_transport! {
    a_reader_that_stops_is_cut_while_others_are_served,
    slow_clients_of_all_workers_do_not_hold_up_others,
}

const LENGTH: usize = 20_000_000;

fn bench(transport: &str, arguments: &[&str]) -> ServerProcess {
    ServerProcess::on(transport, &[&["--app", "bench"], arguments].concat())
}

/// Reads at least `least` bytes, in pieces of 64 KiB with pauses between them.
fn read_slowly(stream: &mut TcpStream, bytes: &mut Vec<u8>, least: usize) {
    let mut piece = vec![0; 64 << 10];
    while bytes.len() < least {
        let n = stream.read(&mut piece).expect("bytes");
        assert_ne!(n, 0, "an end after {} bytes", bytes.len());
        bytes.extend_from_slice(&piece[..n]);
        thread::sleep(Duration::from_millis(20));
    }
}

fn a_reader_that_stops_is_cut_while_others_are_served(transport: &str) {
    // More than the buffers of two sockets hold.
    const ENDLESS: u64 = 1 << 40;
    let mut server = bench(
        transport,
        &["--write-timeout", "500ms", "--min-write-rate", "none", "--log", "--threads", "1"],
    );
    let (sender, events) = mpsc::channel();
    let log = BufReader::new(server.child.stderr.take().expect("a pipe"));
    thread::spawn(move || log.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line))));

    let mut stalled = server.connect();
    let request = format!("GET /bytes/{ENDLESS} HTTP/1.1\r\nHost: a\r\n\r\n");
    stalled.write_all(request.as_bytes()).expect("sent");
    let mut bytes = Vec::new();
    read_slowly(&mut stalled, &mut bytes, 1);

    let (started, mut served, mut logged) = (Instant::now(), 0, Vec::new());
    let cut = "The peer did not take the response in time.";
    while !logged.iter().any(|line: &String| line.contains(cut)) {
        assert!(started.elapsed() < PATIENCE, "nothing was cut: {logged:?}");
        let response = server.exchange(b"GET /plaintext HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        response.assert("HTTP/1.1 200 OK", "Hello, World!");
        served += 1;
        logged.extend(events.try_iter());
    }
    assert!(served > 0);

    // The end of a cut response is a reset, so that the client does not take it for complete.
    let mut piece = vec![0; 1 << 20];
    let end = loop {
        match stalled.read(&mut piece) {
            Ok(0) => break None,
            Ok(_) => {}
            Err(error) => break Some(error.kind()),
        }
    };
    assert_eq!(end, Some(std::io::ErrorKind::ConnectionReset));
}

fn slow_clients_of_all_workers_do_not_hold_up_others(transport: &str) {
    const WORKERS: usize = 2;
    // More than is kept in memory where bodies are collected.
    const UPLOAD: usize = 1_000_000;
    let server = bench(transport, &["--threads", &WORKERS.to_string()]);
    let content = "x".repeat(UPLOAD);
    let (sent, left) = content.split_at(600_000);
    let mut uploads = [(); 4 * WORKERS].map(|()| {
        let mut stream = server.connect();
        let head = format!(
            "POST /upload HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {UPLOAD}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(sent.as_bytes())).expect("sent");
        stream
    });
    let mut downloads = [(); 4 * WORKERS].map(|()| {
        let mut stream = server.connect();
        let request = format!("GET /bytes/{LENGTH} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut bytes = Vec::new();
        read_slowly(&mut stream, &mut bytes, 1);
        (stream, bytes)
    });
    // None of them ends before the test lets it, so a response that comes now has not waited for them.
    for at in 0..20 {
        let response = server.exchange(b"GET /plaintext HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        response.assert("HTTP/1.1 200 OK", "Hello, World!");
        let upload = server.exchange(b"POST /upload HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello");
        upload.assert("HTTP/1.0 200 OK", "5");
        // The slow clients still send and read.
        let slow = at % (4 * WORKERS);
        uploads[slow].write_all(&left.as_bytes()[at..=at]).expect("sent");
        let (stream, bytes) = &mut downloads[slow];
        let more = bytes.len() + 1;
        read_slowly(stream, bytes, more);
    }
    for (at, stream) in uploads.iter_mut().enumerate() {
        // 20 bytes among 8 clients: two or three each.
        let already = (0..20).filter(|turn| turn % (4 * WORKERS) == at).count();
        stream.write_all(&left.as_bytes()[already..]).expect("sent");
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("a response");
        ReceivedResponse::new(&bytes).assert("HTTP/1.1 200 OK", &UPLOAD.to_string());
    }
    for (stream, bytes) in &mut downloads {
        stream.read_to_end(bytes).expect("the rest and an end");
        assert_eq!(ReceivedResponse::new(bytes).content.len(), LENGTH);
    }
}
