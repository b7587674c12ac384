//! Level 1 on the caller's own thread.

use std::fmt;
use std::future::Future;
use std::io;
use std::ops::{Deref, DerefMut};
use std::pin::pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use httpfsm::channel::{Channel, CompiledConfig, Facts, NotAccepted};
use httpfsm::fields::Fields;
use httpfsm_transport::{Event, Timer};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::lock::lock;
use crate::poller::{READABLE, WRITABLE, news};
use crate::readiness::Readiness;
use crate::socket::{Socket, Stream};
use crate::stream::{WatchedSocket, Watcher};

/// One connection on the caller's own thread, pulled event by event. Calls that wait observe the connection's deadlines
/// meanwhile.
///
/// What does not wait is that of [`httpfsm_transport::Connection`], which it derefs to: `request`, `respond`, `demand`,
/// `forgo_body`, `informational`, `send_continue`, `abort`, `go_out`, `record` and `channel`.
///
/// ```no_run
/// use std::net::TcpListener;
/// use std::sync::Arc;
///
/// use httpfsm::channel::{CompiledConfig, Facts};
/// use httpfsm::response::ResponseRef;
/// use httpfsm::{ChannelConfig, Fields, Status};
/// use httpfsm_blocking::{Event, connection};
///
/// # fn main() -> std::io::Result<()> {
/// let config = Arc::new(CompiledConfig::new(&ChannelConfig::default()));
/// let (stream, _) = TcpListener::bind("127.0.0.1:8080")?.accept()?;
/// let mut connection = connection(stream, config, Facts::default())?;
/// while let Some(event) = connection.next_event() {
///     if let Event::Request = event {
///         let _ = connection.respond(ResponseRef::new(Status::OK, &Fields::new(), b"Hello, world!"));
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct Connection {
    inner: httpfsm_transport::Connection<WatchedSocket<Arc<Socket>, Arc<Readiness>>, Alarm>,
    waiting: SocketWait,
}

/// What a connection is made of. `Debug` shows no byte of what was received or is to be sent.
///
/// After an upgrade the socket is the caller's:
///
/// ```
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
/// use std::sync::Arc;
///
/// use httpfsm::Response;
/// use httpfsm::channel::{CompiledConfig, Facts};
/// use httpfsm_blocking::{Event, Stream, connection};
///
/// # fn main() -> std::io::Result<()> {
/// let (mut client, socket) = UnixStream::pair()?;
/// client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")?;
/// let config = Arc::new(CompiledConfig::new(&httpfsm::ChannelConfig::default()));
/// let mut connection = connection(socket, config, Facts::default())?;
/// while let Some(event) = connection.next_event() {
///     if let Event::Request = event {
///         connection.respond(Response::switching_protocols("echo").as_ref()).expect("it asks for an upgrade");
///     }
/// }
/// let Some(Stream::Unix(mut socket)) = connection.into_parts()?.stream else { panic!("it is closed") };
/// client.write_all(b"ping")?;
/// let mut ping = [0; 4];
/// socket.read_exact(&mut ping)?;
/// assert_eq!(&ping, b"ping");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ConnectionParts {
    /// The socket, which blocks, unless the machine has closed it.
    pub stream: Option<Stream>,
    /// The machine.
    pub channel: Channel,
}

/// A connection over a socket that was just accepted. `facts` is what is known of it beside; the default is that nothing is.
///
/// ```
/// use std::io::{Read, Write};
/// use std::net::Shutdown;
/// use std::os::unix::net::UnixStream;
/// use std::sync::Arc;
///
/// use httpfsm::channel::{CompiledConfig, Facts};
/// use httpfsm::response::ResponseRef;
/// use httpfsm::{ChannelConfig, Fields, Status};
/// use httpfsm_blocking::{Event, connection};
///
/// # fn main() -> std::io::Result<()> {
/// let (mut client, socket) = UnixStream::pair()?;
/// client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
/// client.shutdown(Shutdown::Write)?;
/// let config = Arc::new(CompiledConfig::new(&ChannelConfig::default()));
/// let mut connection = connection(socket, config, Facts::default())?;
/// while let Some(event) = connection.next_event() {
///     if let Event::Request = event {
///         let _ = connection.respond(ResponseRef::new(Status::OK, &Fields::new(), b"Hello, world!"));
///     }
/// }
/// let mut received = String::new();
/// client.read_to_string(&mut received)?;
/// assert!(received.ends_with("\r\n\r\nHello, world!"));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// The system does not give the socket another mode, in which it does not block.
pub fn connection(
    stream: impl Into<Stream>,
    compiled: Arc<CompiledConfig>,
    facts: Facts,
) -> io::Result<Connection> {
    let (socket, readiness) = (Arc::new(Socket::new(stream.into())?), Arc::new(Readiness::new()));
    let alarm = Alarm::default();
    let waiting = SocketWait {
        socket: Arc::downgrade(&socket),
        readiness: Arc::clone(&readiness),
        alarm: alarm.clone(),
    };
    let wire = WatchedSocket::new(socket, readiness);
    Ok(Connection { inner: httpfsm_transport::Connection::new(wire, alarm, compiled, facts), waiting })
}

