//! Requests that are pulled: a loop asks for the next one, and responds to it when it likes.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use httpfsm::handler::{GatherUntil, Handler, IntoResponse, Request, Response};
use httpfsm::status::Status;

use crate::job::Spawner;
use crate::lock::lock;
use crate::serving::server_spawner;
use crate::{panics, waiting};

mod lent;

/// A handler, and the requests that it gets. See [`Incoming`].
#[must_use]
pub fn incoming() -> (IncomingHandler, Incoming) {
    let queue = Arc::<Queue>::default();
    (IncomingHandler(Arc::clone(&queue)), Incoming { queue })
}

/// The requests of a server, for threads that pull them. Each request goes to one of the threads; any number may ask.
///
/// As many requests wait as there are connections, and no more than `maximum_simultaneous_requests`: the next one of a
/// connection comes when this one has its response. A request that nobody responds to within `responseless_timeout` gets a
/// 503, and one whose peer is gone meanwhile is left out.
///
/// A request comes with all of its body, in memory or in a temporary file, on each transport. Where the configuration says
/// that bodies are [streamed](httpfsm::config::Bodies::Streamed), it comes before its body, and a thread that reads one
/// waits for its peer: so as many slow peers as there are threads hold them all, for `body_timeout`. It is read before
/// [`respond`](IncomingRequest::respond), as [`Request::take_body`] says.
///
/// The thread that takes a request acts for its server until it asks for another one, and so does the thread that calls
/// [`respond_with`](IncomingRequest::respond_with), until that returns: on `httpfsm-blocking`, `spawn` and `tunnel` are for
/// it what they are for a handler.
///
/// ```
/// use httpfsm_transport::incoming;
/// # use httpfsm::ServerConfig;
/// # use httpfsm_transport::memory::MemoryServer;
///
/// let (handler, requests) = incoming();
/// // A transport's `serve(listener, config, handler)`; here one in memory.
/// # let mut server = MemoryServer::new(ServerConfig::default(), handler);
/// # let client = server.connect().unwrap();
/// # client.send("GET /friend HTTP/1.1\r\nHost: localhost\r\n\r\n");
/// # server.run();
/// for request in &requests {
///     let text = format!("Hello, {}!", request.path());
///     request.respond(text);
/// #   break;
/// }
/// # server.run();
/// # assert!(client.take_text().ends_with("Hello, /friend!"));
/// ```
pub struct Incoming {
    queue: Arc<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    /// Somebody may find something.
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    /// By number, in the order in which they came.
    requests: BTreeMap<u64, IncomingRequest>,
    next: u64,
    /// No more come, as the server is gone, or as nobody asks any more.
    ended: bool,
}

impl Incoming {
    /// Waits for the next request. `None` when the server is gone, so that no more come.
    ///
    /// ```
    /// use std::thread;
    ///
    /// use httpfsm_transport::test::{TestRequest, call};
    /// use httpfsm_transport::{block_on, incoming};
    ///
    /// let (handler, requests) = incoming();
    /// let worker = thread::spawn(move || {
    ///     let mut responses = 0;
    ///     while let Some(request) = requests.recv() {
    ///         request.respond("Hello, world!");
    ///         responses += 1;
    ///     }
    ///     responses
    /// });
    /// assert_eq!(block_on(call(handler, TestRequest::get("/"))).text(), "Hello, world!");
    /// // With the handler the server is gone, and so the loop ends.
    /// assert_eq!(worker.join().expect("it does not panic"), 1);
    /// ```
    #[must_use]
    pub fn recv(&self) -> Option<IncomingRequest> {
        self.queue.next_by(None)
    }

    /// As [`recv`](Self::recv), for so long at most; `None` also when none has come.
    ///
    /// A loop that has something to do when no requests come:
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use httpfsm_transport::incoming;
    ///
    /// let (handler, requests) = incoming();
    /// let mut idle = 0;
    /// while idle < 2 {
    ///     match requests.recv_timeout(Duration::from_millis(1)) {
    ///         Some(request) => request.respond("Hello, world!"),
    ///         None => idle += 1,
    ///     }
    /// }
    /// # drop(handler);
    /// ```
    #[must_use]
    pub fn recv_timeout(&self, at_most: Duration) -> Option<IncomingRequest> {
        // Where the clock has no such moment, it never comes.
        self.queue.next_by(Instant::now().checked_add(at_most))
    }

    /// The next request that is there.
    ///
    /// ```
    /// # use httpfsm::{Request, ServerConfig};
    /// # use httpfsm_transport::memory::MemoryServer;
    /// use httpfsm_transport::incoming;
    ///
    /// let (handler, requests) = incoming();
    /// let mut server = MemoryServer::new(ServerConfig::default(), handler);
    /// let client = server.connect().unwrap();
    /// server.run();
    /// assert!(requests.try_recv().is_none());
    /// client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    /// server.run();
    /// requests.try_recv().expect("it has come").respond("Hello, world!");
    /// server.run();
    /// assert!(client.take_text().ends_with("Hello, world!"));
    /// ```
    #[must_use]
    pub fn try_recv(&self) -> Option<IncomingRequest> {
        self.queue.next_by(Some(Instant::now()))
    }

