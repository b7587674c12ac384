//! The parameters: those of ginsfsm, by their names there, and the deadlines and limits that it lacks.
//!
//! Durations are `Option<Duration>`: `None` means no deadline, and so does zero, except for `drain_grace`, where it
//! means at once. Limits are numbers: 0 means no limit. Every limit is
//! inclusive: exactly the value passes, one more is refused.

use alloc::borrow::Cow;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use bytes::Bytes;

use crate::error::RequestError;
use crate::origins::Origin;

/// How a request's body reaches the handler.
///
/// ```
/// use httpfsm::{Bodies, ChannelConfig};
///
/// // For handlers that parse a whole document: they are called when the body is in.
/// let config = ChannelConfig { bodies: Some(Bodies::Whole), ..ChannelConfig::default() };
/// assert_eq!(ChannelConfig::default().bodies, None);
/// # assert_eq!(config.bodies, Some(Bodies::Whole));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bodies {
    /// The handler is called at the end of the head and reads the body as it arrives. A function that blocks a thread of few
    /// is, too, if it may wait for its peer; if so many wait already, its body is gathered first.
    Streamed,
    /// The handler is called when the body is in; above `inbuf_overflow` the bytes wait in a temporary file. A
    /// request that expects `100-continue` still reaches the handler at its head. This is the work of whoever drives
    /// the channel and the handler; the channel itself always yields bytes as they come.
    Whole,
}

/// The content of a response that the machine makes by itself.
///
/// ```
/// use httpfsm::{ChannelConfig, ErrorPage, ErrorPages};
///
/// // The same page for every error.
/// let page = ErrorPage { content_type: "text/html".into(), body: "<h1>This went wrong.</h1>".into() };
/// let pages = ErrorPages::new(move |_error| page.clone());
/// let config = ChannelConfig { error_pages: Some(pages), ..ChannelConfig::default() };
/// # let error = httpfsm::RequestError::new(httpfsm::Rule::BareLf, 14);
/// # assert_eq!(config.error_pages.expect("a page").page(&error).content_type, "text/html");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ErrorPage {
    /// The value of `Content-Type`. Control characters in it make the page fall back to the default text.
    pub content_type: Cow<'static, str>,
    /// The content.
    pub body: Bytes,
}

impl fmt::Debug for ErrorPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorPage")
            .field("content_type", &self.content_type)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish()
    }
}

/// Makes the content of the responses that the machine makes by itself (JSON, HTML, ...); called with the error that
/// becomes a response. It must be a pure function of the error, or a recorded channel does not replay. A panic of it ends
/// the connection with a reset ([`CloseReason::Aborted`](crate::CloseReason::Aborted)), whatever was still to be sent.
///
/// ```
/// use httpfsm::{ChannelConfig, ErrorPage, ErrorPages};
///
/// let json = ErrorPages::new(|error| ErrorPage {
///     content_type: "application/json".into(),
///     body: format!(r#"{{"status":{}}}"#, error.status().code()).into(),
/// });
/// let config = ChannelConfig { error_pages: Some(json), ..ChannelConfig::default() };
/// # let error = httpfsm::RequestError::new(httpfsm::Rule::BareLf, 3);
/// # let page = config.error_pages.expect("a page").page(&error);
/// # assert_eq!(page.body, r#"{"status":400}"#);
/// ```
#[derive(Clone)]
pub struct ErrorPages(Arc<dyn Fn(&RequestError) -> ErrorPage + Send + Sync>);

impl ErrorPages {
    /// Takes the function.
    ///
    /// ```
    /// use httpfsm::{ErrorPage, ErrorPages, RequestError, Rule};
    ///
    /// // The page is made of the error, here of its status alone.
    /// let pages = ErrorPages::new(|error| ErrorPage {
    ///     content_type: "text/plain".into(),
    ///     body: error.status().reason().into(),
    /// });
    /// assert_eq!(pages.page(&RequestError::new(Rule::BareLf, 14)).body, "Bad Request");
    /// ```
    pub fn new(make: impl Fn(&RequestError) -> ErrorPage + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }

