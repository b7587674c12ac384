//! The in-memory transport: connections without sockets, time that stands until it is moved, and a server that runs
//! when it is told to. It is the reference that other transports are compared with, and what an application is tested
//! on.
//!
//! ```
//! use httpfsm::config::ServerConfig;
//! use httpfsm::handler::Request;
//! use httpfsm_transport::memory::MemoryServer;
//!
//! let mut server = MemoryServer::new(ServerConfig::default(), |_: Request| async { "Hello, world!" });
//! let client = server.connect().unwrap();
//! client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
//! server.run();
//! assert!(client.take_text().ends_with("\r\n\r\nHello, world!"));
//! ```

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm::handler::{Handler, Subscriber};
use httpfsm::peer::Peer;
use httpfsm::server::NotAdmitted;

use crate::accept::Accepted;
use crate::clock::Clock;
use crate::driver::Driver;
use crate::handle::ServerHandle;
use crate::job::Inline;
use crate::listener::ListenerInfo;
use crate::lock::lock;
use crate::service::{Held, Service};
use crate::tape::Recorder;
use crate::wire::{Wire, poll_write_each};
use crate::{panics, waiting};

/// Bytes on their way in one direction.
struct DirectionBuffer {
    bytes: VecDeque<u8>,
    capacity: usize,
    ended: bool,
    reset: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl fmt::Debug for DirectionBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectionBuffer")
            .field("bytes", &format_args!("{} bytes", self.bytes.len()))
            .field("capacity", &self.capacity)
            .field("ended", &self.ended)
            .field("reset", &self.reset)
            .finish_non_exhaustive()
    }
}

impl DirectionBuffer {
    fn new(capacity: usize) -> Arc<Mutex<Self>> {
        let bytes = VecDeque::new();
        Arc::new(Mutex::new(Self { bytes, capacity, ended: false, reset: false, reader: None, writer: None }))
    }

    fn end(direction: &Mutex<Self>, reset: bool) {
        let mut direction = lock(direction);
        direction.ended = true;
        direction.reset |= reset;
        let (reader, writer) = (direction.reader.take(), direction.writer.take());
        drop(direction);
        reader.into_iter().chain(writer).for_each(panics::wake);
    }

    /// Puts bytes in, and wakes who waits for some.
    fn put(direction: &Mutex<Self>, bytes: &[u8]) {
        let mut direction = lock(direction);
        direction.bytes.extend(bytes);
        let reader = direction.reader.take();
        drop(direction);
        reader.into_iter().for_each(panics::wake);
    }
}

/// One end of a connection in memory. Dropping it ends the connection as dropping a socket does.
///
/// ```
/// use std::task::{Context, Poll, Waker};
///
/// use httpfsm_transport::Wire;
/// use httpfsm_transport::memory::pair;
///
/// let mut cx = Context::from_waker(Waker::noop());
/// let (mut near, far) = pair(1024);
/// drop(far);
/// assert!(matches!(near.poll_read(&mut cx, &mut [0; 16]), Poll::Ready(Ok(0))));
/// assert!(matches!(near.poll_write(&mut cx, b"hello"), Poll::Ready(Err(_))));
/// ```
#[derive(Debug)]
pub struct MemoryWire {
    input: Arc<Mutex<DirectionBuffer>>,
    output: Arc<Mutex<DirectionBuffer>>,
    reset: bool,
}

