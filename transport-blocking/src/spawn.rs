//! Work beside a handler: futures on the workers, and upgraded connections on threads of their own.

use std::fmt;
use std::future::Future;

use httpfsm::handler::UpgradeFuture;
use httpfsm_transport::{UpgradedStream, block_on};

use crate::here;
use crate::task::Task;
use crate::tunnels::Tunnels;

/// Runs a future on the workers of the server whose handler calls this, or whose request this thread has taken last
/// ([`Incoming`](crate::Incoming)), beside the handler: it holds a worker only while it is polled. Nobody hears of a panic
/// in it. When the server is gone it is dropped at its next wake-up, if not before: a drain does not wait for it. How many
/// there are is for the application to bound; the functions that they begin wait in one line with those of requests.
///
/// ```
/// use httpfsm::handler::{Request, Response};
///
/// fn handler(request: Request) -> Response {
///     let upgrade = request.upgrade();
///     let echoing = async move {
///         let Ok(mut connection) = upgrade.await else { return };
///         let mut buffer = [0; 1024];
///         while let Ok(bytes @ 1..) = connection.read(&mut buffer).await {
///             if connection.write_all(&buffer[..bytes]).await.is_err() {
///                 return;
///             }
///         }
///     };
///     match httpfsm_blocking::spawn(echoing) {
///         Ok(()) => Response::switching_protocols("echo"),
///         Err(error) => Response::text(error.to_string()).with_status(httpfsm::Status::SERVICE_UNAVAILABLE),
///     }
/// }
/// # let _ = httpfsm_blocking::sync(handler);
/// ```
///
/// # Errors
///
/// [`SpawnError::Elsewhere`]: this is no thread of a server; [`SpawnError::Gone`]: the server is gone already.
pub fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Result<(), SpawnError> {
    let pool = here::pool().ok_or(SpawnError::Elsewhere)?;
    if pool.is_closed() {
        return Err(SpawnError::Gone);
    }
    Task::spawn(&pool, Box::pin(future));
    Ok(())
}

/// Serves an upgraded connection with code that blocks, on a thread that does nothing else until `serve` returns. There
/// are few of them ([`Blocking::tunnels`](crate::Blocking::tunnels)); when all are taken the handler is told at once,
/// so that it can respond with 503 instead of 101. Where the response turns out to be no upgrade, `serve` is not
/// called.
///
/// The deadlines of HTTP end with the upgrade. A peer that says nothing holds its thread until `serve` returns, or until the
/// deadline of a drain resets the connection; where peers may be silent, [`spawn`] serves them without a thread.
///
/// ```
/// use std::io::{Read, Write};
///
/// use httpfsm::handler::{Request, Response};
/// use httpfsm::status::Status;
/// use httpfsm_blocking::{UpgradedStream, tunnel};
///
/// fn echo(mut connection: UpgradedStream) {
///     let mut buffer = [0; 1024];
///     while let Ok(bytes @ 1..) = connection.read(&mut buffer) {
///         if connection.write_all(&buffer[..bytes]).is_err() {
///             return;
///         }
///     }
/// }
///
/// fn handler(request: Request) -> Response {
///     match tunnel(request.upgrade(), echo) {
///         Ok(()) => Response::switching_protocols("echo"),
///         Err(_) => Response::new(Status::SERVICE_UNAVAILABLE),
///     }
/// }
/// # let _ = httpfsm_blocking::sync(handler);
/// ```
///
/// # Errors
///
/// [`SpawnError::Full`]: all threads for this are taken, or the system has none;
/// [`SpawnError::Elsewhere`]: this is no thread of a server; [`SpawnError::Gone`]: the server is.
pub fn tunnel(
    upgrade: UpgradeFuture,
    serve: impl FnOnce(UpgradedStream) + Send + 'static,
) -> Result<(), SpawnError> {
    let pool = here::pool().ok_or(SpawnError::Elsewhere)?;
    let work = move || {
        if let Ok(connection) = block_on(upgrade) {
            serve(UpgradedStream::new(connection));
        }
    };
    Tunnels::run(&pool, Box::new(work))
}

/// Why work was not begun.
///
/// ```
/// use httpfsm_blocking::{SpawnError, spawn};
///
/// let refused = spawn(async {});
/// assert_eq!(refused, Err(SpawnError::Elsewhere), "no handler calls this");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum SpawnError {
    /// This is no thread of a server: neither a handler, nor a source, nor what they have spawned calls, nor has this thread
    /// taken a request.
    Elsewhere,
    /// All threads for upgraded connections are taken.
    Full,
    /// The server is gone.
    Gone,
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Elsewhere => "This thread belongs to no server.",
            Self::Full => "All threads for upgraded connections are taken.",
            Self::Gone => "The server is gone.",
        })
    }
}

impl std::error::Error for SpawnError {}
