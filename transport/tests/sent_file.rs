//! Files that the wire sends by itself: what the peer gets is what it would get of the same bytes read.
#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::iter;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use httpfsm::channel::Elsewhere;
use httpfsm::config::ServerConfig;
use httpfsm::handler::{
    Body, BodyFailure, ConnectionInfo, Failure, Frame, Handler, Request, Response, Source, Subscriber,
};
use httpfsm_transport::memory::{MemoryClient, MemoryServer, MemoryWire};
use httpfsm_transport::{DiskWait, Held, SentFile, Wire};
use proptest::prelude::*;

/// What a call to send bytes of a file does.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    /// So many bytes at most.
    Short(usize),
    /// An error: the file system has no such call, the file cannot be read.
    Fails,
    /// Nothing: the file seems to have ended.
    Nothing,
    /// Before it is made, the file loses its end.
    Shrinks(u64),
}

/// A wire that sends files; each call has the next outcome, and then all is sent.
struct SendsFiles {
    wire: MemoryWire,
    outcomes: VecDeque<Outcome>,
    calls: Arc<Mutex<u64>>,
}

impl Wire for SendsFiles {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.wire.poll_read(cx, buffer)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.wire.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.wire.poll_write_vectored(cx, slices)
    }

    fn sends_files(&self) -> bool {
        true
    }

    fn poll_send_file(
        &mut self,
        cx: &mut Context<'_>,
        file: &File,
        at: u64,
        length: u64,
    ) -> Poll<io::Result<usize>> {
        assert_ne!(length, 0, "an empty call");
        assert!(length <= 1 << 20, "others wait for their turn");
        *self.calls.lock().unwrap() += 1;
        let most = match self.outcomes.pop_front() {
            None => usize::MAX,
            Some(Outcome::Short(most)) => most,
            Some(Outcome::Fails) => return Poll::Ready(Err(io::ErrorKind::InvalidInput.into())),
            Some(Outcome::Nothing) => return Poll::Ready(Ok(0)),
            Some(Outcome::Shrinks(length)) => {
                file.set_len(length).unwrap();
                usize::MAX
            }
        };
        let mut bytes = vec![0; usize::try_from(length).unwrap().min(most)];
        let read = file.read_at(&mut bytes, at).unwrap();
        if read == 0 {
            return Poll::Ready(Ok(0));
        }
        self.wire.poll_write(cx, &bytes[..read])
    }

    fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire.poll_close_write(cx)
    }

    fn reset(&mut self) {
        self.wire.reset();
    }
}

/// Ranges of a file, one after another.
struct Ranges {
    file: Arc<SentFile>,
    plain: Arc<File>,
    left: VecDeque<Range<u64>>,
    declares: bool,
}

impl Source for Ranges {
    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Frame> {
        let Some(range) = self.left.pop_front() else { return Poll::Ready(Frame::End) };
        Poll::Ready(read_range(&self.plain, &range))
    }

    fn length(&self) -> Option<u64> {
        self.declares.then(|| self.left.iter().map(|range| range.end - range.start).sum())
    }

    fn take_elsewhere(mut self: Pin<&mut Self>) -> Option<Elsewhere> {
        let range = self.left.pop_front()?;
        Some(self.file.range(range))
    }
}

fn read_range(file: &File, range: &Range<u64>) -> Frame {
    let mut bytes = vec![0; usize::try_from(range.end - range.start).unwrap()];
    match file.read_exact_at(&mut bytes, range.start) {
        Ok(()) => Frame::Data(bytes.into()),
        Err(error) => Frame::Error(BodyFailure::source(error)),
    }
}

/// The body that is read where a range cannot be sent.
fn read(file: &Arc<File>, range: Range<u64>) -> Body {
    let (file, mut left) = (Arc::clone(file), range);
    Body::from_fn(move |_| {
        let piece = left.start..left.end.min(left.start + 5_000);
        left.start = piece.end;
        Poll::Ready(if piece.is_empty() { Frame::End } else { read_range(&file, &piece) })
    })
}

fn file(length: u32) -> Arc<File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&(0..length).map(|n| (n ^ (n >> 8)) as u8).collect::<Vec<_>>()).unwrap();
    Arc::new(file)
}

fn respond(file: &Arc<File>, disk: DiskWait, ranges: &[Range<u64>], declares: bool) -> Response {
    let other = Arc::clone(file);
    let sent = Arc::new(SentFile::new(Arc::clone(file), disk, move |range| read(&other, range)));
    let (plain, left) = (Arc::clone(file), ranges.iter().cloned().collect());
    Response::stream(Ranges { file: sent, plain, left, declares })
}

fn get() -> &'static str {
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
}

/// What a peer that takes at most `most` bytes at a time gets.
fn take_all<H: Handler, W: Wire>(
    server: &mut MemoryServer<H, W>,
    client: &MemoryClient,
    most: usize,
) -> Vec<u8> {
    let mut got = Vec::new();
    loop {
        server.run();
        let taken = client.take_at_most(most);
        if taken.is_empty() {
            return got;
        }
        got.extend_from_slice(&taken);
    }
}

#[derive(Default)]
struct Failures(Mutex<Vec<String>>);

