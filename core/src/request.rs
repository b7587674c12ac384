//! A request head: the view that the machine lends, and the copy that outlives it.
//!
//! A head is kept as the bytes that were received, with a few numbers beside them. Fields are not stored: the bytes
//! have been checked, so walking their lines again is cheap and allocates nothing.

use alloc::vec::Vec;
use core::ops::Range;
use core::{fmt, str};

pub use crate::fields::FieldRef;
pub use crate::head::{HeadLine, head_lines, trailer_lines};

use crate::head::FieldPlace;
use crate::part::{ascii, part};
use crate::target;
use crate::token::{has_element, trim_blanks};

/// The HTTP version of a request.
///
/// ```
#[doc = include_str!("examples/received.txt")]
/// let head = received(b"GET / HTTP/1.0\r\n\r\n");
/// assert_eq!(head.as_ref().version(), Version::Http10);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1; a higher minor version is served as this one (RFC 9110 section 2.5).
    #[default]
    Http11,
}

/// How a request's body ends (RFC 9112 section 6.3).
///
/// ```
#[doc = include_str!("examples/received.txt")]
/// let post = received(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n");
/// assert_eq!(post.as_ref().body_length(), BodyLength::Known(5));
/// let get = received(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
/// assert_eq!(get.as_ref().body_length(), BodyLength::None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum BodyLength {
    /// Neither `Content-Length` nor `Transfer-Encoding`: there is no body.
    #[default]
    None,
    /// `Content-Length` bytes, possibly 0.
    Known(u64),
    /// Chunks up to the last one.
    Chunked,
}

/// What the parser found in a head. All offsets count from the message's first byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct HeadMeta {
    /// How the body ends.
    pub(crate) body: BodyLength,
    /// Bytes of the head, from the empty lines before it to its final CR LF.
    pub(crate) len: u32,
    /// Bytes of the target.
    pub(crate) target_len: u32,
    /// Bytes of the method: at most [`crate::head::MAX_METHOD`].
    pub(crate) method_len: u16,
    /// Bytes of the empty lines before the request line.
    pub(crate) start: u8,
    /// The version.
    pub(crate) version: Version,
    /// The request waits for `100 Continue` before it sends its body.
    pub(crate) expect: bool,
    /// The peer wants the connection to persist (RFC 9112 section 9.3).
    pub(crate) keep_alive: bool,
    /// The peer offers another protocol (RFC 9110 section 7.8).
    pub(crate) upgrade: bool,
    /// The method is `HEAD`.
    pub(crate) head: bool,
    /// The method is `CONNECT`.
    pub(crate) connect: bool,
}

impl HeadMeta {
    /// Where the method stands.
    pub(crate) fn method(&self) -> Range<usize> {
        let start = usize::from(self.start);
        start..start + usize::from(self.method_len)
    }

    /// Where the target stands.
    pub(crate) fn target(&self) -> Range<usize> {
        let start = self.method().end + 1;
        start..start + self.target_len as usize
    }

    /// Where the field lines stand, each with its CR LF.
    pub(crate) fn fields(&self) -> Range<usize> {
        // SP, `HTTP/1.1` and CR LF follow the target; an empty line follows the fields.
        self.target().end + 11..self.len as usize - 2
    }
}

/// A request head, borrowed from the machine. `Debug` shows the names of its fields, and of their values how long they
/// are: a name does not tell whether a value is a secret.
///
/// ```
/// use httpfsm::request::RequestRef;
///
/// fn is_download(request: RequestRef<'_>) -> bool {
///     request.method() == "GET" && request.path().starts_with("/files/")
/// }
///
#[doc = include_str!("examples/received.txt")]
/// let head = received(b"GET /files/a.txt?plain HTTP/1.1\r\nHost: localhost\r\n\r\n");
/// assert!(is_download(head.as_ref()));
/// ```
#[derive(Clone, Copy)]
pub struct RequestRef<'a> {
    bytes: &'a [u8],
    meta: &'a HeadMeta,
    /// Where the fields stand, or nothing.
    places: &'a [FieldPlace],
}

