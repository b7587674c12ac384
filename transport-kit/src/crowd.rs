//! Clients at work while a server goes out of service, and what becomes of them.
//!
//! The server serves [`respond`], or anything with the same three resources: `GET /plaintext`, `GET /bytes/N` (N bytes,
//! whichever) and `POST /upload` (the length of the body).

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::AddAssign;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use httpfsm::handler::{Body, BodyFailure, Frame, Request, Response, Source};
use httpfsm::status::Status;

/// How long a client waits before it complains. Nothing takes so long unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// Clients that ask one request after another.
const KEEP_ALIVE: usize = 20;
/// Clients in the middle of a response, and clients in the middle of a request.
const STREAMS: usize = 5;
/// Clients whose connections may still wait to be accepted when the server goes out of service.
const LATE: usize = 10;
/// Clients that are silent: half of them after a response, half from the beginning.
const IDLE: usize = 10;

/// More than the buffers of two sockets hold.
const DOWNLOAD: u64 = 24 << 20;
const UPLOAD: usize = 1 << 20;

const GET: &[u8] = b"GET /plaintext HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Forty clients at work.
///
/// [`drain_at_work`](crate::drain_at_work) sends one. By hand:
///
/// ```
/// use httpfsm::ServerConfig;
/// use httpfsm_tokio::Server;
/// use httpfsm_transport_kit::{Crowd, respond};
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = tokio::runtime::Runtime::new()?;
/// let _inside = runtime.enter();
/// let server = Server::new(ServerConfig::default()).listen_tcp(([127, 0, 0, 1], 0).into()).serve(respond)?;
/// let crowd = Crowd::gather(server.local_addr().expect("it listens over TCP"));
/// server.begin_drain(None);
/// let tally = crowd.disperse();
/// assert!(tally.wrong.is_empty(), "{:?}", tally.wrong);
/// println!("{tally}");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "the streams stand still until the crowd is told to go on"]
pub struct Crowd {
    clients: Vec<JoinHandle<Result<Tally, String>>>,
    going: Arc<AtomicBool>,
}

/// What became of the clients' requests.
///
/// [`Crowd`] shows one, and [`drain_at_work`](crate::drain_at_work) returns the sum of several:
///
/// ```
/// use httpfsm_transport_kit::Tally;
///
/// let mut sum = Tally::default();
/// sum += Tally { responses: 3, ..Tally::default() };
/// sum += Tally { responses: 4, crossed: 1, ..Tally::default() };
/// assert_eq!(sum.to_string(), "7 requests got responses, 1 crossed the end of their connection");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Requests that got a complete response.
    pub responses: u64,
    /// Those that were on their way when the server closed an idle connection: no byte of a response to these came, and
    /// the client cannot know whether the server has seen them. Every kept connection has this race (RFC 9112 section
    /// 9.3.1); the drain grace is there to make it rare. [`drain_at_work`](crate::drain_at_work) knows: whatever the
    /// server has delivered got its response.
    pub crossed: u64,
    /// What should not have happened.
    pub wrong: Vec<String>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { responses, crossed, .. } = self;
        write!(f, "{responses} requests got responses, {crossed} crossed the end of their connection")
    }
}

impl Crowd {
    /// Sends the clients, and returns when each is at work: the server has read something of each but of those that
    /// never say anything.
    ///
    /// # Panics
    ///
    /// A client does not get so far, which it says.
    pub fn gather(address: SocketAddr) -> Self {
        let going = Arc::new(AtomicBool::new(false));
        let (ready, all_ready) = mpsc::channel();
        let kinds: [(usize, ClientWork); 6] = [
            (KEEP_ALIVE, CrowdClient::keep_asking),
            (STREAMS, CrowdClient::download),
            (STREAMS - STREAMS / 2, CrowdClient::upload),
            (STREAMS / 2, CrowdClient::upload_in_chunks),
            (IDLE / 2, CrowdClient::idle),
            (IDLE - IDLE / 2, CrowdClient::say_nothing),
        ];
        let kinds = kinds.iter().flat_map(|&(clients, work)| std::iter::repeat_n(work, clients));
        let clients: Vec<_> = kinds
            .map(|work| {
                let (going, ready) = (Arc::clone(&going), ready.clone());
                thread::spawn(move || {
                    let client = CrowdClient::connect(address, going, ready);
                    client.map_err(|error| format!("no connection: {error}")).and_then(work)
                })
            })
            .collect();
        let crowd = Self { clients, going };
        for _ in 0..crowd.clients.len() {
            if all_ready.recv_timeout(PATIENCE).is_err() {
                panic!("not all clients get to work: {:?}", crowd.disperse().wrong);
            }
        }
        crowd
    }

