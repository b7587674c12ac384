//! Peers that keep sending or reading one byte at a time, without an end and without breaking a rule of HTTP. No byte
//! restarts a deadline.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::{GET, HeldResources, number};
use crate::{PATIENCE, ServerProcess};

on_each_transport! {
    every_drip_ends_at_its_deadline_while_others_are_served,
}

/// The value of each deadline.
const DEADLINE: Duration = Duration::from_secs(2);
/// The pause between two drops.
const PAUSE: Duration = Duration::from_millis(50);

/// What a slow peer does.
#[derive(Debug)]
struct Drip {
    name: &'static str,
    begin: &'static str,
    /// Sent repeatedly; if it is empty, the peer sends nothing more.
    drop: &'static str,
    /// How often.
    every: Duration,
    /// How the response begins, if there is one.
    response: &'static str,
    /// Whether the peer gets nothing but the end.
    gets_nothing: bool,
    /// Whether the peer reads the response one byte at a time.
    reads_slowly: bool,
    /// Whether the server ends its output at once, so that the deadline only bounds the rest of the input.
    ended_at_once: bool,
}

const fn drip(name: &'static str, begin: &'static str, drop: &'static str, response: &'static str) -> Drip {
    let (gets_nothing, ended_at_once) = (false, false);
    Drip { name, begin, drop, every: PAUSE, response, gets_nothing, reads_slowly: false, ended_at_once }
}

const SLOW: &str = "HTTP/1.1 408 ";
const FINE: &str = "HTTP/1.1 200 ";

const DRIPS: &[Drip] = &[
    Drip { gets_nothing: true, ..drip("silence", "", "", "") },
    Drip { gets_nothing: true, ..drip("empty lines and then nothing", "\r\n\r\n\r\n\r\n", "", "") },
    // The fifth would come after twice the deadline.
    Drip { every: Duration::from_secs(1), gets_nothing: true, ..drip("empty lines", "", "\r\n", "") },
    Drip { ended_at_once: true, ..drip("more empty lines than are skipped", "", "\r\n", "HTTP/1.1 400 ") },
    drip("empty lines behind a response", "GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n\r\n\r\n", "", FINE),
    drip("an idle connection", "GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n", "", FINE),
    drip("a method", "", "A", SLOW),
    drip("a target", "GET /", "a", SLOW),
    drip("field lines", "GET / HTTP/1.1\r\nHost: a\r\n", "a: b\r\n", SLOW),
    drip("a field value", "GET / HTTP/1.1\r\nHost: a\r\nA: ", "b", SLOW),
    drip("a second head", "GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\nGET /", "a", FINE),
    drip("a body", "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 4096\r\n\r\n", "b", SLOW),
    drip(
        "chunks",
        "POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "1\r\nb\r\n",
        SLOW,
    ),
    drip(
        "a chunk extension",
        "POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;",
        "e",
        SLOW,
    ),
    drip(
        "a trailer",
        "POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: ",
        "b",
        SLOW,
    ),
    drip(
        "a body that is sent back",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4096\r\n\r\n",
        "b",
        "",
    ),
    drip(
        "a body that nobody wants",
        "GET /plaintext HTTP/1.1\r\nHost: a\r\nContent-Length: 4096\r\n\r\n",
        "b",
        "",
    ),
    Drip {
        reads_slowly: true,
        ..drip("a slow read", "GET /bytes/1000000000000 HTTP/1.1\r\nHost: a\r\n\r\n", "", FINE)
    },
    Drip {
        ended_at_once: true,
        ..drip(
            "bytes behind the last response",
            "GET /plaintext HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            "b",
            FINE,
        )
    },
];

/// A peer that drips.
struct Peer {
    drip: &'static Drip,
    stream: TcpStream,
    began: Instant,
    /// How many drops were sent.
    drops: u32,
    received: Vec<u8>,
    /// When the server ended its side of the connection.
    ended: Option<Duration>,
}

