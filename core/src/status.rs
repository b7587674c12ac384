//! Status codes (RFC 9110 section 15).

use core::fmt;

/// A three-digit status code, 100 to 999 (RFC 9112 section 4).
///
/// ```
/// use httpfsm::Status;
///
/// assert_eq!(Status::NOT_FOUND.code(), 404);
/// assert_eq!(Status::NOT_FOUND.reason(), "Not Found");
/// assert_eq!(Status::try_from(599).map(Status::reason), Ok("")); // Not registered, and sent without a phrase.
/// assert!(Status::try_from(1000).is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Status(u16);

macro_rules! statuses {
    ($($code:literal $name:ident $reason:literal;)*) => {
        impl Status {
            $(#[doc = concat!("`", stringify!($code), " ", $reason, "`")]
            pub const $name: Self = Self($code);)*

            /// The registered reason phrase; empty for a code that is not registered.
            ///
            /// ```
            /// use httpfsm::Status;
            ///
            /// assert_eq!(Status::CONTENT_TOO_LARGE.reason(), "Content Too Large");
            /// assert_eq!(Status::new(299).map(Status::reason), Some(""));
            /// ```
            #[must_use]
            pub const fn reason(self) -> &'static str {
                match self.0 {
                    $($code => $reason,)*
                    _ => "",
                }
            }

            /// The whole status line, ready for the wire; empty for a code that is not registered.
            pub(crate) const fn line(self) -> &'static str {
                match self.0 {
                    $($code => concat!("HTTP/1.1 ", stringify!($code), " ", $reason, "\r\n"),)*
                    _ => "",
                }
            }
        }
    };
}

statuses! {
    100 CONTINUE "Continue";
    101 SWITCHING_PROTOCOLS "Switching Protocols";
    102 PROCESSING "Processing";
    103 EARLY_HINTS "Early Hints";
    200 OK "OK";
    201 CREATED "Created";
    202 ACCEPTED "Accepted";
    203 NON_AUTHORITATIVE_INFORMATION "Non-Authoritative Information";
    204 NO_CONTENT "No Content";
    205 RESET_CONTENT "Reset Content";
    206 PARTIAL_CONTENT "Partial Content";
    207 MULTI_STATUS "Multi-Status";
    208 ALREADY_REPORTED "Already Reported";
    226 IM_USED "IM Used";
    300 MULTIPLE_CHOICES "Multiple Choices";
    301 MOVED_PERMANENTLY "Moved Permanently";
    302 FOUND "Found";
    303 SEE_OTHER "See Other";
    304 NOT_MODIFIED "Not Modified";
    307 TEMPORARY_REDIRECT "Temporary Redirect";
    308 PERMANENT_REDIRECT "Permanent Redirect";
    400 BAD_REQUEST "Bad Request";
    401 UNAUTHORIZED "Unauthorized";
    402 PAYMENT_REQUIRED "Payment Required";
    403 FORBIDDEN "Forbidden";
    404 NOT_FOUND "Not Found";
    405 METHOD_NOT_ALLOWED "Method Not Allowed";
    406 NOT_ACCEPTABLE "Not Acceptable";
    407 PROXY_AUTHENTICATION_REQUIRED "Proxy Authentication Required";
    408 REQUEST_TIMEOUT "Request Timeout";
    409 CONFLICT "Conflict";
    410 GONE "Gone";
    411 LENGTH_REQUIRED "Length Required";
    412 PRECONDITION_FAILED "Precondition Failed";
    413 CONTENT_TOO_LARGE "Content Too Large";
    414 URI_TOO_LONG "URI Too Long";
    415 UNSUPPORTED_MEDIA_TYPE "Unsupported Media Type";
    416 RANGE_NOT_SATISFIABLE "Range Not Satisfiable";
    417 EXPECTATION_FAILED "Expectation Failed";
    421 MISDIRECTED_REQUEST "Misdirected Request";
    422 UNPROCESSABLE_CONTENT "Unprocessable Content";
    423 LOCKED "Locked";
    424 FAILED_DEPENDENCY "Failed Dependency";
    425 TOO_EARLY "Too Early";
    426 UPGRADE_REQUIRED "Upgrade Required";
    428 PRECONDITION_REQUIRED "Precondition Required";
    429 TOO_MANY_REQUESTS "Too Many Requests";
    431 REQUEST_HEADER_FIELDS_TOO_LARGE "Request Header Fields Too Large";
    451 UNAVAILABLE_FOR_LEGAL_REASONS "Unavailable For Legal Reasons";
    500 INTERNAL_SERVER_ERROR "Internal Server Error";
    501 NOT_IMPLEMENTED "Not Implemented";
    502 BAD_GATEWAY "Bad Gateway";
    503 SERVICE_UNAVAILABLE "Service Unavailable";
    504 GATEWAY_TIMEOUT "Gateway Timeout";
    505 HTTP_VERSION_NOT_SUPPORTED "HTTP Version Not Supported";
    507 INSUFFICIENT_STORAGE "Insufficient Storage";
    508 LOOP_DETECTED "Loop Detected";
    511 NETWORK_AUTHENTICATION_REQUIRED "Network Authentication Required";
}