impl<'a> RequestRef<'a> {
    /// The head in `bytes`, which start at the message's first byte and may go on after the head.
    #[inline]
    pub(crate) fn new(bytes: &'a [u8], meta: &'a HeadMeta, places: &'a [FieldPlace]) -> Self {
        // `part` in one comparison less: this is asked with each question about a request.
        debug_assert!(bytes.len() >= meta.len as usize, "{} bytes hold no head of {}", bytes.len(), meta.len);
        Self { bytes: bytes.get(..meta.len as usize).unwrap_or(bytes), meta, places }
    }

    /// The method, a token; methods are case-sensitive (RFC 9110 section 9.1).
    ///
    /// ```
    #[doc = include_str!("examples/received.txt")]
    /// let head = received(b"PUT / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    /// assert_eq!(head.as_ref().method(), "PUT");
    /// // That is not the method `PUT`.
    /// let head = received(b"Put / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    /// assert_eq!(head.as_ref().method(), "Put");
    /// ```
    #[inline]
    #[must_use]
    pub fn method(&self) -> &'a str {
        match part(self.bytes, self.meta.method()) {
            b"GET" => "GET",
            b"HEAD" => "HEAD",
            b"POST" => "POST",
            b"PUT" => "PUT",
            _ => self.text(self.meta.method()),
        }
    }

    /// The request target as it was sent (RFC 9112 section 3.2): visible ASCII without `#`.
    ///
    /// ```
    #[doc = include_str!("examples/received.txt")]
    /// let head = received(b"GET /a%20b?c=d HTTP/1.1\r\nHost: localhost\r\n\r\n");
    /// assert_eq!(head.as_ref().target(), "/a%20b?c=d");
    /// ```
    #[inline]
    #[must_use]
    pub fn target(&self) -> &'a str {
        self.text(self.meta.target())
    }

    /// The version.
    ///
    /// ```
    #[doc = include_str!("examples/received.txt")]
    /// // Minor versions are compatible, so what may come after 1.1 is served as that.
    /// let head = received(b"GET / HTTP/1.2\r\nHost: localhost\r\n\r\n");
    /// assert_eq!(head.as_ref().version(), Version::Http11);
    /// ```
    #[must_use]
    pub const fn version(&self) -> Version {
        self.meta.version
    }

    /// The fields in the order in which they came.
    ///
    /// ```
    #[doc = include_str!("examples/received.txt")]
    /// let head = received(b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n");
    /// let names: Vec<_> = head.as_ref().fields().map(|field| field.name).collect();
    /// assert_eq!(names, ["Host", "Accept"]);
    /// ```
    #[must_use]
    pub fn fields(&self) -> FieldLines<'a> {
        match self.bytes {
            [] => FieldLines::new(b""),
            bytes => FieldLines::new(part(bytes, self.meta.fields())),
        }
    }

    /// The value of the first field of this name, in any case.
    ///
    /// ```
    #[doc = include_str!("examples/received.txt")]
    /// let head = received(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Name: caf\xe9\r\n\r\n");
    /// // A value may have any byte from 0x80, so it need not be text.
    /// assert_eq!(head.as_ref().field("x-name"), Some(&b"caf\xe9"[..]));
    /// ```
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'a [u8]> {
        self.fields().find(|field| field.is_named(name)).map(|field| field.value)
    }

    /// The same as text; `None` also if the value is not UTF-8.
    ///
    /// ```
    #[doc = include_str!("examples/received.txt")]
    /// let head = received(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Name: caf\xe9\r\n\r\n");
    /// assert_eq!(head.as_ref().field_str("host"), Some("localhost"));
    /// assert_eq!(head.as_ref().field_str("x-name"), None);
    /// ```
    #[must_use]
    pub fn field_str(&self, name: &str) -> Option<&'a str> {
        str::from_utf8(self.field(name)?).ok()
    }

    /// The values of all fields of this name, in any case, in their order.
    ///
    /// ```
    #[doc = include_str!("examples/received.txt")]
    /// let head = received(b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\naccept: */*;q=0.1\r\n\r\n");
    /// let accepted: Vec<_> = head.as_ref().field_all("Accept").collect();
    /// assert_eq!(accepted, [&b"text/html"[..], b"*/*;q=0.1"]);
    /// ```
    pub fn field_all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.fields().filter(move |field| field.is_named(name)).map(|field| field.value)
    }

    /// How the body ends.
    ///
    /// ```
    #[doc = include_str!("examples/received.txt")]
    /// let head = received(b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    /// assert_eq!(head.as_ref().body_length(), BodyLength::Chunked);
    /// ```
    #[must_use]
    pub const fn body_length(&self) -> BodyLength {
        self.meta.body
    }

    /// Whether the peer waits for `100 Continue` before it sends the body (RFC 9110 section 10.1.1). `false` for a
    /// request without a body and for HTTP/1.0, whatever `Expect` says.
    ///
    /// ```
    #[doc = include_str!("examples/received.txt")]
    /// let head = received(
    ///     b"PUT / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    /// );
    /// assert!(head.as_ref().expects_continue());
    /// // Without a body there is nothing to wait with.
    /// let head = received(b"GET / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\r\n");
    /// assert!(!head.as_ref().expects_continue());
    /// ```
    #[must_use]
    pub const fn expects_continue(&self) -> bool {
        self.meta.expect
    }

    /// Whether the peer wants the connection to persist, by its version and `Connection` (RFC 9112 section 9.3).
    ///
    /// ```
    #[doc = include_str!("examples/received.txt")]
    /// let head = received(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    /// assert!(!head.as_ref().keep_alive());
    /// // HTTP/1.0 has to ask for it.
    /// let head = received(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    /// assert!(head.as_ref().keep_alive());
    /// ```
    #[must_use]
    pub const fn keep_alive(&self) -> bool {
        self.meta.keep_alive
    }

    /// The protocols that the peer offers, when this is an upgrade request: HTTP/1.1, an `Upgrade` that names a protocol,
    /// and `Connection` with the option `upgrade` (RFC 9110 section 7.8). Of several `Upgrade` lines this is the value of
    /// the first one that names a protocol; [`field_all`](Self::field_all) has the others.
    ///
    /// ```
    #[doc = include_str!("examples/received.txt")]
    /// let head = received(
    ///     b"GET /chat HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    /// );
    /// assert_eq!(head.as_ref().upgrade(), Some(&b"websocket"[..]));
    /// // An `Upgrade` that `Connection` does not name is no offer.
    /// let head = received(b"GET /chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\r\n");
    /// assert_eq!(head.as_ref().upgrade(), None);
    /// ```
    #[inline]
    #[must_use]
    pub fn upgrade(&self) -> Option<&'a [u8]> {
        if !self.meta.upgrade {
            return None;
        }
        self.field_all("upgrade").find(|value| has_element(value))
    }

    /// Whether the method is `HEAD`.
    ///
    /// ```
    #[doc = include_str!("examples/received.txt")]
    /// let head = received(b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    /// // The response has the fields of one to GET, and no content.
    /// assert!(head.as_ref().is_head());
    /// ```
    #[must_use]
    pub const fn is_head(&self) -> bool {
        self.meta.head
    }

    /// Whether the method is `CONNECT`.
    ///
    /// ```
    #[doc = include_str!("examples/received.txt")]
    /// let head = received(b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n");
    /// assert!(head.as_ref().is_connect());
    /// assert_eq!(head.as_ref().authority(), Some("example.com:443"));
    /// ```
    #[must_use]
    pub const fn is_connect(&self) -> bool {
        self.meta.connect
    }

    /// Host and port that the request is for: those of the target where it has them, otherwise of `Host` (RFC 9112
    /// section 3.3). `None` where `Host` is empty or, in HTTP/1.0, absent.
    ///
    /// ```
    #[doc = include_str!("examples/received.txt")]
    /// let head = received(b"GET / HTTP/1.1\r\nHost: localhost:8080\r\n\r\n");
    /// assert_eq!(head.as_ref().authority(), Some("localhost:8080"));
    /// // A target that names a host counts before `Host`.
    /// let head = received(b"GET http://example.com/ HTTP/1.1\r\nHost: localhost:8080\r\n\r\n");
    /// assert_eq!(head.as_ref().authority(), Some("example.com"));
    /// ```
    #[must_use]
    pub fn authority(&self) -> Option<&'a str> {
        self.parts().authority.or_else(|| self.field_str("host")).filter(|authority| !authority.is_empty())
    }

    /// The path of the target: `/` where an absolute-form has none, `*` in asterisk-form, empty in authority-form.
    /// Not decoded.
    ///
    /// ```
    #[doc = include_str!("examples/received.txt")]
    /// let head = received(b"GET /a%20b?c=d HTTP/1.1\r\nHost: localhost\r\n\r\n");
    /// assert_eq!(head.as_ref().path(), "/a%20b");
    /// // In absolute-form, as a client sends it to a proxy.
    /// let head = received(b"GET http://example.com?c=d HTTP/1.1\r\nHost: example.com\r\n\r\n");
    /// assert_eq!(head.as_ref().path(), "/");
    /// ```
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.parts().path
    }

    /// The query of the target, without its question mark. Not decoded.
    ///
    /// ```
    #[doc = include_str!("examples/received.txt")]
    /// let head = received(b"GET /a?c=d?e HTTP/1.1\r\nHost: localhost\r\n\r\n");
    /// assert_eq!(head.as_ref().query(), Some("c=d?e"));
    /// let head = received(b"GET /a? HTTP/1.1\r\nHost: localhost\r\n\r\n");
    /// assert_eq!(head.as_ref().query(), Some(""));
    /// ```
    #[must_use]
    pub fn query(&self) -> Option<&'a str> {
        self.parts().query
    }

    /// The bytes of the head as they came, from the empty lines before the request line to the final CR LF.
    ///
    /// ```
    #[doc = include_str!("examples/received.txt")]
    /// let bytes = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    /// assert_eq!(received(bytes).as_ref().raw(), bytes);
    /// ```
    #[must_use]
    pub const fn raw(&self) -> &'a [u8] {
        self.bytes
    }

    /// Copies the head; `head` allocates only if its capacity is too small.
    ///
    /// ```
    #[doc = include_str!("examples/received.txt")]
    /// // One head for all requests of a connection, whose memory stays.
    /// let mut head = RequestHead::default();
    /// for bytes in [&b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n"[..], b"GET /b HTTP/1.1\r\nHost: localhost\r\n\r\n"] {
    ///     received(bytes).as_ref().copy_into(&mut head);
    /// }
    /// assert_eq!(head.as_ref().path(), "/b");
    /// ```
    pub fn copy_into(&self, head: &mut RequestHead) {
        head.bytes.clear();
        head.bytes.extend_from_slice(self.bytes);
        head.meta = *self.meta;
        head.places.clear();
        if !self.places.is_empty() {
            head.places.extend_from_slice(self.places);
        }
    }

    fn parts(&self) -> target::TargetParts<'a> {
        target::parts(self.target(), self.meta.connect)
    }

    fn text(&self, range: Range<usize>) -> &'a str {
        let found = self.bytes.get(range);
        // An empty head has an empty target, whose place is behind its end.
        debug_assert!(found.is_some() || self.bytes.is_empty(), "a part of this head is not in it");
        // The parser lets only ASCII into method and target.
        ascii(found.unwrap_or_default())
    }
}

