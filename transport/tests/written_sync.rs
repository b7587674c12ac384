//! Bodies that a blocking function writes, on the in-memory transport and on threads of a pool.
#![allow(clippy::unwrap_used)]

#[path = "threads/few.rs"]
mod few;

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use httpfsm::config::{Bodies, ServerConfig};
use httpfsm::fields::Fields;
use httpfsm::handler::{Body, ConnectionInfo, Failure, Handler, Request, Response, Subscriber};
use httpfsm::status::Status;
use httpfsm_transport::memory::{MemoryClient, MemoryServer};
use httpfsm_transport::{Held, Inline, NoThread, Spawner, SyncBodyWriter, Threads, block_on, written_sync};

use few::{Few, HANG};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const GET_1_0: &str = "GET / HTTP/1.0\r\nHost: a\r\n\r\n";

/// What a peer that reads nothing has been sent.
const WINDOW: u64 = 256 << 10;

fn until<H: Handler>(
    server: &mut MemoryServer<H>,
    what: &str,
    mut is_so: impl FnMut(&mut MemoryServer<H>) -> bool,
) {
    few::until(what, || {
        server.run();
        if is_so(server) { Ok(()) } else { Err(server.held()) }
    });
}

/// What the server has sent when it closes.
fn all<H: Handler>(server: &mut MemoryServer<H>, client: &MemoryClient) -> Vec<u8> {
    let mut received = Vec::new();
    until(server, "the end", |_| {
        received.extend(client.take());
        client.is_ended()
    });
    received
}

fn content(response: &[u8]) -> &[u8] {
    let head = response.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    &response[head + 4..]
}

fn serve<S, F, E>(config: ServerConfig, spawner: S, function: F) -> MemoryServer<impl Handler>
where
    S: Spawner + Clone,
    F: Fn(&mut SyncBodyWriter) -> Result<(), E> + Clone + Send + Sync + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    MemoryServer::new(config, move |_: Request| {
        let body: Body = written_sync(spawner.clone(), function.clone());
        async { Response::new(Status::OK).with_body(body) }
    })
}

fn ends<H: Handler>(server: &mut MemoryServer<H>) {
    until(server, "all is given back", |server| server.held() == Held::default());
}

#[test]
fn what_is_written_is_the_content_and_the_trailers_follow() {
    let mut server = serve(ServerConfig::default(), Few::start(1), |body| {
        body.write_all(b"one")?;
        body.write_all(b" and ")?;
        body.flush()?;
        body.flush()?;
        body.trailers(Fields::new().with("X-Sum", "3").unwrap());
        body.write_all(b"two")
    });
    let client = server.connect().unwrap();
    for _ in 0..2 {
        client.send(GET);
        let mut response = String::new();
        until(&mut server, "the end", |_| {
            response += &client.take_text();
            response.ends_with("0\r\nX-Sum: 3\r\n\r\n")
        });
        assert!(
            response.ends_with("\r\n\r\n8\r\none and \r\n3\r\ntwo\r\n0\r\nX-Sum: 3\r\n\r\n"),
            "{response}"
        );
    }
    drop(client);
    ends(&mut server);
}

#[test]
fn small_writes_are_joined_and_large_ones_divided() {
    let lengths = Arc::new(Mutex::new(Vec::new()));
    let body = written_sync(Threads, |body: &mut SyncBodyWriter| -> io::Result<()> {
        for _ in 0..10_000 {
            body.write_all(b"0123456789")?;
        }
        body.write_all(&[b'x'; 100_000])
    });
    let mut body = body;
    while let Some(piece) = block_on(body.next_data()) {
        lengths.lock().unwrap().push(piece.unwrap().len());
    }
    assert_eq!(*lengths.lock().unwrap(), [65_536, 65_536, 65_536, 3392]);
}

/// Numbers the bytes, so that none comes twice or at another place.
fn count_to(body: &mut impl Write, lines: u64) -> io::Result<()> {
    (0..lines).try_for_each(|line| writeln!(body, "{line}"))
}

