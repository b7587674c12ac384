//! Blocking functions as handlers, and bodies read as `std::io::Read`.

use std::cell::Cell;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::io::{self, Read};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use httpfsm::fields::Fields;
use httpfsm::handler::{Body, GatherUntil, Handler, IntoResponse, Request, Response};
use httpfsm::status::Status;

use crate::call::CallPlace;
use crate::job::Spawner;
use crate::may_block::BlockingScope;
use crate::parking::{self, Parking};
use crate::worker::{self, ReusePool};

thread_local! {
    /// This thread waits for a future, and is one that drives connections.
    static STUCK: Cell<bool> = const { Cell::new(false) };
}

/// What is said instead of a wait that would never end.
pub(crate) const DEADLOCK: &str = "This thread is the one that receives the request, so it cannot wait for it: what \
    reads a body with `BodyReader` runs on a thread that may block, as with `sync` and the spawner of the transport \
    (not `Inline`).";

/// Whether whoever polls on this thread waits with it, while the connections that it drives stand still.
pub(crate) fn is_stuck() -> bool {
    STUCK.get()
}

/// Makes a blocking function a handler: each call runs on a thread of the spawner.
///
/// When the connection is lost, or the server has responded by itself because the function took too long
/// (`responseless_timeout`), a function that has not begun is never called; one that runs cannot be stopped and runs to
/// its end. Until then its request counts towards `maximum_simultaneous_requests`, so that no more functions run than
/// that, whatever their clients do. Where no thread can be had ([`NoThread`](crate::NoThread)), the response is 503, and
/// the subscriber hears of it ([`Failure::Handler`](httpfsm::handler::Failure::Handler)).
///
/// A function that reads its request's body ([`BodyReader`]) waits for bytes which the connection's driver is to
/// receive. So the spawner's threads are to be others than those that poll drivers, or free of that, as those of
/// `httpfsm_blocking::Functions` are; [`Inline`](crate::Inline) is for functions that wait for nothing.
///
/// Where the threads of the spawner are [few](Spawner::is_scarce), as on the blocking transport, peers cannot hold them by
/// sending slowly: the function is called when its body is whole ([`GatherUntil::WholeOrPermitted`]), or when it has one of
/// the permits to wait for the rest of a long one ([`Service::permit_waiting`](crate::Service::permit_waiting)).
///
/// ```
/// use std::io::{self, Read};
///
/// use httpfsm::Request;
/// use httpfsm_transport::test::{TestRequest, call};
/// use httpfsm_transport::{BodyReader, Threads, block_on, sync};
///
/// fn shout(mut request: Request) -> io::Result<String> {
///     let mut text = String::new();
///     BodyReader::new(request.take_body()).read_to_string(&mut text)?;
///     Ok(text.to_uppercase())
/// }
///
/// let response = block_on(call(sync(Threads, shout), TestRequest::post("/", "hello")));
/// assert_eq!(response.text(), "HELLO");
/// ```
pub fn sync<S: Spawner, F, R>(spawner: S, function: F) -> SyncHandler<S, F>
where
    F: Fn(Request) -> R + Send + Sync + 'static,
    R: IntoResponse,
{
    SyncHandler(Arc::new(SyncFunction { spawner, function: Arc::new(function), places: ReusePool::new() }))
}

/// The handler that [`sync`] makes.
///
/// A program that names its handler:
///
/// ```
/// use httpfsm::Request;
/// use httpfsm_transport::{SyncHandler, Threads, sync};
///
/// fn hello(_: Request) -> &'static str {
///     "Hello, world!"
/// }
///
/// struct Application {
///     handler: SyncHandler<Threads, fn(Request) -> &'static str>,
/// }
///
/// let application = Application { handler: sync(Threads, hello) };
/// # drop(application.handler);
/// ```
pub struct SyncHandler<S, F>(Arc<SyncFunction<S, F>>);

struct SyncFunction<S, F> {
    spawner: S,
    function: Arc<F>,
    places: ReusePool<Arc<CallPlace<F>>>,
}

impl<S: Spawner, F, R> Handler for SyncHandler<S, F>
where
    F: Fn(Request) -> R + Send + Sync + 'static,
    R: IntoResponse,
{
    type Future = SyncCall<S, F>;

    fn call(&self, mut request: Request) -> Self::Future {
        let is_there = !self.0.spawner.is_scarce() || !matches!(request.body(), Body::Stream(_));
        let (gathering, running) = match is_there {
            true => (None, Some(self.0.begin(request))),
            false => (Some(request), None),
        };
        SyncCall { function: Arc::clone(&self.0), gathering, running, has_waited: false }
    }
}

impl<S: Spawner, F, R> SyncFunction<S, F>
where
    F: Fn(Request) -> R + Send + Sync + 'static,
    R: IntoResponse,
{
    fn begin(&self, request: Request) -> Arc<CallPlace<F>> {
        let place = self.places.take().unwrap_or_else(|| CallPlace::new(&self.function));
        if self.spawner.spawn_call(place.begin(request)).is_err() {
            let response = Response::text("The server has no thread left for the moment.\n");
            let response = response.with_status(Status::SERVICE_UNAVAILABLE);
            place.respond(
                response.with_failure("No thread is to be had for the function that handles the request."),
            );
        }
        place
    }
}

/// The call of a [`SyncHandler`], which [`sync`] makes: gathers the request's body where that is needed, and waits for the
/// function.
pub struct SyncCall<S, F> {
    function: Arc<SyncFunction<S, F>>,
    /// The function is to be called with it when its body is there.
    gathering: Option<Request>,
    running: Option<Arc<CallPlace<F>>>,
    has_waited: bool,
}

