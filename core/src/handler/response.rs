//! A response as a handler makes it.

use alloc::boxed::Box;
use alloc::string::String;
use core::mem;

use super::body::{Body, Source};
use crate::fields::{Fields, InvalidField};
use crate::response::{BodyRef, ResponseRef};
use crate::status::Status;

/// A response: status, fields and content. `Server`, `Date`, `Connection` and the framing are the machine's.
///
/// With a static text and up to 70 bytes of fields it allocates nothing.
///
/// ```
/// use httpfsm::handler::Response;
/// use httpfsm::status::Status;
///
/// let response = Response::text("Not here.")
///     .with_status(Status::NOT_FOUND)
///     .with_field("Cache-Control", "no-store");
/// assert_eq!(response.fields.get("content-type"), Some(&b"text/plain; charset=utf-8"[..]));
/// ```
#[derive(Debug, Default)]
pub struct Response {
    /// The status; `200 OK` unless said otherwise.
    pub status: Status,
    /// The fields.
    pub fields: Fields,
    /// The content.
    pub body: Body,
    report: Option<Box<OperatorReport>>,
}

/// What the operator is to know of a response.
#[derive(Debug)]
enum OperatorReport {
    Fault(InvalidField),
    Failure(String),
}

impl Response {
    /// A response without fields and content.
    ///
    /// ```
    /// use httpfsm::{Response, Status};
    ///
    /// let response = Response::new(Status::NOT_FOUND);
    /// assert_eq!(response.status, Status::NOT_FOUND);
    /// assert!(response.fields.is_empty() && response.body.length() == Some(0));
    /// ```
    #[must_use]
    pub const fn new(status: Status) -> Self {
        Self { status, fields: Fields::new(), body: Body::Empty, report: None }
    }

    /// `200 OK` with `text/plain; charset=utf-8`.
    ///
    /// ```
    /// use httpfsm::Response;
    ///
    /// let response = Response::text(format!("{} degrees\n", 21));
    /// assert_eq!(response.fields.get("Content-Type"), Some(&b"text/plain; charset=utf-8"[..]));
    /// assert_eq!(response.body.length(), Some(11));
    /// ```
    #[must_use]
    pub fn text(text: impl Into<Body>) -> Self {
        Self::typed(b"Content-Type: text/plain; charset=utf-8\r\n", text.into())
    }

    /// `200 OK` with `text/html; charset=utf-8`.
    ///
    /// ```
    /// use httpfsm::Response;
    ///
    /// let response = Response::html("<!doctype html><title>Hello</title>");
    /// assert_eq!(response.fields.get("Content-Type"), Some(&b"text/html; charset=utf-8"[..]));
    /// ```
    #[must_use]
    pub fn html(text: impl Into<Body>) -> Self {
        Self::typed(b"Content-Type: text/html; charset=utf-8\r\n", text.into())
    }

    /// `200 OK` with `application/json`, of text that is JSON already. For a value see [`Json`](crate::handler::Json), with
    /// the feature `json`.
    ///
    /// ```
    /// use httpfsm::Response;
    ///
    /// let response = Response::json(r#"{"degrees": 21}"#);
    /// assert_eq!(response.fields.get("Content-Type"), Some(&b"application/json"[..]));
    /// ```
    #[must_use]
    pub fn json(bytes: impl Into<Body>) -> Self {
        Self::typed(b"Content-Type: application/json\r\n", bytes.into())
    }

    /// `200 OK` with `application/octet-stream`.
    ///
    /// ```
    /// use httpfsm::Response;
    ///
    /// let response = Response::bytes(vec![0x1f, 0x8b]).with_field("Content-Disposition", "attachment");
    /// assert_eq!(response.fields.get("Content-Type"), Some(&b"application/octet-stream"[..]));
    /// ```
    #[must_use]
    pub fn bytes(bytes: impl Into<Body>) -> Self {
        Self::typed(b"Content-Type: application/octet-stream\r\n", bytes.into())
    }

    /// `200 OK` whose content is pulled from a source; add a `Content-Type` with
    /// [`with_field`](Self::with_field).
    ///
    /// ```
    /// use std::pin::Pin;
    /// use std::task::{Context, Poll};
    ///
    /// use httpfsm::handler::{Frame, Response, Source};
    ///
    /// /// The lines of a table, made one at a time.
    /// struct Rows(std::ops::Range<u32>);
    ///
    /// impl Source for Rows {
    ///     fn poll_frame(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Frame> {
    ///         Poll::Ready(self.0.next().map_or(Frame::End, |row| Frame::Data(format!("{row}\r\n").into())))
    ///     }
    /// }
    ///
    /// let response = Response::stream(Rows(0..1_000_000)).with_field("Content-Type", "text/csv");
    /// // Nobody knows how long it is, so it is sent in chunks.
    /// assert_eq!(response.body.length(), None);
    /// ```
    #[must_use]
    pub fn stream(source: impl Source + 'static) -> Self {
        Self::new(Status::OK).with_body(Body::stream(source))
    }

