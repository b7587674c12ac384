//! Uploads from forms (`multipart/form-data`, RFC 7578), over the crate `multer`.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::future::poll_fn;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use multer::Constraints;

use super::body::{Body, BodyFailure};
use super::into_response::IntoResponse;
use super::media_type::only_content_type;
use super::request::Request;
use super::response::Response;
use crate::status::Status;

/// Bytes that the parser gets at once. It keeps all that it gets, so it gets no more than it needs.
const PIECE: usize = 16 << 10;

/// Bytes before a part, its head among them, in which its beginning has to be.
const HEAD: u64 = 64 << 10;

/// Pieces that the parser gets in one poll, before others get their turn.
const PIECES_PER_POLL: usize = 16;

impl Request {
    /// The parts of a form with uploads, as they come. The body is taken out of the request.
    ///
    /// `constraints` bound the parts and the whole, and say which parts are expected. A part that is read in
    /// [chunks](Part::chunk) takes no memory beyond the window of a body and some 64 KiB.
    ///
    /// ```
    /// use httpfsm::handler::{MultipartError, Request};
    /// use multer::{Constraints, SizeLimit};
    ///
    /// async fn upload(mut request: Request) -> Result<String, MultipartError> {
    ///     let limits = SizeLimit::new().whole_stream(100 << 20).per_field(10 << 20);
    ///     let mut form = request.multipart(Constraints::new().size_limit(limits))?;
    ///     let mut bytes = 0;
    ///     while let Some(mut part) = form.next_part().await? {
    ///         while let Some(chunk) = part.chunk().await? {
    ///             bytes += chunk.len();
    ///         }
    ///     }
    ///     Ok(format!("{bytes} bytes"))
    /// }
    /// # let _ = upload;
    /// ```
    ///
    /// # Errors
    ///
    /// [`MultipartError`], which is a 415, unless `Content-Type` is `multipart/form-data` with a boundary.
    pub fn multipart(&mut self, constraints: Constraints) -> Result<Multipart, MultipartError> {
        let boundary = multer::parse_boundary(only_content_type(self.head()).unwrap_or_default())?;
        let gate = Arc::<Gate>::default();
        let body = BodyStream { body: self.take_body(), rest: Bytes::new(), gate: Arc::clone(&gate) };
        let form = multer::Multipart::with_constraints(body, boundary, constraints);
        Ok(Multipart { form, field: None, gate })
    }
}

/// The parts of a form. See [`Request::multipart`].
///
/// ```
#[doc = include_str!("../examples/multipart.txt")]
/// let mut names = Vec::new();
/// while let Some(part) = result_of(form.next_part())? {
///     names.extend(part.name().map(str::to_owned));
/// }
/// assert_eq!(names, ["title", "photo"]);
/// # Ok::<(), MultipartError>(())
/// ```
#[derive(Debug)]
pub struct Multipart {
    form: multer::Multipart<'static>,
    /// That of the last part.
    field: Option<multer::Field<'static>>,
    gate: Arc<Gate>,
}

impl Multipart {
    /// The next part; `None` behind the last. What was not read of the one before is read and dropped.
    ///
    /// ```
    #[doc = include_str!("../examples/multipart.txt")]
    /// // Nothing of the title is read here, so the next call skips it.
    /// assert!(result_of(form.next_part())?.is_some());
    /// assert_eq!(result_of(form.next_part())?.and_then(|part| part.name().map(str::to_owned)), Some("photo".into()));
    /// assert!(result_of(form.next_part())?.is_none());
    /// # Ok::<(), MultipartError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`MultipartError`]: the body failed, is no form, or exceeds the constraints; or the head of the part, with what
    /// stands before it, is larger than 64 KiB.
    pub async fn next_part(&mut self) -> Result<Option<Part<'_>>, MultipartError> {
        while self.chunk().await?.is_some() {}
        self.field = None;
        self.gate.given.store(0, Ordering::Relaxed);
        let Self { form, field, gate } = self;
        *field = poll_fn(|cx| gate.poll(cx, HEAD, |cx| form.poll_next_field(cx))).await?;
        Ok(self.field.is_some().then_some(Part(self)))
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, MultipartError> {
        let Some(field) = &mut self.field else { return Ok(None) };
        let next = poll_fn(|cx| {
            self.gate.poll(cx, u64::MAX, |cx| Pin::new(&mut *field).poll_next(cx).map(Option::transpose))
        });
        Ok(next.await?)
    }
}

