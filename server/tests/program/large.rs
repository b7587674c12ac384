//! Bodies of a GiB pass in constant memory.
//!
//! A build without optimisation moves 128 MiB instead, unless `HTTPFSM_LARGE=1` is set.

use std::fs;
use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use httpfsm_testing::{TlsStream, believing};

use crate::{ReceivedResponse, ServerProcess};

on_each_transport! {
    a_large_upload_takes_no_memory,
    a_large_upload_in_chunks_takes_no_memory,
    a_large_upload_is_spooled,
    a_large_body_is_spooled_and_sent_back,
    a_large_download_takes_no_memory,
    a_large_file_takes_no_memory,
    a_large_body_that_is_sent_back_takes_no_memory,
    a_large_body_that_is_sent_back_in_chunks_takes_no_memory,
    a_body_that_nobody_takes_back_is_not_gathered,
    over_tls_a_large_upload_takes_no_memory,
    over_tls_a_large_download_takes_no_memory,
    over_tls_a_large_file_takes_no_memory,
    over_tls_a_large_body_that_is_sent_back_takes_no_memory,
}

/// Bytes that a server may grow by, for a body of any size.
const GROWTH: u64 = 16 << 20;

fn size() -> u64 {
    let whole =
        !cfg!(debug_assertions) || std::env::var_os("HTTPFSM_LARGE").is_some_and(|large| large == "1");
    if whole { 1 << 30 } else { 128 << 20 }
}

/// A server of its own for each test, and its memory before the body.
struct Measured {
    server: ServerProcess,
    before: u64,
    over: Over,
}

/// What a server speaks HTTP over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    Tcp,
    Tls,
}

/// A connection of a client.
enum Stream {
    Plain(TcpStream),
    Tls(TlsStream),
}

impl Stream {
    fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Plain(stream) => stream.try_clone().map(Self::Plain),
            Self::Tls(stream) => stream.try_clone().map(Self::Tls),
        }
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.set_write_timeout(timeout),
            Self::Tls(stream) => stream.socket().set_write_timeout(timeout),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Measured {
    fn start(transport: &str, bodies: &str) -> Self {
        Self::bench(transport, Over::Tcp, bodies)
    }

    fn bench(transport: &str, over: Over, bodies: &str) -> Self {
        let arguments = ["--app", "bench", "--bodies", bodies];
        Self::new(transport, over, &arguments, &["/plaintext", "/bytes/1000000"])
    }

    /// A server with these arguments that has responded to these requests.
    fn new(transport: &str, over: Over, arguments: &[&str], targets: &[&str]) -> Self {
        let tls = if over == Over::Tls { &["--self-signed"][..] } else { &[] };
        let server = ServerProcess::on(transport, &[arguments, &["--threads", "2"], tls].concat());
        let mut measured = Self { server, before: 0, over };
        // Memory that is allocated once is no cost of a large body.
        for target in targets {
            let mut stream = measured.request(&format!("GET {target}"), "");
            assert_eq!(read_head(&mut stream).status, "HTTP/1.1 200 OK");
            io::copy(&mut stream, &mut io::sink()).expect("a response and its end");
        }
        measured.before = memory(&measured.server, "VmRSS:");
        measured
    }

    fn connect(&self) -> Stream {
        let socket = self.server.connect();
        match self.over {
            Over::Tcp => Stream::Plain(socket),
            Over::Tls => Stream::Tls(TlsStream::new(socket, believing()).expect("a handshake")),
        }
    }

    /// Begins a request.
    fn request(&self, line: &str, fields: &str) -> Stream {
        let mut stream = self.connect();
        let head = format!("{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n");
        stream.write_all(head.as_bytes()).expect("sent");
        stream
    }

    #[track_caller]
    fn assert_constant(&self) {
        let most = memory(&self.server, "VmHWM:");
        let growth = most.saturating_sub(self.before);
        assert!(growth <= GROWTH, "the server grew by {growth} bytes, from {}", self.before);
    }
}

/// A figure of the server's memory in bytes, as the kernel counts it.
fn memory(server: &ServerProcess, figure: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.child.id())).expect("a process");
    let kib = status.lines().find_map(|line| line.strip_prefix(figure)?.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.trim().parse::<u64>().ok()).unwrap_or_else(|| panic!("no {figure} in {status}"))
        << 10
}

/// The lines that `/bytes/N` responds with, a MiB of them.
fn pattern() -> Vec<u8> {
    let line: Vec<u8> = (b'0'..b'0' + 63).chain([b'\n']).collect();
    line.repeat(1 << 14)
}

