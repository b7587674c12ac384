//! Bodies that a blocking function writes, on a worker.

use std::error::Error;

use httpfsm::handler::Body;
use httpfsm_transport::SyncBodyWriter;

use crate::functions::Functions;

/// A body that is what the function `write` writes, on a worker of the server that sends it. See
/// [`httpfsm_transport::written_sync`](httpfsm_transport::written_sync()) for what it may rely on: so many functions
/// that are ahead of slow readers wait as [`Blocking::waiting`](crate::Blocking::waiting) says, and the others write
/// into a temporary file, so slow readers hold no more workers than that; where the file is long, the function goes on on a
/// thread of its own ([`Blocking::stand_ins`](crate::Blocking::stand_ins)). A function that copies the request's body
/// waits for its peer as well: an async handler awaits [`Body::gathered`] before it passes that body on, and a
/// [`sync`](crate::sync) handler has it gathered, or has a permit.
///
/// ```
/// use std::io::{self, Write};
///
/// use httpfsm::{Request, Response, Status};
/// use httpfsm_blocking::{sync, written_sync};
///
/// fn report(request: Request) -> Response {
///     let rows = request.query().and_then(|rows| rows.parse().ok()).unwrap_or(1000);
///     let body = written_sync(move |body| -> io::Result<()> {
///         for row in 0..rows {
///             writeln!(body, "{row};{}", row * row)?;
///         }
///         Ok(())
///     });
///     Response::new(Status::OK).with_body(body)
/// }
/// # let _ = sync(report);
/// ```
pub fn written_sync<F, E>(write: F) -> Body
where
    F: FnOnce(&mut SyncBodyWriter) -> Result<(), E> + Send + 'static,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    httpfsm_transport::written_sync(Functions, write)
}
