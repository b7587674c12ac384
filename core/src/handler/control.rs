//! The connection behind a request: what it is, what can be asked of it, what it may report.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use super::upgrade::{UpgradeError, Upgraded};
use crate::fields::Fields;
use crate::peer::Peer;
use crate::status::Status;

/// The facts about a connection, shared by all its requests.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConnectionInfo {
    /// The other end.
    pub peername: Peer,
    /// This end.
    pub sockname: Peer,
    /// `http`, or `https` behind TLS: the parameter `url_scheme`.
    pub scheme: Cow<'static, str>,
    /// The channel's name (`server.clisrv_17`), never used twice by one server.
    pub channel: String,
}

/// What a request can ask of its connection; implemented by transports.
///
/// A control belongs to **one request**. A handler may keep its [`Request`](super::Request) after the answer, so a
/// transport that reuses a control for the next request first makes sure that nobody else holds it; what is asked
/// on behalf of a request that is already answered does nothing.
///
/// Several futures may wait on the same event at once: an implementation wakes each waker that it was polled with.
pub trait Control: Send + Sync {
    /// Sends `100 Continue` if the request expects it and it was not sent yet (RFC 9110 section 10.1.1).
    fn send_continue(&self);

    /// Never sends `100 Continue`: the answer comes without the body being read, and closes.
    fn refuse_expect(&self);

    /// Sends an interim response: 1xx other than 100 and 101, before the final one.
    fn informational(&self, status: Status, fields: Fields);

    /// Ready when the peer ended its side of the connection (it may still read the answer).
    fn poll_peer_ended(&self, cx: &mut Context<'_>) -> Poll<()>;

    /// Ready when nothing can reach the peer any more.
    fn poll_disconnected(&self, cx: &mut Context<'_>) -> Poll<()>;

    /// Ready when the 101, or the 2xx to CONNECT, has left, or when it is certain that none will.
    fn poll_upgrade(&self, cx: &mut Context<'_>) -> Poll<Result<Upgraded, UpgradeError>>;

    /// The request is to count as one that is with the application until [`release_place`](Self::release_place), also when
    /// its handler has ended before. The default does nothing: requests are not counted.
    fn hold_place(&self) {}

    /// The end of what a call of [`hold_place`](Self::hold_place) began.
    fn release_place(&self) {}

    /// Whether nothing can reach the peer any more, without waiting. The default polls with a waker that does
    /// nothing.
    fn is_disconnected(&self) -> bool {
        self.poll_disconnected(&mut Context::from_waker(Waker::noop())).is_ready()
    }
}

/// No connection: what is asked for is not done, nothing is ever reported, and there is no upgrade. For requests
/// made by hand, in tests of a handler.
impl Control for () {
    fn send_continue(&self) {}

    fn refuse_expect(&self) {}

    fn informational(&self, _status: Status, _fields: Fields) {}

    fn poll_peer_ended(&self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    fn poll_disconnected(&self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    fn poll_upgrade(&self, _cx: &mut Context<'_>) -> Poll<Result<Upgraded, UpgradeError>> {
        Poll::Ready(Err(UpgradeError::Refused))
    }
}

/// Resolves when the peer has ended its side of the connection; from
/// [`Request::peer_ended`](super::Request::peer_ended). It borrows nothing, so it can be raced with anything.
#[must_use = "futures do nothing unless polled"]
pub struct PeerEnded(pub(super) Arc<dyn Control>);

impl Future for PeerEnded {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll_peer_ended(cx)
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
pub struct Disconnected(pub(super) Arc<dyn Control>);

impl Future for Disconnected {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll_disconnected(cx)
    }
}

impl fmt::Debug for Disconnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disconnected(..)")
    }
}

/// Keeps a request among those that are with the application, until it is dropped; from
/// [`Request::hold_place`](super::Request::hold_place).
#[must_use = "the place is given back when this is dropped"]
pub struct HeldPlace(Arc<dyn Control>);

impl HeldPlace {
    pub(super) fn new(control: &Arc<dyn Control>) -> Self {
        control.hold_place();
        Self(Arc::clone(control))
    }
}

impl Drop for HeldPlace {
    fn drop(&mut self) {
        self.0.release_place();
    }
}

impl fmt::Debug for HeldPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HeldPlace(..)")
    }
}