impl Peer {
    fn start(server: &ServerProcess, drip: &'static Drip) -> Self {
        let began = Instant::now();
        let address = server.address();
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket");
        // As small as the system allows, so that the response to a slow reader stays in the server.
        socket.set_recv_buffer_size(1).expect("a buffer");
        socket.connect(&address.into()).expect("a connection");
        let mut stream = TcpStream::from(socket);
        stream.set_nodelay(true).expect("no delay");
        stream.write_all(drip.begin.as_bytes()).expect("sent");
        stream.set_nonblocking(true).expect("no waiting");
        Self { drip, stream, began, drops: 0, received: Vec::new(), ended: None }
    }

    /// Sends its drop, and reads.
    fn go_on(&mut self) {
        // The peer goes on sending after a response and after the end of the server's output.
        let due = self.began.elapsed() >= self.drip.every * self.drops;
        let sent = if due {
            self.drops += 1;
            self.stream.write_all(self.drip.drop.as_bytes())
        } else {
            Ok(())
        };
        let mut piece = [0; 4096];
        let most = if self.drip.reads_slowly { 1 } else { piece.len() };
        let lost =
            self.stream.take_error().expect("a state").is_some() || sent.is_err_and(|error| is_end(&error));
        let ended = match self.stream.read(&mut piece[..most]) {
            Ok(0) => true,
            Ok(n) => {
                self.received.extend_from_slice(&piece[..n]);
                false
            }
            Err(error) => is_end(&error),
        };
        if self.ended.is_none() && (lost || ended) {
            self.ended = Some(self.began.elapsed());
        }
    }

    #[track_caller]
    fn assert_cut(&self) {
        let Drip { name, response, .. } = self.drip;
        let ended = self.ended.unwrap_or_else(|| panic!("{name}: the server has not ended it"));
        let received = self.received.escape_ascii();
        assert!(self.received.starts_with(response.as_bytes()), "{name} gets \"{received}\"");
        assert!(!self.drip.gets_nothing || self.received.is_empty(), "{name} gets \"{received}\"");
        assert!(self.drip.ended_at_once || ended >= DEADLINE, "{name} is cut after {ended:?}");
    }
}

fn is_end(error: &std::io::Error) -> bool {
    error.kind() != ErrorKind::WouldBlock
}

fn every_drip_ends_at_its_deadline_while_others_are_served(transport: &str) {
    let deadline = format!("{}s", DEADLINE.as_secs());
    let deadlines = [
        "--inactivity-timeout",
        "--first-byte-timeout",
        "--head-timeout",
        "--body-timeout",
        "--write-timeout",
        "--discard-timeout",
        "--linger-timeout",
    ];
    let deadlines = deadlines.iter().flat_map(|name| [*name, deadline.as_str()]);
    let arguments: Vec<_> = ["--app", "bench"].into_iter().chain(deadlines).collect();
    let server = ServerProcess::on(transport, &arguments);
    let before = HeldResources::at_rest(&server);

    let each = number(4, 60);
    let started = Instant::now();
    let mut peers: Vec<_> = DRIPS
        .iter()
        .flat_map(|drip| (0..each).map(move |_| drip))
        .map(|drip| Peer::start(&server, drip))
        .collect();
    let over = AtomicBool::new(false);
    let served = thread::scope(|scope| {
        let healthy = scope.spawn(|| {
            let mut served = 0;
            while !over.load(Ordering::Relaxed) {
                server.exchange(GET).assert("HTTP/1.1 200 OK", "Hello, World!");
                served += 1;
                thread::sleep(Duration::from_millis(5));
            }
            served
        });
        // All peers go on until the server has closed each socket, even if bytes are unsent or unread.
        let mut left = peers.len();
        while (left > 0 || HeldResources::of(&server).descriptors > before.descriptors + 1)
            && started.elapsed() < PATIENCE
        {
            peers.iter_mut().for_each(Peer::go_on);
            left = peers.iter().filter(|peer| peer.ended.is_none()).count();
            thread::sleep(PAUSE);
        }
        over.store(true, Ordering::Relaxed);
        healthy.join().expect("the healthy client is served")
    });
    peers.iter().for_each(Peer::assert_cut);
    assert!(served > 0, "nobody else was served");
    before.is_all_that_is_left(&server);
}
