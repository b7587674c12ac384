//! The bytes of a response: status line, field section, chunk lines (RFC 9112 sections 4, 5, 6 and 7.1).
//!
//! Everything here appends to the output buffer and allocates only when that must grow. Which framing a response
//! has, and whether it has content at all, is decided by the caller and given as a [`HeadPlan`].

use alloc::vec::Vec;

use crate::fields::Fields;
use crate::part::part;
use crate::status::Status;
use crate::time::Date;
use crate::trailers;

/// What the machine decided about a response, beside what the application said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct HeadPlan {
    /// The option in `Connection`.
    pub(crate) connection: ConnectionOption,
    /// How the content is delimited.
    pub(crate) framing: Framing,
}

/// What a response says in `Connection` (RFC 9110 section 7.6.1) of whether the connection goes on. Where its fields
/// offer protocols, the option `upgrade` stands beside it (RFC 9110 section 7.8).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ConnectionOption {
    /// Nothing: HTTP/1.1 goes on.
    None,
    /// The connection ends after this response.
    Close,
    /// An HTTP/1.0 peer asked to go on.
    KeepAlive,
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
/// `identity`, unless that is empty; a `Server` or `Date` of the application's own stays as it is. 101 gets neither.
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
        out.extend_from_slice(b"\r\nDate: ");
        out.extend_from_slice(date.as_bytes());
        out.extend_from_slice(b"\r\n");
    } else if !status.is_informational() {
        origin(out, fields, date, identity);
    }
    connection(out, plan.connection, fields.upgrade());
    match plan.framing {
        Framing::Length(length) => {
            out.extend_from_slice(b"Content-Length: ");
            length_end(out, length);
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
    connection(out, ConnectionOption::None, fields.upgrade());
    out.extend_from_slice(b"\r\n");
}

#[inline]
fn connection(out: &mut Vec<u8>, option: ConnectionOption, offers_protocols: bool) {
    match (option, offers_protocols) {
        (ConnectionOption::None, false) => {}
        (ConnectionOption::Close, false) => out.extend_from_slice(b"Connection: close\r\n"),
        (ConnectionOption::KeepAlive, false) => out.extend_from_slice(b"Connection: keep-alive\r\n"),
        (ConnectionOption::None, true) => out.extend_from_slice(b"Connection: upgrade\r\n"),
        (ConnectionOption::Close, true) => out.extend_from_slice(b"Connection: close, upgrade\r\n"),
        (ConnectionOption::KeepAlive, true) => out.extend_from_slice(b"Connection: keep-alive, upgrade\r\n"),
    }
}

/// Appends the line before the data of a chunk of `length` bytes (RFC 9112 section 7.1).
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
    out.extend_from_slice(part(&line, start..));
}

/// Appends the end of a chunk's data.
pub(crate) fn chunk_end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"\r\n");
}