fn counted(lines: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    count_to(&mut bytes, lines).unwrap();
    bytes
}

const LINES: u64 = 150_000;

/// Reads in pieces of so many bytes.
fn is_read_slowly<H: Handler>(server: &mut MemoryServer<H>, client: &MemoryClient, piece: usize) {
    let (mut received, expected) = (Vec::new(), counted(LINES));
    until(server, "the end", |server| {
        for _ in 0..100 {
            received.extend(client.take_at_most(piece));
            server.run();
        }
        client.is_ended()
    });
    received.extend(client.take());
    assert!(content(&received) == expected, "{} of {} bytes", content(&received).len(), expected.len());
}

#[test]
fn a_function_ahead_of_its_reader_waits_where_it_may_and_writes_into_a_file_where_not() {
    let written = Arc::new(AtomicU64::new(0));
    for (spawner, permits) in
        [(None, 2), (Some(Few::start(2)), 2), (Some(Few::start(2)), 0), (Some(Few::start(2)), 1)]
    {
        let is_scarce = spawner.is_some();
        let spawner: Arc<dyn Spawner> = spawner.map_or(Arc::new(Threads), |few| Arc::new(few));
        let count = Arc::clone(&written);
        count.store(0, Ordering::SeqCst);
        let mut server = serve(ServerConfig::default(), spawner, move |body: &mut SyncBodyWriter| {
            (0..LINES).try_for_each(|line| {
                let text = format!("{line}\n");
                count.fetch_add(text.len() as u64, Ordering::SeqCst);
                body.write_all(text.as_bytes())
            })
        });
        server.permit_waiting(permits);
        let clients = [(); 2].map(|()| server.connect().unwrap());
        for client in &clients {
            client.send(GET_1_0);
        }
        let length = counted(LINES).len() as u64;
        // Of threads that are not few, each may wait, and without a permit.
        let waiting = if is_scarce { permits as u64 } else { 2 };
        until(&mut server, "they are as far ahead as may be", |server| {
            let held = server.held();
            let written = written.load(Ordering::SeqCst);
            // Those who do not wait have written all.
            let done = (2 - waiting) * length;
            held.permits == if is_scarce { waiting } else { 0 }
                && written >= done + waiting * WINDOW
                && (waiting == 2 || held.memory.spooled > length / 2)
        });
        let mut before = 0;
        until(&mut server, "they stand still", |_| {
            let now = written.load(Ordering::SeqCst);
            std::mem::replace(&mut before, now) == now
        });
        let held = server.held();
        assert!(is_scarce || held.permits == 0, "{held:?}");
        assert_eq!(held.memory.spooled == 0, waiting == 2, "{held:?}");
        let pieces = held.memory.pieces;
        assert!(pieces >= waiting * WINDOW / 4 && pieces <= 2 * (WINDOW + (64 << 10)), "{held:?}");
        let most = (2 - waiting) * length + waiting * (2 * WINDOW + (256 << 10));
        assert!(written.load(Ordering::SeqCst) <= most, "{} of {most}", written.load(Ordering::SeqCst));
        for client in &clients {
            is_read_slowly(&mut server, client, 30_000);
        }
        drop(clients);
        ends(&mut server);
    }
}

#[test]
fn readers_that_stand_still_hold_no_more_threads_than_may_wait_and_others_are_served() {
    for max_buffered_bytes in [512 << 20, 2 << 20] {
        let config = ServerConfig { max_buffered_bytes, ..ServerConfig::default() };
        let mut server = serve(config, Few::start(2), |body| count_to(body, LINES));
        server.permit_waiting(1);
        let silent: Vec<_> = (0..40)
            .map(|_| {
                let client = server.connect().unwrap();
                client.send(GET_1_0);
                server.run();
                client
            })
            .collect();
        until(&mut server, "one waits", |server| server.held().permits == 1);
        for _ in 0..3 {
            let client = server.connect().unwrap();
            client.send(GET_1_0);
            let received = all(&mut server, &client);
            assert!(content(&received) == counted(LINES), "{} bytes", received.len());
        }
        // There is room for one piece of each at least, whatever the limit.
        let memory = server.held().memory;
        assert!(memory.pieces <= max_buffered_bytes + 45 * (16 << 10), "{memory:?}");
        drop(silent);
        ends(&mut server);
    }
}