/// Two ends of a connection that holds `capacity` bytes in each direction.
///
/// ```
/// use std::task::{Context, Poll, Waker};
///
/// use httpfsm_transport::Wire;
/// use httpfsm_transport::memory::pair;
///
/// let mut cx = Context::from_waker(Waker::noop());
/// let (mut near, mut far) = pair(4);
/// assert!(matches!(near.poll_write(&mut cx, b"hello"), Poll::Ready(Ok(4))));
/// assert!(near.poll_write(&mut cx, b"o").is_pending());
/// // What the other end reads makes room.
/// let mut buffer = [0; 16];
/// assert!(matches!(far.poll_read(&mut cx, &mut buffer), Poll::Ready(Ok(4))));
/// assert_eq!(&buffer[..4], b"hell");
/// assert!(matches!(near.poll_write(&mut cx, b"o"), Poll::Ready(Ok(1))));
/// ```
#[must_use]
pub fn pair(capacity: usize) -> (MemoryWire, MemoryWire) {
    let (there, back) = (DirectionBuffer::new(capacity), DirectionBuffer::new(capacity));
    let near = MemoryWire { input: Arc::clone(&back), output: Arc::clone(&there), reset: false };
    (near, MemoryWire { input: there, output: back, reset: false })
}

impl Wire for MemoryWire {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut writer = None;
        let read = waiting::poll(&self.input, cx, |direction| {
            // As on a socket, behind the bytes that came before it.
            if direction.reset && direction.bytes.is_empty() {
                return Ok(Err(io::ErrorKind::ConnectionReset.into()));
            }
            if direction.bytes.is_empty() && !direction.ended {
                return Err(&mut direction.reader);
            }
            writer = direction.writer.take();
            Ok(io::Read::read(&mut direction.bytes, buffer))
        });
        writer.into_iter().for_each(panics::wake);
        read
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut reader = None;
        let written = waiting::poll(&self.output, cx, |direction| {
            if direction.ended {
                return Ok(Err(io::ErrorKind::BrokenPipe.into()));
            }
            let taken = bytes.len().min(direction.capacity.saturating_sub(direction.bytes.len()));
            if taken == 0 {
                return Err(&mut direction.writer);
            }
            direction.bytes.extend(&bytes[..taken]);
            reader = direction.reader.take();
            Ok(Ok(taken))
        });
        reader.into_iter().for_each(panics::wake);
        written
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        poll_write_each(self, cx, slices)
    }

    fn poll_close_write(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        DirectionBuffer::end(&self.output, false);
        Poll::Ready(Ok(()))
    }

    fn is_lost(&mut self) -> bool {
        lock(&self.input).reset
    }

    fn reset(&mut self) {
        self.reset = true;
    }
}

impl Drop for MemoryWire {
    fn drop(&mut self) {
        DirectionBuffer::end(&self.output, self.reset);
        // What nobody will read makes the peer's next write fail.
        DirectionBuffer::end(&self.input, self.reset);
    }
}

/// The peer's end of a connection to a [`MemoryServer`].
///
/// Two requests at once: the responses come in the order of the requests.
///
/// ```
/// use httpfsm::{Request, ServerConfig};
/// use httpfsm_transport::memory::MemoryServer;
///
/// let handler = |request: Request| async move { request.path().to_owned() };
/// let mut server = MemoryServer::new(ServerConfig::default(), handler);
/// let client = server.connect().unwrap();
/// client.send("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\nGET /b HTTP/1.1\r\nHost: localhost\r\n\r\n");
/// server.run();
/// let received = client.take_text();
/// let (first, second) = received.split_once("/a").unwrap();
/// assert!(first.starts_with("HTTP/1.1 200 OK\r\n"));
/// assert!(second.ends_with("\r\n\r\n/b"));
/// ```
#[derive(Debug)]
pub struct MemoryClient(MemoryWire);

impl MemoryClient {
    /// Sends bytes, however many the connection holds already.
    ///
    /// ```
    /// # use httpfsm::{Request, ServerConfig};
    /// # use httpfsm_transport::memory::MemoryServer;
    /// let mut server = MemoryServer::new(ServerConfig::default(), |_: Request| async { "Hello, world!" });
    /// let client = server.connect().unwrap();
    /// client.send("GET / HTTP/1.1\r\nHo");
    /// server.run();
    /// assert!(client.take().is_empty());
    /// client.send("st: localhost\r\n\r\n");
    /// server.run();
    /// assert!(client.take_text().starts_with("HTTP/1.1 200 OK\r\n"));
    /// ```
    pub fn send(&self, bytes: impl AsRef<[u8]>) {
        DirectionBuffer::put(&self.0.output, bytes.as_ref());
    }