    /// The page for one error.
    ///
    /// ```
    /// use httpfsm::{ErrorPage, ErrorPages, RequestError, Rule};
    ///
    /// let pages = ErrorPages::new(|error| ErrorPage {
    ///     content_type: "text/plain".into(),
    ///     body: format!("{error}\n").into(),
    /// });
    /// // A program can test its pages with every rule.
    /// for &rule in Rule::ALL {
    ///     assert!(!pages.page(&RequestError::new(rule, 0)).body.is_empty());
    /// }
    /// ```
    #[must_use]
    pub fn page(&self, error: &RequestError) -> ErrorPage {
        (self.0)(error)
    }
}

impl fmt::Debug for ErrorPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ErrorPages(..)")
    }
}

/// What one channel obeys. Durations are `None` for no deadline, and limits 0 for no limit; [the module](self) has the
/// exceptions.
///
/// ```
/// use std::time::Duration;
///
/// use httpfsm::ChannelConfig;
///
/// let config = ChannelConfig {
///     head_timeout: Some(Duration::from_secs(5)),
///     max_request_body_size: 64 << 10, // bytes
///     identity: "".into(),             // no `Server` field
///     ..ChannelConfig::hardened()
/// };
/// # assert_eq!(config.requests_per_connection, 10_000);
/// ```
#[derive(Clone, Debug)]
pub struct ChannelConfig {
    /// The scheme that requests report: `http`, or `https` behind TLS. Default `http`.
    pub url_scheme: Cow<'static, str>,
    /// The value of the `Server` field; empty: no field. Default `httpfsm`.
    pub identity: Cow<'static, str>,
    /// Whether a 500 response carries the text of the failure. Default `false`.
    pub expose_tracebacks: bool,

    /// How long a keep-alive connection may be idle. Default 18000 s.
    pub inactivity_timeout: Option<Duration>,
    /// How long the application may take to respond, while nothing is awaited from the peer; then 503.
    /// Default 18000 s.
    pub responseless_timeout: Option<Duration>,
    /// How long the application may be silent inside a response while there is room for output. Default 18000 s.
    pub stream_idle_timeout: Option<Duration>,
    /// How long the application may be silent after the peer has ended its input (FIN), which may have half-closed the
    /// connection or may be gone. A request without a response then gets a 503; a response that runs is cut. A deadline
    /// for silence that is shorter counts as well. Without effect with [`fin_is_disconnect`](Self::fin_is_disconnect).
    /// Default 30 s.
    pub peer_ended_timeout: Option<Duration>,
    /// How long a new connection may take to send its first byte; empty lines do not count. Default 30 s.
    pub first_byte_timeout: Option<Duration>,
    /// How long a head may take, from its first byte to its last; then 408. Empty lines before it do not count.
    /// Default 30 s.
    pub head_timeout: Option<Duration>,
    /// How long a body may take, from which `min_body_rate` takes time back for each byte; then 408. Counted while
    /// bytes are awaited; a stall never lasts longer than this. Default 60 s.
    pub body_timeout: Option<Duration>,
    /// Bytes per second that a body must bring; 0: `body_timeout` restarts with each byte. Default 512.
    pub min_body_rate: u32,
    /// How long pending output may take, from which `min_write_rate` takes time back for each byte sent; then the
    /// connection is dropped. A stall never lasts longer than this. Default 60 s.
    pub write_timeout: Option<Duration>,
    /// Bytes per second that a peer must take; 0: `write_timeout` restarts with each byte. Default 512.
    pub min_write_rate: u32,
    /// How long to read and discard input after closing our side, so that a reset does not overtake the last response
    /// (RFC 9112 section 9.6); `None`: no lingering. Default 2 s.
    pub linger_timeout: Option<Duration>,
    /// How many bytes lingering discards; 0: no lingering. Default 64 KiB.
    pub linger_bytes: u64,
    /// How long the unread rest of a request body may take to arrive after the response; `None`: no rest is
    /// awaited, the connection closes. Default 5 s.
    pub discard_timeout: Option<Duration>,
    /// The largest rest that is awaited; a longer or unknown one makes the response say `close`; 0: none is.
    /// Default 256 KiB.
    pub discard_bytes: u64,
    /// How long a connection that is idle at `GoOut` stays open, for a request that is already on its way. Zero: it
    /// closes at once; `None`: it stays until `drain_deadline`. One that is responding closes behind its response. A
    /// connection that has made no request yet has a second at least, and so has a response that is made at the drain
    /// deadline. Default 1 s.
    pub drain_grace: Option<Duration>,
    /// When after `GoOut` the channel is cut, whatever it does; a request without a response gets a 503 then,
    /// which has `drain_grace` to leave, and a second at least. Default 30 s.
    pub drain_deadline: Option<Duration>,

