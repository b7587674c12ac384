//! From and to the types of the crate `http`.
//!
//! A name, a value and a status of that crate are as valid as those of this one, so they are taken as they are. The other
//! way, each type of that crate checks its bytes again, in vector code: what would skip that is `unsafe` there. Nothing is
//! copied: target and values share the memory of the head.

mod names;

use alloc::sync::Arc;

use ::http::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use ::http::{Method, StatusCode, Uri};
use bytes::Bytes;

use self::names::header_name;
use crate::fields::{Fields, InvalidField};
use crate::head::search_places;
use crate::part::part;
use crate::request::{RequestHead, Version};
use crate::status::Status;

impl Fields {
    /// Adds a field line of the crate `http`, whose name and value are not checked again. As [`push`](Self::push), but what
    /// the machine writes itself is left out and is no error, because programs that were written for other servers set it:
    /// `Transfer-Encoding`, `Keep-Alive`, and the options of `Connection` other than `close` and `upgrade`.
    ///
    /// Only with the feature `http`.
    ///
    /// ```
    /// use http::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
    /// use httpfsm::Fields;
    ///
    /// let mut fields = Fields::new();
    /// fields.push_header(&CONTENT_TYPE, &HeaderValue::from_static("text/plain"))?;
    /// fields.push_header(&CONNECTION, &HeaderValue::from_static("keep-alive"))?;
    /// assert_eq!(fields.get("Content-Type"), Some(&b"text/plain"[..]));
    /// assert!(!fields.close());
    /// # Ok::<(), httpfsm::InvalidField>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidField::ContentLength`] or [`InvalidField::ContentLengthRepeated`], and nothing is added.
    #[inline]
    pub fn push_header(&mut self, name: &HeaderName, value: &HeaderValue) -> Result<(), InvalidField> {
        match self.push_lowercase(name.as_str(), value.as_bytes()) {
            Err(InvalidField::Reserved { .. }) => {
                self.push_own_options(name, value);
                Ok(())
            }
            pushed => pushed,
        }
    }

    /// Those options of `Connection` that an application may set.
    #[cold]
    fn push_own_options(&mut self, name: &HeaderName, value: &HeaderValue) {
        if *name == CONNECTION {
            for option in value.as_bytes().split(|&byte| byte == b',') {
                let _reserved = self.push_lowercase(CONNECTION.as_str(), option);
            }
        }
    }
}

/// Each line by [`Fields::push_header`], and with its errors.
impl TryFrom<&HeaderMap> for Fields {
    type Error = InvalidField;

    fn try_from(headers: &HeaderMap) -> Result<Self, InvalidField> {
        let mut fields = Self::new();
        for (name, value) in headers {
            fields.push_header(name, value)?;
        }
        Ok(fields)
    }
}

/// All lines, then `Content-Length` and `Connection` if there are any. It fails if a name is longer than 65,535 bytes, or if
/// there are more names than a `HeaderMap` takes (32,768 at most).
impl TryFrom<&Fields> for HeaderMap {
    type Error = ::http::Error;

    fn try_from(fields: &Fields) -> Result<Self, ::http::Error> {
        let mut headers = Self::new();
        for field in fields {
            let name = HeaderName::from_bytes(field.name.as_bytes())?;
            headers.try_append(name, HeaderValue::from_bytes(field.value)?)?;
        }
        if let Some(length) = fields.content_length() {
            headers.try_append(CONTENT_LENGTH, length.into())?;
        }
        let options = match (fields.close(), fields.upgrade()) {
            (false, false) => return Ok(headers),
            (true, false) => "close",
            (false, true) => "upgrade",
            (true, true) => "close, upgrade",
        };
        headers.try_append(CONNECTION, HeaderValue::from_static(options))?;
        Ok(headers)
    }
}

impl From<StatusCode> for Status {
    #[inline]
    fn from(status: StatusCode) -> Self {
        // Both types have the codes 100 to 999.
        Self::new(status.as_u16()).unwrap_or(Self::INTERNAL_SERVER_ERROR)
    }
}

impl From<Status> for StatusCode {
    #[inline]
    fn from(status: Status) -> Self {
        Self::from_u16(status.code()).unwrap_or(Self::INTERNAL_SERVER_ERROR)
    }
}

