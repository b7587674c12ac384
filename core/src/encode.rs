//! The octets of a response: status line, field section, chunk lines (RFC 9112 sections 4, 5, 6 and 7.1).
//!
//! Everything here appends to the output buffer and allocates only when that must grow. Which framing a response
//! has, and whether it has content at all, is decided by the caller and given as a [`HeadPlan`].

use alloc::vec::Vec;

use crate::fields::{Fields, TOKEN};
use crate::request::Version;
use crate::status::Status;
use crate::time::Date;

/// What the machine decided about a response, beside what the application said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct HeadPlan {
    /// The version of the request, for `Via`.
    pub(crate) version: Version,
    /// The option in `Connection`.
    pub(crate) connection: ConnectionOption,
    /// How the content is delimited.
    pub(crate) framing: Framing,
}

/// The option that a response carries in `Connection` (RFC 9110 section 7.6.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ConnectionOption {
    /// No field: HTTP/1.1 goes on.
    None,
    /// The connection ends after this response.
    Close,
    /// An HTTP/1.0 peer asked to go on.
    KeepAlive,
    /// With 101, or with 426.
    Upgrade,
}

/// How the content is delimited (RFC 9112 section 6.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Framing {
    /// No framing field: 1xx, 204, 304 without a length, 2xx to CONNECT.
    None,
    /// `Content-Length`, also where the content itself is left out (HEAD, 304).
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// No framing field: the content ends with the connection.
    UntilClose,
}

/// Appends the head of a final response, or of 101.
///
/// The application's fields come first, then `Server`, `Date`, `Connection` and the framing. `Server` is
/// `identity`, unless that is empty; a `Server` of the application's stays, and `Via` names this server instead. A
/// `Date` of the application's stays. 101 gets neither.
#[inline]
pub(crate) fn response_head(
    out: &mut Vec<u8>,
    status: Status,
    fields: &Fields,
    plan: HeadPlan,
    date: &Date,
    identity: &str,
) {
    let wire = fields.wire();
    out.reserve(FIXED + wire.len() + identity.len());
    status_line(out, status);
    out.extend_from_slice(wire);
    if fields.is_anonymous() && !identity.is_empty() && !status.is_informational() {
        out.extend_from_slice(b"Server: ");
        out.extend_from_slice(identity.as_bytes());
        // From here on the octets lie side by side in a constant, so that they are copied as one.
        let mut rest = *b"\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n";
        if let Some(value) = rest.get_mut(8..37) {
            value.copy_from_slice(date.as_bytes());
        }
        out.extend_from_slice(&rest);
    } else if !status.is_informational() {
        origin(out, fields, plan.version, date, identity);
    }
    match plan.connection {
        ConnectionOption::None => {}
        ConnectionOption::Close => out.extend_from_slice(b"Connection: close\r\n"),
        ConnectionOption::KeepAlive => out.extend_from_slice(b"Connection: keep-alive\r\n"),
        ConnectionOption::Upgrade => out.extend_from_slice(b"Connection: upgrade\r\n"),
    }
    match plan.framing {
        Framing::Length(length) => {
            out.extend_from_slice(b"Content-Length: ");
            out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
            out.extend_from_slice(b"\r\n\r\n");
        }
        Framing::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n"),
        Framing::None | Framing::UntilClose => out.extend_from_slice(b"\r\n"),
    }
}

/// Appends an interim response (RFC 9110 section 15.2): the fields and nothing else.
pub(crate) fn informational_head(out: &mut Vec<u8>, status: Status, fields: &Fields) {
    debug_assert!(status.is_informational());
    status_line(out, status);
    out.extend_from_slice(fields.wire());
    out.extend_from_slice(b"\r\n");
}

/// Appends the line before the data of a chunk of `length` octets (RFC 9112 section 7.1).
///
/// `length` is above 0: a chunk of 0 is the last one.
pub(crate) fn chunk_start(out: &mut Vec<u8>, length: u64) {
    debug_assert!(length > 0);
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut line = *b"0000000000000000\r\n";
    let mut start = 16;
    let mut rest = length;
    for (at, digit) in line.iter_mut().enumerate().take(16).rev() {
        *digit = DIGITS[(rest & 0xf) as usize];
        rest >>= 4;
        start = at;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(line.get(start..).unwrap_or_default());
}

/// Appends the end of a chunk's data.
pub(crate) fn chunk_end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"\r\n");
}

/// Appends the last chunk and the trailer section; fields that do not belong in one are left out.
pub(crate) fn last_chunk(out: &mut Vec<u8>, trailers: Option<&Fields>) {
    out.extend_from_slice(b"0\r\n");
    for field in trailers.into_iter().flatten() {
        if !forbidden_in_trailers(field.name) {
            out.extend_from_slice(field.name.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(field.value);
            out.extend_from_slice(b"\r\n");
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// The octets of the longest head without the application's fields and the identity, given twice in `Via`.
const FIXED: usize = 256;

#[inline]
fn status_line(out: &mut Vec<u8>, status: Status) {
    let line = status.line();
    if line.is_empty() {
        return unregistered_status_line(out, status);
    }
    out.extend_from_slice(line.as_bytes());
}

/// The space after the code stays without a phrase (RFC 9112 section 4).
#[cold]
fn unregistered_status_line(out: &mut Vec<u8>, status: Status) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(itoa::Buffer::new().format(status.code()).as_bytes());
    out.extend_from_slice(b" \r\n");
}

/// `Server` or `Via`, and `Date`, where the application gave one of them or there is no identity.
#[cold]
fn origin(out: &mut Vec<u8>, fields: &Fields, version: Version, date: &Date, identity: &str) {
    if !fields.has_server() && !identity.is_empty() {
        out.extend_from_slice(b"Server: ");
        out.extend_from_slice(identity.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    let pseudonym = pseudonym(identity);
    if fields.has_server() && !pseudonym.is_empty() {
        out.extend_from_slice(match version {
            Version::Http10 => b"Via: 1.0 ",
            Version::Http11 => b"Via: 1.1 ",
        });
        out.extend_from_slice(pseudonym);
        out.extend_from_slice(b"\r\n");
    }
    if !fields.has_date() {
        out.extend_from_slice(b"Date: ");
        out.extend_from_slice(date.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// The received-by of `Via` is a token (RFC 9110 section 7.6.3): of `name/1.0 (comment)` the name.
fn pseudonym(identity: &str) -> &[u8] {
    let octets = identity.as_bytes();
    let end = octets.iter().position(|octet| !TOKEN[usize::from(*octet)]).unwrap_or(octets.len());
    octets.get(..end).unwrap_or_default()
}

/// Fields that are needed before the content, or that frame, route, authenticate or control (RFC 9110 section
/// 6.5.1), have no meaning after it.
fn forbidden_in_trailers(name: &str) -> bool {
    const NAMES: [&str; 38] = [
        "age",
        "authorization",
        "cache-control",
        "connection",
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "cookie",
        "date",
        "expect",
        "expires",
        "host",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "keep-alive",
        "location",
        "max-forwards",
        "pragma",
        "proxy-authenticate",
        "proxy-authentication-info",
        "proxy-authorization",
        "range",
        "retry-after",
        "server",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "vary",
        "via",
        "warning",
        "www-authenticate",
        "proxy-connection",
    ];
    NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
}