    /// Largest request head in bytes, from its first byte (empty lines before it count) to its final CR LF;
    /// above: 431. Default 256 KiB.
    pub max_request_header_size: u32,
    /// Most field lines in a head; above: 431. Default 128.
    pub max_request_fields: u32,
    /// Largest request target in bytes; above: 414. Default 8 KiB.
    pub max_request_target_size: u32,
    /// Largest request body in bytes of content; above: 413. Default 1 GiB.
    pub max_request_body_size: u64,
    /// Above this, a body that is gathered waits in a temporary file, and also below it where the server has no room for
    /// more in memory. Bodies are gathered under [`Bodies::Whole`], for handlers that ask for it
    /// ([`Body::gathered`](crate::handler::Body::gathered)), and, where [`bodies`](Self::bodies) does not say otherwise, for
    /// functions that block a thread of few; those may read a longer one as it comes, if so many do not wait already. 0:
    /// never in a file; where there is no room, the body waits for [`room_timeout`](ServerConfig::room_timeout) and then
    /// gets a 503. Default 512 KiB.
    pub inbuf_overflow: u64,
    /// Largest trailer section in bytes; above: 431. Default 8 KiB.
    pub max_trailer_size: u32,
    /// Most trailer fields; above: 431. Default 32.
    pub max_trailer_fields: u32,
    /// Bytes of chunk extension in one line; above: 400. Default 256.
    pub max_chunk_extension_line: u32,
    /// Bytes of chunk extension in one body; above: 400. Default 16 KiB.
    pub max_chunk_extension_body: u32,
    /// Above this much pending output no producer gets room. Default 64 KiB; 1 KiB to 1 GiB are used.
    pub output_high_water: u32,
    /// Bytes of input that are buffered while something else is waited for; a partial head may grow to its own
    /// limit. Default 64 KiB; at least 4 KiB is used.
    pub input_bound: u32,
    /// Complete requests that may be without a response on this channel, the one with the application included; the
    /// next gets a 503 in its turn, and the channel closes. A handler that responds at once is never refused; so how many
    /// requests get through depends on whether the transport runs it where it reads (the blocking one does not), and on
    /// what it waits for. Default 0: no limit.
    pub maximum_simultaneous_requests: u32,
    /// Age from which on a connection closes with its next response, which says so: closed between two requests, it might
    /// lose one that is on its way. An idle connection ends by `inactivity_timeout` however old it is. Default `None`.
    pub connection_age: Option<Duration>,
    /// Requests after which a connection closes. Default 0: no limit.
    pub requests_per_connection: u64,

    /// Treat the peer's FIN as a disconnect while a request is with the application, instead of finishing the running
    /// response, for which `peer_ended_timeout` bounds the silence. Default `false`. nginx takes a FIN for the end of the
    /// client (499), Go cancels the context of the request, hyper closes unless `half_close` is set: see *half-close* in
    /// `docs/compatibility.md` of the repository.
    pub fin_is_disconnect: bool,
    /// How bodies reach the handler. Default `None`: async handlers read them as they come, and so do functions that block,
    /// where there are many threads for these. A function that blocks a thread of few, as on the blocking transport, is
    /// called when its body is whole, or when it may wait for the rest of a long one.
    pub bodies: Option<Bodies>,
    /// The content of the machine's own responses; `None`: one line of text.
    pub error_pages: Option<ErrorPages>,
}

const HOURS_5: Option<Duration> = seconds(18_000);

const fn seconds(n: u64) -> Option<Duration> {
    Some(Duration::from_secs(n))
}