impl<S: Spawner, F, R> Future for SyncCall<S, F>
where
    F: Fn(Request) -> R + Send + Sync + 'static,
    R: IntoResponse,
{
    type Output = Response;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        if let Some(request) = &mut self.gathering {
            ready!(request.body().poll_gathered(GatherUntil::WholeOrPermitted, cx));
            self.running = self.gathering.take().map(|request| self.function.begin(request));
        }
        let is_first = !mem::replace(&mut self.has_waited, true);
        let Some(place) = &self.running else { return Poll::Pending };
        let response = ready!(place.poll(cx, is_first));
        if let Some(place) = self.running.take() {
            if CallPlace::is_unused(&place) {
                self.function.places.give(place);
            }
        }
        Poll::Ready(response)
    }
}

impl<S, F> Drop for SyncCall<S, F> {
    fn drop(&mut self) {
        if let Some(place) = &self.running {
            place.cancel();
        }
    }
}

impl<S, F> fmt::Debug for SyncCall<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SyncCall(..)")
    }
}

impl<S, F> fmt::Debug for SyncHandler<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SyncHandler(..)")
    }
}

/// A body as `std::io::Read`, for blocking code: the thread waits for the bytes. Within an error is the
/// [`BodyFailure`](httpfsm::handler::BodyFailure), which [`io::Error::downcast`] takes out.
///
/// The thread must not be one that polls connections: it would wait for bytes that it is itself to receive. There, in
/// an async handler, say, or in a blocking function under [`Inline`](crate::Inline), a read that would wait is an error
/// of the kind [`Deadlock`](io::ErrorKind::Deadlock). An async handler awaits
/// [`Body::next_data`](httpfsm::handler::Body::next_data) instead. A task that blocks beside its connections, on the
/// only thread of a runtime, is not found out.
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

    /// The trailer section, once the body has been read to its end; `None` if none came.
    ///
    /// ```
    /// use std::io::{self, Read};
    ///
    /// use httpfsm::handler::Request;
    /// use httpfsm_transport::BodyReader;
    ///
    /// fn sum(mut request: Request) -> io::Result<String> {
    ///     let mut reader = BodyReader::new(request.take_body());
    ///     let bytes = io::copy(&mut reader, &mut io::sink())?;
    ///     let sum = reader.trailers().and_then(|trailers| trailers.get("Content-Digest"));
    ///     Ok(format!("{bytes} bytes, {}", sum.unwrap_or(b"no digest").escape_ascii()))
    /// }
    /// ```
    #[must_use]
    pub fn trailers(&self) -> Option<&Fields> {
        self.body.trailers()
    }
}

impl Read for BodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left.is_empty() && !buffer.is_empty() {
            match block_on(self.body.next_data()) {
                None => return Ok(0),
                Some(Ok(bytes)) => self.left = bytes,
                Some(Err(failure)) => return Err(failure.into()),
            }
        }
        let taken = buffer.len().min(self.left.len());
        self.left.copy_to_slice(&mut buffer[..taken]);
        Ok(taken)
    }
}

/// Waits for a future on this thread, which must not be one that polls connections: nothing is received there meanwhile.
///
/// Waits for a server to go:
///
/// ```
/// use std::sync::Arc;
///
/// use httpfsm::{Request, ServerConfig};
/// use httpfsm_transport::{Connections, Threads, block_on};
///
/// # fn main() -> std::io::Result<()> {
/// let handler = |_: Request| async { "Hello, world!" };
/// let server = Connections::new(ServerConfig::default(), Arc::new(Threads), handler)?;
/// server.handle().begin_drain(None);
/// block_on(server.handle().clone());
/// # Ok(())
/// # }
/// ```
///
/// # Panics
///
/// Such a thread waits for a request's end of input, end of connection or upgrade, which would never end. A body fails
/// there instead: see [`BodyReader`].
pub fn block_on<F: IntoFuture>(future: F) -> F::Output {
    let parking = Parking::new();
    let waker = parking.waker();
    let mut cx = Context::from_waker(&waker);
    let mut future = std::pin::pin!(future.into_future());
    loop {
        let (stuck, blocking) = (Stuck::set(worker::drives()), BlockingScope::begin());
        let polled = Pin::as_mut(&mut future).poll(&mut cx);
        drop((stuck, blocking));
        match polled {
            Poll::Ready(output) => return output,
            Poll::Pending => {
                parking::is_to_wait();
                parking.park();
            }
        }
    }
}

/// Says [`is_stuck`] until it is dropped.
struct Stuck(bool);

impl Stuck {
    fn set(is_so: bool) -> Self {
        Self(STUCK.replace(is_so))
    }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        STUCK.set(self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_wake_up_reaches_a_future_whose_poll_has_parked_its_thread_as_well() {
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            let mut polled = false;
            block_on(poll_fn(|cx| {
                if std::mem::replace(&mut polled, true) {
                    return Poll::Ready(());
                }
                let waker = cx.waker().clone();
                let _ = thread::spawn(move || waker.wake()).join();
                // Takes what the wake-up has left with the thread.
                thread::park_timeout(Duration::from_secs(60));
                Poll::Pending
            }));
            let _ = tell.send(());
        });
        assert!(told.recv_timeout(Duration::from_secs(20)).is_ok(), "it sleeps for ever");
    }
}