/// The failures.
#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Subscriber for Log {
    fn failed(&self, _: Option<&ConnectionInfo>, failure: Failure, text: &str) {
        self.0.lock().unwrap().push(format!("{failure}: {text}"));
    }
}

#[test]
fn an_error_and_a_panic_cut_the_response_behind_what_was_written() {
    type Function = fn(&mut SyncBodyWriter) -> io::Result<()>;
    let functions: [(Function, &str); 3] = [
        (|_| Err(io::Error::other("no more")), "no more"),
        (|_| panic!("out of cheese"), "out of cheese"),
        (
            |body| {
                body.write_all(b"not flushed")?;
                Err(io::Error::other("no more"))
            },
            "no more",
        ),
    ];
    for (function, text) in functions {
        let log = Arc::new(Log::default());
        let handler = move |_: Request| async move {
            Response::new(Status::OK).with_body(written_sync(
                Few::start(1),
                move |body: &mut SyncBodyWriter| {
                    body.write_all(b"one")?;
                    body.flush()?;
                    function(body)
                },
            ))
        };
        let mut server =
            MemoryServer::with(ServerConfig::default(), 1 << 16, Some(Arc::clone(&log) as _), handler);
        let client = server.connect().unwrap();
        client.send(GET);
        let received = all(&mut server, &client);
        assert!(received.ends_with(b"\r\n\r\n3\r\none\r\n"), "{}", String::from_utf8_lossy(&received));
        let failures = log.0.lock().unwrap();
        assert!(matches!(&failures[..], [one] if one.contains(text)), "{failures:?}");
    }
}

#[test]
fn writes_fail_when_the_peer_is_gone_also_those_that_wait() {
    for permits in [0, 1] {
        let (tell, told) = mpsc::channel();
        let mut server = serve(ServerConfig::default(), Few::start(1), move |body: &mut SyncBodyWriter| {
            loop {
                if let Err(error) = body.write_all(&[b'x'; 10_000]) {
                    let _ = tell.send(error.kind());
                    return Err(error);
                }
            }
        });
        server.permit_waiting(permits);
        let client = server.connect().unwrap();
        client.send(GET);
        until(&mut server, "it is far ahead", |server| {
            let held = server.held();
            if permits == 1 { held.permits == 1 } else { held.memory.spooled > 1 << 20 }
        });
        client.reset();
        server.run();
        assert_eq!(told.recv_timeout(HANG), Ok(io::ErrorKind::BrokenPipe));
        ends(&mut server);
    }
}

#[test]
fn the_next_write_fails_when_the_peer_is_gone_however_little_it_is() {
    let (go_on, goes_on) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    let goes_on = Arc::new(Mutex::new(goes_on));
    let mut server = serve(ServerConfig::default(), Few::start(1), move |body: &mut SyncBodyWriter| {
        body.write_all(b"one")?;
        body.flush()?;
        let _ = goes_on.lock().unwrap().recv();
        let written = body.write_all(b"two");
        let _ = tell.send(written.as_ref().map_err(io::Error::kind).copied());
        written
    });
    let client = server.connect().unwrap();
    client.send(GET);
    until(&mut server, "the first is there", |_| client.take().ends_with(b"3\r\none\r\n"));
    client.reset();
    until(&mut server, "the peer is gone", |server| server.held().channels == 0);
    drop(go_on);
    assert_eq!(told.recv_timeout(HANG), Ok(Err(io::ErrorKind::BrokenPipe)));
    ends(&mut server);
}

