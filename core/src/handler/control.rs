//! What can be asked of the connection behind a request, and what it may report.

use alloc::sync::Arc;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use super::memory::MemoryHandle;
use super::upgrade::{UpgradeError, Upgraded};
use crate::fields::Fields;
use crate::status::Status;

/// What a request can ask of its connection; implemented by transports.
///
/// A control belongs to **one request**. A handler may keep its [`Request`](super::Request) after the response, so a
/// transport that reuses a control for the next request first makes sure that nobody else holds it; what is asked
/// on behalf of a request that already has its response does nothing.
///
/// Several futures may wait on the same event at once. Each has a [`Waiter`] of its own, under which an implementation keeps
/// the waker that it was polled with last; a future that is dropped has it [removed](Self::remove_waiter).
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use std::task::{Context, Poll};
///
/// use httpfsm::handler::{Body, ConnectionInfo, Control, Request, UpgradeError, Upgraded, Waiter};
/// use httpfsm::{Fields, Peer, Status};
///
/// /// Keeps the interim responses of a handler, for a test of it.
/// #[derive(Default)]
/// struct Interim(Mutex<Vec<Status>>);
///
/// impl Control for Interim {
///     fn send_continue(&self) {
///         self.0.lock().unwrap().push(Status::CONTINUE);
///     }
///
///     fn refuse_expect(&self) {}
///
///     fn informational(&self, status: Status, _fields: Fields) {
///         self.0.lock().unwrap().push(status);
///     }
///
///     fn poll_peer_ended(&self, _waiter: &mut Waiter, _cx: &mut Context<'_>) -> Poll<()> {
///         Poll::Pending
///     }
///
///     fn poll_disconnected(&self, _waiter: &mut Waiter, _cx: &mut Context<'_>) -> Poll<()> {
///         Poll::Pending
///     }
///
///     fn poll_upgrade(&self, _waiter: &mut Waiter, _cx: &mut Context<'_>) -> Poll<Result<Upgraded, UpgradeError>> {
///         Poll::Ready(Err(UpgradeError::Refused))
///     }
/// }
///
/// let interim = Arc::new(Interim::default());
/// let connection = ConnectionInfo::new(Peer::Unix(None), Peer::Unix(None), "http", "test".into());
/// let request = Request::new(Arc::default(), Body::Empty, Arc::new(connection), interim.clone());
/// request.early_hints(Fields::new());
/// assert_eq!(*interim.0.lock().unwrap(), [Status::EARLY_HINTS]);
/// ```
pub trait Control: Send + Sync {
    /// Sends `100 Continue` if the request expects it and it was not sent yet (RFC 9110 section 10.1.1).
    fn send_continue(&self);

    /// Never sends `100 Continue`: the response comes without the body being read, and closes. Called only for a request
    /// that expects it.
    fn refuse_expect(&self);

    /// Sends an interim response: 1xx other than 100 and 101, before the final one.
    fn informational(&self, status: Status, fields: Fields);