    /// Takes the bytes that have arrived.
    ///
    /// ```
    /// # use httpfsm::{Request, ServerConfig};
    /// # use httpfsm_transport::memory::MemoryServer;
    /// let mut server = MemoryServer::new(ServerConfig::default(), |_: Request| async { vec![0xff, 0x00] });
    /// let client = server.connect().unwrap();
    /// client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    /// server.run();
    /// assert!(client.take().ends_with(b"\r\n\r\n\xff\x00"));
    /// assert!(client.take().is_empty());
    /// ```
    #[must_use]
    pub fn take(&self) -> Vec<u8> {
        self.take_at_most(usize::MAX)
    }

    /// Takes at most so many of them.
    ///
    /// A client that reads slowly has the server wait:
    ///
    /// ```
    /// # use httpfsm::{Request, ServerConfig};
    /// # use httpfsm_transport::memory::MemoryServer;
    /// let handler = |_: Request| async { "x".repeat(1000) };
    /// let mut server = MemoryServer::with(ServerConfig::default(), 100, None, handler);
    /// let client = server.connect().unwrap();
    /// client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    /// server.run();
    /// // The connection holds 100 bytes. Those that are taken make room for as many.
    /// assert_eq!(client.take_at_most(40).len(), 40);
    /// assert_eq!(client.take().len(), 60);
    /// server.run();
    /// assert_eq!(client.take().len(), 100);
    /// ```
    #[must_use]
    pub fn take_at_most(&self, bytes: usize) -> Vec<u8> {
        let mut direction = lock(&self.0.input);
        let taken = bytes.min(direction.bytes.len());
        let taken = direction.bytes.drain(..taken).collect();
        let writer = direction.writer.take();
        drop(direction);
        writer.into_iter().for_each(panics::wake);
        taken
    }

    /// The same as text; bytes that are not UTF-8 are replaced.
    ///
    /// ```
    /// # use httpfsm::{Request, ServerConfig};
    /// # use httpfsm_transport::memory::MemoryServer;
    /// let mut server = MemoryServer::new(ServerConfig::default(), |_: Request| async { "Hello, world!" });
    /// let client = server.connect().unwrap();
    /// client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    /// server.run();
    /// let text = client.take_text();
    /// assert!(text.contains("\r\nContent-Length: 13\r\n") && text.ends_with("\r\n\r\nHello, world!"));
    /// ```
    #[must_use]
    pub fn take_text(&self) -> String {
        String::from_utf8_lossy(&self.take()).into_owned()
    }

    /// Ends our output (FIN).
    ///
    /// A client that has ended its output still gets its response:
    ///
    /// ```
    /// # use httpfsm::{Request, ServerConfig};
    /// # use httpfsm_transport::memory::MemoryServer;
    /// let mut server = MemoryServer::new(ServerConfig::default(), |_: Request| async { "Hello, world!" });
    /// let client = server.connect().unwrap();
    /// client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    /// client.close_write();
    /// server.run();
    /// assert!(client.take_text().ends_with("Hello, world!"));
    /// assert_eq!(server.connections(), 0);
    /// ```
    pub fn close_write(&self) {
        DirectionBuffer::end(&self.0.output, false);
    }

    /// Resets the connection (RST).
    ///
    /// A handler that is under way is dropped:
    ///
    /// ```
    /// # use httpfsm::{Request, ServerConfig};
    /// # use httpfsm_transport::memory::MemoryServer;
    /// let mut server = MemoryServer::new(ServerConfig::default(), |_: Request| std::future::pending::<&str>());
    /// let client = server.connect().unwrap();
    /// client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    /// server.run();
    /// assert_eq!(server.connections(), 1);
    /// client.reset();
    /// server.run();
    /// assert_eq!(server.connections(), 0);
    /// ```
    pub fn reset(&self) {
        DirectionBuffer::end(&self.0.output, true);
        DirectionBuffer::end(&self.0.input, true);
    }