#[test]
fn a_function_that_has_not_begun_when_its_peer_goes_is_not_called() {
    let (calls, spawner) = (Arc::new(AtomicUsize::new(0)), Few::start(1));
    let count = Arc::clone(&calls);
    let mut server = serve(ServerConfig::default(), spawner.clone(), move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        io::Result::Ok(())
    });
    let (hold, held) = mpsc::channel::<()>();
    spawner.spawn_blocking(Box::new(move || _ = held.recv())).unwrap();
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    client.reset();
    server.run();
    drop(hold);
    let (tell, told) = mpsc::channel();
    spawner.spawn_blocking(Box::new(move || tell.send(()).unwrap())).unwrap();
    told.recv_timeout(HANG).unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 0);
    ends(&mut server);
}

#[test]
fn files_of_written_bodies_are_bounded_as_those_of_requests() {
    let config = ServerConfig { max_spooled_bytes: 100_000, ..ServerConfig::default() };
    let (tell, told) = mpsc::channel();
    let mut server = serve(config, Few::start(1), move |body: &mut SyncBodyWriter| {
        let written = count_to(body, LINES);
        let _ = tell.send(written.as_ref().err().map(ToString::to_string));
        written
    });
    let client = server.connect().unwrap();
    client.send(GET);
    server.run();
    let mut said = None;
    until(&mut server, "it fails", |_| {
        said = told.try_recv().ok().or(said.take());
        said.is_some()
    });
    assert!(said.flatten().unwrap().contains("holds as many bytes as it may"));
    assert!(!all(&mut server, &client).ends_with(b"0\r\n\r\n"), "it is cut");
    drop(client);
    ends(&mut server);
}

#[test]
fn a_response_that_is_cut_for_want_of_room_gives_its_file_back_at_once() {
    let config = ServerConfig { max_spooled_bytes: 2 << 20, ..ServerConfig::default() };
    let (tell, told) = mpsc::channel();
    let mut server = serve(config, Few::start(1), move |body: &mut SyncBodyWriter| {
        let failed = body.write_all(&[b'x'; 4 << 20]).unwrap_err();
        let _ = tell.send(failed.to_string());
        Err(failed)
    });
    let silent = server.connect().unwrap();
    silent.send(GET);
    let mut said = None;
    until(&mut server, "it fails", |_| {
        said = told.try_recv().ok().or(said.take());
        said.is_some()
    });
    assert!(said.unwrap().contains("holds as many bytes as it may"));
    until(&mut server, "its file is gone", |server| server.held().memory.spooled == 0);
    assert_eq!(server.held().channels, 1);
    assert!(!all(&mut server, &silent).ends_with(b"0\r\n\r\n"), "it is cut");
    drop(silent);
    ends(&mut server);
}

/// A server whose functions write so many bytes, and as many again when they may go on: those for `/silent`, and others.
struct InTwoParts<H: Handler> {
    server: MemoryServer<H>,
    go: mpsc::Sender<()>,
    go_silent: mpsc::Sender<()>,
    /// How the function for `/silent` ended.
    told: mpsc::Receiver<Option<String>>,
    log: Arc<Log>,
}

fn in_two_parts(config: ServerConfig, bytes: [usize; 2]) -> InTwoParts<impl Handler> {
    let (go, goes) = mpsc::channel();
    let (go_silent, goes_silent) = mpsc::channel();
    let goes = Arc::new([Mutex::new(goes), Mutex::new(goes_silent)]);
    let (tell, told) = mpsc::channel();
    let (log, few) = (Arc::new(Log::default()), Few::start(3));
    let handler = move |request: Request| {
        let (is_silent, goes, tell) = (request.path() == "/silent", Arc::clone(&goes), tell.clone());
        let body = written_sync(few.clone(), move |body: &mut SyncBodyWriter| {
            let part = vec![b'x'; bytes[usize::from(is_silent)]];
            let written = body.write_all(&part).and_then(|()| {
                let _ = goes[usize::from(is_silent)].lock().unwrap().recv();
                body.write_all(&part)
            });
            if is_silent {
                let _ = tell.send(written.as_ref().err().map(ToString::to_string));
            }
            written
        });
        async { Response::new(Status::OK).with_body(body) }
    };
    let server = MemoryServer::with(config, 1 << 16, Some(Arc::clone(&log) as _), handler);
    InTwoParts { server, go, go_silent, told, log }
}

