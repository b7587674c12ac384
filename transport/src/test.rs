//! Tests of handlers: one request through the real machine, in memory.
//!
//! The handler gets what a server would give it, and what comes back is what a client would receive: its field lines, its
//! framing and its content, also where the machine responds by itself. There is no socket, and no time passes.
//!
//! ```
//! use httpfsm::Status;
//! use httpfsm::handler::{CollectError, Request};
//! use httpfsm_transport::block_on;
//! use httpfsm_transport::test::{TestRequest, call};
//!
//! async fn shout(mut request: Request) -> Result<String, CollectError> {
//!     let content = request.body().collect(1024).await?;
//!     Ok(String::from_utf8_lossy(&content).to_uppercase())
//! }
//!
//! let response = block_on(call(shout, TestRequest::post("/shout", "hello")));
//! assert_eq!(response.status(), Status::OK);
//! assert_eq!(response.field("Content-Type"), Some(&b"text/plain; charset=utf-8"[..]));
//! assert_eq!(response.text(), "HELLO");
//!
//! let response = block_on(call(shout, TestRequest::post("/shout", vec![b'x'; 1025])));
//! assert_eq!(response.status(), Status::CONTENT_TOO_LARGE);
//! ```

use std::fmt;
use std::future::poll_fn;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use httpfsm::config::ServerConfig;
use httpfsm::handler::Handler;
use httpfsm::request::FieldRef;
use httpfsm::status::Status;

use crate::accept::Accepted;
use crate::clock::Clock;
use crate::job::Inline;
use crate::memory::{MemoryWire, pair};
use crate::service::Service;
use crate::wire::Wire;

/// Bytes that the connection holds in each direction.
const CAPACITY: usize = 64 << 10;

/// The most field lines that a response may have.
const FIELD_LINES: usize = 256;

/// A request to be sent: its lines and its content. Without a field `Host` it has `Host: localhost`; content has its
/// `Content-Length`, unless the fields frame it otherwise.
///
/// ```
/// use httpfsm::Request;
/// use httpfsm_transport::block_on;
/// use httpfsm_transport::test::{TestRequest, call};
///
/// let handler = |request: Request| async move { request.field_str("X-Who").unwrap_or("nobody").to_owned() };
/// let request = TestRequest::get("/").field("X-Who", "a friend");
/// assert_eq!(block_on(call(handler, request)).text(), "a friend");
/// ```
#[derive(Clone, Debug)]
pub struct TestRequest {
    head: String,
    has_host: bool,
    is_framed: bool,
    content: Bytes,
}

impl TestRequest {
    /// A request without content. What is given is sent as it is, so that the response to a wrong request can be tested.
    ///
    /// A request that no handler sees:
    ///
    /// ```
    /// use httpfsm::{Request, Status};
    /// use httpfsm_transport::block_on;
    /// use httpfsm_transport::test::{TestRequest, call};
    ///
    /// let handler = |_: Request| async { "Hello, world!" };
    /// let response = block_on(call(handler, TestRequest::new("GET", "no path")));
    /// assert_eq!(response.status(), Status::BAD_REQUEST);
    /// ```
    #[must_use]
    pub fn new(method: &str, target: &str) -> Self {
        let head = format!("{method} {target} HTTP/1.1\r\n");
        Self { head, has_host: false, is_framed: false, content: Bytes::new() }
    }

