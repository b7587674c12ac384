//! A request as a handler sees it.

use alloc::sync::Arc;
use core::fmt;
use core::mem;

use super::body::Body;
use super::connection_info::ConnectionInfo;
use super::control::{Control, Disconnected, KeptPlace, PeerEnded, Waiting};
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
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use httpfsm::handler::{ConnectionInfo, Request};
    /// use httpfsm::request::RequestHead;
    /// use httpfsm::Peer;
    ///
    /// let connection = ConnectionInfo::new(Peer::Unix(None), Peer::Unix(None), "http", "server.clisrv_1".into());
    /// let head = Arc::new(RequestHead::default());
    /// let mut request = Request::new(head, "a=1".into(), Arc::new(connection), Arc::new(()));
    /// assert_eq!(request.body().length(), Some(3));
    /// ```
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
    ///
    /// ```
    #[doc = include_str!("../examples/request.txt")]
    /// let request = request("PUT /notes/7 HTTP/1.1\r\nContent-Length: 5", "hello");
    /// // Of the content the head knows the length.
    /// assert_eq!(request.head().body_length(), httpfsm::request::BodyLength::Known(5));
    /// ```
    #[must_use]
    pub fn head(&self) -> RequestRef<'_> {
        RequestHead::as_ref(&self.head)
    }

    /// The method, case-sensitive (RFC 9110 section 9).
    ///
    /// ```
    #[doc = include_str!("../examples/request.txt")]
    /// assert_eq!(request("DELETE /notes/7 HTTP/1.1", ()).method(), "DELETE");
    /// ```
    #[must_use]
    pub fn method(&self) -> &str {
        self.head().method()
    }

    /// The request target as it was sent (RFC 9112 section 3.2).
    ///
    /// ```
    #[doc = include_str!("../examples/request.txt")]
    /// assert_eq!(request("GET /notes?tag=new HTTP/1.1", ()).target(), "/notes?tag=new");
    /// assert_eq!(request("OPTIONS * HTTP/1.1", ()).target(), "*");
    /// ```
    #[must_use]
    pub fn target(&self) -> &str {
        self.head().target()
    }

    /// The path of the target, not decoded.
    ///
    /// ```
    #[doc = include_str!("../examples/request.txt")]
    /// let request = request("GET /notes/a%20b?tag=new HTTP/1.1", ());
    /// assert_eq!(request.path(), "/notes/a%20b");
    /// ```
    #[must_use]
    pub fn path(&self) -> &str {
        self.head().path()
    }

    /// What follows `?` in the target, not decoded.
    ///
    /// ```
    #[doc = include_str!("../examples/request.txt")]
    /// assert_eq!(request("GET /notes?tag=new HTTP/1.1", ()).query(), Some("tag=new"));
    /// assert_eq!(request("GET /notes? HTTP/1.1", ()).query(), Some(""));
    /// assert_eq!(request("GET /notes HTTP/1.1", ()).query(), None);
    /// ```
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.head().query()
    }

    /// The host and port that the request is for: of the target, else of `Host` (RFC 9112 section 3.3).
    ///
    /// ```
    #[doc = include_str!("../examples/request.txt")]
    /// // Each of them comes with `Host: example.org`.
    /// assert_eq!(request("GET / HTTP/1.1", ()).authority(), Some("example.org"));
    /// assert_eq!(request("CONNECT db.example.org:5432 HTTP/1.1", ()).authority(), Some("db.example.org:5432"));
    /// ```
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        self.head().authority()
    }

    /// The version of HTTP that the peer speaks.
    ///
    /// ```
    #[doc = include_str!("../examples/request.txt")]
    /// assert_eq!(request("GET / HTTP/1.0", ()).version(), Version::Http10);
    /// ```
    #[must_use]
    pub fn version(&self) -> Version {
        self.head().version()
    }

    /// The field lines in order.
    ///
    /// ```
    #[doc = include_str!("../examples/request.txt")]
    /// let request = request("GET / HTTP/1.1\r\nAccept: text/html", ());
    /// let lines: Vec<_> = request.fields().map(|line| (line.name, line.value)).collect();
    /// assert_eq!(lines, [("Accept", &b"text/html"[..]), ("Host", b"example.org")]);
    /// ```
    pub fn fields(&self) -> impl Iterator<Item = FieldRef<'_>> {
        self.head().fields()
    }

    /// The value of the first field line of this name (any case).
    ///
    /// ```
    #[doc = include_str!("../examples/request.txt")]
    /// let request = request("GET / HTTP/1.1\r\nX-Name: Bj\u{f6}rn", ());
    /// assert_eq!(request.field("x-name"), Some("Bj\u{f6}rn".as_bytes()));
    /// ```
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.head().field(name)
    }

    /// The same as text; `None` also if the value is not UTF-8.
    ///
    /// ```
    #[doc = include_str!("../examples/request.txt")]
    /// let request = request("GET / HTTP/1.1\r\nAccept-Language: de", ());
    /// let greeting = match request.field_str("Accept-Language") {
    ///     Some("de") => "Hallo!",
    ///     _ => "Hello!",
    /// };
    /// assert_eq!(greeting, "Hallo!");
    /// ```
    #[must_use]
    pub fn field_str(&self, name: &str) -> Option<&str> {
        self.head().field_str(name)
    }

    /// The values of all field lines of this name (any case), in order.
    ///
    /// ```
    #[doc = include_str!("../examples/request.txt")]
    /// let request = request("GET / HTTP/1.1\r\nX-Forwarded-For: 198.51.100.7\r\nX-Forwarded-For: 203.0.113.2", ());
    /// // The last line is that of the nearest proxy.
    /// assert_eq!(request.field_all("x-forwarded-for").last(), Some(&b"203.0.113.2"[..]));
    /// ```
    pub fn field_all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.head().field_all(name)
    }

    /// The body, to read from. The first read sends `100 Continue` where it is expected. It is read before the response is
    /// complete: see [`take_body`](Self::take_body).
    ///
    /// ```
    #[doc = include_str!("../examples/request.txt")]
    /// let mut request = request("POST /notes HTTP/1.1\r\nContent-Length: 5", "hello");
    /// assert_eq!(result_of(request.body().collect(1024)).unwrap(), "hello");
    /// // It has been read, and the rest of the request is still there.
    /// assert_eq!((request.body().length(), request.path()), (Some(0), "/notes"));
    /// ```
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
    ///
    /// A body is read by the handler, or by the body of its response while that is sent. Behind the response a task or a
    /// thread that holds it still finds what it had asked for and what had come by then, to the end if that was there. The
    /// rest is not read from the connection, nor are bytes that came with the head and that nobody has asked for: reading
    /// fails with [`BodyError::ResponseComplete`](crate::BodyError::ResponseComplete).
    ///
    /// ```
    #[doc = include_str!("../examples/request.txt")]
    /// let mut request = request("POST /notes HTTP/1.1\r\nContent-Length: 5", "hello");
    /// let body = request.take_body();
    /// assert_eq!((body.length(), request.body().length()), (Some(5), Some(0)));
    /// ```
    #[must_use]
    pub fn take_body(&mut self) -> Body {
        mem::take(&mut self.body)
    }

    /// The body alone.
    ///
    /// ```
    #[doc = include_str!("../examples/request.txt")]
    /// /// Sends the content of the request back, as it comes.
    /// async fn echo(request: Request) -> Response {
    ///     Response::new(Status::OK).with_body(request.into_body())
    /// }
    ///
    /// let response = result_of(echo(request("POST / HTTP/1.1\r\nContent-Length: 5", "hello")));
    /// assert_eq!(response.body.length(), Some(5));
    /// ```
    #[must_use]
    pub fn into_body(self) -> Body {
        self.body
    }

    /// The request in its parts, for what makes a request of another kind of it; [`new`](Self::new) puts them together.
    ///
    /// ```
    #[doc = include_str!("../examples/request.txt")]
    /// struct User(String);
    ///
    /// /// The same request, with what a login has found.
    /// fn with_user(request: Request, user: User) -> Request {
    ///     let parts = request.into_parts();
    ///     let mut connection = ConnectionInfo::clone(&parts.connection);
    ///     connection.extensions.insert(user);
    ///     Request::new(parts.head, parts.body, Arc::new(connection), parts.control)
    /// }
    ///
    /// let request = with_user(request("GET / HTTP/1.1", ()), User("Ada".into()));
    /// let user = request.connection().extensions.get::<User>();
    /// assert!(user.is_some_and(|user| user.0 == "Ada"));
    /// ```
    #[must_use]
    pub fn into_parts(self) -> RequestParts {
        let Self { head, body, connection, control } = self;
        RequestParts { head, body, connection, control }
    }

    /// The trailer section, once the body has been read to its end by [`body`](Self::body). A body that was taken out has
    /// its own ([`Body::trailers`]).
    ///
    /// ```
    /// use httpfsm::handler::{CollectError, Request};
    ///
    /// async fn upload(mut request: Request) -> Result<String, CollectError> {
    ///     let content = request.body().collect(1 << 20).await?;
    ///     let digest = request.trailers().and_then(|trailers| trailers.get("Digest"));
    ///     Ok(format!("{} bytes, with a digest: {}", content.len(), digest.is_some()))
    /// }
    /// ```
    #[must_use]
    pub fn trailers(&self) -> Option<&Fields> {
        self.body.trailers()
    }

    /// The facts about the connection.
    ///
    /// ```
    #[doc = include_str!("../examples/request.txt")]
    /// let request = request("GET / HTTP/1.1", ());
    /// // It may be kept beside the request, and tells all of its connection.
    /// let connection = request.connection().clone();
    /// assert_eq!(&connection.peername, request.peername());
    /// ```
    #[must_use]
    pub fn connection(&self) -> &ConnectionInfo {
        &self.connection
    }

    /// The peer's address.
    ///
    /// ```
    #[doc = include_str!("../examples/request.txt")]
    /// let request = request("GET / HTTP/1.1", ());
    /// assert_eq!(request.peername().to_string(), "192.0.2.1:5000");
    /// ```
    #[must_use]
    pub fn peername(&self) -> &Peer {
        &self.connection.peername
    }

    /// The address that the peer connected to.
    ///
    /// ```
    #[doc = include_str!("../examples/request.txt")]
    /// let request = request("GET / HTTP/1.1", ());
    /// // What only one of the listeners of a server responds to is known by its port.
    /// assert_eq!(request.sockname().port(), Some(80));
    /// ```
    #[must_use]
    pub fn sockname(&self) -> &Peer {
        &self.connection.sockname
    }

    /// `http` or `https`.
    ///
    /// ```
    #[doc = include_str!("../examples/request.txt")]
    /// let request = request("GET /notes HTTP/1.1", ());
    /// let location = format!("{}://{}{}", request.scheme(), request.authority().unwrap_or_default(), request.path());
    /// assert_eq!(location, "http://example.org/notes");
    /// ```
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.connection.scheme
    }

    /// What protects the connection, as TLS does; `None` if nothing does that the server knows of. A listener behind a proxy
    /// that decrypts has none, whatever its [`scheme`](Self::scheme) is.
    ///
    /// ```
    #[doc = include_str!("../examples/request.txt")]
    /// /// A cookie of a session goes over a connection that is protected, and over no other.
    /// fn may_log_in(request: &Request) -> bool {
    ///     request.security().is_some_and(|security| security.protocol == "TLSv1.3")
    /// }
    ///
    /// assert!(!may_log_in(&request("POST /login HTTP/1.1", ())));
    /// ```
    #[must_use]
    pub fn security(&self) -> Option<&Security> {
        self.connection.extensions.get()
    }

    /// The name of the channel (`server.clisrv_17`).
    ///
    /// ```
    #[doc = include_str!("../examples/request.txt")]
    /// let request = request("GET / HTTP/1.1", ());
    /// // A line of a log has the same name as those that the server writes of this connection.
    /// assert_eq!(format!("{}: the cache is cold", request.channel()), "server.clisrv_1: the cache is cold");
    /// ```
    #[must_use]
    pub fn channel(&self) -> &str {
        &self.connection.channel
    }

    /// Whether the peer waits for `100 Continue` before it sends the body (RFC 9110 section 10.1.1).
    ///
    /// ```
    #[doc = include_str!("../examples/request.txt")]
    /// let request = request("PUT /film HTTP/1.1\r\nContent-Length: 900000\r\nExpect: 100-continue", ());
    /// assert!(request.expects_continue());
    /// ```
    #[must_use]
    pub fn expects_continue(&self) -> bool {
        self.head().expects_continue()
    }

    /// Sends `100 Continue` now, rather than at the first read of the body. Nothing if it is not expected.
    ///
    /// ```
    /// use httpfsm::handler::{CollectError, Request, Response};
    ///
    /// /// The peer begins to send while the disk makes room.
    /// async fn store(mut request: Request, make_room: impl Future<Output = ()>) -> Result<Response, CollectError> {
    ///     request.send_continue();
    ///     make_room.await;
    ///     let content = request.body().collect(1 << 20).await?;
    ///     Ok(Response::text(format!("{} bytes\n", content.len())))
    /// }
    /// ```
    pub fn send_continue(&self) {
        self.control.send_continue();
    }

    /// Never sends `100 Continue`: the response comes without the body, which cannot be read any more, and closes the
    /// connection. Nothing if it is not expected. A handler that reads nothing of the body need not call it; it is for one
    /// that passes the body on to what might.
    ///
    /// ```
    /// use httpfsm::handler::{Body, Request, Response};
    /// use httpfsm::Status;
    ///
    /// /// Keeps what has come of the request, for whoever looks into it.
    /// async fn forbid(request: Request, keep: impl FnOnce(Body)) -> Response {
    ///     // `keep` reads the body. That must not have the peer send a film that nobody wants.
    ///     request.refuse_expect();
    ///     keep(request.into_body());
    ///     Response::new(Status::FORBIDDEN)
    /// }
    /// ```
    pub fn refuse_expect(&self) {
        if self.expects_continue() {
            self.control.refuse_expect();
        }
    }

    /// Sends an interim response before the final one. A peer that speaks HTTP/1.0 gets none (RFC 9110 section
    /// 15.2).
    ///
    /// ```
    #[doc = include_str!("../examples/request.txt")]
    /// let request = request("POST /report HTTP/1.1", ());
    /// // The peer is told that the report takes its time.
    /// request.informational(Status::PROCESSING, Fields::new())?;
    /// // A final status comes with the response.
    /// let refused = request.informational(Status::OK, Fields::new()).unwrap_err();
    /// assert_eq!(refused.to_string(), "200 is not an interim response; those are 102 to 199.");
    /// # Ok::<(), httpfsm::handler::NotInformational>(())
    /// ```
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
    ///
    /// ```
    /// use std::pin::Pin;
    ///
    /// use httpfsm::handler::{IoFailure, Request, Response, Upgraded};
    /// use httpfsm::Status;
    ///
    /// async fn greet(mut connection: Upgraded) -> Result<(), IoFailure> {
    ///     connection.write_all(b"Hello!\n").await?;
    ///     connection.close().await
    /// }
    ///
    /// // `spawn` is that of a runtime.
    /// async fn handler(request: Request, spawn: impl FnOnce(Pin<Box<dyn Future<Output = ()> + Send>>)) -> Response {
    ///     if request.head().upgrade() != Some(b"greeting") {
    ///         return Response::new(Status::BAD_REQUEST);
    ///     }
    ///     let upgrade = request.upgrade();
    ///     spawn(Box::pin(async move {
    ///         match upgrade.await {
    ///             Ok(connection) => greet(connection).await.unwrap_or_else(|failure| eprintln!("{failure}")),
    ///             Err(error) => eprintln!("{error}"),
    ///         }
    ///     }));
    ///     Response::switching_protocols("greeting")
    /// }
    /// ```
    pub fn upgrade(&self) -> UpgradeFuture {
        UpgradeFuture::new(&self.control)
    }

    /// Resolves when the peer has ended its side of the connection. It may still read: the response goes out.
    ///
    /// ```
    #[doc = include_str!("../examples/request.txt")]
    /// let request = request("GET /events HTTP/1.1", ());
    /// let mut ended = pin!(request.peer_ended());
    /// // A source of events polls it along with them, and ends when it is ready.
    /// assert!(ended.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    /// ```
    pub fn peer_ended(&self) -> PeerEnded {
        PeerEnded(Waiting::new(&self.control))
    }

    /// Resolves when nothing can reach the peer any more, so that a long computation can be given up.
    ///
    /// A handler is dropped when its connection is lost, unless a future of this that it has polled is alive: then it runs
    /// on to its end, for `responseless_timeout` at most, and its response is discarded.
    ///
    /// ```
    /// use std::future::poll_fn;
    /// use std::pin::pin;
    /// use std::task::Poll;
    ///
    /// use httpfsm::handler::Request;
    ///
    /// /// What `search` finds; nothing if there is nobody any more to tell it to.
    /// async fn search(request: Request, search: impl Future<Output = String>) -> String {
    ///     let (mut gone, mut search) = (pin!(request.disconnected()), pin!(search));
    ///     poll_fn(|cx| match gone.as_mut().poll(cx) {
    ///         Poll::Ready(()) => Poll::Ready(String::new()),
    ///         Poll::Pending => search.as_mut().poll(cx),
    ///     })
    ///     .await
    /// }
    /// ```
    pub fn disconnected(&self) -> Disconnected {
        Disconnected(Waiting::new(&self.control))
    }

    /// Has the request count among those that are with the application (the parameter `maximum_simultaneous_requests`) until
    /// what this returns is dropped, also when the handler has ended before. For work that a handler begins elsewhere and
    /// that nobody can stop: a handler is dropped when its connection is lost, and its place would go to the next request
    /// while the work for this one still runs.
    ///
    /// ```
    /// use std::thread;
    ///
    /// use httpfsm::handler::Request;
    /// use httpfsm::Status;
    ///
    /// async fn render(request: Request) -> Status {
    ///     let place = request.keep_place();
    ///     thread::spawn(move || {
    ///         // A long computation, and then:
    ///         drop(place);
    ///     });
    ///     Status::ACCEPTED
    /// }
    /// ```
    pub fn keep_place(&self) -> KeptPlace {
        KeptPlace::new(&self.control)
    }

    /// The memory of the server, to reserve room in for the pieces of a response: for the first one before the handler
    /// responds, so that it can respond 503 ([`MemoryHandle`]). It may be kept longer than the request.
    ///
    /// ```
    /// use httpfsm::handler::{NoRoom, Request, Response};
    ///
    /// /// A response of a mebibyte, or 503 where the server has no room for that.
    /// async fn zeros(request: Request) -> Result<Response, NoRoom> {
    ///     let memory = request.memory();
    ///     let reserved = memory.try_reserve(1 << 20).ok_or(NoRoom)?;
    ///     Ok(Response::bytes(reserved.attach(vec![0; 1 << 20])))
    /// }
    /// ```
    #[must_use]
    pub fn memory(&self) -> MemoryHandle {
        self.control.memory()
    }

    /// Whether nothing can reach the peer any more.
    ///
    /// ```
    #[doc = include_str!("../examples/request.txt")]
    /// fn sum(request: &Request, numbers: &[u64]) -> Option<u64> {
    ///     let mut sum = 0;
    ///     for chunk in numbers.chunks(1000) {
    ///         if request.is_disconnected() {
    ///             return None;
    ///         }
    ///         sum += chunk.iter().sum::<u64>();
    ///     }
    ///     Some(sum)
    /// }
    ///
    /// assert_eq!(sum(&request("GET /sum HTTP/1.1", ()), &[1; 2500]), Some(2500));
    /// ```
    #[must_use]
    pub fn is_disconnected(&self) -> bool {
        self.control.is_disconnected()
    }
}

/// What a [`Request`] consists of; from [`Request::into_parts`].
///
/// ```
#[doc = include_str!("../examples/request.txt")]
/// let parts = request("POST /notes HTTP/1.1\r\nContent-Length: 5", "hello").into_parts();
/// assert_eq!(parts.head.as_ref().as_ref().path(), "/notes");
/// assert_eq!(parts.body.length(), Some(5));
/// assert_eq!(parts.connection.scheme, "http");
/// assert!(!parts.control.is_disconnected());
/// ```
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
///
/// ```
#[doc = include_str!("../examples/request.txt")]
/// let request = request("GET / HTTP/1.1", ());
/// // 101 ends the HTTP of a connection, so it is no interim response.
/// let refused = request.informational(Status::SWITCHING_PROTOCOLS, Fields::new()).unwrap_err();
/// assert_eq!(refused.0, Status::SWITCHING_PROTOCOLS);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct NotInformational(pub Status);

impl fmt::Display for NotInformational {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not an interim response; those are 102 to 199.", self.0.code())
    }
}

impl core::error::Error for NotInformational {}