impl Default for ChannelConfig {
    fn default() -> Self {
        Self {
            url_scheme: Cow::Borrowed("http"),
            identity: Cow::Borrowed("httpfsm"),
            expose_tracebacks: false,
            inactivity_timeout: HOURS_5,
            responseless_timeout: HOURS_5,
            stream_idle_timeout: HOURS_5,
            peer_ended_timeout: seconds(30),
            first_byte_timeout: seconds(30),
            head_timeout: seconds(30),
            body_timeout: seconds(60),
            min_body_rate: 512,
            write_timeout: seconds(60),
            min_write_rate: 512,
            linger_timeout: seconds(2),
            linger_bytes: 64 << 10,
            discard_timeout: seconds(5),
            discard_bytes: 256 << 10,
            drain_grace: seconds(1),
            drain_deadline: seconds(30),
            max_request_header_size: 256 << 10,
            max_request_fields: 128,
            max_request_target_size: 8 << 10,
            max_request_body_size: 1 << 30,
            inbuf_overflow: 512 << 10,
            max_trailer_size: 8 << 10,
            max_trailer_fields: 32,
            max_chunk_extension_line: 256,
            max_chunk_extension_body: 16 << 10,
            output_high_water: 64 << 10,
            input_bound: 64 << 10,
            maximum_simultaneous_requests: 0,
            connection_age: None,
            requests_per_connection: 0,
            fin_is_disconnect: false,
            bodies: None,
            error_pages: None,
        }
    }
}

impl ChannelConfig {
    /// Tighter values, for a server on the open internet that serves small requests.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use httpfsm::ChannelConfig;
    ///
    /// let (config, hardened) = (ChannelConfig::default(), ChannelConfig::hardened());
    /// assert_eq!(hardened.head_timeout, Some(Duration::from_secs(10)));
    /// assert!(hardened.max_request_body_size < config.max_request_body_size);
    /// ```
    #[must_use]
    pub fn hardened() -> Self {
        Self {
            inactivity_timeout: seconds(75),
            responseless_timeout: seconds(60),
            stream_idle_timeout: seconds(300),
            peer_ended_timeout: seconds(10),
            first_byte_timeout: seconds(10),
            head_timeout: seconds(10),
            body_timeout: seconds(20),
            min_body_rate: 1024,
            write_timeout: seconds(20),
            min_write_rate: 1024,
            linger_timeout: seconds(1),
            linger_bytes: 64 << 10,
            discard_timeout: seconds(1),
            discard_bytes: 64 << 10,
            max_request_header_size: 16 << 10,
            max_request_fields: 100,
            max_request_body_size: 16 << 20,
            inbuf_overflow: 64 << 10,
            maximum_simultaneous_requests: 16,
            connection_age: seconds(3600),
            requests_per_connection: 10_000,
            ..Self::default()
        }
    }
}