/// Writes `size` bytes of the pattern.
fn write_content(mut stream: impl Write, size: u64) -> io::Result<()> {
    let pattern = pattern();
    let mut left = size;
    while left > 0 {
        let n = left.min(pattern.len() as u64);
        stream.write_all(&pattern[..n as usize])?;
        left -= n;
    }
    Ok(())
}

/// Reads `size` bytes of the pattern.
#[track_caller]
fn read_content(mut stream: impl Read, size: u64) {
    let pattern = pattern();
    let mut buffer = vec![0; pattern.len()];
    let mut left = size;
    while left > 0 {
        let n = left.min(pattern.len() as u64) as usize;
        stream.read_exact(&mut buffer[..n]).expect("content");
        assert!(buffer[..n] == pattern[..n], "another content, {left} bytes before the end");
        left -= n as u64;
    }
}

/// Reads a head, to the empty line.
fn read_head(stream: &mut impl Read) -> ReceivedResponse {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a head");
        head.push(byte[0]);
    }
    ReceivedResponse::new(&head)
}

#[track_caller]
fn read_end(mut stream: impl Read) {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("an end");
    assert!(rest.is_empty(), "{} bytes behind the response", rest.len());
}

fn a_large_upload_takes_no_memory(transport: &str) {
    takes_no_memory(Measured::start(transport, "streamed"));
}

fn over_tls_a_large_upload_takes_no_memory(transport: &str) {
    takes_no_memory(Measured::bench(transport, Over::Tls, "streamed"));
}

fn a_large_upload_is_spooled(transport: &str) {
    takes_no_memory(Measured::start(transport, "whole"));
}

#[track_caller]
fn takes_no_memory(measured: Measured) {
    let size = size();
    let mut stream = measured.request("POST /upload", &format!("Content-Length: {size}\r\n"));
    write_content(&mut stream, size).expect("sent");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("a response");
    ReceivedResponse::new(&bytes).assert("HTTP/1.1 200 OK", &size.to_string());
    measured.assert_constant();
}

fn a_large_upload_in_chunks_takes_no_memory(transport: &str) {
    let measured = Measured::start(transport, "streamed");
    let size = size();
    let mut stream = measured.request("POST /upload", "Transfer-Encoding: chunked\r\n");
    let pattern = pattern();
    // One chunk in four is small, so that they begin everywhere in the reads of the server.
    let lengths = [pattern.len(), 1000, 70_000, 17];
    let mut left = size;
    for length in lengths.iter().cycle() {
        let n = left.min(*length as u64) as usize;
        write!(stream, "{n:x}\r\n").expect("sent");
        if n == 0 {
            break;
        }
        stream.write_all(&pattern[..n]).and_then(|()| stream.write_all(b"\r\n")).expect("sent");
        left -= n as u64;
    }
    stream.write_all(b"\r\n").expect("sent");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("a response");
    ReceivedResponse::new(&bytes).assert("HTTP/1.1 200 OK", &size.to_string());
    measured.assert_constant();
}

fn a_large_download_takes_no_memory(transport: &str) {
    downloads(&Measured::start(transport, "streamed"));
}

fn over_tls_a_large_download_takes_no_memory(transport: &str) {
    downloads(&Measured::bench(transport, Over::Tls, "streamed"));
}

#[track_caller]
fn downloads(measured: &Measured) {
    let size = size();
    let mut stream = measured.request(&format!("GET /bytes/{size}"), "");
    let head = read_head(&mut stream);
    assert_eq!(head.field("content-length"), Some(size.to_string().as_str()), "{head:?}");
    read_content(&mut stream, size);
    read_end(stream);
    measured.assert_constant();
}

fn a_large_file_takes_no_memory(transport: &str) {
    downloads_a_file(transport, Over::Tcp);
}

fn over_tls_a_large_file_takes_no_memory(transport: &str) {
    downloads_a_file(transport, Over::Tls);
}

#[track_caller]
fn downloads_a_file(transport: &str, over: Over) {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, length) in [("some", 1_000_000), ("large", size())] {
        let file = fs::File::create(folder.path().join(name)).expect("a file");
        file.set_len(length).expect("a hole");
    }
    let measured = Measured::new(
        transport,
        over,
        &["--app", "files", folder.path().to_str().expect("text")],
        &["/some"],
    );
    let mut stream = measured.request("GET /large", "");
    let head = read_head(&mut stream);
    assert_eq!(head.field("content-length"), Some(size().to_string().as_str()), "{head:?}");
    let read = io::copy(&mut stream, &mut io::sink()).expect("content");
    assert_eq!(read, size());
    measured.assert_constant();
}

fn a_large_body_that_is_sent_back_takes_no_memory(transport: &str) {
    is_sent_back(&Measured::start(transport, "streamed"));
}