/// Appends the last chunk and the trailer section; fields that do not belong in one are left out.
pub(crate) fn last_chunk(out: &mut Vec<u8>, section: Option<&Fields>) {
    out.extend_from_slice(b"0\r\n");
    for field in section.into_iter().flatten() {
        if !trailers::is_forbidden(field.name) {
            out.extend_from_slice(field.name.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(field.value);
            out.extend_from_slice(b"\r\n");
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// The bytes of the longest head without the application's fields and the identity.
const FIXED: usize = 256;

/// The digits of a `Content-Length`, written backwards, its end and the end of the head.
#[inline]
fn length_end(out: &mut Vec<u8>, length: u64) {
    let mut end = *b"18446744073709551615\r\n\r\n";
    let mut rest = length;
    let mut at = 20;
    while at > 0 {
        at -= 1;
        end[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&end[at..]);
}

#[inline]
fn status_line(out: &mut Vec<u8>, status: Status) {
    // A copy of known length is a few moves.
    if status == Status::OK {
        return out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    }
    let line = status.line();
    if line.is_empty() {
        return unregistered_status_line(out, status);
    }
    out.extend_from_slice(line.as_bytes());
}

/// The space after the code stays without a phrase (RFC 9112 section 4).
#[cold]
fn unregistered_status_line(out: &mut Vec<u8>, status: Status) {
    let digit = |unit: u16| b'0' + (status.code() / unit % 10) as u8;
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(&[digit(100), digit(10), digit(1)]);
    out.extend_from_slice(b" \r\n");
}

/// `Server` and `Date`, where the application gave one of them or there is no identity.
#[cold]
fn origin(out: &mut Vec<u8>, fields: &Fields, date: &Date, identity: &str) {
    if !fields.has_server() && !identity.is_empty() {
        out.extend_from_slice(b"Server: ");
        out.extend_from_slice(identity.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    if !fields.has_date() {
        out.extend_from_slice(b"Date: ");
        out.extend_from_slice(date.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::String;

    use super::*;

    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn fields(lines: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::new();
        for (name, value) in lines {
            fields.push(name, value).unwrap();
        }
        fields
    }

    fn plan(connection: ConnectionOption, framing: Framing) -> HeadPlan {
        HeadPlan { connection, framing }
    }

    fn head_of(code: u16, fields: &Fields, plan: HeadPlan, identity: &str) -> String {
        let date = Date::new(DATE.as_bytes().try_into().unwrap()).unwrap();
        let mut out = Vec::new();
        response_head(&mut out, Status::new(code).unwrap(), fields, plan, &date, identity);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_plain_response() {
        let fields = fields(&[("Content-Type", "text/plain")]);
        let plan = plan(ConnectionOption::None, Framing::Length(13));
        assert_eq!(
            head_of(200, &fields, plan, "httpfsm"),
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nServer: httpfsm\r\nDate: {DATE}\r\nContent-Length: 13\r\n\r\n"
            )
        );
    }

    #[test]
    fn the_connection_option_and_the_framing_are_as_planned() {
        let (plain, offers) = (Fields::new(), fields(&[("Connection", "upgrade")]));
        for (connection, fields, line) in [
            (ConnectionOption::None, &plain, ""),
            (ConnectionOption::Close, &plain, "Connection: close\r\n"),
            (ConnectionOption::KeepAlive, &plain, "Connection: keep-alive\r\n"),
            (ConnectionOption::None, &offers, "Connection: upgrade\r\n"),
            (ConnectionOption::Close, &offers, "Connection: close, upgrade\r\n"),
            (ConnectionOption::KeepAlive, &offers, "Connection: keep-alive, upgrade\r\n"),
        ] {
            for (framing, end) in [
                (Framing::None, ""),
                (Framing::Length(0), "Content-Length: 0\r\n"),
                (Framing::Length(u64::MAX), "Content-Length: 18446744073709551615\r\n"),
                (Framing::Chunked, "Transfer-Encoding: chunked\r\n"),
                (Framing::UntilClose, ""),
            ] {
                for (identity, server) in [("httpfsm", "Server: httpfsm\r\n"), ("", "")] {
                    assert_eq!(
                        head_of(404, fields, plan(connection, framing), identity),
                        format!("HTTP/1.1 404 Not Found\r\n{server}Date: {DATE}\r\n{line}{end}\r\n")
                    );
                }
            }
        }
    }

    /// An origin server is no intermediary, so it adds no `Via` (RFC 9110 section 7.6.3).
    #[test]
    fn a_server_field_of_the_application_stays_alone() {
        let own = fields(&[("server", "app/1")]);
        for identity in ["httpfsm/0.1 (linux)", ""] {
            assert_eq!(
                head_of(200, &own, plan(ConnectionOption::None, Framing::Length(0)), identity),
                format!("HTTP/1.1 200 OK\r\nserver: app/1\r\nDate: {DATE}\r\nContent-Length: 0\r\n\r\n")
            );
        }
    }

    #[test]
    fn a_date_of_the_application_stays_alone() {
        let own = fields(&[("date", "yesterday")]);
        assert_eq!(
            head_of(200, &own, plan(ConnectionOption::None, Framing::Length(0)), "httpfsm"),
            "HTTP/1.1 200 OK\r\ndate: yesterday\r\nServer: httpfsm\r\nContent-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn server_and_date_of_the_application_both_stay() {
        let own = fields(&[("Server", "app/1"), ("Date", "today")]);
        assert_eq!(
            head_of(200, &own, plan(ConnectionOption::None, Framing::Length(0)), "httpfsm"),
            "HTTP/1.1 200 OK\r\nServer: app/1\r\nDate: today\r\nContent-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn a_declared_length_and_connection_appear_only_as_planned() {
        let own = fields(&[("Content-Length", "99"), ("Connection", "close"), ("A", "b")]);
        assert_eq!(
            head_of(304, &own, plan(ConnectionOption::None, Framing::None), ""),
            format!("HTTP/1.1 304 Not Modified\r\nA: b\r\nDate: {DATE}\r\n\r\n")
        );
    }

    #[test]
    fn a_101_has_neither_server_nor_date_nor_framing() {
        let own = fields(&[("Connection", "upgrade"), ("Upgrade", "echo")]);
        assert_eq!(
            head_of(101, &own, plan(ConnectionOption::None, Framing::None), "httpfsm"),
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n"
        );
    }

    #[test]
    fn every_status_has_a_line_with_its_code_and_a_space_after_it() {
        for code in 100..=999 {
            let status = Status::new(code).unwrap();
            let mut out = Vec::new();
            status_line(&mut out, status);
            assert_eq!(out, format!("HTTP/1.1 {code} {}\r\n", status.reason()).as_bytes());
        }
    }

    #[test]
    fn an_interim_response_has_only_its_fields() {
        let mut out = Vec::new();
        let hints = fields(&[("Link", "</a>"), ("Content-Length", "4"), ("Connection", "close")]);
        informational_head(&mut out, Status::EARLY_HINTS, &hints);
        informational_head(&mut out, Status::CONTINUE, &Fields::new());
        assert_eq!(out, b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n");
    }

    #[test]
    fn chunk_sizes_are_hexadecimal_without_leading_zeros() {
        for length in [1, 9, 10, 15, 16, 255, 256, 4095, 65_536, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            chunk_start(&mut out, length);
            chunk_end(&mut out);
            assert_eq!(out, format!("{length:x}\r\n\r\n").as_bytes());
        }
    }

    #[test]
    fn a_trailer_section_leaves_out_what_belongs_before_the_content() {
        let mut out = Vec::new();
        last_chunk(&mut out, None);
        last_chunk(&mut out, Some(&Fields::new()));
        assert_eq!(out, b"0\r\n\r\n0\r\n\r\n");
        out.clear();
        let trailers = fields(&[
            ("X-Sum", "1"),
            ("Content-Type", "a/b"),
            ("set-cookie", "a=b"),
            ("Content-Length", "7"),
            ("Connection", "close"),
            ("Host", "x"),
            ("ETag", "\"y\""),
        ]);
        last_chunk(&mut out, Some(&trailers));
        assert_eq!(out, b"0\r\nX-Sum: 1\r\nETag: \"y\"\r\n\r\n");
    }

    #[test]
    fn the_capacity_asked_for_is_enough() {
        let date = Date::EPOCH;
        for code in [511, 999] {
            let plan = plan(ConnectionOption::KeepAlive, Framing::Length(u64::MAX));
            let own = fields(&[("Server", "s")]);
            let mut out = Vec::new();
            response_head(&mut out, Status::new(code).unwrap(), &own, plan, &date, &"i".repeat(500));
            let asked = FIXED + own.wire().len() + 500;
            assert!(out.len() <= asked, "{}", out.len());
            // Nor is it a multiple of what is needed.
            assert!(out.capacity() <= asked, "{}", out.capacity());
        }
    }
}