impl Subscriber for Failures {
    fn failed(&self, _: Option<&ConnectionInfo>, failure: Failure, text: &str) {
        self.0.lock().unwrap().push(format!("{failure:?}: {text}"));
    }
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => (1..30_000_usize).prop_map(Outcome::Short),
        1 => Just(Outcome::Fails),
        1 => Just(Outcome::Nothing),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    /// Fails if bytes that a call has not sent are counted, if what is read instead begins elsewhere, or if the response
    /// behind overtakes the content.
    #[test]
    fn a_peer_gets_the_same_bytes_however_they_are_sent(
        ranges in prop::collection::vec((0..90_000_u64, 0..60_000_u64), 0..4),
        outcomes in prop::collection::vec(outcome(), 0..6),
        declares: bool,
        may_wait: bool,
        most in 1_000..80_000_usize,
        capacity in 500..70_000_usize,
    ) {
        let (file, disk) = (file(150_000), if may_wait { DiskWait::May } else { DiskWait::Never });
        let ranges: Vec<_> = ranges.into_iter().map(|(start, length)| start..start + length).collect();
        let handler = {
            let ranges = ranges.clone();
            move |_: Request| {
                let response = respond(&file, disk, &ranges, declares);
                async move { response }
            }
        };
        let mut plain = MemoryServer::with(ServerConfig::default(), capacity, None, handler.clone());
        let calls = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&calls);
        let wrap = move |wire| SendsFiles { wire, outcomes: outcomes.clone().into(), calls: Arc::clone(&counted) };
        let mut sending = MemoryServer::wrapped(ServerConfig::default(), capacity, None, handler, wrap);
        let (expecting, client) = (plain.connect().unwrap(), sending.connect().unwrap());
        for client in [&expecting, &client] {
            client.send(get().repeat(3));
        }
        let expected = take_all(&mut plain, &expecting, 1 << 20);
        let got = take_all(&mut sending, &client, most);
        prop_assert!(got == expected, "{} of {} bytes", got.len(), expected.len());
        let is_sent = *calls.lock().unwrap() > 0;
        let is_empty = ranges.iter().all(|range| range.is_empty());
        // Where the thread may not wait, it depends on the file system whether any is sent.
        prop_assert!(is_sent != is_empty || !may_wait && !is_empty);
    }
}

/// A server of a file of 100,000 bytes over a wire with these outcomes, and its failures.
fn serve(
    file: &Arc<File>,
    outcomes: &[Outcome],
) -> (MemoryServer<impl Handler + use<>, SendsFiles>, Arc<Failures>, Arc<Mutex<u64>>) {
    let failures = Arc::new(Failures::default());
    let (file, outcomes) = (Arc::clone(file), outcomes.to_vec());
    let handler = move |_: Request| {
        let response = respond(&file, DiskWait::May, std::slice::from_ref(&(0..100_000)), true);
        async move { response }
    };
    let calls = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&calls);
    let subscriber: Arc<dyn Subscriber> = Arc::<Failures>::clone(&failures);
    let wrap =
        move |wire| SendsFiles { wire, outcomes: outcomes.clone().into(), calls: Arc::clone(&counted) };
    let server = MemoryServer::wrapped(ServerConfig::default(), 1 << 20, Some(subscriber), handler, wrap);
    (server, failures, calls)
}

#[test]
fn a_file_that_becomes_shorter_ends_its_connection_and_is_told() {
    let file = file(100_000);
    let (mut server, failures, _) = serve(&file, &[Outcome::Short(10), Outcome::Shrinks(50_000)]);
    let client = server.connect().unwrap();
    client.send(get().repeat(2));
    let got = take_all(&mut server, &client, usize::MAX);
    let head = got.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
    assert_eq!(got.len() - head, 50_000, "what there was, and no second response");
    assert!(client.is_ended());
    assert_eq!(server.held(), Held::default());
    let failures = failures.0.lock().unwrap();
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert!(failures[0].starts_with("Response: The source of the body failed: "), "{failures:?}");
}

#[test]
fn a_reader_that_does_not_read_holds_no_bytes_of_the_file() {
    let file = file(100_000);
    let (mut server, failures, calls) = serve(&file, &[Outcome::Short(10_000)]);
    let client = server.connect().unwrap();
    client.send(get());
    server.run();
    let memory = server.held().memory;
    assert!(memory.total() < 1_000, "{memory:?}");
    assert_eq!(*calls.lock().unwrap(), 2);
    assert!(take_all(&mut server, &client, usize::MAX).len() > 100_000);
    assert!(failures.0.lock().unwrap().is_empty());
}

/// Fails if the handler's body is pulled for content that a response to HEAD does not have.
#[test]
fn a_response_to_head_sends_nothing_of_the_file() {
    let file = file(100_000);
    let (mut server, _, calls) = serve(&file, &[]);
    let client = server.connect().unwrap();
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    server.run();
    assert!(client.take_text().contains("Content-Length: 100000\r\n"));
    assert_eq!(*calls.lock().unwrap(), 0);
}