/// A part of a form.
///
/// ```
/// use httpfsm::handler::{MultipartError, Part};
///
/// /// The title of a photo, or what has been read of the photo itself.
/// async fn read(mut part: Part<'_>) -> Result<String, MultipartError> {
///     if part.name() == Some("title") {
///         return part.text(200).await;
///     }
///     let mut bytes = 0;
///     while let Some(chunk) = part.chunk().await? {
///         bytes += chunk.len();
///     }
///     Ok(format!("{bytes} bytes of {}", part.content_type().unwrap_or("something")))
/// }
/// ```
#[derive(Debug)]
pub struct Part<'f>(&'f mut Multipart);

impl Part<'_> {
    fn field_ref(&self) -> Option<&multer::Field<'static>> {
        self.0.field.as_ref()
    }

    /// The name of the part: that of the form's input.
    ///
    /// ```
    #[doc = include_str!("../examples/multipart.txt")]
    /// let title = result_of(form.next_part())?.expect("it comes first");
    /// assert_eq!(title.name(), Some("title"));
    /// # Ok::<(), MultipartError>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.field_ref()?.name()
    }

    /// The name of the file, as the peer gives it: it may hold anything, so it is no path to write to.
    ///
    /// ```
    #[doc = include_str!("../examples/multipart.txt")]
    /// // A part that is no file has no such name.
    /// assert_eq!(result_of(form.next_part())?.expect("it comes first").file_name(), None);
    /// assert_eq!(result_of(form.next_part())?.expect("it comes second").file_name(), Some("sea.png"));
    /// # Ok::<(), MultipartError>(())
    /// ```
    #[must_use]
    pub fn file_name(&self) -> Option<&str> {
        self.field_ref()?.file_name()
    }

    /// The media type, as the peer gives it.
    ///
    /// ```
    #[doc = include_str!("../examples/multipart.txt")]
    /// let _title = result_of(form.next_part())?;
    /// let photo = result_of(form.next_part())?.expect("it comes second");
    /// assert_eq!(photo.content_type(), Some("image/png"));
    /// # Ok::<(), MultipartError>(())
    /// ```
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.field_ref()?.content_type().map(AsRef::as_ref)
    }

    /// The value of the first field line of this name (any case) in the head of the part.
    ///
    /// ```
    #[doc = include_str!("../examples/multipart.txt")]
    /// let title = result_of(form.next_part())?.expect("it comes first");
    /// assert_eq!(title.field("content-disposition"), Some(&b"form-data; name=\"title\""[..]));
    /// # Ok::<(), MultipartError>(())
    /// ```
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.field_ref()?.headers().get(name).map(AsRef::as_ref)
    }

    /// The next bytes; `None` at the end of the part.
    ///
    /// ```
    #[doc = include_str!("../examples/multipart.txt")]
    /// let mut title = result_of(form.next_part())?.expect("it comes first");
    /// let mut file = Vec::new();
    /// while let Some(chunk) = result_of(title.chunk())? {
    ///     // Written as it comes, so that no part is in memory as a whole.
    ///     file.extend_from_slice(&chunk);
    /// }
    /// assert_eq!(file, b"My trip");
    /// # Ok::<(), MultipartError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`MultipartError`]: the body failed, ended within the part, or exceeds the constraints.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, MultipartError> {
        self.0.chunk().await
    }

    /// All bytes that are still to come, of which there may be `limit`.
    ///
    /// ```
    #[doc = include_str!("../examples/multipart.txt")]
    /// let mut title = result_of(form.next_part())?.expect("it comes first");
    /// // It has seven bytes.
    /// let refused = result_of(title.bytes(6)).unwrap_err();
    /// assert_eq!(refused.into_response().status, Status::CONTENT_TOO_LARGE);
    /// # Ok::<(), MultipartError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`chunk`](Self::chunk); and a 413 above `limit`.
    pub async fn bytes(&mut self, limit: usize) -> Result<Vec<u8>, MultipartError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if chunk.len() > limit - bytes.len() {
                let field_name = self.name().map(ToOwned::to_owned);
                return Err(multer::Error::FieldSizeExceeded { limit: limit as u64, field_name }.into());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// The same as text in UTF-8; what is none becomes U+FFFD.
    ///
    /// ```
    #[doc = include_str!("../examples/multipart.txt")]
    /// let mut title = result_of(form.next_part())?.expect("it comes first");
    /// assert_eq!(result_of(title.text(200))?, "My trip");
    /// # Ok::<(), MultipartError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`bytes`](Self::bytes).
    pub async fn text(&mut self, limit: usize) -> Result<String, MultipartError> {
        let bytes = self.bytes(limit).await?;
        Ok(String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }
}

/// Lets pieces through to the parser, which would take all that there is, and keep it.
#[derive(Debug, Default)]
struct Gate {
    /// One piece may pass.
    is_open: AtomicBool,
    /// Bytes that have passed.
    given: AtomicU64,
}

impl Gate {
    /// Polls the parser with what it has, and then with one more piece at a time.
    fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        limit: u64,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<multer::Result<T>>,
    ) -> Poll<multer::Result<T>> {
        for _ in 0..PIECES_PER_POLL {
            if let Poll::Ready(outcome) = poll(cx) {
                self.is_open.store(false, Ordering::Relaxed);
                return Poll::Ready(outcome);
            }
            if self.given.load(Ordering::Relaxed) > limit {
                return Poll::Ready(Err(multer::Error::FieldSizeExceeded { limit, field_name: None }));
            }
            if self.is_open.swap(true, Ordering::Relaxed) {
                // Nothing has passed, as nothing has come: the body wakes.
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// The data of a body, as a stream.
struct BodyStream {
    body: Body,
    /// What has come of it.
    rest: Bytes,
    gate: Arc<Gate>,
}

impl Stream for BodyStream {
    type Item = Result<Bytes, BodyFailure>;

    /// Where the gate is closed, whoever polls the parser polls again.
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { body, rest, gate } = self.get_mut();
        if !gate.is_open.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        if rest.is_empty() {
            match ready!(body.poll_data(cx)) {
                Some(Ok(bytes)) => *rest = bytes,
                end => return Poll::Ready(end),
            }
        }
        let piece = rest.split_to(rest.len().min(PIECE));
        gate.is_open.store(false, Ordering::Relaxed);
        gate.given.fetch_add(piece.len() as u64, Ordering::Relaxed);
        Poll::Ready(Some(Ok(piece)))
    }
}

/// Why a body is no form with uploads.
///
/// ```
#[doc = include_str!("../examples/request.txt")]
/// use httpfsm::handler::IntoResponse;
/// use multer::Constraints;
///
/// let mut request = request("POST /photos HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: 5", "hello");
/// let refused = request.multipart(Constraints::new()).unwrap_err();
/// assert_eq!(refused.into_response().status, Status::UNSUPPORTED_MEDIA_TYPE);
/// ```
#[derive(Debug)]
pub struct MultipartError(multer::Error);

impl MultipartError {
    /// What `multer` says of it.
    ///
    /// ```
    #[doc = include_str!("../examples/multipart.txt")]
    /// use multer::SizeLimit;
    ///
    /// let limits = SizeLimit::new().for_field("photo", 3);
    /// let mut form = request().multipart(Constraints::new().size_limit(limits))?;
    /// let _title = result_of(form.next_part())?;
    /// let mut photo = result_of(form.next_part())?.expect("it comes second");
    /// let refused = result_of(photo.bytes(1024)).unwrap_err();
    /// // Which part it was that is too large:
    /// let multer::Error::FieldSizeExceeded { field_name, .. } = refused.get_ref() else { panic!("{refused}") };
    /// assert_eq!(field_name.as_deref(), Some("photo"));
    /// # Ok::<(), MultipartError>(())
    /// ```
    #[must_use]
    pub fn get_ref(&self) -> &multer::Error {
        &self.0
    }

    /// The failure of the body, where that is what it is.
    fn into_failure(self) -> Result<BodyFailure, multer::Error> {
        match self.0 {
            multer::Error::StreamReadFailed(error) => {
                error.downcast().map(|failure| *failure).map_err(multer::Error::StreamReadFailed)
            }
            error => Err(error),
        }
    }
}

impl From<multer::Error> for MultipartError {
    fn from(error: multer::Error) -> Self {
        Self(error)
    }
}

impl fmt::Display for MultipartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            // Most failures of a body are whole sentences.
            multer::Error::StreamReadFailed(error) => {
                write!(f, "The form cannot be read: {}.", error.to_string().trim_end_matches('.'))
            }
            error => write!(f, "The form cannot be read: {error}."),
        }
    }
}

impl core::error::Error for MultipartError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// 415 for another content, 413 above a limit of the constraints, what the failure of a body calls for, else 400; and as
/// text what is wrong.
impl IntoResponse for MultipartError {
    fn into_response(self) -> Response {
        use multer::Error as E;
        let text = self.to_string();
        let error = match self.into_failure() {
            Ok(failure) => return failure.into_response(),
            Err(error) => error,
        };
        let status = match error {
            E::NoMultipart | E::DecodeContentType(_) | E::NoBoundary => Status::UNSUPPORTED_MEDIA_TYPE,
            E::FieldSizeExceeded { .. } | E::StreamSizeExceeded { .. } => Status::CONTENT_TOO_LARGE,
            _ => Status::BAD_REQUEST,
        };
        Response::text(text).with_status(status)
    }
}
