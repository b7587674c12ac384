//! Bodies and upgraded connections with tokio's traits, on each transport: the traits need no runtime.
//!
//! The clients block; the servers are in the background, as they are in a program.
#![allow(clippy::unwrap_used)]

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use httpfsm::handler::{Body, BodyFailure, Frame, Handler, IoFailure, Request, Response, UpgradeFuture};
use httpfsm::{Bodies, BodyError, ServerConfig};
use httpfsm_tokio::{ServerHandle, TokioBody, TokioIo};
use httpfsm_transport::block_on;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::runtime::Runtime;
use tokio_util::codec::{Framed, LinesCodec};
use tokio_util::io::ReaderStream;

/// Long enough for a loaded machine; nothing here waits for it unless it fails.
const HANG: Duration = Duration::from_secs(60);

const LARGE: usize = 2 << 20;

const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";

#[derive(Clone, Copy, Debug)]
enum On {
    Tokio,
    AsyncStd,
    Smol,
    Blocking,
}

/// A server on one transport; there is a runtime of tokio on tokio's alone.
struct Running {
    on: On,
    handle: ServerHandle,
    runtime: Option<Runtime>,
}

impl Running {
    fn start(on: On, handler: impl Handler) -> Self {
        let mut config = ServerConfig::default();
        config.channel.bodies = Some(Bodies::Streamed);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut runtime = None;
        let handle = match on {
            On::Tokio => {
                let _inside = runtime.insert(Runtime::new().unwrap()).enter();
                httpfsm_tokio::serve(listener, config, handler)
            }
            On::AsyncStd => httpfsm_async_std::serve(listener, config, handler),
            On::Smol => httpfsm_async_std::smol::serve(listener, config, handler),
            On::Blocking => httpfsm_blocking::serve(listener, config, handler),
        };
        Self { on, handle: handle.unwrap(), runtime }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.handle.local_addr().unwrap()).unwrap();
        stream.set_read_timeout(Some(HANG)).unwrap();
        stream.set_write_timeout(Some(HANG)).unwrap();
        stream
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        block_on(self.handle.begin_drain(Some(Duration::ZERO)).gone());
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn on_each(handler: impl Handler + Clone, test: impl Fn(&Running)) {
    for on in [On::Tokio, On::AsyncStd, On::Smol, On::Blocking] {
        test(&Running::start(on, handler.clone()));
    }
}

/// Responds to every request with an upgrade, and runs a task on its connection, on a thread of its own.
fn upgrading<F: Future<Output = ()>>(
    task: impl Fn(TokioIo) -> F + Clone + Send + Sync + 'static,
) -> impl Fn(Request) -> std::future::Ready<Response> + Clone + Send + Sync + 'static {
    move |request| {
        let (task, upgrade): (_, UpgradeFuture) = (task.clone(), request.upgrade());
        std::thread::spawn(move || block_on(async { task(TokioIo::new(upgrade.await.unwrap())).await }));
        std::future::ready(Response::switching_protocols("echo"))
    }
}