fn over_tls_a_large_body_that_is_sent_back_takes_no_memory(transport: &str) {
    is_sent_back(&Measured::bench(transport, Over::Tls, "streamed"));
}

#[track_caller]
fn is_sent_back(measured: &Measured) {
    let size = size();
    let mut stream = measured.request("POST /echo", &format!("Content-Length: {size}\r\n"));
    thread::scope(|scope| {
        let writing = stream.try_clone().expect("a second handle");
        scope.spawn(move || write_content(writing, size).expect("sent"));
        assert_eq!(read_head(&mut stream).status, "HTTP/1.1 200 OK");
        read_content(&mut stream, size);
        read_end(stream);
    });
    measured.assert_constant();
}

fn a_large_body_that_is_sent_back_in_chunks_takes_no_memory(transport: &str) {
    let measured = Measured::start(transport, "streamed");
    let size = size();
    let mut stream = measured.request("POST /echo", "Transfer-Encoding: chunked\r\n");
    thread::scope(|scope| {
        let mut writing = stream.try_clone().expect("a second handle");
        scope.spawn(move || {
            write!(writing, "{size:x}\r\n").expect("sent");
            write_content(&mut writing, size).expect("sent");
            writing.write_all(b"\r\n0\r\n\r\n").expect("sent");
        });
        let head = read_head(&mut stream);
        assert_eq!(head.field("transfer-encoding"), Some("chunked"), "{head:?}");
        let mut content =
            ChunkedReader { stream: BufReader::with_capacity(1 << 16, stream), left: 0, begun: false };
        read_content(&mut content, size);
        read_end(&mut content);
    });
    measured.assert_constant();
}

fn a_large_body_is_spooled_and_sent_back(transport: &str) {
    let measured = Measured::start(transport, "whole");
    let size = size();
    let mut stream = measured.request("POST /echo", &format!("Content-Length: {size}\r\n"));
    // Nothing comes back before all of it is there.
    write_content(&mut stream, size).expect("sent");
    let head = read_head(&mut stream);
    assert_eq!(head.field("content-length"), Some(size.to_string().as_str()), "{head:?}");
    read_content(&mut stream, size);
    read_end(stream);
    measured.assert_constant();
}

fn a_body_that_nobody_takes_back_is_not_gathered(transport: &str) {
    let measured = Measured::start(transport, "streamed");
    let size = size();
    let mut stream = measured.request("POST /echo", &format!("Content-Length: {size}\r\n"));
    // The server reads on only as far as its response leaves. On a slow machine this timeout may come before the
    // standstill; the test then passes without testing it.
    stream.set_write_timeout(Some(Duration::from_millis(500))).expect("a timeout");
    let pattern = pattern();
    let mut sent = 0_u64;
    let stopped = loop {
        let from = (sent % pattern.len() as u64) as usize;
        let n = (size - sent).min((pattern.len() - from) as u64) as usize;
        match stream.write(&pattern[from..from + n]) {
            Ok(0) | Err(_) => break true,
            Ok(n) => sent += n as u64,
        }
    };
    assert!(stopped && sent < size, "{sent} bytes were taken");
    measured.assert_constant();
    // The connection still works.
    stream.set_write_timeout(None).expect("no timeout");
    thread::scope(|scope| {
        let mut writing = stream.try_clone().expect("a second handle");
        scope.spawn(move || {
            let from = (sent % pattern.len() as u64) as usize;
            let first = (size - sent).min((pattern.len() - from) as u64);
            writing.write_all(&pattern[from..from + first as usize]).expect("sent");
            write_content(writing, size - sent - first).expect("sent");
        });
        assert_eq!(read_head(&mut stream).status, "HTTP/1.1 200 OK");
        read_content(&mut stream, size);
        read_end(stream);
    });
    measured.assert_constant();
}

/// The content of a response in chunks.
struct ChunkedReader<R> {
    stream: R,
    left: u64,
    begun: bool,
}

impl<R: Read> ChunkedReader<R> {
    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        let mut byte = [0];
        while !line.ends_with(b"\r\n") {
            self.stream.read_exact(&mut byte)?;
            line.push(byte[0]);
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }
}

impl<R: Read> Read for ChunkedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            if self.begun && !self.line()?.is_empty() {
                return Err(io::Error::other("no line end behind a chunk"));
            }
            let line = self.line()?;
            self.left = u64::from_str_radix(&line, 16).map_err(|_| io::Error::other(line))?;
            self.begun = self.left > 0;
            if self.left == 0 {
                let last = self.line()?;
                return if last.is_empty() { Ok(0) } else { Err(io::Error::other(last)) };
            }
        }
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let n = self.stream.read(&mut buffer[..most])?;
        self.left -= n as u64;
        Ok(n)
    }
}