    /// Whether the server has ended its output, by FIN or by closing.
    ///
    /// ```
    /// # use httpfsm::{Request, ServerConfig};
    /// # use httpfsm_transport::memory::MemoryServer;
    /// let mut server = MemoryServer::new(ServerConfig::default(), |_: Request| async { "Hello, world!" });
    /// let client = server.connect().unwrap();
    /// client.send("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    /// server.run();
    /// assert!(client.is_ended());
    /// assert!(client.take_text().contains("\r\nConnection: close\r\n"));
    /// ```
    #[must_use]
    pub fn is_ended(&self) -> bool {
        lock(&self.0.input).ended
    }

    /// Whether the server has reset the connection.
    ///
    /// A client that takes nothing is reset by the server when `write_timeout` is over:
    ///
    /// ```
    /// # use std::time::Duration;
    /// #
    /// # use httpfsm::{Request, ServerConfig};
    /// # use httpfsm_transport::memory::MemoryServer;
    /// let mut server = MemoryServer::with(ServerConfig::default(), 10, None, |_: Request| async { "Hello, world!" });
    /// let client = server.connect().unwrap();
    /// client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    /// server.run();
    /// assert!(!client.is_reset());
    /// server.advance(Duration::from_secs(60));
    /// assert!(client.is_reset());
    /// ```
    #[must_use]
    pub fn is_reset(&self) -> bool {
        lock(&self.0.input).reset
    }
}

/// A server in memory, on one thread, with a manual clock. `W` is what it takes for its wires.
///
/// Time passes when the test says so, and deadlines come:
///
/// ```
/// use std::time::Duration;
///
/// use httpfsm::{Request, ServerConfig};
/// use httpfsm_transport::memory::MemoryServer;
///
/// let mut config = ServerConfig::default();
/// config.channel.responseless_timeout = Some(Duration::from_secs(300));
/// let mut server = MemoryServer::new(config, |_: Request| std::future::pending::<&str>());
/// let client = server.connect().unwrap();
/// client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
/// server.run();
/// server.advance(Duration::from_secs(300));
/// assert!(client.take_text().starts_with("HTTP/1.1 503 "));
/// ```
pub struct MemoryServer<H: Handler, W: Wire = MemoryWire> {
    service: Arc<Service<H>>,
    clock: Clock,
    connections: Vec<MemoryConnection<H, W>>,
    wrap: Box<dyn Fn(MemoryWire) -> W + Send>,
    capacity: usize,
    next_port: u16,
    listener: Arc<ListenerInfo>,
}

struct MemoryConnection<H: Handler, W: Wire> {
    driver: Driver<H, W>,
    woken: Arc<WakeFlag>,
}

/// Whether a task is to be polled.
struct WakeFlag(AtomicBool);

impl Wake for WakeFlag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl<H: Handler> MemoryServer<H> {
    /// A server whose connections hold 64 KiB in each direction.
    ///
    /// ```
    /// # use httpfsm::{Request, ServerConfig};
    /// # use httpfsm_transport::memory::MemoryServer;
    /// let mut config = ServerConfig::default();
    /// config.channel.max_request_target_size = 10;
    /// let mut server = MemoryServer::new(config, |_: Request| async { "Hello, world!" });
    /// let client = server.connect().unwrap();
    /// client.send("GET /a/long/path HTTP/1.1\r\nHost: localhost\r\n\r\n");
    /// server.run();
    /// assert!(client.take_text().starts_with("HTTP/1.1 414 "));
    /// ```
    pub fn new(config: ServerConfig, handler: H) -> Self {
        Self::with(config, 64 << 10, None, handler)
    }