fn text(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads until what came ends like this.
fn until(stream: &mut TcpStream, end: &str) {
    let (mut bytes, mut byte) = (Vec::new(), [0]);
    while !bytes.ends_with(end.as_bytes()) {
        assert_ne!(stream.read(&mut byte).unwrap(), 0, "it ended: {}", String::from_utf8_lossy(&bytes));
        bytes.push(byte[0]);
    }
}

fn content() -> Vec<u8> {
    (0..LARGE as u32).map(|at| (at ^ (at >> 8)) as u8).collect()
}

fn sum(sum: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(sum, |sum, &byte| sum.wrapping_mul(31).wrapping_add(byte.into()))
}

fn chunked(content: &[u8]) -> Vec<u8> {
    let mut wire =
        b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in content.chunks(100_000) {
        write!(wire, "{:x}\r\n", chunk.len()).unwrap();
        wire.extend_from_slice(chunk);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"0\r\nX-Sum: 7\r\n\r\n");
    wire
}

#[test]
fn a_body_is_copied_whole_with_its_trailers() {
    let copied = |mut request: Request| async move {
        let mut body = TokioBody::new(request.take_body());
        let mut content = Vec::new();
        let bytes = tokio::io::copy(&mut body, &mut content).await?;
        let trailer = body.trailers().and_then(|trailers| trailers.get("X-Sum")).unwrap_or_default();
        io::Result::Ok(format!("{bytes} {} {}", sum(0, &content), trailer.escape_ascii()))
    };
    let sent = chunked(&content());
    on_each(copied, |server| {
        let mut stream = server.connect();
        stream.write_all(&sent).unwrap();
        let (response, expected) = (text(&mut stream), format!("{LARGE} {} 7", sum(0, &content())));
        assert!(response.ends_with(&format!("\r\n\r\n{expected}")), "{:?}: {response}", server.on);
    });
}

#[test]
fn a_body_is_a_stream_of_tokio_util() {
    let summed = |mut request: Request| async move {
        let mut pieces = ReaderStream::new(TokioBody::new(request.take_body()));
        let mut of_all = 0;
        while let Some(piece) = pieces.next().await {
            of_all = sum(of_all, &piece?);
        }
        io::Result::Ok(of_all.to_string())
    };
    let sent = chunked(&content());
    on_each(summed, |server| {
        let mut stream = server.connect();
        stream.write_all(&sent).unwrap();
        let (response, expected) = (text(&mut stream), sum(0, &content()));
        assert!(response.ends_with(&format!("\r\n\r\n{expected}")), "{:?}: {response}", server.on);
    });
}

#[test]
fn lines_are_read_as_they_are_sent() {
    let (tell, told) = mpsc::channel();
    let read = move |mut request: Request| {
        let tell = tell.clone();
        async move {
            let mut lines = TokioBody::new(request.take_body()).lines();
            while let Some(line) = lines.next_line().await? {
                tell.send(line).unwrap();
            }
            io::Result::Ok("read")
        }
    };
    on_each(read, |server| {
        let mut stream = server.connect();
        let head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 14\r\n\r\n";
        stream.write_all(head).unwrap();
        for (piece, line) in [("one\ntw", "one"), ("o\nthree", "two")] {
            stream.write_all(piece.as_bytes()).unwrap();
            assert_eq!(told.recv_timeout(HANG).as_deref(), Ok(line), "{:?}", server.on);
        }
        stream.write_all(b"\n").unwrap();
        assert_eq!(told.recv_timeout(HANG).as_deref(), Ok("three"), "{:?}", server.on);
        assert!(text(&mut stream).ends_with("\r\n\r\nread"), "{:?}", server.on);
    });
}

/// The machine responds by itself where a body fails, and drops the handler; so it is read elsewhere.
#[test]
fn a_body_that_fails_says_why() {
    let (tell, told) = mpsc::channel();
    let read = move |mut request: Request| {
        let (tell, mut body) = (tell.clone(), TokioBody::new(request.take_body()));
        std::thread::spawn(move || {
            let read = block_on(tokio::io::copy(&mut body, &mut tokio::io::sink()));
            tell.send(read.unwrap_err().downcast::<BodyFailure>().unwrap()).unwrap();
        });
        std::future::pending::<()>()
    };
    on_each(read, |server| {
        let head = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n";
        let mut stream = server.connect();
        write!(stream, "{head}Content-Length: 9\r\n\r\nhalf").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let failure = told.recv_timeout(HANG).unwrap();
        assert!(matches!(failure, BodyFailure::Request(BodyError::Truncated)), "{:?}: {failure}", server.on);
        assert!(text(&mut stream).starts_with("HTTP/1.1 400 "), "{:?}", server.on);

        let mut stream = server.connect();
        write!(stream, "{head}Transfer-Encoding: chunked\r\n\r\nno size\r\n").unwrap();
        let failure = told.recv_timeout(HANG).unwrap();
        assert!(
            matches!(failure, BodyFailure::Request(BodyError::Malformed(_))),
            "{:?}: {failure}",
            server.on
        );
        assert!(text(&mut stream).starts_with("HTTP/1.1 400 "), "{:?}", server.on);
    });
}

#[test]
fn a_read_into_nothing_waits_for_nothing_and_a_small_one_takes_no_more_than_it_has_room_for() {
    let mut frames = vec![Frame::End, Frame::Data("cde".into()), Frame::Data("ab".into())];
    let body = Body::from_fn(move |_| frames.pop().map_or(Poll::Pending, Poll::Ready));
    let mut body = TokioBody::new(body);
    assert!(block_on(body.read(&mut [])).is_ok_and(|bytes| bytes == 0));
    let mut read = Vec::new();
    loop {
        let mut two = [0; 2];
        match block_on(body.read(&mut two)).unwrap() {
            0 => break,
            bytes => read.push(String::from_utf8_lossy(&two[..bytes]).into_owned()),
        }
    }
    assert_eq!(read, ["ab", "cd", "e"]);

    let mut waits = TokioBody::new(Body::from_fn(|_| Poll::Pending));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut waits).poll_read(&mut cx, &mut ReadBuf::new(&mut [])).is_ready());
    assert!(Pin::new(&mut waits).poll_read(&mut cx, &mut ReadBuf::new(&mut [0])).is_pending());
}