    /// Adds ten clients that connect, send a request each, and do not wait: call it right before the server goes out of
    /// service. It is to take their connections, and to serve them, also where it has accepted none of them by then.
    ///
    /// ```
    /// use std::io;
    ///
    /// use httpfsm_transport::ServerHandle;
    /// use httpfsm_transport_kit::{Crowd, Tally};
    ///
    /// /// Drains a server at work, which serves [`respond`](httpfsm_transport_kit::respond).
    /// fn drain(server: &ServerHandle) -> io::Result<Tally> {
    ///     let address = server.local_addr().ok_or(io::ErrorKind::AddrNotAvailable)?;
    ///     let mut crowd = Crowd::gather(address);
    ///     crowd.rush(address)?;
    ///     server.begin_drain(None);
    ///     Ok(crowd.disperse())
    /// }
    /// # let _ = drain;
    /// ```
    ///
    /// # Errors
    ///
    /// The server cannot be connected to.
    pub fn rush(&mut self, address: SocketAddr) -> io::Result<()> {
        for _ in 0..LATE {
            let (ready, _) = mpsc::channel();
            let mut client = CrowdClient::connect(address, Arc::clone(&self.going), ready)?;
            client.stream.get_mut().write_all(GET)?;
            self.clients.push(thread::spawn(move || client.come_late()));
        }
        Ok(())
    }

    /// Lets the streams go on to their ends, and tells how all clients ended. The server is going out of service by
    /// now, or they end by complaining.
    pub fn disperse(self) -> Tally {
        self.going.store(true, Ordering::SeqCst);
        let mut tally = Tally::default();
        for client in self.clients {
            match client.join() {
                Ok(Ok(one)) => tally += one,
                Ok(Err(wrong)) => tally.wrong.push(wrong),
                Err(_) => tally.wrong.push("A client panicked.".to_owned()),
            }
        }
        tally
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.responses += other.responses;
        self.crossed += other.crossed;
        self.wrong.extend(other.wrong);
    }
}

/// The application that a [`Crowd`] asks, and that [`drain_at_work`](crate::drain_at_work) has served: `GET /plaintext`
/// ("Hello, world!"), `GET /bytes/N` (N bytes, in pieces) and `POST /upload` (the length of the body, in digits). Anything
/// else is not found.
///
/// # Errors
///
/// The body of an upload has failed.
pub async fn respond(mut request: Request) -> Result<Response, BodyFailure> {
    let length = request.path().strip_prefix("/bytes/").and_then(|length| length.parse().ok());
    Ok(match (request.method(), request.path(), length) {
        ("GET", "/plaintext", _) => Response::text("Hello, world!"),
        ("GET", _, Some(left)) => Response::new(Status::OK).with_body(Body::stream(Filler { left })),
        ("POST", "/upload", _) => {
            let mut body = request.take_body();
            let mut length = 0;
            while let Some(data) = std::future::poll_fn(|cx| body.poll_data(cx)).await.transpose()? {
                length += data.len();
            }
            Response::text(length.to_string())
        }
        _ => Response::new(Status::NOT_FOUND),
    })
}

/// So many bytes.
struct Filler {
    left: u64,
}