impl From<Version> for ::http::Version {
    #[inline]
    fn from(version: Version) -> Self {
        match version {
            Version::Http10 => Self::HTTP_10,
            Version::Http11 => Self::HTTP_11,
        }
    }
}

/// Fields that room is made for at once: many may have few names.
const RESERVED: usize = 24;

/// A head whose bytes are shared with what was made of it.
struct SharedHead(Arc<RequestHead>);

impl AsRef<[u8]> for SharedHead {
    fn as_ref(&self) -> &[u8] {
        RequestHead::as_ref(&self.0).raw()
    }
}

impl RequestHead {
    /// The bytes of the head ([`raw`](crate::request::RequestRef::raw)), not copied. Only with the feature `http`.
    ///
    /// ```
    #[doc = include_str!("examples/received.txt")]
    /// let head = Arc::new(received(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    /// let bytes = Arc::clone(&head).into_bytes();
    /// assert_eq!(bytes.as_ptr(), head.as_ref().as_ref().raw().as_ptr());
    /// ```
    #[must_use]
    pub fn into_bytes(self: Arc<Self>) -> Bytes {
        Bytes::from_owner(SharedHead(self))
    }

    /// The head as that of a request of the crate `http`, with this body. Its target and values share the memory of the
    /// head.
    ///
    /// Only with the feature `http`.
    ///
    /// ```
    /// use httpfsm::handler::{Request, RequestParts};
    ///
    /// fn convert(request: Request) -> Result<http::Request<httpfsm::Body>, http::Error> {
    ///     let RequestParts { head, body, .. } = request.into_parts();
    ///     head.into_http(body)
    /// }
    /// # let _ = convert;
    /// ```
    ///
    /// # Errors
    ///
    /// That crate cannot express the head. In its `http::Error` is
    ///
    /// - `InvalidUri`: the target is longer than 65,534 bytes, or holds a byte that this crate hands on though URIs exclude
    ///   it (`<`, `>`, a backquote in the path, `"` in the query), or a host with an escape, which URIs do allow
    ///   (`http://a%41b/`);
    /// - `InvalidHeaderName`: a name is longer than 65,535 bytes;
    /// - `MaxSizeReached`: there are fields of more names than a `HeaderMap` takes (32,768 at most).
    pub fn into_http<T>(self: Arc<Self>, body: T) -> Result<::http::Request<T>, ::http::Error> {
        let mut request = ::http::Request::new(body);
        self.fill_http(&mut request)?;
        Ok(request)
    }

    /// As [`into_http`](Self::into_http), into a request that is there: its body, its extensions and the memory of its
    /// fields stay.
    ///
    /// Only with the feature `http`.
    ///
    /// ```
    #[doc = include_str!("examples/received.txt")]
    /// let head = Arc::new(received(b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    /// let mut request = http::Request::new("what the program keeps with each request");
    /// head.fill_http(&mut request)?;
    /// assert_eq!(request.uri().path(), "/a");
    /// assert_eq!(request.headers()["host"], "localhost");
    /// # Ok::<(), http::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As those of `into_http`; the request is then a part of what it was to be.
    pub fn fill_http<T>(self: Arc<Self>, request: &mut ::http::Request<T>) -> Result<(), ::http::Error> {
        let bytes = Arc::clone(&self).into_bytes();
        let meta = self.meta();
        *request.version_mut() = meta.version.into();
        *request.method_mut() = Method::from_bytes(part(&bytes, meta.method()))?;
        *request.uri_mut() = Uri::from_maybe_shared(bytes.slice(meta.target()))?;
        let headers = request.headers_mut();
        // This takes a while also where there is nothing.
        if !headers.is_empty() {
            headers.clear();
        }
        let searched;
        let places = match self.places() {
            [] => {
                searched = search_places(&bytes, meta.fields());
                &searched[..]
            }
            places => places,
        };
        headers.try_reserve(places.len().min(RESERVED))?;
        for place in places {
            let name = header_name(part(&bytes, place.name()))?;
            headers.try_append(name, HeaderValue::from_maybe_shared(bytes.slice(place.value()))?)?;
        }
        Ok(())
    }
}