#[test]
fn where_files_leave_no_room_the_response_with_the_longest_is_cut_and_not_one_that_is_read() {
    let config = ServerConfig { max_spooled_bytes: 4 << 20, ..ServerConfig::default() };
    let InTwoParts { mut server, go, go_silent, told, log } = in_two_parts(config, [900 << 10, 2 << 20]);
    let silent = server.connect().unwrap();
    silent.send(GET.replace("/ ", "/silent "));
    until(&mut server, "it is far ahead", |server| server.held().memory.spooled > 1600 << 10);
    let client = server.connect().unwrap();
    client.send(GET_1_0);
    drop(go);
    // Nobody reads, and no time passes by which the server could tell who stands still.
    until(&mut server, "there is no room", |server| server.held().memory.spooled > 1900 << 10);
    until(&mut server, "one is cut", |server| server.held().memory.spooled < 1600 << 10);
    assert_eq!(content(&all(&mut server, &client)).len(), 1800 << 10);
    drop(go_silent);
    let mut said = None;
    until(&mut server, "it fails", |_| {
        said = told.try_recv().ok().or(said.take());
        said.is_some()
    });
    assert!(said.flatten().is_some());
    assert!(!all(&mut server, &silent).ends_with(b"0\r\n\r\n"), "it is cut");
    let failures = log.0.lock().unwrap().clone();
    assert!(matches!(&failures[..], [one] if one.contains("Its reader is slow")), "{failures:?}");
    drop((silent, client));
    ends(&mut server);
}

#[test]
fn where_files_leave_no_room_a_function_waits_for_readers_to_make_some_and_nothing_is_cut() {
    let config = ServerConfig { max_spooled_bytes: 4 << 20, ..ServerConfig::default() };
    let InTwoParts { mut server, go, go_silent: _never, log, .. } = in_two_parts(config, [3 << 20, 1 << 20]);
    let silent = server.connect().unwrap();
    silent.send(GET.replace("/ ", "/silent "));
    until(&mut server, "it is ahead", |server| server.held().memory.spooled > 600 << 10);
    let client = server.connect().unwrap();
    client.send(GET_1_0);
    drop(go);
    assert_eq!(content(&all(&mut server, &client)).len(), 6 << 20);
    assert!(log.0.lock().unwrap().is_empty());
    drop((silent, client));
    ends(&mut server);
}

#[test]
fn a_function_whose_reader_stands_still_gives_its_place_to_one_that_finds_none() {
    // A file of 128 KiB is long.
    let config = ServerConfig { max_spooled_bytes: 64 << 20, ..ServerConfig::default() };
    let InTwoParts { mut server, go, go_silent: _holds, told, log } =
        in_two_parts(config, [1 << 20, 1 << 20]);
    server.permit_waiting(1);
    let silent = server.connect().unwrap();
    silent.send(GET.replace("/ ", "/silent "));
    until(&mut server, "it waits", |server| server.held().permits == 1);
    let client = server.connect().unwrap();
    client.send(GET_1_0);
    until(&mut server, "it finds no place", |server| server.held().memory.spooled > 700 << 10);
    assert_eq!(told.try_recv(), Err(mpsc::TryRecvError::Empty));
    server.advance(Duration::from_secs(2));
    drop(go);
    let mut said = None;
    until(&mut server, "it fails", |_| {
        said = told.try_recv().ok().or(said.take());
        said.is_some()
    });
    assert!(said.flatten().is_some());
    assert_eq!(content(&all(&mut server, &client)).len(), 2 << 20);
    assert!(!all(&mut server, &silent).ends_with(b"0\r\n\r\n"), "it is cut");
    let failures = log.0.lock().unwrap().clone();
    assert!(matches!(&failures[..], [one] if one.contains("stood still")), "{failures:?}");
    drop((silent, client));
    ends(&mut server);
}

