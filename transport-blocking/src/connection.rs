//! Level 1 on the caller's own thread.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use httpfsm::channel::{Channel, CompiledConfig, Facts, NotAccepted};
use httpfsm::fields::Fields;
use httpfsm::request::RequestRef;
use httpfsm::response::ResponseRef;
use httpfsm::status::Status;
use httpfsm_transport::{Event, Timer};

use crate::lock::lock;
use crate::readiness::Readiness;
use crate::socket::{Socket, Stream};
use crate::stream::LoopSocket;

/// One connection on the caller's own thread, pulled event by event. Calls that wait observe the connection's deadlines
/// meanwhile.
///
/// ```no_run
/// use std::net::TcpListener;
/// use std::sync::Arc;
///
/// use httpfsm::channel::CompiledConfig;
/// use httpfsm::response::ResponseRef;
/// use httpfsm::{ChannelConfig, Fields, Status};
/// use httpfsm_blocking::{Event, connection};
///
/// # fn main() -> std::io::Result<()> {
/// let config = Arc::new(CompiledConfig::new(&ChannelConfig::default()));
/// let (stream, _) = TcpListener::bind("127.0.0.1:8080")?.accept()?;
/// let mut connection = connection(stream, config)?;
/// while let Some(event) = connection.next_event() {
///     if let Event::Request = event {
///         let _ = connection.respond(ResponseRef::new(Status::OK, &Fields::new(), b"Hello, world!"));
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct Connection {
    inner: httpfsm_transport::Connection<LoopSocket, Alarm>,
    waiting: SocketWait,
}

/// What a connection is made of. `Debug` shows no byte of what was received or is to be sent.
#[derive(Debug)]
pub struct ConnectionParts {
    /// The socket, which blocks, unless the machine has closed it.
    pub stream: Option<Stream>,
    /// The machine.
    pub channel: Channel,
}

/// A connection over a socket that was just accepted.
///
/// # Errors
///
/// The system has no more descriptors: a connection needs one beside its socket.
pub fn connection(stream: impl Into<Stream>, compiled: Arc<CompiledConfig>) -> io::Result<Connection> {
    let poll = mio::Poll::new()?;
    let readiness = Readiness::new(0, None);
    let wire = LoopSocket::new(Socket::new(stream.into())?, Arc::clone(&readiness), poll.registry())?;
    let alarm = Alarm::default();
    let waiting = SocketWait { poll, events: mio::Events::with_capacity(4), readiness, alarm: alarm.clone() };
    Ok(Connection {
        inner: httpfsm_transport::Connection::new(wire, alarm, compiled, Facts::default()),
        waiting,
    })
}

impl Connection {
    /// Waits for the next event; `None` after [`Event::Closed`] or [`Event::Upgraded`]. Bytes are received and sent
    /// meanwhile.
    pub fn next_event(&mut self) -> Option<Event> {
        self.waiting.wait(self.inner.next_event())
    }

    /// The request that waits for its response, until that is given or its body is asked for.
    #[must_use]
    pub fn request(&self) -> Option<RequestRef<'_>> {
        self.inner.request()
    }

    /// Asks for so many more bytes of the request body. The first time sends `100 Continue` where it is expected.
    ///
    /// # Errors
    ///
    /// There is no request whose body could come.
    pub fn demand(&mut self, bytes: u64) -> Result<(), NotAccepted> {
        self.inner.demand(bytes)
    }

    /// Responds to the request. A streamed response goes on with [`write`](Self::write) and [`finish`](Self::finish).
    /// The bytes leave in a call that waits. The head of a streamed response to a request with `Expect: 100-continue` is
    /// held until the first [`demand`](Self::demand), [`write`](Self::write), [`flush`](Self::flush) or
    /// [`finish`](Self::finish), since the 100 can only come before it.
    ///
    /// # Errors
    ///
    /// No request waits, or the response does not fit it.
    pub fn respond(&mut self, response: ResponseRef<'_>) -> Result<(), NotAccepted> {
        self.inner.respond(response)
    }

    /// Sends an interim response, 102 to 199.
    ///
    /// # Errors
    ///
    /// No request waits, or the status is no interim one.
    pub fn informational(&mut self, status: Status, fields: &Fields) -> Result<(), NotAccepted> {
        self.inner.informational(status, fields)
    }

    /// Sends `100 Continue`, where it is expected.
    ///
    /// # Errors
    ///
    /// No request waits.
    pub fn send_continue(&mut self) -> Result<(), NotAccepted> {
        self.inner.send_continue()
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

    /// Gives the request up: 500 before the response's head, a cut connection after it.
    ///
    /// # Errors
    ///
    /// No request is under way.
    pub fn abort(&mut self, text: Option<&str>) -> Result<(), NotAccepted> {
        self.inner.abort(text)
    }

    /// Has the connection finish and close.
    ///
    /// # Errors
    ///
    /// It is closed.
    pub fn go_out(&mut self) -> Result<(), NotAccepted> {
        self.inner.go_out()
    }

    /// The machine, to ask.
    #[must_use]
    pub fn channel(&self) -> &Channel {
        self.inner.channel()
    }

    /// Takes the connection apart, after an upgrade or for another driver.
    ///
    /// # Errors
    ///
    /// The system does not give the socket back.
    pub fn into_parts(self) -> io::Result<ConnectionParts> {
        let httpfsm_transport::ConnectionParts { wire, channel } = self.inner.into_parts();
        let stream = wire.map(|wire| wire.into_stream(self.waiting.poll.registry())).transpose()?;
        Ok(ConnectionParts { stream, channel })
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// How the thread waits: for the socket, and until the deadline.
struct SocketWait {
    poll: mio::Poll,
    events: mio::Events,
    readiness: Arc<Readiness>,
    alarm: Alarm,
}

impl SocketWait {
    fn wait<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        let waker = Waker::from(Arc::clone(&self.readiness));
        let mut cx = Context::from_waker(&waker);
        loop {
            *lock(&self.alarm.0) = None;
            if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
                return output;
            }
            self.sleep();
        }
    }

    fn sleep(&mut self) {
        let until = *lock(&self.alarm.0);
        let length = until.map(|until| until.saturating_duration_since(Instant::now()));
        match self.poll.poll(&mut self.events, length) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // It cannot happen; if it does, the thread does not spin.
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
        for event in &self.events {
            self.readiness.note(event);
        }
    }
}

/// Tells how long the thread may sleep.
#[derive(Clone, Debug, Default)]
struct Alarm(Arc<Mutex<Option<Instant>>>);

impl Timer for Alarm {
    fn poll_until(&mut self, _cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        if at <= Instant::now() {
            return Poll::Ready(());
        }
        *lock(&self.0) = Some(at);
        Poll::Pending
    }
}
