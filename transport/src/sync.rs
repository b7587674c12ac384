//! Blocking functions as handlers, and bodies read as `std::io::Read`.

use std::fmt;
use std::future::Future;
use std::io::{self, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;

use bytes::{Buf, Bytes};
use httpfsm::handler::{Body, Handler, IntoResponse, Request, Response};

use crate::job::{Job, Spawner};
use crate::timekeeper::Unpark;

/// Makes a blocking function a handler: each call runs on a thread of the spawner. A function that is running when its
/// connection is lost runs to its end.
pub fn sync<S: Spawner, F, Answer>(spawner: S, function: F) -> Sync<S, F>
where
    F: Fn(Request) -> Answer + Send + std::marker::Sync + 'static,
    Answer: IntoResponse,
{
    Sync { spawner, function: Arc::new(function) }
}

/// The handler that [`sync`] makes.
pub struct Sync<S, F> {
    spawner: S,
    function: Arc<F>,
}

impl<S: Spawner, F, Answer> Handler for Sync<S, F>
where
    F: Fn(Request) -> Answer + Send + std::marker::Sync + 'static,
    Answer: IntoResponse,
{
    type Future = Job<Response>;

    fn call(&self, request: Request) -> Self::Future {
        let function = Arc::clone(&self.function);
        Job::spawn(&self.spawner, move || function(request).into_response())
    }
}

impl<S, F> fmt::Debug for Sync<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sync(..)")
    }
}

/// A body as `std::io::Read`, for blocking code: the thread waits for the octets. Within an error is the
/// [`BodyFailure`](httpfsm::handler::BodyFailure), which [`io::Error::downcast`] takes out.
#[derive(Debug)]
pub struct BodyReader {
    body: Body,
    left: Bytes,
}

impl BodyReader {
    /// Reads `body`.
    #[must_use]
    pub fn new(body: Body) -> Self {
        Self { body, left: Bytes::new() }
    }
}

impl Read for BodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left.is_empty() && !buffer.is_empty() {
            match block_on(self.body.next_data()) {
                None => return Ok(0),
                Some(Ok(octets)) => self.left = octets,
                Some(Err(failure)) => return Err(io::Error::other(failure)),
            }
        }
        let taken = buffer.len().min(self.left.len());
        self.left.copy_to_slice(&mut buffer[..taken]);
        Ok(taken)
    }
}

/// Waits for a future on this thread.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        match Pin::as_mut(&mut future).poll(&mut cx) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