/// What three functions do that have no permit and may give their places up, where files may be that long in all: the
/// responses, and how long the files were.
fn far_ahead(max_spooled_bytes: u64, lines: u64) -> (Vec<Vec<u8>>, u64) {
    let config = ServerConfig { max_spooled_bytes, ..ServerConfig::default() };
    let mut server = serve(config, Few::with_places(1, 3), move |body| count_to(body, lines));
    let clients = [(); 3].map(|()| server.connect().unwrap());
    clients.iter().for_each(|client| client.send(GET_1_0));
    let (mut received, mut most) = (vec![Vec::new(); 3], 0);
    until(&mut server, "the end", |server| {
        for _ in 0..100 {
            for (client, received) in clients.iter().zip(&mut received) {
                received.extend(client.take_at_most(3_000));
            }
            server.run();
            most = most.max(server.held().memory.spooled);
        }
        clients.iter().all(MemoryClient::is_ended)
    });
    for (client, received) in clients.iter().zip(&mut received) {
        received.extend(client.take());
    }
    drop(clients);
    ends(&mut server);
    (received, most)
}

#[test]
fn functions_that_find_no_place_in_files_wait_and_nothing_is_cut() {
    let expected = counted(LINES);
    // Half of the files is for responses: in the first there is no piece, in the second two, for one of three.
    for max_spooled_bytes in [1, 300_000] {
        let (received, most) = far_ahead(max_spooled_bytes, LINES);
        for received in received {
            assert!(content(&received) == expected, "{} of {} bytes", received.len(), expected.len());
        }
        assert!(most <= max_spooled_bytes / 2, "{most} of {max_spooled_bytes}");
    }
}

#[test]
fn a_function_that_may_wait_does_before_its_file_is_longer_than_its_share() {
    // Of all files a 512th part, but 64 KiB at least.
    for (max_spooled_bytes, share) in [(384 << 20, 768 << 10), (4 << 20, 64 << 10)] {
        let lines = 3 * LINES;
        let (received, most) = far_ahead(max_spooled_bytes, lines);
        assert!(received.iter().all(|received| content(received) == counted(lines)));
        assert!(most >= share && most <= 3 * (share + (64 << 10)), "{most}, and the share is {share}");
    }
}

/// What was read gives its room back while there is more: of the file of one that never catches up, too.
#[test]
fn a_reader_that_keeps_close_behind_takes_no_more_room_than_it_is_behind() {
    const PIECE: usize = 64 << 10;
    const AHEAD: usize = 10;
    const PIECES: usize = 100;
    let config = ServerConfig { max_spooled_bytes: 2 << 20, ..ServerConfig::default() };
    let (go_on, goes_on) = mpsc::channel::<()>();
    let goes_on = Arc::new(Mutex::new(goes_on));
    let mut server = serve(config, Few::start(1), move |body: &mut SyncBodyWriter| {
        (0..PIECES).try_for_each(|piece| {
            let _ = goes_on.lock().unwrap().recv();
            body.write_all(&[piece as u8; PIECE])
        })
    });
    let client = server.connect().unwrap();
    (0..AHEAD).for_each(|_| go_on.send(()).unwrap());
    client.send(GET_1_0);
    until(&mut server, "it is ahead", |server| server.held().memory.spooled as usize >= (AHEAD - 5) * PIECE);
    let (mut received, mut given, mut most) = (Vec::new(), AHEAD, 0);
    until(&mut server, "the end", |server| {
        received.extend(client.take_at_most(PIECE / 4));
        while given < PIECES && (given - AHEAD) * PIECE < received.len() {
            go_on.send(()).unwrap();
            given += 1;
        }
        server.run();
        most = most.max(server.held().memory.spooled as usize);
        client.is_ended()
    });
    received.extend(client.take());
    let expected: Vec<u8> = (0..PIECES).flat_map(|piece| [piece as u8; PIECE]).collect();
    assert!(content(&received) == expected, "{} of {} bytes", content(&received).len(), expected.len());
    assert!(most <= (AHEAD + 2) * PIECE, "{most}");
    drop(client);
    ends(&mut server);
}