    /// A server with connections of a capacity, and with a subscriber.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU64, Ordering};
    ///
    /// use httpfsm::error::RequestError;
    /// use httpfsm::handler::{ConnectionInfo, Subscriber};
    /// # use httpfsm::{Request, ServerConfig};
    /// # use httpfsm_transport::memory::MemoryServer;
    ///
    /// #[derive(Default)]
    /// struct Refusals(AtomicU64);
    ///
    /// impl Subscriber for Refusals {
    ///     fn refused(&self, _connection: &ConnectionInfo, _error: &RequestError) {
    ///         self.0.fetch_add(1, Ordering::Relaxed);
    ///     }
    /// }
    ///
    /// let refusals = Arc::new(Refusals::default());
    /// let handler = |_: Request| async { "Hello, world!" };
    /// let mut server = MemoryServer::with(ServerConfig::default(), 64 << 10, Some(refusals.clone()), handler);
    /// let client = server.connect().unwrap();
    /// client.send("GET / HTTP/1.1\r\n\r\n");
    /// server.run();
    /// assert_eq!(refusals.0.load(Ordering::Relaxed), 1, "without a field Host");
    /// ```
    pub fn with(
        config: ServerConfig,
        capacity: usize,
        subscriber: Option<Arc<dyn Subscriber>>,
        handler: H,
    ) -> Self {
        Self::recorded(config, capacity, subscriber, None, handler)
    }

    /// The same, with channels that are recorded where `recorder` says so.
    ///
    /// A recorder that records nothing, and knows who might have been; one that records is on the page of
    /// [`Tape`](crate::Tape).
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    ///
    /// use httpfsm_transport::{Opened, Recorder, Tape};
    /// # use httpfsm::{Request, ServerConfig};
    /// # use httpfsm_transport::memory::MemoryServer;
    ///
    /// #[derive(Default)]
    /// struct Names(Mutex<Vec<String>>);
    ///
    /// impl Recorder for Names {
    ///     fn open(&self, channel: &Opened<'_>) -> Option<Box<dyn Tape>> {
    ///         self.0.lock().unwrap().push(channel.info.channel.to_string());
    ///         None
    ///     }
    /// }
    ///
    /// let names = Arc::new(Names::default());
    /// let handler = |_: Request| async { "Hello, world!" };
    /// let mut server = MemoryServer::recorded(ServerConfig::default(), 1024, None, Some(names.clone()), handler);
    /// let _client = server.connect().unwrap();
    /// server.run();
    /// assert_eq!(names.0.lock().unwrap().len(), 1);
    /// ```
    pub fn recorded(
        config: ServerConfig,
        capacity: usize,
        subscriber: Option<Arc<dyn Subscriber>>,
        recorder: Option<Arc<dyn Recorder>>,
        handler: H,
    ) -> Self {
        Self::over(config, capacity, subscriber, recorder, handler, |wire| wire)
    }
}

impl<H: Handler, W: Wire> MemoryServer<H, W> {
    /// The same as [`with`](MemoryServer::with), over what `wrap` makes of its ends of the connections, as
    /// [`Layered`](crate::Layered) is. The clients are as ever: they speak the protocol that this takes.
    ///
    /// ```
    /// # use httpfsm::{Request, ServerConfig};
    /// # use httpfsm_transport::memory::MemoryServer;
    /// // In place of `Layered::new(wire, layer)`: each wire as it is.
    /// let handler = |_: Request| async { "Hello, world!" };
    /// let mut server = MemoryServer::wrapped(ServerConfig::default(), 64 << 10, None, handler, |wire| wire);
    /// let client = server.connect().unwrap();
    /// client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    /// server.run();
    /// assert!(client.take_text().ends_with("Hello, world!"));
    /// ```
    pub fn wrapped(
        config: ServerConfig,
        capacity: usize,
        subscriber: Option<Arc<dyn Subscriber>>,
        handler: H,
        wrap: impl Fn(MemoryWire) -> W + Send + 'static,
    ) -> Self {
        Self::over(config, capacity, subscriber, None, handler, wrap)
    }