    /// `GET` without content.
    ///
    /// ```
    /// # use httpfsm::Request;
    /// # use httpfsm_transport::block_on;
    /// # use httpfsm_transport::test::{TestRequest, call};
    /// let echo = |request: Request| async move { request.path().to_owned() };
    /// assert_eq!(block_on(call(echo, TestRequest::get("/a/b?c=d"))).text(), "/a/b");
    /// ```
    #[must_use]
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// `POST` with content.
    ///
    /// ```
    /// # use httpfsm::Request;
    /// # use httpfsm_transport::block_on;
    /// # use httpfsm_transport::test::{TestRequest, call};
    /// let length = |mut request: Request| async move {
    ///     request.body().collect(1024).await.map(|content| format!("{} bytes", content.len()))
    /// };
    /// assert_eq!(block_on(call(length, TestRequest::post("/", "a=1&b=2"))).text(), "7 bytes");
    /// ```
    #[must_use]
    pub fn post(target: &str, content: impl Into<Bytes>) -> Self {
        Self::new("POST", target).content(content)
    }

    /// `POST` with content that is JSON.
    ///
    /// ```
    /// # use httpfsm::Request;
    /// # use httpfsm_transport::block_on;
    /// # use httpfsm_transport::test::{TestRequest, call};
    /// let handler = |request: Request| async move {
    ///     match request.field("Content-Type") {
    ///         Some(b"application/json") => "JSON",
    ///         _ => "something else",
    ///     }
    /// };
    /// assert_eq!(block_on(call(handler, TestRequest::post_json("/", r#"{"a": 1}"#))).text(), "JSON");
    /// ```
    #[must_use]
    pub fn post_json(target: &str, content: impl Into<Bytes>) -> Self {
        Self::post(target, content).field("Content-Type", "application/json")
    }

    /// `POST` with content that is a form.
    ///
    /// ```
    /// # use httpfsm::Request;
    /// # use httpfsm_transport::block_on;
    /// # use httpfsm_transport::test::{TestRequest, call};
    /// let handler = |request: Request| async move {
    ///     match request.field("Content-Type") {
    ///         Some(b"application/x-www-form-urlencoded") => "a form",
    ///         _ => "something else",
    ///     }
    /// };
    /// assert_eq!(block_on(call(handler, TestRequest::post_form("/", "name=a+friend&age=7"))).text(), "a form");
    /// ```
    #[must_use]
    pub fn post_form(target: &str, content: impl Into<Bytes>) -> Self {
        Self::post(target, content).field("Content-Type", "application/x-www-form-urlencoded")
    }

    /// One more field line, sent as it is.
    ///
    /// ```
    /// # use httpfsm::{Request, Status};
    /// # use httpfsm_transport::block_on;
    /// # use httpfsm_transport::test::{TestRequest, call};
    /// let handler = |_: Request| async { "Hello, world!" };
    /// // A second `Host` breaks a rule; the field that stands for want of one would not.
    /// let request = TestRequest::get("/").field("Host", "a").field("Host", "b");
    /// assert_eq!(block_on(call(handler, request)).status(), Status::BAD_REQUEST);
    /// ```
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.has_host |= name.eq_ignore_ascii_case("host");
        self.is_framed |=
            name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("transfer-encoding");
        self.head += &format!("{name}: {value}\r\n");
        self
    }

    /// Another content.
    ///
    /// ```
    /// # use httpfsm::Request;
    /// # use httpfsm_transport::block_on;
    /// # use httpfsm_transport::test::{TestRequest, call};
    /// let handler = |request: Request| async move { request.field_str("Content-Length").unwrap_or("none").to_owned() };
    /// let request = TestRequest::new("PUT", "/file").content("abc");
    /// assert_eq!(block_on(call(handler, request)).text(), "3");
    /// ```
    #[must_use]
    pub fn content(mut self, content: impl Into<Bytes>) -> Self {
        self.content = content.into();
        self
    }

    fn method(&self) -> Method {
        match self.head.split_once(' ').map(|(method, _)| method) {
            Some("HEAD") => Method::Head,
            Some("CONNECT") => Method::Connect,
            _ => Method::Other,
        }
    }

    fn into_bytes(self) -> Vec<u8> {
        let mut bytes = self.head.into_bytes();
        if !self.has_host {
            bytes.extend_from_slice(b"Host: localhost\r\n");
        }
        if !self.is_framed && !self.content.is_empty() {
            let _ = write!(bytes, "Content-Length: {}\r\n", self.content.len());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.content);
        bytes
    }
}

