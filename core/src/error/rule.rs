//! The rules: the status of a response that refuses by one, where it is written, and its sentence.

use core::fmt;

use crate::status::Status;

/// Declares the rules, and lists them.
macro_rules! rules {
    ($(#[$outer:meta])* pub enum Rule { $($(#[$doc:meta])+ $rule:ident),+ $(,)? }) => {
        $(#[$outer])*
        pub enum Rule {
            $($(#[$doc])+ $rule),+
        }

        impl Rule {
            /// Every rule.
            pub const ALL: &'static [Self] = &[$(Self::$rule),+];
        }
    };
}

rules! {
    /// A rule of HTTP that a request broke, or a reason of the server's own to refuse one.
    ///
    /// ```
    /// use httpfsm::Rule;
    ///
    /// // A table for a manual: what is responded to a request that breaks a rule, and where that is written.
    /// let line = |rule: &Rule| format!("| {} | {rule} | {} |\n", rule.status().code(), rule.source());
    /// let table: String = Rule::ALL.iter().map(line).collect();
    /// assert!(table.starts_with("| 400 | A line ends in LF alone; lines end in CR LF. | RFC 9112 section 2.2 |\n"));
    /// ```
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
    #[non_exhaustive]
    pub enum Rule {
        /// A line ended in LF without CR.
        BareLf,
        /// A CR that no LF follows.
        BareCr,
        /// A NUL byte in the head.
        Nul,
        /// The first byte of a message cannot begin a method.
        FirstByte,
        /// The first byte of a message is that of a TLS handshake.
        TlsOnPlainPort,
        /// More than four empty lines before the request line.
        EmptyLines,
        /// The request line is not `method SP target SP version`.
        RequestLine,
        /// An HTTP version that is not 1.x.
        Version,
        /// The HTTP/2 connection preface.
        Http2Preface,
        /// A method that is no token.
        Method,
        /// A method longer than any that is known (256 bytes).
        MethodTooLong,
        /// A request target of no valid form.
        Target,
        /// A request target above `max_request_target_size`.
        TargetTooLong,
        /// A field line without a colon.
        FieldLine,
        /// A field name that is no token, or that blanks separate from its colon.
        FieldName,
        /// A control character in a field value.
        FieldValue,
        /// A folded field line.
        ObsFold,
        /// A head above `max_request_header_size`.
        HeadTooLarge,
        /// More field lines than `max_request_fields`.
        TooManyFields,
        /// The input ended inside a head.
        HeadTruncated,
        /// The head was not complete at its deadline.
        HeadTimeout,
        /// HTTP/1.1 without `Host`.
        HostMissing,
        /// `Host` more than once.
        HostRepeated,
        /// `Host` is not `uri-host [ ":" port ]`.
        HostInvalid,
        /// `Content-Length` is not a decimal number.
        ContentLength,
        /// `Content-Length` more than once, or a list.
        ContentLengthRepeated,
        /// `Content-Length` together with `Transfer-Encoding`.
        LengthAndCoding,
        /// `Transfer-Encoding` in HTTP/1.0.
        CodingInHttp10,
        /// `Transfer-Encoding` whose last coding is not `chunked`, or that is malformed.
        TransferCoding,
        /// A transfer coding that this server does not know.
        UnknownCoding,
        /// `CONNECT` whose target is not `host:port`.
        ConnectTarget,
        /// `CONNECT` with a body.
        ConnectBody,
        /// `Expect` with a member other than `100-continue`.
        Expectation,
        /// A body above `max_request_body_size`.
        BodyTooLarge,
        /// A chunk size that is no hexadecimal number.
        ChunkSize,
        /// A chunk size of more than 16 digits.
        ChunkSizeTooLong,
        /// A malformed chunk extension.
        ChunkExtension,
        /// Chunk extensions above their limit, in a line or in a body.
        ChunkExtensionTooLarge,
        /// Chunk data that CRLF does not follow.
        ChunkEnd,
        /// A trailer section above `max_trailer_size`.
        TrailerTooLarge,
        /// More trailer fields than `max_trailer_fields`.
        TooManyTrailers,
        /// A malformed trailer field line.
        TrailerField,
        /// The input ended inside a body.
        BodyTruncated,
        /// The body did not arrive at the minimum rate.
        BodyTimeout,
        /// The application did not respond in time.
        ResponseTimeout,
        /// The application did not respond in time after the peer had ended its input.
        PeerEnded,
        /// The server has as many requests as it may have (`maximum_simultaneous_requests`), or no room for this one
        /// (`max_buffered_bytes`, `max_spooled_bytes`).
        Busy,
        /// The channel has as many requests without a response as it may have.
        SimultaneousRequests,
        /// The application failed before it responded, or the server could not keep the body for it.
        HandlerFailed,
        /// The server is going out.
        Draining,
        /// What comes before HTTP is not what the listener expects: no valid header of a proxy, say.
        Preface,
        /// What comes before HTTP is longer than `max_preface_bytes`.
        PrefaceTooLong,
        /// What comes in place of a TLS handshake is none: plain HTTP, say.
        NotTls,
    }
}

impl Rule {
    /// The status of the response that refuses the request.
    ///
    /// ```
    /// use httpfsm::{Rule, Status};
    ///
    /// assert_eq!(Rule::TargetTooLong.status(), Status::URI_TOO_LONG);
    /// // What a server does for itself is no fault of the peer's.
    /// assert_eq!(Rule::Busy.status(), Status::SERVICE_UNAVAILABLE);
    /// ```
    #[must_use]
    pub const fn status(self) -> Status {
        match self {
            Self::Version | Self::Http2Preface => Status::HTTP_VERSION_NOT_SUPPORTED,
            Self::MethodTooLong | Self::UnknownCoding => Status::NOT_IMPLEMENTED,
            Self::TargetTooLong => Status::URI_TOO_LONG,
            Self::HeadTooLarge | Self::TooManyFields | Self::TrailerTooLarge | Self::TooManyTrailers => {
                Status::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            Self::HeadTimeout | Self::BodyTimeout => Status::REQUEST_TIMEOUT,
            Self::BodyTooLarge => Status::CONTENT_TOO_LARGE,
            Self::Expectation => Status::EXPECTATION_FAILED,
            Self::ResponseTimeout
            | Self::PeerEnded
            | Self::Busy
            | Self::SimultaneousRequests
            | Self::Draining => Status::SERVICE_UNAVAILABLE,
            Self::HandlerFailed => Status::INTERNAL_SERVER_ERROR,
            Self::BareLf
            | Self::BareCr
            | Self::Nul
            | Self::FirstByte
            | Self::TlsOnPlainPort
            | Self::EmptyLines
            | Self::RequestLine
            | Self::Method
            | Self::Target
            | Self::FieldLine
            | Self::FieldName
            | Self::FieldValue
            | Self::ObsFold
            | Self::HeadTruncated
            | Self::HostMissing
            | Self::HostRepeated
            | Self::HostInvalid
            | Self::ContentLength
            | Self::ContentLengthRepeated
            | Self::LengthAndCoding
            | Self::CodingInHttp10
            | Self::TransferCoding
            | Self::ConnectTarget
            | Self::ConnectBody
            | Self::ChunkSize
            | Self::ChunkSizeTooLong
            | Self::ChunkExtension
            | Self::ChunkExtensionTooLarge
            | Self::ChunkEnd
            | Self::TrailerField
            | Self::BodyTruncated
            | Self::Preface
            | Self::NotTls
            | Self::PrefaceTooLong => Status::BAD_REQUEST,
        }
    }

    /// Whether one byte decides that a head breaks the rule. The head is refused at that byte, however many bytes follow it.
    pub(crate) const fn is_of_one_byte(self) -> bool {
        match self {
            Self::Nul
            | Self::BareCr
            | Self::BareLf
            | Self::FirstByte
            | Self::TlsOnPlainPort
            | Self::EmptyLines
            | Self::Method
            | Self::MethodTooLong
            | Self::TargetTooLong => true,
            Self::RequestLine
            | Self::Version
            | Self::Http2Preface
            | Self::Target
            | Self::FieldLine
            | Self::FieldName
            | Self::FieldValue
            | Self::ObsFold
            | Self::HeadTooLarge
            | Self::TooManyFields
            | Self::HeadTruncated
            | Self::HeadTimeout
            | Self::HostMissing
            | Self::HostRepeated
            | Self::HostInvalid
            | Self::ContentLength
            | Self::ContentLengthRepeated
            | Self::LengthAndCoding
            | Self::CodingInHttp10
            | Self::TransferCoding
            | Self::UnknownCoding
            | Self::ConnectTarget
            | Self::ConnectBody
            | Self::Expectation
            | Self::BodyTooLarge
            | Self::ChunkSize
            | Self::ChunkSizeTooLong
            | Self::ChunkExtension
            | Self::ChunkExtensionTooLarge
            | Self::ChunkEnd
            | Self::TrailerTooLarge
            | Self::TooManyTrailers
            | Self::TrailerField
            | Self::BodyTruncated
            | Self::BodyTimeout
            | Self::ResponseTimeout
            | Self::PeerEnded
            | Self::Busy
            | Self::SimultaneousRequests
            | Self::HandlerFailed
            | Self::Draining
            | Self::Preface
            | Self::NotTls
            | Self::PrefaceTooLong => false,
        }
    }

    /// Where the rule is written.
    ///
    /// ```
    /// use httpfsm::Rule;
    ///
    /// assert_eq!(Rule::ObsFold.source(), "RFC 9112 section 5.2");
    /// ```
    #[must_use]
    pub const fn source(self) -> &'static str {
        match self {
            Self::BareLf | Self::BareCr | Self::EmptyLines | Self::FirstByte | Self::TlsOnPlainPort => {
                "RFC 9112 section 2.2"
            }
            Self::Nul | Self::FieldValue => "RFC 9110 section 5.5",
            Self::RequestLine => "RFC 9112 section 3",
            Self::Version => "RFC 9112 section 2.3",
            Self::Http2Preface => "RFC 9113 section 3.4",
            Self::Method | Self::MethodTooLong => "RFC 9112 section 3.1",
            Self::Target | Self::TargetTooLong => "RFC 9112 section 3.2",
            Self::FieldLine | Self::FieldName => "RFC 9112 section 5.1",
            Self::ObsFold => "RFC 9112 section 5.2",
            Self::HeadTooLarge | Self::TooManyFields => "RFC 6585 section 5",
            Self::HeadTruncated | Self::BodyTruncated => "RFC 9112 section 8",
            Self::HeadTimeout | Self::BodyTimeout => "RFC 9110 section 15.5.9",
            Self::HostMissing | Self::HostRepeated | Self::HostInvalid => "RFC 9112 section 3.2",
            Self::ContentLength | Self::ContentLengthRepeated => "RFC 9112 section 6.3",
            Self::LengthAndCoding | Self::CodingInHttp10 | Self::UnknownCoding => "RFC 9112 section 6.1",
            Self::TransferCoding => "RFC 9112 section 6.3",
            Self::ConnectTarget => "RFC 9112 section 3.2.3",
            Self::ConnectBody => "RFC 9110 section 9.3.6",
            Self::Expectation => "RFC 9110 section 10.1.1",
            Self::BodyTooLarge => "RFC 9110 section 15.5.14",
            Self::ChunkSize | Self::ChunkSizeTooLong | Self::ChunkEnd => "RFC 9112 section 7.1",
            Self::ChunkExtension | Self::ChunkExtensionTooLarge => "RFC 9112 section 7.1.1",
            Self::TrailerTooLarge | Self::TooManyTrailers | Self::TrailerField => "RFC 9112 section 7.1.2",
            Self::ResponseTimeout
            | Self::PeerEnded
            | Self::Busy
            | Self::SimultaneousRequests
            | Self::Draining => "RFC 9110 section 15.6.4",
            Self::HandlerFailed => "RFC 9110 section 15.6.1",
            Self::Preface | Self::PrefaceTooLong | Self::NotTls => "RFC 9110 section 15.5.1",
        }
    }

    /// What was received and what was expected, as a sentence.
    ///
    /// ```
    /// use httpfsm::Rule;
    ///
    /// // For a page of one's own; `Display` writes the same.
    /// assert_eq!(Rule::HostMissing.sentence(), "An HTTP/1.1 request needs a Host field.");
    /// ```
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::BareLf => "A line ends in LF alone; lines end in CR LF.",
            Self::BareCr => "A CR is not followed by LF.",
            Self::Nul => "The head contains a NUL byte.",
            Self::FirstByte => "The first byte cannot begin a request line.",
            Self::TlsOnPlainPort => "A TLS handshake was sent to a port that expects plain HTTP.",
            Self::EmptyLines => "More than four empty lines come before the request line.",
            Self::RequestLine => {
                "The request line is not a method, a target and a version between single spaces."
            }
            Self::Version => "The HTTP version is not supported; this server speaks HTTP/1.1 and HTTP/1.0.",
            Self::Http2Preface => "This is the HTTP/2 connection preface; this server speaks HTTP/1.1.",
            Self::Method => "The method is not a token.",
            Self::MethodTooLong => "The method is longer than any that is implemented.",
            Self::Target => "The request target is not in a form that is valid with this method.",
            Self::TargetTooLong => "The request target is longer than this server accepts.",
            Self::FieldLine => "A field line has no colon.",
            Self::FieldName => "A field name is not a token directly before its colon.",
            Self::FieldValue => "A field value contains a control character.",
            Self::ObsFold => "A field line is folded over several lines.",
            Self::HeadTooLarge => "The request head is larger than this server accepts.",
            Self::TooManyFields => "The request has more field lines than this server accepts.",
            Self::HeadTruncated => "The input ended inside the request head.",
            Self::HeadTimeout => "The request head was not complete in time.",
            Self::HostMissing => "An HTTP/1.1 request needs a Host field.",
            Self::HostRepeated => "The Host field is given more than once.",
            Self::HostInvalid => "The Host field is not a host with an optional port.",
            Self::ContentLength => "Content-Length is not a decimal number.",
            Self::ContentLengthRepeated => "Content-Length is given more than once.",
            Self::LengthAndCoding => "Content-Length and Transfer-Encoding are both given.",
            Self::CodingInHttp10 => "Transfer-Encoding does not belong in HTTP/1.0.",
            Self::TransferCoding => "Transfer-Encoding does not end in a single chunked.",
            Self::UnknownCoding => "A transfer coding other than chunked is not implemented.",
            Self::ConnectTarget => "CONNECT needs a target of the form host:port.",
            Self::ConnectBody => "CONNECT has no body.",
            Self::Expectation => "The only expectation that can be met is 100-continue.",
            Self::BodyTooLarge => "The request body is larger than this server accepts.",
            Self::ChunkSize => "A chunk size is not a hexadecimal number followed by CR LF or an extension.",
            Self::ChunkSizeTooLong => "A chunk size has more than 16 digits.",
            Self::ChunkExtension => "A chunk extension is malformed.",
            Self::ChunkExtensionTooLarge => "Chunk extensions are larger than this server accepts.",
            Self::ChunkEnd => "Chunk data is not followed by CR LF.",
            Self::TrailerTooLarge => "The trailer section is larger than this server accepts.",
            Self::TooManyTrailers => "The trailer section has more fields than this server accepts.",
            Self::TrailerField => "A trailer field line is malformed.",
            Self::BodyTruncated => "The input ended inside the request body.",
            Self::BodyTimeout => "The request body did not arrive in time.",
            Self::ResponseTimeout => "The application did not respond in time.",
            Self::PeerEnded => "The peer ended its input, and the application did not respond in time.",
            Self::Busy => {
                "The server has as many requests at work, or as much in its buffers, as it may have."
            }
            Self::SimultaneousRequests => "More requests were sent ahead than may wait for their responses.",
            Self::HandlerFailed => "The server failed before it could respond.",
            Self::Draining => "The server is going out of service.",
            Self::Preface => "What comes before the first request is not what this server expects there.",
            Self::PrefaceTooLong => "What comes before the first request is longer than this server accepts.",
            Self::NotTls => "What was sent is not TLS, which this port expects: use https.",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}
