//! Level 1.

use std::future::Future;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use futures_io::{AsyncRead, AsyncWrite};
use httpfsm::channel::{CompiledConfig, Facts};

use crate::io::Io;
use crate::stream::Stream;

/// One connection in the caller's own task, pulled event by event: see
/// [`httpfsm_transport::Connection`] for what it does. Its socket is one of smol or of async-std; its timer is that of
/// `async-io`, which needs neither.
///
/// ```
/// use std::sync::Arc;
///
/// use httpfsm::channel::{CompiledConfig, Facts};
/// use httpfsm::response::ResponseRef;
/// use httpfsm::{ChannelConfig, Fields, Status};
/// use httpfsm_async_std::{Event, connection};
///
/// async fn serve(stream: smol::net::TcpStream) {
///     let config = Arc::new(CompiledConfig::new(&ChannelConfig::default()));
///     let mut connection = connection(stream, config, Facts::default());
///     while let Some(event) = connection.next_event().await {
///         if let Event::Request = event {
///             let _ = connection.respond(ResponseRef::new(Status::OK, &Fields::new(), b"Hello, world!"));
///         }
///     }
/// }
/// ```
pub type Connection<S> = httpfsm_transport::Connection<Stream<S>, Alarm>;

/// A connection over a socket that was just accepted. `facts` is what is known of it beside; the default is that nothing is.
///
/// ```
/// use std::sync::Arc;
///
/// use futures_lite::AsyncWriteExt;
/// use httpfsm::channel::{CompiledConfig, Facts};
/// use httpfsm::request::RequestRef;
/// use httpfsm_async_std::{Event, connection};
/// use smol::net::unix::UnixStream;
///
/// # smol::block_on(async {
/// let (mut client, socket) = UnixStream::pair()?;
/// client.write_all(b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n").await?;
/// let config = Arc::new(CompiledConfig::new(&httpfsm::ChannelConfig::default()));
/// let mut connection = connection(socket, config, Facts::default());
/// assert!(matches!(connection.next_event().await, Some(Event::Opened)));
/// assert!(matches!(connection.next_event().await, Some(Event::Request)));
/// assert_eq!(connection.request().map(|request| request.path()), Some("/a"));
/// # std::io::Result::Ok(()) }).expect("there are sockets");
/// ```
pub fn connection<S>(socket: S, compiled: Arc<CompiledConfig>, facts: Facts) -> Connection<S>
where
    S: AsyncRead + AsyncWrite + AsFd + Send + Unpin + 'static,
{
    Connection::new(Stream::new(socket), Alarm::default(), compiled, facts)
}

/// The same over an I/O of your own.
///
/// ```
/// use std::sync::Arc;
///
/// use futures_lite::io::{AsyncWriteExt, Cursor};
/// use httpfsm::channel::{CompiledConfig, Facts};
/// use httpfsm_async_std::{Event, connection_over};
///
/// # async_io::block_on(async {
/// // What has been recorded of a client, say; what is written comes behind it.
/// let io = Cursor::new(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec());
/// let config = Arc::new(CompiledConfig::new(&httpfsm::ChannelConfig::default()));
/// let mut connection = connection_over(io, config, Facts::default());
/// assert!(matches!(connection.next_event().await, Some(Event::Opened)));
/// assert!(matches!(connection.next_event().await, Some(Event::Request)));
/// # });
/// ```
pub fn connection_over<T>(
    io: T,
    compiled: Arc<CompiledConfig>,
    facts: Facts,
) -> httpfsm_transport::Connection<Io<T>, Alarm>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    httpfsm_transport::Connection::new(Io::new(io), Alarm::default(), compiled, facts)
}

/// A timer, made when the first deadline is waited for.
///
/// Level 1 over a wire of your own, which `connection_over` and `connection()` do not know:
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use httpfsm::channel::{CompiledConfig, Facts};
/// use httpfsm::{ChannelConfig, CloseReason};
/// use httpfsm_async_std::{Alarm, Event};
/// use httpfsm_transport::{Connection, memory};
///
/// # async_io::block_on(async {
/// let mut config = ChannelConfig::default();
/// config.first_byte_timeout = Some(Duration::from_millis(1));
/// let (_client, wire) = memory::pair(1024);
/// let config = Arc::new(CompiledConfig::new(&config));
/// let mut connection = Connection::new(wire, Alarm::default(), config, Facts::default());
/// assert!(matches!(connection.next_event().await, Some(Event::Opened)));
/// assert!(matches!(connection.next_event().await, Some(Event::Closed(CloseReason::FirstByteTimeout))));
/// # });
/// ```
#[derive(Debug, Default)]
pub struct Alarm(Option<(Instant, async_io::Timer)>);

impl httpfsm_transport::Timer for Alarm {
    fn poll_until(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        let (set, timer) = self.0.get_or_insert_with(|| (at, async_io::Timer::at(at)));
        if *set != at {
            *set = at;
            timer.set_at(at);
        }
        ready!(Pin::new(timer).poll(cx));
        // One that has rung is silent from then on.
        self.0 = None;
        Poll::Ready(())
    }
}