/// What a method says of the content of its response.
#[derive(Clone, Copy)]
enum Method {
    Head,
    Connect,
    Other,
}

impl Method {
    /// RFC 9112 section 6.3: behind 2xx to CONNECT there is a tunnel, whatever its fields say.
    fn has_no_content(self, status: Status) -> bool {
        match self {
            Self::Head => true,
            Self::Connect => status.is_success(),
            Self::Other => false,
        }
    }
}

/// A response as a client received it.
///
/// ```
/// use httpfsm::handler::Response;
/// use httpfsm::{Request, Status};
/// use httpfsm_transport::block_on;
/// use httpfsm_transport::test::{TestRequest, call};
///
/// let handler = |_: Request| async { Response::text("Not here.\n").with_status(Status::NOT_FOUND) };
/// let response = block_on(call(handler, TestRequest::get("/")));
/// assert_eq!(response.status(), Status::NOT_FOUND);
/// assert_eq!(response.field("content-length"), Some(&b"10"[..]));
/// assert_eq!(response.text(), "Not here.\n");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct TestResponse {
    status: Status,
    /// Those of the head.
    lines: Vec<(String, Vec<u8>)>,
    trailers: Vec<(String, Vec<u8>)>,
    content: Vec<u8>,
}

impl TestResponse {
    /// The status; of the final response, whatever interim ones came before it.
    ///
    /// ```
    /// # use httpfsm::{Request, Status};
    /// # use httpfsm_transport::block_on;
    /// # use httpfsm_transport::test::{TestRequest, call};
    /// let response = block_on(call(|_: Request| async { Status::NO_CONTENT }, TestRequest::get("/")));
    /// assert_eq!(response.status(), Status::NO_CONTENT);
    /// assert!(response.status().is_success());
    /// ```
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// The field lines, in order.
    ///
    /// ```
    /// # use httpfsm::Request;
    /// # use httpfsm_transport::block_on;
    /// # use httpfsm_transport::test::{TestRequest, call};
    /// let response = block_on(call(|_: Request| async { "Hello, world!" }, TestRequest::get("/")));
    /// let names: Vec<_> = response.fields().map(|field| field.name).collect();
    /// assert!(names.contains(&"Date") && !names.contains(&"Set-Cookie"));
    /// ```
    pub fn fields(&self) -> impl Iterator<Item = FieldRef<'_>> {
        self.lines.iter().map(|(name, value)| FieldRef { name, value })
    }

    /// The value of the first field line of this name (any case).
    ///
    /// ```
    /// # use httpfsm::Request;
    /// # use httpfsm_transport::block_on;
    /// # use httpfsm_transport::test::{TestRequest, call};
    /// let response = block_on(call(|_: Request| async { "Hello, world!" }, TestRequest::get("/")));
    /// assert_eq!(response.field("CONTENT-TYPE"), Some(&b"text/plain; charset=utf-8"[..]));
    /// assert_eq!(response.field("ETag"), None);
    /// ```
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.fields().find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    }

    /// The field lines behind the content, in order.
    ///
    /// ```
    /// use std::task::Poll;
    ///
    /// use httpfsm::handler::{Body, Frame, Response};
    /// use httpfsm::{Fields, Request, Status};
    /// use httpfsm_transport::block_on;
    /// use httpfsm_transport::test::{TestRequest, call};
    ///
    /// let handler = |_: Request| async {
    ///     let mut trailers = Fields::new();
    ///     trailers.push("X-Sum", "7").expect("this is a field");
    ///     let mut frames = [Frame::Data("abc".into()), Frame::Trailers(trailers)].into_iter();
    ///     Response::new(Status::OK).with_body(Body::from_fn(move |_| Poll::Ready(frames.next().unwrap_or(Frame::End))))
    /// };
    /// let response = block_on(call(handler, TestRequest::get("/")));
    /// let trailer = response.trailers().next().expect("there is one");
    /// assert_eq!((response.text(), trailer.name, trailer.value), ("abc", "X-Sum", &b"7"[..]));
    /// ```
    pub fn trailers(&self) -> impl Iterator<Item = FieldRef<'_>> {
        self.trailers.iter().map(|(name, value)| FieldRef { name, value })
    }

    /// The content, without its transfer coding.
    ///
    /// ```
    /// # use httpfsm::Request;
    /// # use httpfsm_transport::block_on;
    /// # use httpfsm_transport::test::{TestRequest, call};
    /// let response = block_on(call(|_: Request| async { vec![1, 2, 3] }, TestRequest::get("/")));
    /// assert_eq!(response.content(), [1, 2, 3]);
    /// ```
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// The content as text.
    ///
    /// ```
    /// # use httpfsm::Request;
    /// # use httpfsm_transport::block_on;
    /// # use httpfsm_transport::test::{TestRequest, call};
    /// let response = block_on(call(|_: Request| async { "Grüße" }, TestRequest::get("/")));
    /// assert_eq!(response.text(), "Grüße");
    /// ```
    ///
    /// # Panics
    ///
    /// Where it is no UTF-8.
    #[must_use]
    #[track_caller]
    pub fn text(&self) -> &str {
        match std::str::from_utf8(&self.content) {
            Ok(text) => text,
            Err(error) => panic!("The content is no text: {error}."),
        }
    }
}