    fn over(
        config: ServerConfig,
        capacity: usize,
        subscriber: Option<Arc<dyn Subscriber>>,
        recorder: Option<Arc<dyn Recorder>>,
        handler: H,
        wrap: impl Fn(MemoryWire) -> W + Send + 'static,
    ) -> Self {
        let clock = Clock::manual();
        let service =
            Service::recorded(config, clock.clone(), Arc::new(Inline), subscriber, recorder, handler);
        Self {
            service,
            clock,
            connections: Vec::new(),
            wrap: Box::new(wrap),
            capacity,
            next_port: 49_152,
            listener: Arc::default(),
        }
    }

    /// The connections from now on are those of a listener of which this is known: its scheme, what comes before HTTP.
    ///
    /// ```
    /// # use httpfsm::{Request, ServerConfig};
    /// # use httpfsm_transport::memory::MemoryServer;
    /// use httpfsm_transport::ListenerInfo;
    ///
    /// let handler = |request: Request| async move { request.scheme().to_owned() };
    /// let mut server = MemoryServer::new(ServerConfig::default(), handler);
    /// let mut info = ListenerInfo::default();
    /// info.scheme = Some("https".into());
    /// server.set_listener(info);
    /// let client = server.connect().unwrap();
    /// client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    /// server.run();
    /// assert!(client.take_text().ends_with("\r\n\r\nhttps"));
    /// ```
    pub fn set_listener(&mut self, listener: ListenerInfo) {
        self.listener = Arc::new(listener);
    }

    /// Lets so many functions at a time wait for their peers: [`Service::permit_waiting`].
    ///
    /// ```
    /// # use httpfsm::{Request, ServerConfig};
    /// # use httpfsm_transport::memory::MemoryServer;
    /// use httpfsm_transport::{NoThread, Spawner, sync};
    ///
    /// /// Stands for few threads, as the blocking transport has them.
    /// struct Few;
    ///
    /// impl Spawner for Few {
    ///     fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) -> Result<(), NoThread> {
    ///         work();
    ///         Ok(())
    ///     }
    ///
    ///     fn is_scarce(&self) -> bool {
    ///         true
    ///     }
    /// }
    ///
    /// let mut config = ServerConfig::default();
    /// config.channel.inbuf_overflow = 10;
    /// let mut server = MemoryServer::new(config, sync(Few, |_: Request| "It is called."));
    /// server.permit_waiting(1);
    /// let client = server.connect().unwrap();
    /// client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n20 bytes of the body");
    /// server.run();
    /// assert!(client.take_text().ends_with("It is called."));
    /// ```
    pub fn permit_waiting(&self, functions: usize) {
        self.service.permit_waiting(functions);
    }

    /// Connects a client from a port of its own on the loopback address.
    ///
    /// ```
    /// use httpfsm::server::NotAdmitted;
    /// # use httpfsm::{Request, ServerConfig};
    /// # use httpfsm_transport::memory::MemoryServer;
    ///
    /// let mut config = ServerConfig::default();
    /// config.max_connections_per_peer = 1;
    /// let mut server = MemoryServer::new(config, |_: Request| async { "Hello, world!" });
    /// let _client = server.connect().unwrap();
    /// assert_eq!(server.connect().err(), Some(NotAdmitted::Peer));
    /// ```
    ///
    /// # Errors
    ///
    /// The server does not serve it.
    pub fn connect(&mut self) -> Result<MemoryClient, NotAdmitted> {
        self.next_port = self.next_port.checked_add(1).unwrap_or(49_152);
        self.connect_from(SocketAddr::from((Ipv4Addr::LOCALHOST, self.next_port)).into())
    }