impl Connection {
    /// Waits for the next event; `None` after [`Event::Closed`] or [`Event::Upgraded`]. Bytes are received and sent
    /// meanwhile.
    pub fn next_event(&mut self) -> Option<Event> {
        self.waiting.wait(self.inner.next_event())
    }

    /// Adds bytes to a streamed response; waits for room before.
    ///
    /// # Errors
    ///
    /// No streamed response is under way, also because the connection was lost.
    pub fn write(&mut self, bytes: impl Into<Bytes>) -> Result<(), NotAccepted> {
        self.waiting.wait(self.inner.write(bytes))
    }

    /// Waits until all bytes have left.
    ///
    /// # Errors
    ///
    /// The connection was lost.
    pub fn flush(&mut self) -> Result<(), NotAccepted> {
        self.waiting.wait(self.inner.flush())
    }

    /// Ends a streamed response, with trailer fields if it is chunked, and waits until its bytes have left.
    ///
    /// # Errors
    ///
    /// No streamed response is under way, also because the connection was lost.
    pub fn finish(&mut self, trailers: Option<&Fields>) -> Result<(), NotAccepted> {
        self.waiting.wait(self.inner.finish(trailers))
    }

    /// Takes the connection apart, after an upgrade or for another driver.
    ///
    /// # Errors
    ///
    /// The system does not give the socket back.
    pub fn into_parts(self) -> io::Result<ConnectionParts> {
        let httpfsm_transport::ConnectionParts { wire, channel } = self.inner.into_parts();
        let stream = wire.map(WatchedSocket::into_stream).transpose()?;
        Ok(ConnectionParts { stream, channel })
    }
}

impl Deref for Connection {
    type Target = httpfsm_transport::Connection<WatchedSocket<Arc<Socket>, Arc<Readiness>>, Alarm>;

    fn deref(&self) -> &Self::Target {
        &self.inner
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.inner
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// Where the system does not tell of it by itself, a read finds it.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_os = "illumos"))]
const END_OF_INPUT: PollFlags = PollFlags::RDHUP;
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_os = "illumos")))]
const END_OF_INPUT: PollFlags = PollFlags::empty();

/// How the thread waits: for the socket, and until the deadline.
struct SocketWait {
    /// `None` when the connection is closed, or in other hands.
    socket: Weak<Socket>,
    readiness: Arc<Readiness>,
    alarm: Alarm,
}

impl SocketWait {
    fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        // Only what happens on this thread ends a wait.
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            *lock(&self.alarm.0) = None;
            if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
                return output;
            }
            self.sleep();
        }
    }

    fn sleep(&self) {
        let until = *lock(&self.alarm.0);
        let length = until.map(|until| until.saturating_duration_since(Instant::now()));
        let Some((socket, wanted)) = self.socket.upgrade().zip(self.wanted()) else {
            // Nothing that the system could tell is waited for, so there is a deadline.
            return length.map_or_else(thread::park, thread::sleep);
        };
        let mut polled = [PollFd::new(&*socket, wanted)];
        let timeout = length.and_then(|length| Timespec::try_from(length).ok());
        match poll(&mut polled, timeout.as_ref()) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => {
                let is = |flags: PollFlags| polled[0].revents().intersects(flags);
                let ended = is(PollFlags::HUP | END_OF_INPUT | PollFlags::ERR);
                self.readiness.note(news(is(PollFlags::IN), is(PollFlags::OUT), ended));
            }
            // It cannot happen; if it does, the thread does not spin.
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }

    /// What is not known to be ready. What is, and is not made use of, would end each sleep at once.
    fn wanted(&self) -> Option<PollFlags> {
        let known = self.readiness.state();
        let wanted = |direction, flags| if known & direction == 0 { flags } else { PollFlags::empty() };
        let wanted = wanted(READABLE, PollFlags::IN | END_OF_INPUT) | wanted(WRITABLE, PollFlags::OUT);
        (!wanted.is_empty()).then_some(wanted)
    }
}

impl Watcher for Arc<Readiness> {
    fn readiness(&self) -> &Readiness {
        self
    }

    fn watch(&self, _direction: u32, _cx: &Context<'_>) -> bool {
        false
    }

    fn close(&self) {}
}

/// Tells how long the thread may sleep.
#[derive(Clone, Debug, Default)]
pub struct Alarm(Arc<Mutex<Option<Instant>>>);

impl Timer for Alarm {
    fn poll_until(&mut self, _cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        if at <= Instant::now() {
            return Poll::Ready(());
        }
        *lock(&self.0) = Some(at);
        Poll::Pending
    }
}