impl fmt::Debug for TestResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestResponse")
            .field("status", &self.status)
            .field("fields", &self.fields().collect::<Vec<_>>())
            .field("content", &String::from_utf8_lossy(&self.content))
            .field("trailers", &self.trailers().collect::<Vec<_>>())
            .finish()
    }
}

/// Has `handler` respond to `request`.
///
/// A handler that needs a runtime is awaited within it (`#[tokio::test]`), and any other one by
/// [`block_on`](crate::block_on). A function that blocks is a handler by `sync` of its transport, here as on a server. For
/// one that stands for no transport, take [`sync`](crate::sync) with [`Inline`], and [`call_with`] with a configuration that
/// has [`Bodies::Whole`](httpfsm::config::Bodies::Whole).
///
/// The handler is gone with its response. Several requests to one state are requests to handlers that share it:
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use httpfsm::Request;
/// use httpfsm::handler::with_state;
/// use httpfsm_transport::block_on;
/// use httpfsm_transport::test::{TestRequest, call};
///
/// async fn count(visits: Arc<AtomicU64>, _request: Request) -> String {
///     format!("You are visitor {}.", visits.fetch_add(1, Ordering::Relaxed) + 1)
/// }
///
/// let visits = Arc::default();
/// let handler = || with_state(Arc::clone(&visits), count);
/// assert_eq!(block_on(call(handler(), TestRequest::get("/"))).text(), "You are visitor 1.");
/// assert_eq!(block_on(call(handler(), TestRequest::get("/"))).text(), "You are visitor 2.");
/// ```
///
/// # Panics
///
/// Where the connection ends within the response: the handler's source has failed, say. [`try_call`] gives an error instead.
pub async fn call(handler: impl Handler, request: TestRequest) -> TestResponse {
    call_with(ServerConfig::default(), handler, request).await
}

