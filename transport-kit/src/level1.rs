//! Level 1: a connection that its caller pulls event by event, over sockets of the loopback.

use std::future::{Future, poll_fn};
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use httpfsm::channel::{Channel, CompiledConfig, NotAccepted};
use httpfsm::config::ChannelConfig;
use httpfsm::fields::Fields;
use httpfsm::response::ResponseRef;
use httpfsm::status::Status;
use httpfsm_transport::{Connection, Event, Timer, Wire};
use socket2::Socket;

use crate::kit::{Kit, panic_text};

mod checks;
mod client;

/// A connection of level 1. [`Connection`] is one. A transport whose calls wait on the caller's thread wraps its own type in
/// one whose futures wait when they are polled.
///
/// [`Kit::level1_over_tcp`](crate::Kit::level1_over_tcp) checks one, and its page shows how.
pub trait Level1: Sized {
    /// As [`Connection::next_event`].
    fn next_event(&mut self) -> impl Future<Output = Option<Event>>;

    /// As [`Connection::demand`].
    ///
    /// # Errors
    ///
    /// There is no request whose body could come.
    fn demand(&mut self, bytes: u64) -> Result<(), NotAccepted>;

    /// As [`Connection::respond`].
    ///
    /// # Errors
    ///
    /// No request waits, or the response does not fit it.
    fn respond(&mut self, response: ResponseRef<'_>) -> Result<(), NotAccepted>;

    /// As [`Connection::informational`].
    ///
    /// # Errors
    ///
    /// No request waits, or the status is no interim one.
    fn informational(&mut self, status: Status, fields: &Fields) -> Result<(), NotAccepted>;

    /// As [`Connection::send_continue`].
    ///
    /// # Errors
    ///
    /// No request waits.
    fn send_continue(&mut self) -> Result<(), NotAccepted>;

    /// As [`Connection::write`].
    fn write(&mut self, bytes: Bytes) -> impl Future<Output = Result<(), NotAccepted>>;

    /// As [`Connection::flush`].
    fn flush(&mut self) -> impl Future<Output = Result<(), NotAccepted>>;

    /// As [`Connection::finish`].
    fn finish(&mut self, trailers: Option<&Fields>) -> impl Future<Output = Result<(), NotAccepted>>;

    /// As [`Connection::abort`].
    ///
    /// # Errors
    ///
    /// No request is under way.
    fn abort(&mut self, text: Option<&str>) -> Result<(), NotAccepted>;

    /// As [`Connection::go_out`].
    ///
    /// # Errors
    ///
    /// It is closed.
    fn go_out(&mut self) -> Result<(), NotAccepted>;

    /// As [`Connection::channel`].
    fn channel(&self) -> &Channel;

    /// Takes the connection apart, receives so many bytes on its socket, sends them back, and closes the socket.
    ///
    /// ```
    /// use std::io;
    ///
    /// use httpfsm_transport_kit::Level1;
    ///
    /// /// What the kit does with a connection that was upgraded.
    /// async fn talk(upgraded: impl Level1) -> io::Result<()> {
    ///     upgraded.echo_on_socket("ping".len()).await
    /// }
    /// ```
    fn echo_on_socket(self, bytes: usize) -> impl Future<Output = io::Result<()>>;
}

impl<W: Wire, T: Timer> Level1 for Connection<W, T> {
    fn next_event(&mut self) -> impl Future<Output = Option<Event>> {
        Connection::next_event(self)
    }

    fn demand(&mut self, bytes: u64) -> Result<(), NotAccepted> {
        Connection::demand(self, bytes)
    }

    fn respond(&mut self, response: ResponseRef<'_>) -> Result<(), NotAccepted> {
        Connection::respond(self, response)
    }

    fn informational(&mut self, status: Status, fields: &Fields) -> Result<(), NotAccepted> {
        Connection::informational(self, status, fields)
    }

    fn send_continue(&mut self) -> Result<(), NotAccepted> {
        Connection::send_continue(self)
    }

    fn write(&mut self, bytes: Bytes) -> impl Future<Output = Result<(), NotAccepted>> {
        Connection::write(self, bytes)
    }

    fn flush(&mut self) -> impl Future<Output = Result<(), NotAccepted>> {
        Connection::flush(self)
    }

    fn finish(&mut self, trailers: Option<&Fields>) -> impl Future<Output = Result<(), NotAccepted>> {
        Connection::finish(self, trailers)
    }

    fn abort(&mut self, text: Option<&str>) -> Result<(), NotAccepted> {
        Connection::abort(self, text)
    }

    fn go_out(&mut self) -> Result<(), NotAccepted> {
        Connection::go_out(self)
    }

    fn channel(&self) -> &Channel {
        Connection::channel(self)
    }

    async fn echo_on_socket(self, bytes: usize) -> io::Result<()> {
        let mut wire = self.into_parts().wire.ok_or(io::ErrorKind::NotConnected)?;
        let (mut buffer, mut received, mut sent) = (vec![0; bytes], 0, 0);
        while received < bytes {
            match poll_fn(|cx| wire.poll_read(cx, &mut buffer[received..])).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                more => received += more,
            }
        }
        while sent < bytes {
            sent += poll_fn(|cx| wire.poll_write(cx, &buffer[sent..])).await?;
        }
        poll_fn(|cx| wire.poll_flush(cx)).await
    }
}