    /// A redirection (RFC 9110 section 15.4): `status` 301, 302, 303, 307 or 308, and where to. Characters that
    /// cannot stand in a field make the response a 500, as in [`with_field`](Self::with_field).
    ///
    /// ```
    /// use httpfsm::handler::Response;
    /// use httpfsm::status::Status;
    ///
    /// let response = Response::redirect(Status::SEE_OTHER, "/login");
    /// assert_eq!(response.fields.get("Location"), Some(&b"/login"[..]));
    /// ```
    #[must_use]
    pub fn redirect(status: Status, location: &str) -> Self {
        Self::new(status).with_field("Location", location)
    }

    /// `101 Switching Protocols` to `protocol` (RFC 9110 section 7.8); see
    /// [`Request::upgrade`](super::Request::upgrade).
    ///
    /// ```
    /// use httpfsm::{Response, Status};
    ///
    /// let response = Response::switching_protocols("websocket");
    /// assert_eq!(response.status, Status::SWITCHING_PROTOCOLS);
    /// assert_eq!(response.fields.get("Upgrade"), Some(&b"websocket"[..]));
    /// ```
    #[must_use]
    pub fn switching_protocols(protocol: &str) -> Self {
        Self::new(Status::SWITCHING_PROTOCOLS)
            .with_field("Connection", "upgrade")
            .with_field("Upgrade", protocol)
    }

    /// Another status.
    ///
    /// ```
    /// use httpfsm::{Response, Status};
    ///
    /// let response = Response::text("Your order is on its way.").with_status(Status::ACCEPTED);
    /// assert_eq!(response.status, Status::ACCEPTED);
    /// ```
    #[must_use]
    pub fn with_status(mut self, status: Status) -> Self {
        if self.fault().is_none() {
            self.status = status;
        }
        self
    }