    /// Ready when the peer ended its side of the connection (it may still read the response).
    fn poll_peer_ended(&self, waiter: &mut Waiter, cx: &mut Context<'_>) -> Poll<()>;

    /// Ready when nothing can reach the peer any more.
    fn poll_disconnected(&self, waiter: &mut Waiter, cx: &mut Context<'_>) -> Poll<()>;

    /// Ready when the 101, or the 2xx to CONNECT, has left, or when it is certain that none will.
    fn poll_upgrade(&self, waiter: &mut Waiter, cx: &mut Context<'_>)
    -> Poll<Result<Upgraded, UpgradeError>>;

    /// Nobody waits under this key any more. Called for each [`Waiter`] that has one. The default does nothing.
    ///
    /// ```
    /// use std::sync::Mutex;
    /// use std::task::Waker;
    ///
    /// use httpfsm::handler::{Control, Waiter};
    ///
    /// /// The wakers of those who wait, each under its key.
    /// struct Connection(Mutex<Vec<Option<Waker>>>);
    ///
    /// impl Control for Connection {
    ///     fn remove_waiter(&self, waiter: &mut Waiter) {
    ///         if let Some(key) = waiter.0.take() {
    ///             self.0.lock().unwrap()[key] = None;
    ///         }
    ///     }
    #[doc = include_str!("../examples/control.txt")]
    /// }
    ///
    /// let connection = Connection(Mutex::new(vec![Some(Waker::noop().clone())]));
    /// connection.remove_waiter(&mut Waiter(Some(0)));
    /// assert!(connection.0.lock().unwrap()[0].is_none());
    /// ```
    fn remove_waiter(&self, waiter: &mut Waiter) {
        let _ = waiter;
    }

    /// The request is to count as one that is with the application until [`release_place`](Self::release_place), also when
    /// its handler has ended before. The default does nothing: requests are not counted.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    ///
    /// use httpfsm::handler::{Body, ConnectionInfo, Control, Request};
    /// use httpfsm::Peer;
    ///
    /// /// How many hold the place of a request.
    /// #[derive(Default)]
    /// struct Places(AtomicUsize);
    ///
    /// impl Control for Places {
    ///     fn keep_place(&self) {
    ///         self.0.fetch_add(1, Ordering::SeqCst);
    ///     }
    ///
    ///     fn release_place(&self) {
    ///         self.0.fetch_sub(1, Ordering::SeqCst);
    ///     }
    #[doc = include_str!("../examples/control.txt")]
    /// }
    ///
    /// let places = Arc::new(Places::default());
    /// let connection = ConnectionInfo::new(Peer::Unix(None), Peer::Unix(None), "http", "test".into());
    /// let request = Request::new(Arc::default(), Body::Empty, Arc::new(connection), places.clone());
    /// let place = request.keep_place();
    /// assert_eq!(places.0.load(Ordering::SeqCst), 1);
    /// drop(place);
    /// assert_eq!(places.0.load(Ordering::SeqCst), 0);
    /// ```
    fn keep_place(&self) {}

    /// The end of what a call of [`keep_place`](Self::keep_place) began.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    ///
    /// use httpfsm::handler::Control;
    ///
    /// /// Counts who holds the place of a request. The last one gives it to the next request.
    /// struct Place {
    ///     holders: AtomicUsize,
    ///     give_on: fn(),
    /// }
    ///
    /// impl Control for Place {
    ///     fn keep_place(&self) {
    ///         self.holders.fetch_add(1, Ordering::Relaxed);
    ///     }
    ///
    ///     fn release_place(&self) {
    ///         if self.holders.fetch_sub(1, Ordering::AcqRel) == 1 {
    ///             (self.give_on)();
    ///         }
    ///     }
    #[doc = include_str!("../examples/control.txt")]
    /// }
    /// # let place = Place { holders: 0.into(), give_on: || () };
    /// # place.keep_place();
    /// # place.release_place();
    /// ```
    fn release_place(&self) {}

    /// The memory of the server. That of the default always has room.
    ///
    /// ```
    /// use httpfsm::handler::{Control, MemoryHandle};
    ///
    /// /// A connection of a server whose memory is bounded.
    /// struct Connection {
    ///     memory: MemoryHandle,
    /// }
    ///
    /// impl Control for Connection {
    ///     fn memory(&self) -> MemoryHandle {
    ///         self.memory.clone()
    ///     }
    #[doc = include_str!("../examples/control.txt")]
    /// }
    /// # let _ = Connection { memory: MemoryHandle::default() };
    /// ```
    fn memory(&self) -> MemoryHandle {
        MemoryHandle::default()
    }

    /// Whether nothing can reach the peer any more, without waiting. The default polls with a waker that does
    /// nothing.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicBool, Ordering};
    ///
    /// use httpfsm::handler::Control;
    ///
    /// /// Knows it without asking as a future would.
    /// struct Connection {
    ///     is_lost: AtomicBool,
    /// }
    ///
    /// impl Control for Connection {
    ///     fn is_disconnected(&self) -> bool {
    ///         self.is_lost.load(Ordering::Acquire)
    ///     }
    #[doc = include_str!("../examples/control.txt")]
    /// }
    ///
    /// assert!(Connection { is_lost: true.into() }.is_disconnected());
    /// ```
    fn is_disconnected(&self) -> bool {
        let mut waiter = Waiter::default();
        let is_so = self.poll_disconnected(&mut waiter, &mut Context::from_waker(Waker::noop())).is_ready();
        if waiter.0.is_some() {
            self.remove_waiter(&mut waiter);
        }
        is_so
    }
}

/// Who waits for an event of a connection: the key under which a [`Control`] keeps its waker, given by the control at the
/// first poll that waits.
///
/// ```
/// use std::task::{Context, Poll, Waker};
///
/// use httpfsm::handler::Waiter;
///
/// /// The wakers of those who wait for an event, each under its key.
/// #[derive(Default)]
/// struct Wakers(Vec<Option<Waker>>);
///
/// impl Wakers {
///     fn wait(&mut self, waiter: &mut Waiter, cx: &mut Context<'_>) -> Poll<()> {
///         let key = *waiter.0.get_or_insert(self.0.len());
///         if key == self.0.len() {
///             self.0.push(None);
///         }
///         // That of the last poll takes the place of the one before.
///         self.0[key] = Some(cx.waker().clone());
///         Poll::Pending
///     }
///
///     fn remove(&mut self, waiter: &mut Waiter) {
///         if let Some(key) = waiter.0.take() {
///             self.0[key] = None;
///         }
///     }
/// }
///
/// let (mut wakers, mut waiter) = (Wakers::default(), Waiter::default());
/// let _ = wakers.wait(&mut waiter, &mut Context::from_waker(Waker::noop()));
/// assert_eq!(waiter, Waiter(Some(0)));
/// wakers.remove(&mut waiter);
/// assert_eq!(waiter, Waiter::default());
/// ```
#[derive(PartialEq, Eq, Hash, Debug, Default)]
pub struct Waiter(pub Option<usize>);

/// A control, and who waits for one of its events.
pub(super) struct Waiting {
    control: Arc<dyn Control>,
    waiter: Waiter,
}

impl Waiting {
    pub(super) fn new(control: &Arc<dyn Control>) -> Self {
        Self { control: Arc::clone(control), waiter: Waiter::default() }
    }

    pub(super) fn poll<T>(&mut self, poll: impl FnOnce(&dyn Control, &mut Waiter) -> Poll<T>) -> Poll<T> {
        poll(&*self.control, &mut self.waiter)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.waiter.0.is_some() {
            self.control.remove_waiter(&mut self.waiter);
        }
    }
}

/// No connection: what is asked for is not done, nothing is ever reported, and there is no upgrade. For requests
/// made by hand, in tests of a handler.
impl Control for () {
    fn send_continue(&self) {}

    fn refuse_expect(&self) {}

    fn informational(&self, _status: Status, _fields: Fields) {}

    fn poll_peer_ended(&self, _waiter: &mut Waiter, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    fn poll_disconnected(&self, _waiter: &mut Waiter, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    fn poll_upgrade(
        &self,
        _waiter: &mut Waiter,
        _cx: &mut Context<'_>,
    ) -> Poll<Result<Upgraded, UpgradeError>> {
        Poll::Ready(Err(UpgradeError::Refused))
    }
}

/// Resolves when the peer has ended its side of the connection; from
/// [`Request::peer_ended`](super::Request::peer_ended). It borrows nothing, so it can be raced with anything.
///
/// ```
/// use std::pin::Pin;
/// use std::task::{Context, Poll};
///
/// use httpfsm::handler::{Frame, PeerEnded, Source};
///
/// /// Messages, until the peer has ended its side: then it has heard enough.
/// struct Messages<F> {
///     ended: PeerEnded,
///     next: F,
/// }
///
/// impl<F: FnMut(&mut Context<'_>) -> Poll<String> + Send + Unpin> Source for Messages<F> {
///     fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Frame> {
///         if Pin::new(&mut self.ended).poll(cx).is_ready() {
///             return Poll::Ready(Frame::End);
///         }
///         (self.next)(cx).map(|message| Frame::Data(message.into()))
///     }
/// }
/// ```
#[must_use = "futures do nothing unless polled"]
pub struct PeerEnded(pub(super) Waiting);

impl Future for PeerEnded {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll(|control, waiter| control.poll_peer_ended(waiter, cx))
    }
}

impl fmt::Debug for PeerEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeerEnded(..)")
    }
}

/// Resolves when nothing can reach the peer any more; from
/// [`Request::disconnected`](super::Request::disconnected). It borrows nothing, so it can be raced with anything.
///
/// ```
/// use httpfsm::Request;
///
/// /// Clears up when nobody can hear of the result any more. Give it to a task of its own.
/// fn on_disconnect(request: &Request, clear_up: impl FnOnce()) -> impl Future<Output = ()> {
///     let disconnected = request.disconnected();
///     async move {
///         disconnected.await;
///         clear_up();
///     }
/// }
/// ```
#[must_use = "futures do nothing unless polled"]
pub struct Disconnected(pub(super) Waiting);

impl Future for Disconnected {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll(|control, waiter| control.poll_disconnected(waiter, cx))
    }
}

impl fmt::Debug for Disconnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disconnected(..)")
    }
}

/// Keeps a request among those that are with the application, until it is dropped; from
/// [`Request::keep_place`](super::Request::keep_place).
///
/// ```
/// use httpfsm::Request;
/// use httpfsm::handler::KeptPlace;
///
/// /// Work that nobody can stop, with the place of its request among those that are with the application.
/// struct Job {
///     rows: Vec<u64>,
///     _place: KeptPlace,
/// }
///
/// fn job(request: &Request, rows: Vec<u64>) -> Job {
///     Job { rows, _place: request.keep_place() }
/// }
/// ```
#[must_use = "the place is given back when this is dropped"]
pub struct KeptPlace(Arc<dyn Control>);

impl KeptPlace {
    pub(super) fn new(control: &Arc<dyn Control>) -> Self {
        control.keep_place();
        Self(Arc::clone(control))
    }
}

impl Drop for KeptPlace {
    fn drop(&mut self) {
        self.0.release_place();
    }
}

impl fmt::Debug for KeptPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeptPlace(..)")
    }
}