/// A check of level 1 that runs.
pub type Level1Check<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

impl Kit {
    /// Checks connections of level 1 over TCP: what was wrong, if anything. `open` makes one of an accepted socket, within
    /// `block_on`, which runs a future to its end.
    ///
    /// ```
    /// use httpfsm::channel::Facts;
    /// use httpfsm_tokio::connection;
    /// use httpfsm_transport_kit::Kit;
    /// use tokio::net::TcpStream;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// let checked = Kit::default().level1_over_tcp(
    ///     |socket, config| {
    ///         socket.set_nonblocking(true)?;
    ///         Ok(connection(TcpStream::from_std(socket)?, config, Facts::default()))
    ///     },
    ///     |check| runtime.block_on(check),
    /// );
    /// assert_eq!(checked, Ok(()));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// What was wrong.
    pub fn level1_over_tcp<C: Level1>(
        &self,
        open: impl Fn(TcpStream, Arc<CompiledConfig>) -> io::Result<C>,
        block_on: impl Fn(Level1Check<'_>),
    ) -> Result<(), String> {
        let pair = || {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let client = TcpStream::connect(listener.local_addr()?)?;
            Ok((client.into(), listener.accept()?.0))
        };
        checks::all(&Pairs { pair: &pair, open: &open, is_unix: false, patience: self.patience }, &block_on)
    }

    /// The same over a Unix socket.
    ///
    /// ```
    /// use httpfsm::channel::Facts;
    /// use httpfsm_tokio::connection;
    /// use httpfsm_transport_kit::Kit;
    /// use tokio::net::UnixStream;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// let checked = Kit::default().level1_over_unix(
    ///     |socket, config| {
    ///         socket.set_nonblocking(true)?;
    ///         Ok(connection(UnixStream::from_std(socket)?, config, Facts::default()))
    ///     },
    ///     |check| runtime.block_on(check),
    /// );
    /// assert_eq!(checked, Ok(()));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// What was wrong.
    pub fn level1_over_unix<C: Level1>(
        &self,
        open: impl Fn(UnixStream, Arc<CompiledConfig>) -> io::Result<C>,
        block_on: impl Fn(Level1Check<'_>),
    ) -> Result<(), String> {
        let pair = || UnixStream::pair().map(|(client, server)| (client.into(), server));
        checks::all(&Pairs { pair: &pair, open: &open, is_unix: true, patience: self.patience }, &block_on)
    }
}

/// Where a check gets a client and its connection from.
struct Pairs<'a, S, C> {
    pair: &'a dyn Fn() -> io::Result<(Socket, S)>,
    open: &'a dyn Fn(S, Arc<CompiledConfig>) -> io::Result<C>,
    is_unix: bool,
    patience: Duration,
}

impl<S, C> Pairs<'_, S, C> {
    fn open(&self, config: &ChannelConfig) -> Result<(Socket, C), String> {
        let (client, server) = (self.pair)().map_err(|error| format!("Cannot connect: {error}"))?;
        // Whatever the server does, a client is not in its calls for ever.
        let limited = client.set_read_timeout(Some(self.patience));
        limited
            .and_then(|()| client.set_write_timeout(Some(self.patience)))
            .map_err(|error| format!("Cannot set a timeout: {error}"))?;
        let connection = (self.open)(server, Arc::new(CompiledConfig::new(config)));
        Ok((client, connection.map_err(|error| format!("The connection does not open: {error}"))?))
    }
}

/// Runs a check to its end, or until patience is over.
fn outcome(
    check: impl Future<Output = Result<(), String>>,
    patience: Duration,
    block_on: &dyn Fn(Level1Check<'_>),
) -> Result<(), String> {
    let mut outcome = Ok(());
    let run = AssertUnwindSafe(|| block_on(Box::pin(async { outcome = within(patience, check).await })));
    match catch_unwind(run) {
        Ok(()) => outcome,
        Err(panic) => Err(panic_text(&*panic)),
    }
}

/// What the future returns, unless it takes too long. A future that blocks its thread is waited for.
async fn within(patience: Duration, future: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    let (_done, is_done) = mpsc::channel::<()>();
    let waker: Arc<Mutex<Option<Waker>>> = Arc::default();
    let (began, wakes) = (Instant::now(), Arc::clone(&waker));
    thread::spawn(move || {
        if is_done.recv_timeout(patience) == Err(mpsc::RecvTimeoutError::Timeout) {
            let waker = wakes.lock().unwrap_or_else(PoisonError::into_inner).take();
            waker.into_iter().for_each(Waker::wake);
        }
    });
    let mut future = pin!(future);
    poll_fn(|cx| {
        *waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        match future.as_mut().poll(cx) {
            Poll::Pending if began.elapsed() >= patience => {
                Poll::Ready(Err("What is waited for does not happen.".to_owned()))
            }
            polled => polled,
        }
    })
    .await
}