impl Source for Filler {
    fn poll_frame(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Frame> {
        static PIECE: [u8; 64 << 10] = [b'x'; 64 << 10];
        let next = usize::try_from(self.left).unwrap_or(usize::MAX).min(PIECE.len());
        self.left -= next as u64;
        Poll::Ready(match next {
            0 => Frame::End,
            _ => Frame::Data(Bytes::from_static(&PIECE).slice(..next)),
        })
    }

    fn length(&self) -> Option<u64> {
        Some(self.left)
    }
}

/// What a client does, to its end.
type ClientWork = fn(CrowdClient) -> Result<Tally, String>;

struct CrowdClient {
    stream: BufReader<TcpStream>,
    going: Arc<AtomicBool>,
    ready: Sender<()>,
    tally: Tally,
}

/// The head of a response.
struct ResponseHead {
    length: u64,
    closes: bool,
}

impl CrowdClient {
    fn connect(address: SocketAddr, going: Arc<AtomicBool>, ready: Sender<()>) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), going, ready, tally: Tally::default() })
    }

    fn keep_asking(mut self) -> Result<Tally, String> {
        let mut told_at = None;
        loop {
            let sent = self.stream.get_mut().write_all(GET);
            let Some(head) = self.head()? else {
                if self.tally.responses == 0 {
                    return Err(format!("The first request of a connection got no response ({sent:?})."));
                }
                self.tally.crossed += 1;
                return Ok(self.tally);
            };
            self.content(&head)?;
            if head.closes {
                return self.end();
            }
            if self.tally.responses == 3 {
                self.begun();
            }
            if self.is_going() && told_at.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                return Err("A client is served as if nothing were the matter.".to_owned());
            }
        }
    }

    fn download(mut self) -> Result<Tally, String> {
        self.send(format!("GET /bytes/{DOWNLOAD} HTTP/1.1\r\nHost: localhost\r\n\r\n"))?;
        let head = self.head()?.ok_or("A download got no response.")?;
        self.begun();
        self.wait()?;
        self.content(&head)?;
        self.end()
    }

    fn upload(mut self) -> Result<Tally, String> {
        self.introduce()?;
        self.send(format!(
            "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: {UPLOAD}\r\n\r\n{}",
            "x".repeat(UPLOAD / 2)
        ))?;
        self.begun();
        self.wait()?;
        self.send("x".repeat(UPLOAD - UPLOAD / 2))?;
        self.last_response()
    }

    fn upload_in_chunks(mut self) -> Result<Tally, String> {
        const CHUNKS: usize = 16;
        self.introduce()?;
        self.send("POST /upload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        let chunk = format!("{:x}\r\n{}\r\n", UPLOAD / CHUNKS, "x".repeat(UPLOAD / CHUNKS));
        self.send(&chunk)?;
        self.begun();
        self.wait()?;
        for _ in 1..CHUNKS {
            self.send(&chunk)?;
            thread::sleep(Duration::from_millis(5));
        }
        self.send("0\r\n\r\n")?;
        self.last_response()
    }

    fn idle(mut self) -> Result<Tally, String> {
        self.introduce()?;
        self.begun();
        self.end()
    }

    /// It may still wait to be accepted when the drain begins, which is no reason to reset it.
    fn say_nothing(mut self) -> Result<Tally, String> {
        self.begun();
        match self.stream.read(&mut [0]) {
            Ok(0) => Ok(self.tally),
            other => Err(format!("A silent client got {other:?}.")),
        }
    }

    /// Its request is on its way.
    fn come_late(mut self) -> Result<Tally, String> {
        if let Err(error) = self.stream.fill_buf() {
            return Err(format!("A client that came right before the drain got no response: {error}"));
        }
        let head = self
            .head()?
            .ok_or("The request of a client that came right before the drain got no response.")?;
        self.content(&head)?;
        self.end()
    }

    /// One request, so that the server has accepted the connection.
    fn introduce(&mut self) -> Result<(), String> {
        self.send(GET)?;
        let head = self.head()?.ok_or("The first request of a connection got no response.")?;
        self.content(&head)
    }

    fn last_response(mut self) -> Result<Tally, String> {
        let head = self.head()?.ok_or("An upload got no response.")?;
        if !head.closes {
            return Err(
                "The response to an upload that ended while the server drained says no close.".to_owned()
            );
        }
        self.content(&head)?;
        self.end()
    }

    fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), String> {
        let sent = self.stream.get_mut().write_all(bytes.as_ref());
        sent.map_err(|error| format!("A request was not taken: {error}"))
    }

    /// `None`: the server has closed the connection, and no byte of a response came.
    fn head(&mut self) -> Result<Option<ResponseHead>, String> {
        let mut head = Vec::new();
        loop {
            match self.stream.read_until(b'\n', &mut head) {
                Ok(1..) if head.ends_with(b"\r\n\r\n") => break,
                Ok(1..) if head.ends_with(b"\n") => {}
                Ok(_) if head.is_empty() => return Ok(None),
                Err(error) if head.is_empty() && error.kind() == io::ErrorKind::ConnectionReset => {
                    return Ok(None);
                }
                end => {
                    return Err(format!(
                        "A head was cut ({end:?}) behind {:?}",
                        String::from_utf8_lossy(&head)
                    ));
                }
            }
        }
        let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let length = field("content-length:").and_then(|length| length.parse().ok());
        match (head.starts_with("http/1.1 200 "), length) {
            (true, Some(length)) => {
                Ok(Some(ResponseHead { length, closes: field("connection:") == Some("close") }))
            }
            _ => Err(format!("Another response came: {head}")),
        }
    }

    fn content(&mut self, head: &ResponseHead) -> Result<(), String> {
        let read = io::copy(&mut (&mut self.stream).take(head.length), &mut io::sink());
        match read {
            Ok(read) if read == head.length => {
                self.tally.responses += 1;
                Ok(())
            }
            other => Err(format!("A response of {} bytes was cut: {other:?}", head.length)),
        }
    }

    /// The server ends the connection, and says nothing more.
    fn end(mut self) -> Result<Tally, String> {
        match self.stream.read(&mut [0]) {
            Ok(0) => Ok(self.tally),
            other => Err(format!("In place of the end came {other:?}.")),
        }
    }

    fn begun(&self) {
        // Nobody waits any more where another client has failed.
        let _ = self.ready.send(());
    }

    fn is_going(&self) -> bool {
        self.going.load(Ordering::SeqCst)
    }

    fn wait(&self) -> Result<(), String> {
        let started = Instant::now();
        while !self.is_going() {
            if started.elapsed() > PATIENCE {
                return Err("Nobody has told the crowd to go on.".to_owned());
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}