/// It has gone on into the file while others held the permits.
#[test]
fn a_function_whose_file_is_long_waits_in_place_when_it_may() {
    let config = ServerConfig { max_spooled_bytes: 64 << 20, ..ServerConfig::default() };
    let (go_on, goes_on) = mpsc::channel::<()>();
    let goes_on = Arc::new(Mutex::new(goes_on));
    let mut server = serve(config, Few::start(1), move |body| {
        count_to(body, LINES)?;
        let _ = goes_on.lock().unwrap().recv();
        count_to(body, LINES)
    });
    let client = server.connect().unwrap();
    client.send(GET_1_0);
    until(&mut server, "it is far ahead", |server| server.held().memory.spooled > 512 << 10);
    server.permit_waiting(1);
    drop(go_on);
    until(&mut server, "it waits", |server| server.held().permits == 1);
    let received = all(&mut server, &client);
    assert!(content(&received) == [counted(LINES), counted(LINES)].concat(), "{} bytes", received.len());
    drop(client);
    ends(&mut server);
}

/// What requests may have in files is not taken by those who read nothing.
#[test]
fn responses_leave_half_of_the_files_to_requests() {
    let mut config = ServerConfig { max_spooled_bytes: 1 << 20, ..ServerConfig::default() };
    config.channel.bodies = Some(Bodies::Whole);
    config.channel.inbuf_overflow = 1;
    let few = Few::start(1);
    let mut server = MemoryServer::new(config, move |mut request: Request| {
        let written = written_sync(few.clone(), |body: &mut SyncBodyWriter| count_to(body, 2 * LINES));
        async move {
            if request.method() == "GET" {
                return Response::new(Status::OK).with_body(written);
            }
            let content = request.body().collect(1 << 30).await.unwrap();
            Response::text(format!("{} bytes", content.len()))
        }
    });
    let silent = [(); 3].map(|()| server.connect().unwrap());
    for client in &silent {
        client.send(GET);
        server.run();
    }
    until(&mut server, "no response finds room", |server| {
        server.held().memory.spooled > (512 << 10) - (64 << 10)
    });
    let client = server.connect().unwrap();
    client.send("POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 400000\r\n\r\n");
    client.send(vec![b'x'; 400_000]);
    let received = all(&mut server, &client);
    assert_eq!(content(&received), b"400000 bytes");
    drop((silent, client));
    ends(&mut server);
}

/// Nobody reads before the function has returned.
#[test]
fn a_function_that_runs_where_it_is_begun_waits_for_nobody() {
    let mut server = serve(ServerConfig::default(), Inline, |body| count_to(body, LINES));
    let client = server.connect().unwrap();
    client.send(GET_1_0);
    assert!(content(&all(&mut server, &client)) == counted(LINES));
    drop(client);
    ends(&mut server);
    // Without a server, too.
    let mut body = written_sync(Inline, |body: &mut SyncBodyWriter| count_to(body, LINES));
    assert!(block_on(body.collect(1 << 30)).unwrap() == counted(LINES));
}

#[test]
fn without_a_thread_the_response_is_cut() {
    #[derive(Clone)]
    struct NoThreads;
    impl Spawner for NoThreads {
        fn spawn_blocking(&self, _: Box<dyn FnOnce() + Send>) -> Result<(), NoThread> {
            Err(NoThread)
        }
    }
    let log = Arc::new(Log::default());
    let handler = |_: Request| async {
        let body = written_sync(NoThreads, |body: &mut SyncBodyWriter| count_to(body, 1));
        Response::new(Status::OK).with_body(body)
    };
    let mut server =
        MemoryServer::with(ServerConfig::default(), 1 << 16, Some(Arc::clone(&log) as _), handler);
    let client = server.connect().unwrap();
    client.send(GET);
    let received = all(&mut server, &client);
    assert!(received.ends_with(b"\r\n\r\n"), "{}", String::from_utf8_lossy(&received));
    let failures = log.0.lock().unwrap();
    assert!(matches!(&failures[..], [one] if one.contains("There is no thread")), "{failures:?}");
    drop(failures);
    drop(client);
    ends(&mut server);
}