    /// Connects a client from an address.
    ///
    /// ```
    /// # use httpfsm::{Peer, Request, ServerConfig};
    /// # use httpfsm_transport::memory::MemoryServer;
    /// let handler = |request: Request| async move { format!("You are {}.", request.peername()) };
    /// let mut server = MemoryServer::new(ServerConfig::default(), handler);
    /// let client = server.connect_from(Peer::Ip("192.0.2.7:4711".parse().unwrap())).unwrap();
    /// client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    /// server.run();
    /// assert!(client.take_text().ends_with("You are 192.0.2.7:4711."));
    /// ```
    ///
    /// # Errors
    ///
    /// The server does not serve it.
    pub fn connect_from(&mut self, peername: Peer) -> Result<MemoryClient, NotAdmitted> {
        let sockname = SocketAddr::from((Ipv4Addr::LOCALHOST, 80)).into();
        let (near, far) = pair(self.capacity);
        let accepted = Accepted::new((self.wrap)(far), peername, sockname);
        let accepted = accepted.with_listener(Arc::clone(&self.listener));
        if self.service.shared.is_full(accepted.arrival()) && self.service.shared.evict() {
            self.run();
        }
        let driver = self.service.connect_accepted(accepted)?;
        self.connections.push(MemoryConnection { driver, woken: Arc::new(WakeFlag(AtomicBool::new(true))) });
        Ok(MemoryClient(near))
    }

    /// Runs the connections until all wait; the number of wake-ups that it took.
    ///
    /// ```
    /// # use httpfsm::{Request, ServerConfig};
    /// # use httpfsm_transport::memory::MemoryServer;
    /// let mut server = MemoryServer::new(ServerConfig::default(), |_: Request| async { "Hello, world!" });
    /// let client = server.connect().unwrap();
    /// client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    /// assert!(server.run() > 0);
    /// assert_eq!(server.run(), 0, "all wait for what comes next");
    /// ```
    pub fn run(&mut self) -> usize {
        let mut wake_ups = 0;
        self.service.shared.sweep(&Context::from_waker(Waker::noop()));
        loop {
            let before = wake_ups;
            self.connections.retain_mut(|connection| {
                if !connection.woken.0.swap(false, Ordering::SeqCst) {
                    return true;
                }
                wake_ups += 1;
                let waker = Waker::from(Arc::clone(&connection.woken));
                Pin::new(&mut connection.driver).poll(&mut Context::from_waker(&waker)).is_pending()
            });
            if wake_ups == before {
                return wake_ups;
            }
        }
    }

    /// Lets time pass, and runs what is due.
    ///
    /// Half a head, and then silence:
    ///
    /// ```
    /// # use std::time::Duration;
    /// #
    /// # use httpfsm::{Request, ServerConfig};
    /// # use httpfsm_transport::memory::MemoryServer;
    /// let mut server = MemoryServer::new(ServerConfig::default(), |_: Request| async { "Hello, world!" });
    /// let client = server.connect().unwrap();
    /// client.send("GET / HTTP/1.1\r\nHo");
    /// server.run();
    /// server.advance(Duration::from_secs(29));
    /// assert!(client.take().is_empty());
    /// // `head_timeout` is 30 seconds.
    /// server.advance(Duration::from_secs(1));
    /// assert!(client.take_text().starts_with("HTTP/1.1 408 "));
    /// ```
    pub fn advance(&mut self, by: Duration) -> usize {
        self.clock.advance(by);
        self.run()
    }