    /// Another content; the fields stay.
    ///
    /// ```
    /// use httpfsm::{Response, Status};
    ///
    /// let response = Response::new(Status::OK).with_field("Content-Type", "image/svg+xml").with_body("<svg/>");
    /// assert_eq!(response.body.length(), Some(6));
    /// ```
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Body>) -> Self {
        if self.fault().is_none() {
            self.body = body.into();
        }
        self
    }

    /// One more field. A field that cannot be sent never reaches the wire: it makes the whole response a
    /// `500 Internal Server Error` without content, which nothing changes any more. [`fault`](Self::fault) says why, and
    /// the subscriber is told ([`Subscriber::invalid_field`](super::Subscriber::invalid_field)). To handle that yourself,
    /// use [`try_field`](Self::try_field).
    ///
    /// ```
    /// use httpfsm::{Response, Status};
    ///
    /// let response = Response::text("Hello!").with_field("Cache-Control", "no-store");
    /// assert_eq!(response.fields.get("cache-control"), Some(&b"no-store"[..]));
    ///
    /// // What a peer has sent must not begin a line of its own.
    /// let response = Response::text("Hello!").with_field("X-Name", "Ada\r\nSet-Cookie: admin=1");
    /// assert_eq!(response.status, Status::INTERNAL_SERVER_ERROR);
    /// assert!(response.fields.is_empty());
    /// ```
    #[must_use]
    pub fn with_field(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        if self.fault().is_none() {
            if let Err(fault) = self.fields.push(name, value) {
                return self.with_fault(fault);
            }
        }
        self
    }

    /// The 500 of a field that cannot be sent, unless it is one already.
    pub(super) fn with_fault(self, fault: InvalidField) -> Self {
        if self.fault().is_some() {
            return self;
        }
        let report = Some(Box::new(OperatorReport::Fault(fault)));
        Self { report, ..Self::new(Status::INTERNAL_SERVER_ERROR) }
    }

    /// One more field.
    ///
    /// ```
    /// use httpfsm::{Response, Status};
    ///
    /// /// What the peer gave is its mistake, if it cannot be sent.
    /// fn tagged(tag: &str) -> Response {
    ///     Response::text("Hello!").try_field("ETag", tag).unwrap_or_else(|_| Response::new(Status::BAD_REQUEST))
    /// }
    ///
    /// assert_eq!(tagged("\"7\"").status, Status::OK);
    /// assert_eq!(tagged("\"7\"\r\n").status, Status::BAD_REQUEST);
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidField`], as in [`Fields::push`].
    pub fn try_field(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, InvalidField> {
        self.fields.push(name, value)?;
        Ok(self)
    }

    /// Ends the connection after this response (`Connection: close`, RFC 9112 section 9.6).
    ///
    /// ```
    #[doc = include_str!("../examples/waiting_channel.txt")]
    /// use httpfsm::Response;
    ///
    /// let response = Response::text("Too many of your requests have failed.").with_close();
    /// channel.handle(&now, Input::HttpResponse(response.as_ref()))?;
    /// assert!(channel.unsent().windows(19).any(|line| line == b"Connection: close\r\n"));
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[must_use]
    pub fn with_close(self) -> Self {
        self.with_field("Connection", "close")
    }

    /// Says why the request failed, to the operator alone: the subscriber is told
    /// ([`Failure::Handler`](super::Failure::Handler)) when the response is taken from the handler. The text is one
    /// sentence; the subscriber gets a line end in it as a space. Of several texts the last one counts.
    ///
    /// ```
    /// use httpfsm::handler::Response;
    /// use httpfsm::status::Status;
    ///
    /// let response = Response::new(Status::SERVICE_UNAVAILABLE).with_failure("The database does not respond.");
    /// assert_eq!(response.failure(), Some("The database does not respond."));
    /// ```
    #[must_use]
    pub fn with_failure(mut self, text: impl Into<String>) -> Self {
        if self.fault().is_none() {
            self.report = Some(Box::new(OperatorReport::Failure(text.into())));
        }
        self
    }

    /// Whether there is a [`fault`](Self::fault) or a [`failure`](Self::failure) to report. One look for those who serve.
    ///
    /// ```
    /// use httpfsm::{Response, Status};
    ///
    /// assert!(!Response::new(Status::BAD_GATEWAY).has_report());
    /// assert!(Response::new(Status::BAD_GATEWAY).with_failure("The origin does not respond.").has_report());
    /// ```
    #[must_use]
    #[inline]
    pub fn has_report(&self) -> bool {
        self.report.is_some()
    }

    /// The field that made this response a 500, if one did.
    ///
    /// ```
    /// use httpfsm::Response;
    ///
    /// let response = Response::text("Hello!").with_field("X Name", "Ada");
    /// let fault = response.fault().expect("a name holds no space");
    /// assert!(fault.to_string().contains("X Name"));
    /// ```
    #[must_use]
    #[inline]
    pub fn fault(&self) -> Option<&InvalidField> {
        match self.report.as_deref() {
            Some(OperatorReport::Fault(fault)) => Some(fault),
            _ => None,
        }
    }

    /// What [`with_failure`](Self::with_failure) said.
    ///
    /// ```
    /// use httpfsm::{Response, Status};
    ///
    /// let response = Response::new(Status::BAD_GATEWAY).with_failure("The origin does not respond.");
    /// // The operator is told that. The peer is not: there is no content.
    /// assert_eq!(response.failure(), Some("The origin does not respond."));
    /// assert_eq!(response.body.length(), Some(0));
    /// ```
    #[must_use]
    #[inline]
    pub fn failure(&self) -> Option<&str> {
        match self.report.as_deref() {
            Some(OperatorReport::Failure(text)) => Some(text),
            _ => None,
        }
    }

    /// The response as the machine takes it. The bytes of a streamed body are to follow.
    ///
    /// ```
    #[doc = include_str!("../examples/waiting_channel.txt")]
    /// use httpfsm::Response;
    ///
    /// // As a transport does, when a handler has responded.
    /// let response = Response::text("hello");
    /// channel.handle(&now, Input::HttpResponse(response.as_ref()))?;
    /// assert!(channel.unsent().starts_with(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"));
    /// assert!(channel.unsent().ends_with(b"\r\n\r\nhello"));
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[must_use]
    pub fn as_ref(&self) -> ResponseRef<'_> {
        let body = match &self.body {
            Body::Empty => BodyRef::Empty,
            Body::Full(bytes) => BodyRef::Bytes(bytes),
            Body::Stream(source) => BodyRef::Stream { length: source.length() },
            Body::Trailers(_) => BodyRef::Stream { length: None },
        };
        ResponseRef { status: self.status, fields: &self.fields, body }
    }

    /// Takes the content out and leaves none.
    ///
    /// ```
    /// use httpfsm::Response;
    ///
    /// /// The same response with another source of its content, around the one that it has.
    /// fn wrap(mut response: Response, around: impl FnOnce(httpfsm::Body) -> httpfsm::Body) -> Response {
    ///     let body = response.take_body();
    ///     response.with_body(around(body))
    /// }
    ///
    /// let response = wrap(Response::text("Hello!"), |body| {
    ///     assert_eq!(body.length(), Some(6));
    ///     "Hello, world!".into()
    /// });
    /// assert_eq!(response.body.length(), Some(13));
    /// ```
    #[must_use]
    pub fn take_body(&mut self) -> Body {
        mem::take(&mut self.body)
    }

    #[inline]
    fn typed(content_type: &'static [u8], body: Body) -> Self {
        Self { status: Status::OK, fields: Fields::from_known(content_type), body, report: None }
    }
}