#[test]
fn an_upgraded_connection_is_copied() {
    let echo = upgrading(|io| async {
        let (mut input, mut output) = tokio::io::split(io);
        tokio::io::copy(&mut input, &mut output).await.unwrap();
    });
    on_each(echo, |server| {
        let mut stream = server.connect();
        stream.write_all(&[UPGRADE, b"ahead "].concat()).unwrap();
        until(&mut stream, "\r\n\r\nahead ");
        let mut output = stream.try_clone().unwrap();
        let send = std::thread::spawn(move || {
            output.write_all(&content()).unwrap();
            output.shutdown(Shutdown::Write).unwrap();
        });
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        assert!(received == content(), "{:?}: {} bytes", server.on, received.len());
        send.join().unwrap();
    });
}

#[test]
fn who_has_ended_its_output_reads_on() {
    let (tell, told) = mpsc::channel();
    let ends = upgrading(move |mut io| {
        let tell = tell.clone();
        async move {
            io.write_all(b"so far").await.unwrap();
            io.shutdown().await.unwrap();
            let mut all = String::new();
            io.read_to_string(&mut all).await.unwrap();
            tell.send(all).unwrap();
        }
    });
    on_each(ends, |server| {
        let mut stream = server.connect();
        stream.write_all(&[UPGRADE, b"ahead "].concat()).unwrap();
        assert!(text(&mut stream).ends_with("\r\n\r\nso far"), "{:?}", server.on);
        stream.write_all(b"and late").unwrap();
        drop(stream);
        assert_eq!(told.recv_timeout(HANG).as_deref(), Ok("ahead and late"), "{:?}", server.on);
    });
}

#[test]
fn an_upgraded_connection_has_a_codec_of_tokio_util() {
    let shout = upgrading(|io| async {
        let mut lines = Framed::new(io, LinesCodec::new());
        while let Some(line) = lines.next().await {
            lines.send(line.unwrap().to_uppercase()).await.unwrap();
        }
    });
    on_each(shout, |server| {
        let mut stream = server.connect();
        stream.write_all(UPGRADE).unwrap();
        until(&mut stream, "\r\n\r\n");
        for line in ["one\n", "two\n"] {
            stream.write_all(line.as_bytes()).unwrap();
            until(&mut stream, &line.to_uppercase());
        }
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(text(&mut stream), "", "{:?}", server.on);
    });
}

#[test]
fn the_end_of_a_drain_is_an_error_to_who_reads_and_to_who_writes() {
    let (tell, told) = mpsc::channel();
    let waits = upgrading(move |mut io| {
        let tell = tell.clone();
        async move {
            let mut all = Vec::new();
            let read = io.read_to_end(&mut all).await.map(|_| ());
            let written = io.write_all(b"late").await;
            let failures = [read, written].map(|done| {
                let error = done.unwrap_err();
                (error.kind(), error.downcast::<IoFailure>().unwrap())
            });
            tell.send((all, failures)).unwrap();
        }
    });
    on_each(waits, |server| {
        let mut stream = server.connect();
        stream.write_all(&[UPGRADE, b"ahead"].concat()).unwrap();
        until(&mut stream, "\r\n\r\n");
        block_on(server.handle.begin_drain(Some(Duration::from_millis(10))).gone());
        let closed = (ErrorKind::BrokenPipe, IoFailure::Closed);
        let expected = (b"ahead".to_vec(), [closed.clone(), closed]);
        assert_eq!(told.recv_timeout(HANG), Ok(expected), "{:?}", server.on);
    });
}
