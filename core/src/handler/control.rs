//! The connection behind a request: what it is, what can be asked of it, what it may report.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use super::extensions::Extensions;
use super::memory::MemoryHandle;
use super::upgrade::{UpgradeError, Upgraded};
use crate::fields::Fields;
use crate::peer::Peer;
use crate::status::Status;

/// The facts about a connection, shared by all its requests.
///
/// ```
/// use httpfsm::Request;
///
/// async fn whoami(request: Request) -> String {
///     let connection = request.connection();
///     format!("{} by {} on {}\n", connection.peername, connection.scheme, connection.channel)
/// }
/// # let _ = httpfsm::handler::with_state((), |_, request| whoami(request));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// The other end.
    pub peername: Peer,
    /// This end.
    pub sockname: Peer,
    /// `http`, or `https` behind TLS: the layer's, the listener's, or the parameter `url_scheme`.
    pub scheme: Cow<'static, str>,
    /// The channel's name (`server.clisrv_17`), never used twice by one server.
    pub channel: String,
    /// What the listener, the wire, a preface and a layer know beside.
    pub extensions: Extensions,
}

impl ConnectionInfo {
    /// The facts about a connection, for transports.
    #[must_use]
    pub fn new(
        peername: Peer,
        sockname: Peer,
        scheme: impl Into<Cow<'static, str>>,
        channel: String,
    ) -> Self {
        let extensions = Extensions::default();
        Self { peername, sockname, scheme: scheme.into(), channel, extensions }
    }

    /// The same with these extensions.
    #[must_use]
    pub fn with_extensions(mut self, extensions: Extensions) -> Self {
        self.extensions = extensions;
        self
    }
}

/// What a request can ask of its connection; implemented by transports.
///
/// A control belongs to **one request**. A handler may keep its [`Request`](super::Request) after the response, so a
/// transport that reuses a control for the next request first makes sure that nobody else holds it; what is asked
/// on behalf of a request that already has its response does nothing.
///
/// Several futures may wait on the same event at once. Each has a [`Waiter`] of its own, under which an implementation keeps
/// the waker that it was polled with last; a future that is dropped has it [removed](Self::remove_waiter).
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
    fn remove_waiter(&self, waiter: &mut Waiter) {
        let _ = waiter;
    }

    /// The request is to count as one that is with the application until [`release_place`](Self::release_place), also when
    /// its handler has ended before. The default does nothing: requests are not counted.
    fn keep_place(&self) {}

    /// The end of what a call of [`keep_place`](Self::keep_place) began.
    fn release_place(&self) {}

    /// The memory of the server. That of the default always has room.
    fn memory(&self) -> MemoryHandle {
        MemoryHandle::default()
    }

    /// Whether nothing can reach the peer any more, without waiting. The default polls with a waker that does
    /// nothing.
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