/// As [`call`], of a server with this configuration.
///
/// ```
/// use httpfsm::handler::CollectError;
/// use httpfsm::{Request, ServerConfig, Status};
/// use httpfsm_transport::block_on;
/// use httpfsm_transport::test::{TestRequest, call_with};
///
/// async fn length(mut request: Request) -> Result<String, CollectError> {
///     Ok(request.body().collect(1 << 20).await?.len().to_string())
/// }
///
/// let mut config = ServerConfig::default();
/// config.channel.max_request_body_size = 3;
/// let response = block_on(call_with(config, length, TestRequest::post("/", "four")));
/// assert_eq!(response.status(), Status::CONTENT_TOO_LARGE);
/// ```
///
/// # Panics
///
/// As [`call`].
pub async fn call_with(config: ServerConfig, handler: impl Handler, request: TestRequest) -> TestResponse {
    match try_call(config, handler, request).await {
        Ok(response) => response,
        Err(error) => panic!("There is no whole response: {error}."),
    }
}

/// As [`call_with`], where no response or half a one may come.
///
/// A source that fails cuts the response off:
///
/// ```
/// use std::io::ErrorKind;
/// use std::task::Poll;
///
/// use httpfsm::handler::{Body, BodyFailure, Frame, Response};
/// use httpfsm::{Request, ServerConfig, Status};
/// use httpfsm_transport::block_on;
/// use httpfsm_transport::test::{TestRequest, try_call};
///
/// let handler = |_: Request| async {
///     let failing = Body::from_fn(|_| Poll::Ready(Frame::Error(BodyFailure::source("The disk is gone."))));
///     Response::new(Status::OK).with_body(failing)
/// };
/// let response = block_on(try_call(ServerConfig::default(), handler, TestRequest::get("/")));
/// assert_eq!(response.unwrap_err().kind(), ErrorKind::UnexpectedEof);
/// ```
///
/// # Errors
///
/// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) where the connection ends before the response does;
/// [`InvalidData`](io::ErrorKind::InvalidData) where the response cannot be read, as one with more than 256 field lines; and
/// [`ConnectionRefused`](io::ErrorKind::ConnectionRefused) where the configuration lets no connection in.
pub async fn try_call(
    config: ServerConfig,
    handler: impl Handler,
    request: TestRequest,
) -> io::Result<TestResponse> {
    let service = Service::new(config, Clock::manual(), Arc::new(Inline), None, handler);
    let (mut client, server) = pair(CAPACITY);
    let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into();
    let accepted = Accepted::new(server, address(49_152), address(80));
    let refused = |_| io::Error::from(io::ErrorKind::ConnectionRefused);
    let mut driver = pin!(service.connect_accepted(accepted).map_err(refused)?);
    let method = request.method();
    let bytes = request.into_bytes();
    let (mut sent, mut received, mut is_over) = (0, Vec::new(), false);
    poll_fn(|cx| {
        loop {
            is_over = is_over || driver.as_mut().poll(cx).is_ready();
            let unsent = bytes.get(sent..).unwrap_or_default();
            let taken = send(&mut client, unsent, cx);
            sent += taken;
            let bytes_came = receive(&mut client, &mut received, cx);
            let is_last = bytes_came == Poll::Ready(0) || bytes_came.is_pending() && is_over;
            match read(&received, method, is_last)? {
                Some(response) => return Poll::Ready(Ok(response)),
                None if is_last => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                None if taken == 0 && bytes_came.is_pending() => return Poll::Pending,
                None => {}
            }
        }
    })
    .await
}

/// How many bytes the connection took. Where the server reads no more, none.
fn send(client: &mut MemoryWire, bytes: &[u8], cx: &mut Context<'_>) -> usize {
    if bytes.is_empty() {
        return 0;
    }
    match client.poll_write(cx, bytes) {
        Poll::Ready(Ok(taken)) => taken,
        Poll::Ready(Err(_)) | Poll::Pending => 0,
    }
}

/// How many bytes came; 0 at the end of the connection, however it ended.
fn receive(client: &mut MemoryWire, received: &mut Vec<u8>, cx: &mut Context<'_>) -> Poll<usize> {
    let mut buffer = [0; 4096];
    let bytes = ready!(client.poll_read(cx, &mut buffer)).unwrap_or(0);
    received.extend_from_slice(buffer.get(..bytes).unwrap_or_default());
    Poll::Ready(bytes)
}