impl Status {
    /// The status with this code; `None` unless it has three digits.
    ///
    /// ```
    /// use httpfsm::Status;
    ///
    /// const TEAPOT: Option<Status> = Status::new(418);
    /// assert_eq!(TEAPOT.map(Status::code), Some(418));
    /// assert_eq!(Status::new(99), None);
    /// ```
    #[must_use]
    pub const fn new(code: u16) -> Option<Self> {
        if code >= 100 && code <= 999 { Some(Self(code)) } else { None }
    }

    /// The number.
    ///
    /// ```
    /// use httpfsm::Status;
    ///
    /// // For a log, or for the counters of a program.
    /// let class = Status::NOT_FOUND.code() / 100;
    /// assert_eq!(class, 4);
    /// ```
    #[must_use]
    pub const fn code(self) -> u16 {
        self.0
    }

    /// 1xx: an interim response (RFC 9110 section 15.2).
    ///
    /// ```
    /// use httpfsm::Status;
    ///
    /// assert!(Status::EARLY_HINTS.is_informational());
    /// assert!(!Status::OK.is_informational());
    /// ```
    #[must_use]
    pub const fn is_informational(self) -> bool {
        self.0 < 200
    }

    /// 2xx.
    ///
    /// ```
    /// use httpfsm::Status;
    ///
    /// assert!(Status::NO_CONTENT.is_success());
    /// assert!(!Status::NOT_MODIFIED.is_success());
    /// ```
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.0 >= 200 && self.0 < 300
    }

    /// 1xx, 204 and 304: the head ends the response whatever its fields say (RFC 9112 section 6.3).
    ///
    /// ```
    /// use httpfsm::Status;
    ///
    /// assert!(Status::NOT_MODIFIED.forbids_content());
    /// // A 205 has no content either, but its head has to say so (RFC 9110 section 15.3.6).
    /// assert!(!Status::RESET_CONTENT.forbids_content());
    /// ```
    #[must_use]
    pub const fn forbids_content(self) -> bool {
        self.0 < 200 || self.0 == 204 || self.0 == 304
    }
}

/// The same as [`Status::new`].
impl TryFrom<u16> for Status {
    type Error = InvalidStatus;

    fn try_from(code: u16) -> Result<Self, InvalidStatus> {
        Self::new(code).ok_or(InvalidStatus(code))
    }
}

/// A number that is no status code: it has no three digits.
///
/// ```
/// use httpfsm::Status;
/// use httpfsm::status::InvalidStatus;
///
/// assert_eq!(Status::try_from(1000), Err(InvalidStatus(1000)));
/// assert_eq!(InvalidStatus(1000).to_string(), "1000 is no status code; those are 100 to 999.");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct InvalidStatus(pub u16);

impl fmt::Display for InvalidStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is no status code; those are 100 to 999.", self.0)
    }
}

impl core::error::Error for InvalidStatus {}

/// `200 OK`.
impl Default for Status {
    fn default() -> Self {
        Self::OK
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Status({})", self.0)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.reason())
    }
}

#[cfg(test)]
mod tests {
    use std::format;

    use super::*;

    #[test]
    fn classes_begin_and_end_at_a_hundred() {
        let status = |code| Status::new(code).unwrap();
        assert_eq!(
            [100, 199, 200, 299].map(|code| status(code).is_informational()),
            [true, true, false, false]
        );
        assert_eq!([199, 200, 299, 300].map(|code| status(code).is_success()), [false, true, true, false]);
    }

    #[test]
    fn a_number_of_three_digits_is_a_status() {
        assert_eq!(Status::try_from(404), Ok(Status::NOT_FOUND));
        for code in [0, 99, 1000, u16::MAX] {
            assert_eq!(Status::try_from(code), Err(InvalidStatus(code)));
        }
        assert_eq!(format!("{}", InvalidStatus(99)), "99 is no status code; those are 100 to 999.");
    }

    #[test]
    fn a_status_shows_its_code_and_its_reason() {
        assert_eq!(format!("{:?}", Status::NOT_FOUND), "Status(404)");
        assert_eq!(format!("{}", Status::NOT_FOUND), "404 Not Found");
    }
}
