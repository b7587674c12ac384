//! A request as a handler sees it.

use alloc::sync::Arc;
use core::fmt;
use core::mem;

use super::body::Body;
use super::control::{ConnectionInfo, Control, Disconnected, KeptPlace, PeerEnded, Waiting};
use super::memory::MemoryHandle;
use super::security::Security;
use super::upgrade::UpgradeFuture;
use crate::fields::Fields;
use crate::peer::Peer;
use crate::request::{FieldRef, RequestHead, RequestRef, Version};
use crate::status::Status;

/// A request: its head, its body, the connection it came on and what can be asked of that.
///
/// It is `Send`: a handler may keep it across awaits and move it to another thread. What is asked through it after
/// its response does nothing.
///
/// ```
/// use httpfsm::handler::{Request, Response};
/// use httpfsm::status::Status;
///
/// async fn handler(request: Request) -> Response {
///     let name = request.query().unwrap_or("world");
///     match request.method() {
///         "GET" | "HEAD" => Response::text(format!("Hello, {name}!")),
///         _ => Response::new(Status::METHOD_NOT_ALLOWED).with_field("Allow", "GET, HEAD"),
///     }
/// }
/// ```
pub struct Request {
    head: Arc<RequestHead>,
    body: Body,
    connection: Arc<ConnectionInfo>,
    control: Arc<dyn Control>,
}

impl Request {
    /// A request from its parts, for transports and for tests of a handler (with `Arc::new(())` as the control).
    #[must_use]
    pub fn new(
        head: Arc<RequestHead>,
        body: Body,
        connection: Arc<ConnectionInfo>,
        control: Arc<dyn Control>,
    ) -> Self {
        Self { head, body, connection, control }
    }

