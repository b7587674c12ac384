//! What the machine takes as a response: a view of the application's own data, copied from nowhere.

use core::fmt;

use bytes::Bytes;

use crate::fields::Fields;
use crate::status::Status;

/// A response as the machine takes it: status, fields and content, borrowed from the application.
///
/// The machine adds `Server`, `Date` and the framing, and leaves out the content where HTTP has none (a response to
/// HEAD, 204, 304).
///
/// ```
/// use httpfsm::fields::Fields;
/// use httpfsm::response::ResponseRef;
/// use httpfsm::status::Status;
///
/// let fields = Fields::new().with("Content-Type", "text/plain")?;
/// let response = ResponseRef::new(Status::OK, &fields, b"Hello, world!");
/// # let _ = response;
/// # Ok::<(), httpfsm::fields::InvalidField>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ResponseRef<'a> {
    /// The status code. 1xx other than 101 is no final response: use an informational one. 101 responds to a request
    /// that asks for it, when its body was read, and names the protocol in `Upgrade` (RFC 9110 section 15.2.2).
    pub status: Status,
    /// The fields, without those that frame the message.
    pub fields: &'a Fields,
    /// The content.
    pub body: BodyRef<'a>,
}

impl<'a> ResponseRef<'a> {
    /// A response whose content is a slice of bytes.
    ///
    /// ```
    #[doc = include_str!("examples/waiting_channel.txt")]
    /// let response = ResponseRef::new(Status::NOT_FOUND, &fields, b"Nothing is here.");
    /// channel.handle(&now, Input::HttpResponse(response))?;
    /// assert!(channel.unsent().ends_with(b"Content-Length: 16\r\n\r\nNothing is here."));
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[must_use]
    pub const fn new(status: Status, fields: &'a Fields, content: &'a [u8]) -> Self {
        Self { status, fields, body: BodyRef::Slice(content) }
    }

    /// The beginning of a streamed response: the content follows with [`Input::Write`](crate::channel::Input::Write), and
    /// [`Input::Finish`](crate::channel::Input::Finish) ends it. `length` is the number of its bytes, when it is known; see
    /// [`BodyRef::Stream`].
    ///
    /// Where HTTP has no content, the response is complete with its head, and there is nothing to write:
    /// [`owes_body`](crate::Channel::owes_body) tells.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use httpfsm::channel::{CompiledConfig, Facts};
    /// # use httpfsm::{Channel, ChannelConfig};
    /// use httpfsm::channel::{Data, Input};
    /// use httpfsm::response::ResponseRef;
    /// use httpfsm::time::{Date, Moment, Now};
    /// use httpfsm::{Fields, Status};
    ///
    /// # let mut channel = Channel::new(Arc::new(CompiledConfig::new(&ChannelConfig::default())), Facts::default());
    /// let now = Now::new(Moment::START, &Date::EPOCH);
    /// # channel.handle(&now, Input::RxData(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))?;
    /// # while channel.next_output().is_some() {}
    /// // A channel with a request that waits.
    /// let fields = Fields::new();
    /// channel.handle(&now, Input::HttpResponse(ResponseRef::stream(Status::OK, &fields, None)))?;
    /// if channel.owes_body() {
    ///     channel.handle(&now, Input::Write(Data::Slice(b"hello")))?;
    ///     channel.handle(&now, Input::Finish(None))?;
    /// }
    /// assert!(channel.unsent().ends_with(b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n"));
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[must_use]
    pub const fn stream(status: Status, fields: &'a Fields, length: Option<u64>) -> Self {
        Self { status, fields, body: BodyRef::Stream { length } }
    }
}

/// The content of a response (RFC 9110 section 6.4), or the announcement that it follows.
///
/// ```
/// use httpfsm::response::BodyRef;
///
#[doc = include_str!("examples/waiting_channel.txt")]
/// // A file that is in memory already: it goes out by reference.
/// let file = bytes::Bytes::from(vec![b'a'; 1 << 20]);
/// let response = ResponseRef { status: Status::OK, fields: &fields, body: BodyRef::Bytes(&file) };
/// channel.handle(&now, Input::HttpResponse(response))?;
/// assert!(channel.unsent_len() > file.len() && channel.buffered() < file.len());
/// # Ok::<(), httpfsm::channel::NotAccepted>(())
/// ```
#[derive(Clone, Copy, Default)]
pub enum BodyRef<'a> {
    /// No bytes.
    #[default]
    Empty,
    /// Bytes that the machine copies into its output: at most `output_high_water`.
    Slice(&'a [u8]),
    /// Bytes that the machine may keep a reference to instead of copying them.
    Bytes(&'a Bytes),
    /// The bytes follow with `Write` and are ended by `Finish`.
    Stream {
        /// Their number, when it is known. `None` with a `Content-Length` among the fields means that length;
        /// without one the content is chunked, or ends with the connection for HTTP/1.0 (RFC 9112 section 6.3).
        length: Option<u64>,
    },
}

/// Of bytes it shows how many there are.
impl fmt::Debug for BodyRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Slice(slice) => write!(f, "Slice({} bytes)", slice.len()),
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
            Self::Stream { length } => f.debug_struct("Stream").field("length", length).finish(),
        }
    }
}