/// The final response, if all of it is in `bytes`, behind which nothing comes where this `is_last`.
fn read(mut bytes: &[u8], method: Method, is_last: bool) -> io::Result<Option<TestResponse>> {
    loop {
        let mut lines = [httparse::EMPTY_HEADER; FIELD_LINES];
        let mut head = httparse::Response::new(&mut lines);
        let httparse::Status::Complete(length) = head.parse(bytes).map_err(invalid)? else { return Ok(None) };
        let status = head.code.and_then(Status::new).unwrap_or_default();
        bytes = bytes.get(length..).unwrap_or_default();
        if status.is_informational() && status != Status::SWITCHING_PROTOCOLS {
            continue;
        }
        let lines = owned(head.headers);
        let mut response = TestResponse { status, lines, trailers: Vec::new(), content: Vec::new() };
        // It is copied when it is whole.
        let content = if method.has_no_content(status) || status.forbids_content() {
            Some(&[][..])
        } else if response.field("Transfer-Encoding").is_some() {
            return Ok(response.read_chunks(bytes)?.then_some(response));
        } else if let Some(length) = response.field("Content-Length") {
            let length = std::str::from_utf8(length).ok().and_then(|length| length.parse().ok()).unwrap_or(0);
            bytes.get(..length)
        } else {
            is_last.then_some(bytes)
        };
        return Ok(content.map(|content| {
            response.content.extend_from_slice(content);
            response
        }));
    }
}

impl TestResponse {
    /// Whether all of it is there.
    fn read_chunks(&mut self, mut bytes: &[u8]) -> io::Result<bool> {
        let mut chunks = Vec::new();
        loop {
            let Ok(size) = httparse::parse_chunk_size(bytes) else {
                return Err(io::ErrorKind::InvalidData.into());
            };
            let httparse::Status::Complete((at, size)) = size else { return Ok(false) };
            bytes = bytes.get(at..).unwrap_or_default();
            if size == 0 {
                let mut lines = [httparse::EMPTY_HEADER; FIELD_LINES];
                let trailers = httparse::parse_headers(bytes, &mut lines).map_err(invalid)?;
                let httparse::Status::Complete((_, trailers)) = trailers else { return Ok(false) };
                self.trailers = owned(trailers);
                self.content = chunks.concat();
                return Ok(true);
            }
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            let Some(chunk) = bytes.get(..size) else { return Ok(false) };
            chunks.push(chunk);
            bytes = bytes.get(size..).and_then(|rest| rest.get(2..)).unwrap_or_default();
        }
    }
}