    /// The head with everything that can be asked of it.
    #[must_use]
    pub fn head(&self) -> RequestRef<'_> {
        RequestHead::as_ref(&self.head)
    }

    /// The method, case-sensitive (RFC 9110 section 9).
    #[must_use]
    pub fn method(&self) -> &str {
        self.head().method()
    }

    /// The request target as it was sent (RFC 9112 section 3.2).
    #[must_use]
    pub fn target(&self) -> &str {
        self.head().target()
    }

    /// The path of the target, not decoded.
    #[must_use]
    pub fn path(&self) -> &str {
        self.head().path()
    }

    /// What follows `?` in the target, not decoded.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.head().query()
    }

    /// The host and port that the request is for: of the target, else of `Host` (RFC 9112 section 3.3).
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        self.head().authority()
    }

    /// The version of HTTP that the peer speaks.
    #[must_use]
    pub fn version(&self) -> Version {
        self.head().version()
    }

    /// The field lines in order.
    pub fn fields(&self) -> impl Iterator<Item = FieldRef<'_>> {
        self.head().fields()
    }

    /// The value of the first field line of this name (any case).
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.head().field(name)
    }

    /// The same as text; `None` also if the value is not UTF-8.
    #[must_use]
    pub fn field_str(&self, name: &str) -> Option<&str> {
        self.head().field_str(name)
    }

    /// The values of all field lines of this name (any case), in order.
    pub fn field_all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.head().field_all(name)
    }

    /// The body, to read from. The first read sends `100 Continue` where it is expected.
    pub fn body(&mut self) -> &mut Body {
        &mut self.body
    }

    /// The head and the body apart, so that what is borrowed of the head can be used while the body is read.
    ///
    /// ```
    /// use httpfsm::handler::{CollectError, Request};
    ///
    /// async fn put(mut request: Request) -> Result<String, CollectError> {
    ///     let (head, body) = request.split();
    ///     let path = head.path();
    ///     let content = body.collect(64 * 1024).await?;
    ///     Ok(format!("{} bytes for {path}", content.len()))
    /// }
    /// # let _ = put;
    /// ```
    pub fn split(&mut self) -> (RequestRef<'_>, &mut Body) {
        (RequestHead::as_ref(&self.head), &mut self.body)
    }

    /// Takes the body out and leaves an empty one, to read it elsewhere while the rest of the request stays.
    #[must_use]
    pub fn take_body(&mut self) -> Body {
        mem::take(&mut self.body)
    }

    /// The body alone.
    #[must_use]
    pub fn into_body(self) -> Body {
        self.body
    }

    /// The request in its parts, for what makes a request of another kind of it; [`new`](Self::new) puts them together.
    #[must_use]
    pub fn into_parts(self) -> RequestParts {
        let Self { head, body, connection, control } = self;
        RequestParts { head, body, connection, control }
    }

    /// The trailer section, once the body has been read to its end by [`body`](Self::body). A body that was taken out has
    /// its own ([`Body::trailers`]).
    #[must_use]
    pub fn trailers(&self) -> Option<&Fields> {
        self.body.trailers()
    }

    /// The facts about the connection.
    #[must_use]
    pub fn connection(&self) -> &ConnectionInfo {
        &self.connection
    }

    /// The peer's address.
    #[must_use]
    pub fn peername(&self) -> &Peer {
        &self.connection.peername
    }

    /// The address that the peer connected to.
    #[must_use]
    pub fn sockname(&self) -> &Peer {
        &self.connection.sockname
    }

    /// `http` or `https`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.connection.scheme
    }

    /// What protects the connection, as TLS does; `None` if nothing does that the server knows of. A listener behind a proxy
    /// that decrypts has none, whatever its [`scheme`](Self::scheme) is.
    #[must_use]
    pub fn security(&self) -> Option<&Security> {
        self.connection.extensions.get()
    }

    /// The name of the channel (`server.clisrv_17`).
    #[must_use]
    pub fn channel(&self) -> &str {
        &self.connection.channel
    }

    /// Whether the peer waits for `100 Continue` before it sends the body (RFC 9110 section 10.1.1).
    #[must_use]
    pub fn expects_continue(&self) -> bool {
        self.head().expects_continue()
    }

    /// Sends `100 Continue` now, rather than at the first read of the body. Nothing if it is not expected.
    pub fn send_continue(&self) {
        self.control.send_continue();
    }

    /// Never sends `100 Continue`: the response comes without the body, which cannot be read any more, and closes the
    /// connection. Nothing if it is not expected. A handler that reads nothing of the body need not call it; it is for one
    /// that passes the body on to what might.
    pub fn refuse_expect(&self) {
        if self.expects_continue() {
            self.control.refuse_expect();
        }
    }

    /// Sends an interim response before the final one. A peer that speaks HTTP/1.0 gets none (RFC 9110 section
    /// 15.2).
    ///
    /// # Errors
    ///
    /// [`NotInformational`], and nothing is sent, unless the status is 102 to 199: 100 is
    /// [`send_continue`](Self::send_continue), 101 a final response.
    pub fn informational(&self, status: Status, fields: Fields) -> Result<(), NotInformational> {
        if !(102..=199).contains(&status.code()) {
            return Err(NotInformational(status));
        }
        self.control.informational(status, fields);
        Ok(())
    }

    /// Sends `103 Early Hints` (RFC 8297).
    ///
    /// ```
    /// use httpfsm::fields::{Fields, InvalidField};
    /// use httpfsm::handler::{Request, Response};
    ///
    /// async fn handler(request: Request) -> Result<Response, InvalidField> {
    ///     request.early_hints(Fields::new().with("Link", "</style.css>; rel=preload; as=style")?);
    ///     Ok(Response::html("<link rel=stylesheet href=/style.css>"))
    /// }
    /// ```
    pub fn early_hints(&self, fields: Fields) {
        self.control.informational(Status::EARLY_HINTS, fields);
    }

    /// The connection itself, once the response to this request (101, or 2xx to CONNECT) has left.
    ///
    /// Take the future, give it to a task of its own, and respond with
    /// [`Response::switching_protocols`](super::Response::switching_protocols).
    pub fn upgrade(&self) -> UpgradeFuture {
        UpgradeFuture::new(&self.control)
    }

    /// Resolves when the peer has ended its side of the connection. It may still read: the response goes out.
    pub fn peer_ended(&self) -> PeerEnded {
        PeerEnded(Waiting::new(&self.control))
    }

    /// Resolves when nothing can reach the peer any more, so that a long computation can be given up.
    ///
    /// A handler is dropped when its connection is lost, unless a future of this that it has polled is alive: then it runs
    /// on to its end, for `responseless_timeout` at most, and its response is discarded.
    pub fn disconnected(&self) -> Disconnected {
        Disconnected(Waiting::new(&self.control))
    }

    /// Has the request count among those that are with the application (the parameter `maximum_simultaneous_requests`) until
    /// what this returns is dropped, also when the handler has ended before. For work that a handler begins elsewhere and
    /// that nobody can stop: a handler is dropped when its connection is lost, and its place would go to the next request
    /// while the work for this one still runs.
    pub fn keep_place(&self) -> KeptPlace {
        KeptPlace::new(&self.control)
    }

    /// The memory of the server, to reserve room in for the pieces of a response: for the first one before the handler
    /// responds, so that it can respond 503 ([`MemoryHandle`]). It may be kept longer than the request.
    #[must_use]
    pub fn memory(&self) -> MemoryHandle {
        self.control.memory()
    }

    /// Whether nothing can reach the peer any more.
    #[must_use]
    pub fn is_disconnected(&self) -> bool {
        self.control.is_disconnected()
    }
}

/// What a [`Request`] consists of; from [`Request::into_parts`].
#[non_exhaustive]
pub struct RequestParts {
    /// The head. A transport writes the next head of the connection into the same memory, if nobody holds it any more.
    pub head: Arc<RequestHead>,
    /// The body.
    pub body: Body,
    /// The facts about the connection.
    pub connection: Arc<ConnectionInfo>,
    /// What can be asked of the connection, as long as the request has no response.
    pub control: Arc<dyn Control>,
}

impl fmt::Debug for RequestParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestParts")
            .field("head", &self.head)
            .field("body", &self.body)
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method())
            .field("target", &self.target())
            .field("version", &self.version())
            .field("body", &self.body)
            .field("channel", &self.channel())
            .finish_non_exhaustive()
    }
}

/// A status that cannot be an interim response was given as one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct NotInformational(pub Status);

impl fmt::Display for NotInformational {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not an interim response; those are 102 to 199.", self.0.code())
    }
}

impl core::error::Error for NotInformational {}