/// Content that is elsewhere, and of nothing that this crate knows.
#[test]
fn content_of_an_unknown_source_ends_the_connection() {
    struct Unknown(bool);
    impl Source for Unknown {
        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Frame> {
            Poll::Ready(Frame::Data(Bytes::from_static(b"read")))
        }

        fn length(&self) -> Option<u64> {
            Some(4)
        }

        fn take_elsewhere(mut self: Pin<&mut Self>) -> Option<Elsewhere> {
            std::mem::take(&mut self.0).then(|| Elsewhere::new(Arc::new(7_u8), 0..4))
        }
    }
    let handler = |_: Request| async { Response::stream(Unknown(true)) };
    let wrap = |wire| SendsFiles { wire, outcomes: VecDeque::new(), calls: Arc::default() };
    let mut server = MemoryServer::wrapped(ServerConfig::default(), 1 << 16, None, handler, wrap);
    let client = server.connect().unwrap();
    client.send(get());
    server.run();
    assert!(client.take_text().ends_with("\r\n\r\n") && client.is_ended());
    assert_eq!(server.held(), Held::default());
}

/// Fails, without an end, if such a body is asked for again.
#[test]
fn a_body_that_has_other_bytes_than_its_range_is_cut_or_ends_the_connection() {
    for (has, arrives) in [(60, Some(60)), (100, None), (160, None)] {
        let plain = file(100);
        let handler = move |_: Request| {
            let sent = SentFile::new(Arc::clone(&plain), DiskWait::May, move |_| vec![b'x'; has].into());
            let left = iter::once(0..100).collect();
            let response = Response::stream(Ranges {
                file: Arc::new(sent),
                plain: Arc::clone(&plain),
                left,
                declares: true,
            });
            async move { response }
        };
        let outcomes = VecDeque::from([Outcome::Fails]);
        let wrap = move |wire| SendsFiles { wire, outcomes: outcomes.clone(), calls: Arc::default() };
        let mut server = MemoryServer::wrapped(ServerConfig::default(), 1 << 16, None, handler, wrap);
        let client = server.connect().unwrap();
        client.send(get());
        server.run();
        let got = client.take_text();
        assert_eq!(got.matches('x').count(), arrives.unwrap_or(100), "{got}");
        assert_eq!(client.is_ended(), arrives.is_some());
    }
}

/// Fails if what is known of one range is taken for known of another.
#[test]
fn ranges_of_a_large_file_are_sent_in_any_order_in_calls_of_at_most_a_mebibyte() {
    let file = file(3 << 20);
    let ranges = [2_000_000..3_000_000, 0..2_500_000, 100..3 << 20];
    let expected: u64 = ranges.iter().map(|range| range.end - range.start).sum();
    let handler = move |_: Request| {
        let response = respond(&file, DiskWait::May, &ranges, true);
        async move { response }
    };
    let calls = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&calls);
    let wrap = move |wire| SendsFiles { wire, outcomes: VecDeque::new(), calls: Arc::clone(&counted) };
    let mut server = MemoryServer::wrapped(ServerConfig::default(), 16 << 20, None, handler, wrap);
    let client = server.connect().unwrap();
    client.send(get());
    let got = take_all(&mut server, &client, usize::MAX);
    let head = got.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
    assert_eq!((got.len() - head) as u64, expected);
    assert_eq!(*calls.lock().unwrap(), 1 + 3 + 3);
}

/// Fails if a piece that has left keeps its room, or one that was read is kept behind its range.
#[test]
fn what_is_read_instead_is_held_one_piece_at_a_time() {
    let file = file(100_000);
    let handler = move |request: Request| {
        let (plain, memory) = (Arc::clone(&file), request.memory());
        let read = move |range: Range<u64>| {
            let (plain, memory, mut left) = (Arc::clone(&plain), memory.clone(), range);
            Body::from_fn(move |_| {
                let piece = left.start..left.end.min(left.start + 10_000);
                left.start = piece.end;
                if piece.is_empty() {
                    return Poll::Ready(Frame::End);
                }
                let room = memory.try_reserve(10_000).expect("there is room");
                let Frame::Data(bytes) = read_range(&plain, &piece) else { panic!("the file is there") };
                Poll::Ready(Frame::Data(room.attach(bytes.to_vec())))
            })
        };
        let sent = Arc::new(SentFile::new(Arc::clone(&file), DiskWait::May, read));
        let left = iter::once(0..100_000).collect();
        let response =
            Response::stream(Ranges { file: sent, plain: Arc::clone(&file), left, declares: true });
        async move { response }
    };
    let wrap = |wire| SendsFiles { wire, outcomes: VecDeque::from([Outcome::Fails]), calls: Arc::default() };
    let mut server = MemoryServer::wrapped(ServerConfig::default(), 3_000, None, handler, wrap);
    let client = server.connect().unwrap();
    client.send(get());
    let mut got = 0;
    loop {
        server.run();
        let pieces = server.held().memory.pieces;
        assert!(pieces <= 10_000, "{pieces}");
        let taken = client.take_at_most(1_000).len();
        if taken == 0 {
            break;
        }
        got += taken;
    }
    assert!(got > 100_000);
    assert_eq!(server.held().memory.pieces, 0);
}