impl fmt::Debug for RequestRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestRef")
            .field("method", &self.method())
            .field("target", &self.target())
            .field("version", &self.version())
            .field("body_length", &self.body_length())
            .field("fields", &self.fields())
            .finish()
    }
}

/// A request head that owns its bytes; `Debug` shows as much as that of [`RequestRef`]. It can be filled again without an
/// allocation ([`RequestRef::copy_into`]); an empty one, from `default`, has an empty method and target.
///
/// ```
#[doc = include_str!("examples/waiting_channel.txt")]
/// let head = channel.request().map(RequestHead::from).unwrap_or_default();
/// channel.handle(&now, Input::HttpResponse(ResponseRef::new(Status::OK, &fields, b"hello")))?;
/// // The channel goes on, and the copy stays: for a log, say.
/// assert_eq!(head.as_ref().target(), "/path");
/// assert_eq!(RequestHead::default().as_ref().target(), "");
/// # Ok::<(), httpfsm::channel::NotAccepted>(())
/// ```
#[derive(Clone, Default)]
pub struct RequestHead {
    bytes: Vec<u8>,
    meta: HeadMeta,
    /// Where the fields stand, or nothing.
    places: Vec<FieldPlace>,
}

impl RequestHead {
    /// The view on which all questions are asked.
    ///
    /// ```
    #[doc = include_str!("examples/received.txt")]
    /// let head = received(b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n");
    /// let request = head.as_ref();
    /// assert_eq!((request.method(), request.path()), ("GET", "/a"));
    /// ```
    #[must_use]
    pub fn as_ref(&self) -> RequestRef<'_> {
        RequestRef::new(&self.bytes, &self.meta, &self.places)
    }

    #[cfg(feature = "http")]
    pub(crate) fn meta(&self) -> &HeadMeta {
        &self.meta
    }

    #[cfg(feature = "http")]
    pub(crate) fn places(&self) -> &[FieldPlace] {
        &self.places
    }
}

