//! Level 1 on tokio.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use httpfsm::channel::{CompiledConfig, Facts};
use httpfsm_transport::Timer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::io::Io;
use crate::stream::Stream;

/// One connection in the caller's own task, pulled event by event: see
/// [`httpfsm_transport::Connection`] for what it does.
///
/// ```
/// use std::sync::Arc;
///
/// use httpfsm::channel::{CompiledConfig, Facts};
/// use httpfsm::response::ResponseRef;
/// use httpfsm::{ChannelConfig, Fields, Status};
/// use httpfsm_tokio::{Event, connection};
///
/// async fn serve(stream: tokio::net::TcpStream) {
///     let config = Arc::new(CompiledConfig::new(&ChannelConfig::default()));
///     let mut connection = connection(stream, config, Facts::default());
///     while let Some(event) = connection.next_event().await {
///         if let Event::Request = event {
///             let _ = connection.respond(ResponseRef::new(Status::OK, &Fields::new(), b"Hello, world!"));
///         }
///     }
/// }
/// ```
pub type Connection = httpfsm_transport::Connection<Stream, Alarm>;

/// A connection over a socket that was just accepted. `facts` is what is known of it beside; the default is that nothing is.
///
/// ```
/// use std::sync::Arc;
///
/// use httpfsm::channel::{CompiledConfig, Facts};
/// use httpfsm_tokio::{Event, connection};
/// use tokio::io::AsyncWriteExt;
/// use tokio::net::UnixStream;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let (mut client, socket) = UnixStream::pair()?;
/// client.write_all(b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n").await?;
/// let config = Arc::new(CompiledConfig::new(&httpfsm::ChannelConfig::default()));
/// let mut connection = connection(socket, config, Facts::default());
/// assert!(matches!(connection.next_event().await, Some(Event::Opened)));
/// assert!(matches!(connection.next_event().await, Some(Event::Request)));
/// assert_eq!(connection.request().map(|request| request.path()), Some("/a"));
/// # Ok(())
/// # }
/// ```
///
/// # Panics
///
/// Not here, but its futures do where they wait for a deadline outside of a runtime, or in one whose timer is off: it is
/// built with `enable_time` or `enable_all`.
pub fn connection(stream: impl Into<Stream>, compiled: Arc<CompiledConfig>, facts: Facts) -> Connection {
    Connection::new(stream.into(), Alarm::default(), compiled, facts)
}

/// The same over an I/O of your own.
///
/// ```
/// use std::sync::Arc;
///
/// use httpfsm::channel::{CompiledConfig, Facts};
/// use httpfsm_tokio::{Event, connection_over};
/// use tokio::io::{AsyncWriteExt, duplex};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let (mut client, io) = duplex(1024);
/// client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await?;
/// let config = Arc::new(CompiledConfig::new(&httpfsm::ChannelConfig::default()));
/// let mut connection = connection_over(io, config, Facts::default());
/// assert!(matches!(connection.next_event().await, Some(Event::Opened)));
/// assert!(matches!(connection.next_event().await, Some(Event::Request)));
/// # Ok(())
/// # }
/// ```
///
/// # Panics
///
/// As [`connection()`].
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

/// A timer of the runtime, made when the first deadline is waited for.
///
/// Level 1 over a wire of your own, which `connection_over` and `connection()` do not know:
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use httpfsm::channel::{CompiledConfig, Facts};
/// use httpfsm::{ChannelConfig, CloseReason};
/// use httpfsm_tokio::{Alarm, Event};
/// use httpfsm_transport::{Connection, memory};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut config = ChannelConfig::default();
/// config.first_byte_timeout = Some(Duration::from_millis(1));
/// let (_client, wire) = memory::pair(1024);
/// let config = Arc::new(CompiledConfig::new(&config));
/// let mut connection = Connection::new(wire, Alarm::default(), config, Facts::default());
/// assert!(matches!(connection.next_event().await, Some(Event::Opened)));
/// assert!(matches!(connection.next_event().await, Some(Event::Closed(CloseReason::FirstByteTimeout))));
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Alarm(Option<Pin<Box<Sleep>>>);

impl Timer for Alarm {
    fn poll_until(&mut self, cx: &mut Context<'_>, at: std::time::Instant) -> Poll<()> {
        let at = Instant::from_std(at);
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if sleep.deadline() != at {
            sleep.as_mut().reset(at);
        }
        sleep.as_mut().poll(cx)
    }
}