    /// The requests, each when it has come, until the server is gone.
    pub fn iter(&self) -> IncomingIter<'_> {
        IncomingIter(self)
    }
}

impl<'a> IntoIterator for &'a Incoming {
    type Item = IncomingRequest;
    type IntoIter = IncomingIter<'a>;

    fn into_iter(self) -> IncomingIter<'a> {
        self.iter()
    }
}

/// The requests of [`Incoming`], from [`iter`](Incoming::iter).
#[derive(Debug)]
pub struct IncomingIter<'a>(&'a Incoming);

impl Iterator for IncomingIter<'_> {
    type Item = IncomingRequest;

    fn next(&mut self) -> Option<IncomingRequest> {
        self.0.recv()
    }
}

/// When the loop ends, those that wait get a 503.
impl IntoIterator for Incoming {
    type Item = IncomingRequest;
    type IntoIter = IntoIncomingIter;

    fn into_iter(self) -> IntoIncomingIter {
        IntoIncomingIter(self)
    }
}

/// The requests of an [`Incoming`] that has become an iterator.
///
/// ```
/// use std::thread;
///
/// use httpfsm_transport::test::{TestRequest, call};
/// use httpfsm_transport::{block_on, incoming};
///
/// let (handler, requests) = incoming();
/// thread::spawn(|| requests.into_iter().for_each(|request| request.respond("Hello, world!")));
/// assert_eq!(block_on(call(handler, TestRequest::get("/"))).text(), "Hello, world!");
/// ```
#[derive(Debug)]
pub struct IntoIncomingIter(Incoming);

impl Iterator for IntoIncomingIter {
    type Item = IncomingRequest;

    fn next(&mut self) -> Option<IncomingRequest> {
        self.0.recv()
    }
}

impl Queue {
    fn next_by(&self, deadline: Option<Instant>) -> Option<IncomingRequest> {
        drop(lent::act_for(None));
        let mut waiting = lock(&self.waiting);
        loop {
            if let Some((_, request)) = waiting.requests.pop_first() {
                drop(waiting);
                drop(lent::act_for(request.spawner.clone()));
                return Some(request);
            }
            if waiting.ended {
                return None;
            }
            waiting = match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => return None,
                Some(left) => {
                    self.changed.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// The number of the request. Where nobody asks any more, the request comes back.
    fn push(&self, request: IncomingRequest) -> Result<u64, IncomingRequest> {
        let mut waiting = lock(&self.waiting);
        if waiting.ended {
            return Err(request);
        }
        let number = waiting.next;
        waiting.next += 1;
        waiting.requests.insert(number, request);
        drop(waiting);
        self.changed.notify_one();
        Ok(number)
    }

    /// Takes a request out that nobody has asked for. What it holds is the application's: not to be dropped under the lock.
    fn remove(&self, number: u64) -> Option<IncomingRequest> {
        lock(&self.waiting).requests.remove(&number)
    }

    fn end(&self) -> BTreeMap<u64, IncomingRequest> {
        let mut waiting = lock(&self.waiting);
        waiting.ended = true;
        let requests = std::mem::take(&mut waiting.requests);
        drop(waiting);
        self.changed.notify_all();
        requests
    }
}

/// Nobody asks any more: those that wait get a 503, and so do those that come.
impl Drop for Incoming {
    fn drop(&mut self) {
        for request in self.queue.end().into_values() {
            request.respond(Status::SERVICE_UNAVAILABLE);
        }
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").field("waiting", &lock(&self.queue.waiting).requests.len()).finish()
    }
}

/// The handler that passes requests on to [`Incoming`].
pub struct IncomingHandler(Arc<Queue>);

impl Handler for IncomingHandler {
    type Future = IncomingResponse;

    fn call(&self, request: Request) -> IncomingResponse {
        let held = Some((Arc::clone(&self.0), request));
        IncomingResponse { place: Arc::default(), held, waiting: None }
    }
}

/// The server is gone.
impl Drop for IncomingHandler {
    fn drop(&mut self) {
        drop(self.0.end());
    }
}

impl fmt::Debug for IncomingHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IncomingHandler(..)")
    }
}

/// Where the response to a request is left for its connection.
#[derive(Default)]
struct ResponsePlace {
    /// Or the text of a panic.
    response: Option<Result<Response, String>>,
    connection: Option<Waker>,
    /// The connection waits no longer.
    is_forgotten: bool,
}

/// The future of the response to a request that was passed on to [`Incoming`].
pub struct IncomingResponse {
    place: Arc<Mutex<ResponsePlace>>,
    /// The request, whose body is not whole yet, or which was not passed on for another reason: what is called knows no
    /// server, and what is polled does.
    held: Option<(Arc<Queue>, Request)>,
    /// Where the request may wait still, and its number.
    waiting: Option<(Arc<Queue>, u64)>,
}

impl Future for IncomingResponse {
    type Output = Response;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response> {
        if let Some((_, request)) = &mut self.held {
            ready!(request.body().poll_gathered(GatherUntil::WholeUnlessStreamed, cx));
        }
        if let Some((queue, request)) = self.held.take() {
            self.pass_on(&queue, request);
        }
        let response =
            waiting::poll(&self.place, cx, |place| place.response.take().ok_or(&mut place.connection));
        // As if it had happened here: so is the page of its 500 made, and the subscriber told.
        response.map(|response| response.unwrap_or_else(|panic| panics::resume(panic)))
    }
}

impl IncomingResponse {
    fn pass_on(&mut self, queue: &Arc<Queue>, request: Request) {
        let place = Some(Arc::clone(&self.place));
        let request = IncomingRequest { request, place, spawner: server_spawner() };
        match queue.push(request) {
            Ok(number) => self.waiting = Some((Arc::clone(queue), number)),
            Err(request) => request.respond(Status::SERVICE_UNAVAILABLE),
        }
    }
}

impl Drop for IncomingResponse {
    fn drop(&mut self) {
        let mut place = lock(&self.place);
        place.is_forgotten = true;
        let left = (place.response.take(), place.connection.take());
        drop(place);
        let request = self.waiting.take().and_then(|(queue, number)| queue.remove(number));
        panics::discard((left, request));
    }
}

impl fmt::Debug for IncomingResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IncomingResponse(..)")
    }
}