impl fmt::Debug for RequestHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequestHead").field(&self.as_ref()).finish()
    }
}

impl From<RequestRef<'_>> for RequestHead {
    fn from(request: RequestRef<'_>) -> Self {
        Self { bytes: request.bytes.to_vec(), meta: *request.meta, places: request.places.to_vec() }
    }
}

/// The fields of a head or of a trailer section, in the order in which they came. `Debug` shows their names, and of
/// their values how long they are.
///
/// ```
#[doc = include_str!("examples/received.txt")]
/// let head = received(b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic YTpi\r\n\r\n");
/// let fields = head.as_ref().fields();
/// assert_eq!(fields.clone().count(), 2);
/// // Any value might be a secret, so none of them gets into a log by `Debug`.
/// assert_eq!(format!("{fields:?}"), r#"{"Host": 9 bytes, "Authorization": 10 bytes}"#);
/// ```
#[derive(Clone)]
pub struct FieldLines<'a> {
    rest: &'a [u8],
}

impl<'a> FieldLines<'a> {
    /// Walks field lines that have been checked, each with its CR LF.
    pub(crate) const fn new(lines: &'a [u8]) -> Self {
        Self { rest: lines }
    }
}

impl fmt::Debug for FieldLines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_names(self.clone(), f)
    }
}