/// What a server obeys; `channel` is what it hands to each of its channels.
///
/// ```
/// use std::time::Duration;
///
/// use httpfsm::ServerConfig;
///
/// // For clients that connect by themselves, but fewer of them, who may wait five minutes for a response.
/// let mut config = ServerConfig::hardened();
/// config.max_connections = 2_000;
/// config.max_buffered_bytes = 32 << 20;
/// config.channel.responseless_timeout = Some(Duration::from_secs(300));
/// # assert_eq!(config.max_connections_per_peer, 256);
/// ```
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where a transport listens when it is given no listener: a name or an address; empty: all interfaces.
    /// Default empty.
    pub host: Cow<'static, str>,
    /// The port of `host`; 0: the system chooses. Default 0.
    pub port: u16,
    /// Who may connect; empty: everybody. Default empty.
    pub origins: Vec<Origin>,
    /// Requests that may be with the application at once, over all channels; one more gets a 503. A
    /// blocking function that runs counts until it ends, also when its connection is lost. Default 0: no limit.
    pub maximum_simultaneous_requests: u32,
    /// Channels that may be open at once. For a further one, the channel that has been idle for the longest is
    /// closed; where none is idle, the connection is not admitted, by the transports of the project after they have waited
    /// some 40 ms for a place, and those of a queue wait 250 ms in all. Default 20,000; 0: no limit.
    pub max_connections: u32,
    /// Channels that one peer address may have open at once; IPv6 peers count by their /64, Unix peers not at all. Behind a
    /// proxy that names its clients, these count, where the listener says that it is behind one. Default 0: no limit.
    pub max_connections_per_peer: u32,
    /// Bytes that the server may hold in memory for all its channels: input and output that they keep while they wait,
    /// request bodies that nobody has read, and pieces of responses for which room was reserved
    /// ([`Request::memory`](crate::handler::Request::memory)). Above it, whoever asks for more waits for room, in order,
    /// for [`room_timeout`](Self::room_timeout) at most, except for bodies whose length is 4 KiB at most, and for bodies
    /// that are gathered, unless [`inbuf_overflow`](ChannelConfig::inbuf_overflow) is 0: where half of the limit is
    /// taken, those go to a temporary file when they stand still, and leave the other half to those who have none and to
    /// those that move; where all is taken, they go there in pieces of 4 KiB. A head that grows above 4 KiB gets a 503;
    /// and no more than 4 KiB is read ahead from a peer, or made for one that does not read. Bytes of a body that a peer
    /// has been asked for count as well: 8 KiB of one that has sent nothing, and up to 128 KiB as it sends, or 512 KiB
    /// where a thread that blocks reads it, and 16 KiB where the body is gathered. What reads a body from its file does
    /// not wait for room, so a connection may hold 4 KiB above the limit for it, and a thread that blocks 16 KiB; nor
    /// does a function that waits for its peer on one of few threads, which takes 4 KiB above it. Responses that are
    /// given whole are the application's memory. Default 512 MiB; 0: no limit.
    pub max_buffered_bytes: u64,
    /// How long a request body, or a piece of a response, waits for room under
    /// [`max_buffered_bytes`](Self::max_buffered_bytes). Then the request gets a 503, or, where its response has begun,
    /// that is cut. Default 10 s.
    pub room_timeout: Option<Duration>,
    /// Bytes that bodies may occupy in temporary files, of all channels together: request bodies
    /// ([`inbuf_overflow`](ChannelConfig::inbuf_overflow)), and, in half of them at most, what functions that block write
    /// ahead of slow readers. A request whose body needs more gets a 503; a function that needs more waits, or, where as
    /// many wait as may, waits for readers to make room, and the response whose reader is slow and furthest behind is cut
    /// off. Default 4 GiB; 0: no limit.
    pub max_spooled_bytes: u64,
    /// The folder of these files, which have no names; empty: the system's folder for temporary files. On a file system in
    /// memory, as `/tmp` often is, the files are memory that `max_buffered_bytes` does not count: it is bounded by
    /// `max_spooled_bytes`. A request whose body finds the disk full gets a 503 as well; one whose file cannot be made or
    /// written for another reason, as where the folder is gone, a 500. Default empty.
    pub spool_dir: Cow<'static, str>,
    /// When after GoOut the server drops what is left, plus the channels' `drain_grace`: what they say at their own
    /// deadline has that long to leave, and a second at least. Default 30 s.
    pub drain_deadline: Option<Duration>,
    /// How long the bytes may take that come before HTTP ([`prologue`](crate::prologue)), from when the connection is
    /// accepted to the last of them, where its listener expects any. Default 10 s.
    pub preface_timeout: Option<Duration>,
    /// How long a handshake before HTTP may take, where its listener has one; counted from the end of the preface. Default
    /// 10 s.
    pub handshake_timeout: Option<Duration>,
    /// Most bytes that may come before HTTP and a handshake; above: 400. At most 64 KiB are used. Default 4 KiB.
    pub max_preface_bytes: u32,
    /// What each channel obeys.
    pub channel: ChannelConfig,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            host: Cow::Borrowed(""),
            port: 0,
            origins: Vec::new(),
            maximum_simultaneous_requests: 0,
            max_connections: 20_000,
            max_connections_per_peer: 0,
            max_buffered_bytes: 512 << 20,
            room_timeout: seconds(10),
            max_spooled_bytes: 4 << 30,
            spool_dir: Cow::Borrowed(""),
            drain_deadline: seconds(30),
            preface_timeout: seconds(10),
            handshake_timeout: seconds(10),
            max_preface_bytes: 4 << 10,
            channel: ChannelConfig::default(),
        }
    }
}

impl ServerConfig {
    /// Tighter values, for a server on the open internet that serves small requests.
    ///
    /// ```
    /// use httpfsm::ServerConfig;
    ///
    /// let config = ServerConfig::hardened();
    /// assert_eq!(config.max_connections, 10_000);
    /// // Its channels are hardened, too.
    /// assert_eq!(config.channel.maximum_simultaneous_requests, 16);
    /// ```
    #[must_use]
    pub fn hardened() -> Self {
        Self {
            maximum_simultaneous_requests: 1024,
            max_connections: 10_000,
            max_connections_per_peer: 256,
            max_buffered_bytes: 128 << 20,
            room_timeout: seconds(5),
            max_spooled_bytes: 1 << 30,
            preface_timeout: seconds(5),
            handshake_timeout: seconds(5),
            channel: ChannelConfig::hardened(),
            ..Self::default()
        }
    }
}