fn owned(lines: &[httparse::Header<'_>]) -> Vec<(String, Vec<u8>)> {
    lines.iter().map(|line| (line.name.to_owned(), line.value.to_vec())).collect()
}

fn invalid(error: httparse::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use httpfsm::config::{Bodies, ChannelConfig, ServerConfig};
    use httpfsm::fields::Fields;
    use httpfsm::handler::{Body, BodyFailure, Frame, Request, Response};
    use httpfsm::status::Status;

    use super::{Method, TestRequest, TestResponse, call, call_with, read, try_call};
    use crate::sync::{block_on, sync};
    use crate::{BodyReader, Inline};

    fn respond(handler: impl httpfsm::handler::Handler, request: TestRequest) -> TestResponse {
        block_on(call(handler, request))
    }

    #[test]
    fn a_response_is_what_a_client_receives() {
        let early = |request: Request| async move {
            request.early_hints(Fields::new());
            Response::text("whole").with_field("X-Seen", request.field("host").unwrap_or_default())
        };
        let response = respond(early, TestRequest::get("/"));
        assert_eq!((response.status(), response.text()), (Status::OK, "whole"));
        assert_eq!(response.field("content-length"), Some(&b"5"[..]));
        assert_eq!(response.field("x-seen"), Some(&b"localhost"[..]));
        assert!(response.field("date").is_some());

        let response = respond(early, TestRequest::new("HEAD", "/").field("Host", "example.org"));
        assert_eq!((response.field("content-length"), response.content()), (Some(&b"5"[..]), &b""[..]));
        assert_eq!(response.field("x-seen"), Some(&b"example.org"[..]));

        assert_eq!(respond(|_: Request| async {}, TestRequest::get("/")).status(), Status::NO_CONTENT);
        assert_eq!(respond(early, TestRequest::get("no path")).status(), Status::BAD_REQUEST);
    }

    /// Larger than what the connection holds, in both directions.
    #[test]
    fn large_content_goes_both_ways() {
        let echo =
            |mut request: Request| async move { Response::new(Status::OK).with_body(request.take_body()) };
        let content = vec![b'x'; 300_000];
        let response = respond(echo, TestRequest::post("/", content.clone()));
        assert_eq!(response.content(), content);
        let chunks = TestRequest::post("/", "3\r\nabc\r\n0\r\nX-Trailer: t\r\n\r\n");
        let response = respond(echo, chunks.field("Transfer-Encoding", "chunked"));
        assert_eq!(response.field("transfer-encoding"), Some(&b"chunked"[..]));
        assert_eq!(response.text(), "abc");
        let trailers: Vec<_> = response.trailers().map(|field| (field.name, field.value)).collect();
        assert_eq!(trailers, [("X-Trailer", &b"t"[..])]);
    }

    #[test]
    fn a_function_that_blocks_reads_the_whole_body() {
        let read = |request: Request| std::io::read_to_string(BodyReader::new(request.into_body()));
        let channel = ChannelConfig { bodies: Some(Bodies::Whole), ..ChannelConfig::default() };
        let config = ServerConfig { channel, ..ServerConfig::default() };
        let request = TestRequest::post_json("/", "[1]");
        let response = block_on(call_with(config, sync(Inline, read), request));
        assert_eq!((response.status(), response.text()), (Status::OK, "[1]"));
    }

    /// A tunnel may be in use before its head is looked at.
    #[test]
    fn what_comes_through_a_tunnel_is_no_content() {
        let bytes = b"HTTP/1.1 200 OK\r\nDate: d\r\n\r\ntunnelled";
        let response = read(bytes, Method::Connect, false).expect("a response").expect("a whole one");
        assert_eq!((response.status(), response.content()), (Status::OK, &b""[..]));
        let response = read(bytes, Method::Other, true).expect("a response").expect("a whole one");
        assert_eq!(response.text(), "tunnelled");

        let connect = || TestRequest::new("CONNECT", "example.org:443").field("Host", "example.org:443");
        let tunnel = |request: Request| async move {
            drop(request.upgrade());
            Response::new(Status::OK)
        };
        assert_eq!(respond(tunnel, connect()).status(), Status::OK);
        let refuses = |_: Request| async { Response::text("no").with_status(Status::FORBIDDEN) };
        assert_eq!(respond(refuses, connect()).text(), "no");
    }

    #[test]
    fn a_response_that_is_cut_is_an_error() {
        let cut = |_: Request| async {
            let mut left = 1;
            Response::new(Status::OK).with_body(Body::from_fn(move |_| {
                left -= 1;
                Poll::Ready(match left {
                    0 => Frame::Data("half".into()),
                    _ => Frame::Error(BodyFailure::source("gone")),
                })
            }))
        };
        let response = block_on(try_call(ServerConfig::default(), cut, TestRequest::get("/")));
        assert_eq!(response.map_err(|error| error.kind()), Err(std::io::ErrorKind::UnexpectedEof));
        let panics = |_: Request| async {
            if true {
                panic!("a handler's")
            }
        };
        assert_eq!(respond(panics, TestRequest::get("/")).status(), Status::INTERNAL_SERVER_ERROR);
    }
}