/// Shows names, and of values how long they are.
pub(crate) fn show_names<'a>(
    fields: impl Iterator<Item = FieldRef<'a>>,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let mut map = f.debug_map();
    for field in fields {
        map.entry(&field.name, &format_args!("{} bytes", field.value.len()));
    }
    map.finish()
}

impl<'a> Iterator for FieldLines<'a> {
    type Item = FieldRef<'a>;

    #[inline]
    fn next(&mut self) -> Option<FieldRef<'a>> {
        let (name, rest) = self.rest.split_at_checked(memchr::memchr(b':', self.rest)?)?;
        // No CR stands in a line but before its LF.
        let (value, rest) = rest.split_at_checked(memchr::memchr(b'\r', rest)?)?;
        self.rest = part(rest, 2..);
        Some(FieldRef { name: ascii(name), value: trim_blanks(part(value, 1..)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::parsed;
    use std::vec;

    const BROWSER: &[u8] =
        b"\r\nPOST /a/b?c=d HTTP/1.1\r\nHost: example.com:8080\r\nX-Empty:\r\nx-a: \t one \t\r\n\
        Connection: keep-alive, Upgrade\r\nUpgrade: \r\nUpgrade: foo/2\r\nX-A:two:2\r\nX-Opaque: caf\xe9\r\n\
        Content-Length: 5\r\n\r\n";

    #[test]
    fn the_view_reads_the_bytes() {
        let bytes = [BROWSER, b"hello"].concat();
        let meta = parsed(BROWSER).unwrap();
        let request = RequestRef::new(&bytes, &meta, &[]);
        assert_eq!(request.method(), "POST");
        assert_eq!(request.target(), "/a/b?c=d");
        assert_eq!((request.path(), request.query()), ("/a/b", Some("c=d")));
        assert_eq!(request.version(), Version::Http11);
        assert_eq!(request.field("HOST"), Some(&b"example.com:8080"[..]));
        assert_eq!(request.field("x-empty"), Some(&b""[..]));
        assert_eq!(request.field("x-opaque"), Some(&b"caf\xe9"[..]));
        assert_eq!(request.field("x"), None);
        assert_eq!(request.field_all("X-a").collect::<Vec<_>>(), vec![&b"one"[..], b"two:2"]);
        assert_eq!(request.body_length(), BodyLength::Known(5));
        assert_eq!(request.upgrade(), Some(&b"foo/2"[..]));
        assert_eq!(request.authority(), Some("example.com:8080"));
        assert!(request.keep_alive() && !request.is_head() && !request.is_connect());
        assert!(!request.expects_continue());
        assert_eq!(request.raw(), BROWSER);
        let names: Vec<_> = request.fields().map(|field| field.name).collect();
        let expected = [
            "Host",
            "X-Empty",
            "x-a",
            "Connection",
            "Upgrade",
            "Upgrade",
            "X-A",
            "X-Opaque",
            "Content-Length",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn the_view_tells_the_method_the_persistence_and_the_expectation() {
        let told = |head: &[u8]| {
            let meta = parsed(head).unwrap();
            let request = RequestRef::new(head, &meta, &[]);
            [request.is_head(), request.is_connect(), request.keep_alive(), request.expects_continue()]
        };
        assert_eq!(told(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"), [true, false, true, false]);
        assert_eq!(told(b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"), [false, true, true, false]);
        assert_eq!(told(b"GET / HTTP/1.0\r\n\r\n"), [false; 4]);
        let expecting = b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n";
        assert_eq!(told(expecting), [false, false, true, true]);
    }

    #[test]
    fn the_authority_is_the_target_s_before_that_of_host() {
        let authority = |head: &[u8]| {
            let meta = parsed(head).unwrap();
            RequestHead::from(RequestRef::new(head, &meta, &[]))
                .as_ref()
                .authority()
                .map(std::string::String::from)
        };
        assert_eq!(authority(b"GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n").as_deref(), Some("a"));
        assert_eq!(authority(b"CONNECT a:1 HTTP/1.1\r\nHost: b\r\n\r\n").as_deref(), Some("a:1"));
        assert_eq!(authority(b"GET / HTTP/1.1\r\nHost: b\r\n\r\n").as_deref(), Some("b"));
        assert_eq!(authority(b"GET / HTTP/1.1\r\nHost:\r\n\r\n"), None);
        assert_eq!(authority(b"GET / HTTP/1.0\r\n\r\n"), None);
    }

    #[test]
    fn a_head_is_reused_without_allocating() {
        let meta = parsed(BROWSER).unwrap();
        let first = RequestRef::new(BROWSER, &meta, &[]);
        let mut head = RequestHead::from(first);
        let (place, capacity) = (head.bytes.as_ptr(), head.bytes.capacity());
        let plain = b"GET / HTTP/1.0\r\n\r\n";
        RequestRef::new(plain, &parsed(plain).unwrap(), &[]).copy_into(&mut head);
        assert_eq!(head.as_ref().method(), "GET");
        assert_eq!(head.as_ref().version(), Version::Http10);
        assert_eq!(head.as_ref().fields().count(), 0);
        assert_eq!((head.bytes.as_ptr(), head.bytes.capacity()), (place, capacity));
    }

    #[test]
    fn an_empty_head_has_nothing_in_it() {
        let head = RequestHead::default();
        let request = head.as_ref();
        assert_eq!((request.method(), request.target(), request.fields().count()), ("", "", 0));
        assert_eq!(request.authority(), None);
    }

    #[test]
    fn the_numbers_beside_a_head_stay_small() {
        assert!(size_of::<HeadMeta>() <= 40, "{}", size_of::<HeadMeta>());
    }
}