    /// The server's handle; its addresses are empty.
    ///
    /// ```
    /// # use httpfsm::{Request, ServerConfig};
    /// # use httpfsm_transport::memory::MemoryServer;
    /// let mut server = MemoryServer::new(ServerConfig::default(), |_: Request| async { "Hello, world!" });
    /// let client = server.connect().unwrap();
    /// client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    /// server.run();
    /// server.handle().begin_drain(None);
    /// server.run();
    /// // The idle connection has a second, in which a request may come that was on its way.
    /// server.advance(std::time::Duration::from_secs(1));
    /// assert!(client.is_ended());
    /// assert_eq!(server.handle().stats().closed, 1);
    /// ```
    pub fn handle(&self) -> ServerHandle {
        self.service.handle(Vec::new())
    }

    /// What nobody has given back yet: [`Service::held`].
    ///
    /// ```
    /// # use httpfsm::{Request, ServerConfig};
    /// # use httpfsm_transport::memory::MemoryServer;
    /// let mut server = MemoryServer::new(ServerConfig::default(), |_: Request| async { "Hello, world!" });
    /// let client = server.connect().unwrap();
    /// server.run();
    /// assert_eq!(server.held().channels, 1);
    /// drop(client);
    /// server.run();
    /// assert_eq!(server.held(), httpfsm_transport::Held::default());
    /// ```
    #[must_use]
    pub fn held(&self) -> Held {
        self.service.held()
    }

    /// Connections whose drivers still run.
    ///
    /// ```
    /// # use httpfsm::{Request, ServerConfig};
    /// # use httpfsm_transport::memory::MemoryServer;
    /// let mut server = MemoryServer::new(ServerConfig::default(), |_: Request| async { "Hello, world!" });
    /// let (one, _other) = (server.connect().unwrap(), server.connect().unwrap());
    /// server.run();
    /// assert_eq!(server.connections(), 2);
    /// one.close_write();
    /// server.run();
    /// assert_eq!(server.connections(), 1);
    /// ```
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.len()
    }
}

impl<H: Handler, W: Wire> fmt::Debug for MemoryServer<H, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let drivers: Vec<_> = self.connections.iter().map(|connection| &connection.driver).collect();
        f.debug_struct("MemoryServer").field("connections", &drivers).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::waiting::tests::Foreign;

    #[test]
    fn no_waker_is_woken_or_dropped_under_the_lock() {
        let (mut near, mut far) = pair(4);
        let foreign = |direction: &Arc<Mutex<DirectionBuffer>>| {
            let its = Arc::downgrade(direction);
            Foreign::waker(move || its.upgrade().is_none_or(|direction| direction.try_lock().is_ok()))
        };
        let noop = &mut Context::from_waker(Waker::noop());
        // The reader: replaced, woken by bytes, by the end.
        for wakes in [0, 1, 2] {
            let (waker, ran) = foreign(&far.input);
            assert!(far.poll_read(&mut Context::from_waker(&waker), &mut [0; 9]).is_pending());
            drop(waker);
            match wakes {
                0 => assert!(far.poll_read(noop, &mut [0; 9]).is_pending()),
                1 => {
                    assert!(near.poll_write(noop, b"bytes").is_ready());
                    assert!(far.poll_read(noop, &mut [0; 9]).is_ready());
                }
                _ => assert!(near.poll_close_write(noop).is_ready()),
            }
            assert_eq!(ran.load(Ordering::SeqCst), if wakes == 0 { 1 } else { 2 });
        }
        // The writer: woken by who reads, and by who is gone.
        assert!(far.poll_write(noop, b"bytes").is_ready());
        let (waker, ran) = foreign(&far.output);
        assert!(far.poll_write(&mut Context::from_waker(&waker), b"bytes").is_pending());
        drop(waker);
        assert!(near.poll_read(noop, &mut [0; 9]).is_ready());
        assert_eq!(ran.load(Ordering::SeqCst), 2);
        assert!(far.poll_write(noop, b"bytes").is_ready());
        let (waker, ran) = foreign(&far.output);
        assert!(far.poll_write(&mut Context::from_waker(&waker), b"bytes").is_pending());
        drop(waker);
        drop(near);
        assert_eq!(ran.load(Ordering::SeqCst), 2);
    }
}