/// A request that waits for its response, which may be given on any thread. It derefs to the [`Request`]; a thread reads the
/// body of that with [`BodyReader`](crate::BodyReader).
///
/// Dropped without a response it gets a 500.
///
/// ```
/// use std::thread;
///
/// use httpfsm::Status;
/// use httpfsm_transport::test::{TestRequest, call};
/// use httpfsm_transport::{block_on, incoming};
///
/// let (handler, requests) = incoming();
/// thread::spawn(move || {
///     for request in &requests {
///         match request.method() {
///             "GET" => request.respond_with(|request| format!("You asked for {}.", request.target())),
///             _ => request.respond(Status::METHOD_NOT_ALLOWED),
///         }
///     }
/// });
/// assert_eq!(block_on(call(handler, TestRequest::get("/a?b"))).text(), "You asked for /a?b.");
/// ```
#[must_use = "a request that is dropped gets a 500"]
pub struct IncomingRequest {
    request: Request,
    /// `None` when it has its response.
    place: Option<Arc<Mutex<ResponsePlace>>>,
    /// Of its server.
    spawner: Option<Arc<dyn Spawner>>,
}

impl IncomingRequest {
    /// Responds. Where the connection is gone meanwhile, or has its 503, the response is dropped.
    pub fn respond(mut self, response: impl IntoResponse) {
        self.leave(Ok(response.into_response()));
    }

    /// Responds with what a function makes of the request. Where it panics the response is a 500, as where a handler does,
    /// and the thread goes on.
    ///
    /// ```
    /// use std::thread;
    ///
    /// use httpfsm_transport::test::{TestRequest, call};
    /// use httpfsm_transport::{block_on, incoming};
    ///
    /// let (handler, requests) = incoming();
    /// let worker = thread::spawn(move || {
    ///     for request in &requests {
    ///         request.respond_with(|request| request.query().expect("there is one").to_owned());
    ///     }
    /// });
    /// assert_eq!(block_on(call(handler, TestRequest::get("/"))).status(), httpfsm::Status::INTERNAL_SERVER_ERROR);
    /// worker.join().expect("it has not panicked");
    /// ```
    pub fn respond_with<R: IntoResponse>(mut self, function: impl FnOnce(&mut Request) -> R) {
        let before = lent::act_for(self.spawner.clone());
        let response = panics::catch(|| function(&mut self.request).into_response());
        drop(lent::act_for(before));
        self.leave(response);
    }

    fn leave(&mut self, response: Result<Response, String>) {
        let Some(place) = self.place.take() else { return };
        // Before the connection has the response, whose head says what the rest of the body does to it.
        panics::discard(self.request.take_body());
        let mut place = lock(&place);
        let (unsent, connection) = if place.is_forgotten {
            (Some(response), None)
        } else {
            place.response = Some(response);
            (None, place.connection.take())
        };
        drop(place);
        panics::discard(unsent);
        connection.into_iter().for_each(panics::wake);
    }
}

impl Deref for IncomingRequest {
    type Target = Request;

    fn deref(&self) -> &Request {
        &self.request
    }
}

impl DerefMut for IncomingRequest {
    fn deref_mut(&mut self) -> &mut Request {
        &mut self.request
    }
}

impl Drop for IncomingRequest {
    fn drop(&mut self) {
        if self.place.is_some() {
            let response = Response::new(Status::INTERNAL_SERVER_ERROR);
            let text = "A request that came in was dropped without a response.";
            self.leave(Ok(response.with_failure(text)));
        }
    }
}

impl fmt::Debug for IncomingRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IncomingRequest").field("request", &self.request).finish_non_exhaustive()
    }
}
