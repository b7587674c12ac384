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
#[derive(Debug)]
pub struct MemoryWire {
    input: Arc<Mutex<DirectionBuffer>>,
    output: Arc<Mutex<DirectionBuffer>>,
    reset: bool,
}

/// Two ends of a connection that holds `capacity` bytes in each direction.
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
#[derive(Debug)]
pub struct MemoryClient(MemoryWire);

impl MemoryClient {
    /// Sends bytes, however many the connection holds already.
    pub fn send(&self, bytes: impl AsRef<[u8]>) {
        DirectionBuffer::put(&self.0.output, bytes.as_ref());
    }

    /// Takes the bytes that have arrived.
    #[must_use]
    pub fn take(&self) -> Vec<u8> {
        self.take_at_most(usize::MAX)
    }

    /// Takes at most so many of them.
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
    #[must_use]
    pub fn take_text(&self) -> String {
        String::from_utf8_lossy(&self.take()).into_owned()
    }

    /// Ends our output (FIN).
    pub fn close_write(&self) {
        DirectionBuffer::end(&self.0.output, false);
    }

    /// Resets the connection (RST).
    pub fn reset(&self) {
        DirectionBuffer::end(&self.0.output, true);
        DirectionBuffer::end(&self.0.input, true);
    }

    /// Whether the server has ended its output, by FIN or by closing.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        lock(&self.0.input).ended
    }

    /// Whether the server has reset the connection.
    #[must_use]
    pub fn is_reset(&self) -> bool {
        lock(&self.0.input).reset
    }
}

/// A server in memory, on one thread, with a manual clock. `W` is what it takes for its wires.
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
    pub fn new(config: ServerConfig, handler: H) -> Self {
        Self::with(config, 64 << 10, None, handler)
    }

    /// A server with connections of a capacity, and with a subscriber.
    pub fn with(
        config: ServerConfig,
        capacity: usize,
        subscriber: Option<Arc<dyn Subscriber>>,
        handler: H,
    ) -> Self {
        Self::recorded(config, capacity, subscriber, None, handler)
    }

    /// The same, with channels that are recorded where `recorder` says so.
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
    pub fn set_listener(&mut self, listener: ListenerInfo) {
        self.listener = Arc::new(listener);
    }

    /// Lets so many functions at a time wait for their peers: [`Service::permit_waiting`].
    pub fn permit_waiting(&self, functions: usize) {
        self.service.permit_waiting(functions);
    }

    /// Connects a client from a port of its own on the loopback address.
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
    pub fn advance(&mut self, by: Duration) -> usize {
        self.clock.advance(by);
        self.run()
    }

    /// The server's handle; its addresses are empty.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        self.service.handle(Vec::new())
    }

    /// What nobody has given back yet: [`Service::held`].
    #[must_use]
    pub fn held(&self) -> Held {
        self.service.held()
    }

    /// Connections whose drivers still run.
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
