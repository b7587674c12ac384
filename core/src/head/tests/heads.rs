//! Heads that are accepted, refused or incomplete, and what httparse by itself says of them.

use super::*;
use std::format;

/// What httparse by itself says of a head; pinned so that an upgrade cannot move the border in silence.
fn httparse_accepts(head: &[u8]) -> bool {
    let mut headers = [httparse::EMPTY_HEADER; 16];
    matches!(httparse::Request::new(&mut headers).parse(head), Ok(Status::Complete(_)))
}

/// What httparse accepts and we refuse, with our reason.
#[rustfmt::skip]
pub(super) const LENIENT: &[(&str, &[u8], Rule, u64)] = &[
    ("every line ends in LF", b"GET / HTTP/1.1\nHost: a\n\n", Rule::BareLf, 14),
    ("the request line ends in LF", b"GET / HTTP/1.1\nHost: a\r\n\r\n", Rule::BareLf, 14),
    ("a field line ends in LF", b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", Rule::BareLf, 23),
    ("an empty field ends in LF", b"GET / HTTP/1.1\r\nX:\nHost: a\r\n\r\n", Rule::BareLf, 18),
    ("the last field line ends in LF", b"GET / HTTP/1.1\r\nHost: a\n\r\n", Rule::BareLf, 23),
    ("the head ends in LF", b"GET / HTTP/1.1\r\nHost: a\r\n\n", Rule::BareLf, 25),
    ("no field, the head ends in LF", b"GET / HTTP/1.0\r\n\n", Rule::BareLf, 16),
    ("five empty lines before", b"\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Rule::EmptyLines, 8),
    ("many empty lines before", b"\r\n\r\n\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Rule::EmptyLines, 8),
    ("LF before", b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Rule::BareLf, 0),
    ("two LF before", b"\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Rule::BareLf, 0),
    ("an empty line and LF before", b"\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Rule::BareLf, 2),
    ("no Host", b"GET / HTTP/1.1\r\n\r\n", Rule::HostMissing, 0),
    ("two Hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", Rule::HostRepeated, 31),
    ("Content-Length, then Transfer-Encoding",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", Rule::LengthAndCoding, 64),
    ("Transfer-Encoding, then Content-Length",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", Rule::LengthAndCoding, 70),
    ("NBSP around a coding",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \xa0chunked\xa0\r\n\r\n", Rule::TransferCoding, 45),
    ("a target of no form", b"GET ! HTTP/1.1\r\nHost: a\r\n\r\n", Rule::Target, 4),
    ("a fragment", b"GET /#f HTTP/1.1\r\nHost: a\r\n\r\n", Rule::Target, 5),
];

/// What both refuse.
#[rustfmt::skip]
pub(super) const STRICT: &[(&str, &[u8], Rule, u64)] = &[
    ("bare CR in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", Rule::BareCr, 29),
    ("bare CR in a name", b"GET / HTTP/1.1\r\nHost: a\r\nX\rA: b\r\n\r\n", Rule::BareCr, 26),
    ("CR CR LF", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\r\n\r\n", Rule::BareCr, 29),
    ("CR in the request line", b"GET /\rx HTTP/1.1\r\nHost: a\r\n\r\n", Rule::BareCr, 5),
    ("CR ends the lines", b"GET / HTTP/1.1\rHost: a\r\r", Rule::BareCr, 14),
    ("CR before", b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", Rule::BareCr, 0),
    ("NUL in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", Rule::Nul, 29),
    ("NUL in a name", b"GET / HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n", Rule::Nul, 26),
    ("NUL in the target", b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", Rule::Nul, 5),
    ("NUL before", b"\0GET / HTTP/1.1\r\nHost: a\r\n\r\n", Rule::Nul, 0),
    ("CTL in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x01b\r\n\r\n", Rule::FieldValue, 29),
    ("US in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x1fb\r\n\r\n", Rule::FieldValue, 29),
    ("DEL in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x7fb\r\n\r\n", Rule::FieldValue, 29),
    ("VT in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: \x0ba\r\n\r\n", Rule::FieldValue, 28),
    ("SP before the colon", b"GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n", Rule::FieldName, 26),
    ("HTAB before the colon", b"GET / HTTP/1.1\r\nHost: a\r\nX\t: b\r\n\r\n", Rule::FieldName, 26),
    ("obs-fold", b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", Rule::ObsFold, 31),
    ("obs-fold with HTAB", b"GET / HTTP/1.1\r\nHost: a\r\nX:\r\n\tb\r\n\r\n", Rule::ObsFold, 29),
    ("a blank before the first field", b"GET / HTTP/1.1\r\n X: b\r\nHost: a\r\n\r\n", Rule::FieldName, 16),
    ("an empty name", b"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", Rule::FieldName, 25),
    ("a colon alone", b"GET / HTTP/1.1\r\nHost: a\r\n:\r\n\r\n", Rule::FieldName, 25),
    ("no colon", b"GET / HTTP/1.1\r\nHost: a\r\nNoColon\r\n\r\n", Rule::FieldLine, 25),
    ("HTTP/2.0", b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", Rule::Version, 11),
    ("HTTP/0.9", b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", Rule::Version, 11),
    ("two SP before the target", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", Rule::RequestLine, 4),
    ("two SP before the version", b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", Rule::RequestLine, 6),
    ("SP after the version", b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", Rule::RequestLine, 14),
    ("HTAB after the method", b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", Rule::Method, 3),
    ("HTAB after the target", b"GET /\tHTTP/1.1\r\nHost: a\r\n\r\n", Rule::Target, 5),
    ("no version", b"GET /\r\nHost: a\r\n\r\n", Rule::RequestLine, 5),
    ("an empty version", b"GET / \r\nHost: a\r\n\r\n", Rule::RequestLine, 6),
    ("no target", b"GET HTTP/1.1\r\nHost: a\r\n\r\n", Rule::Target, 4),
    ("one word", b"GET\r\nHost: a\r\n\r\n", Rule::RequestLine, 3),
    ("the head ends in CR LF CR X", b"GET / HTTP/1.1\r\nHost: a\r\n\rXGET", Rule::BareCr, 25),
];

/// Other heads that are refused: by a rule of ours, or by both.
#[rustfmt::skip]
pub(super) const REFUSED: &[(&[u8], Rule, u64)] = &[
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", Rule::TlsOnPlainPort, 0),
    (b"\r\n\x16\x03", Rule::FirstByte, 2),
    (b"\x7f\r\nGET / HTTP/1.1\r\n\r\n", Rule::FirstByte, 0),
    (b" GET / HTTP/1.1\r\n\r\n", Rule::FirstByte, 0),
    (b"\tGET / HTTP/1.1\r\n\r\n", Rule::FirstByte, 0),
    (b"\r\n GET / HTTP/1.1\r\n\r\n", Rule::FirstByte, 2),
    (b"\r\n\r\n\r\n\r\n\r\n", Rule::EmptyLines, 8),
    (b"\r\n\r\n\x16\x03", Rule::FirstByte, 4),
    (b"\r\n\r\n\nGET / HTTP/1.1\r\n", Rule::BareLf, 4),
    // Refused where the line ends that nothing can mend, whatever follows.
    (b"EHLO x\r\n", Rule::Target, 5),
    (b"GET /\r\n", Rule::RequestLine, 5),
    (b"GET / HTTP/9.9\r\n", Rule::Version, 11),
    (b"\r\n\r\nGET / HTTP/9.9\r\n", Rule::Version, 15),
    (b"PRI * HTTP/2.0\r\n", Rule::Http2Preface, 0),
    (b"GET / HTTP/1.1\r\nHost: a\r\nNoColon\r\n", Rule::FieldLine, 25),
    (b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n", Rule::ObsFold, 25),
    (b"GET / HTTP/1.1\r\n b: c\r\n", Rule::FieldName, 16),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n", Rule::FieldValue, 28),
    (b"GET  bad\r\nX : y\r\n\0\r\n\r\n", Rule::RequestLine, 4),
    (b"\r\n\rX", Rule::BareCr, 2),
    (b"\xff\xfe", Rule::FirstByte, 0),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Rule::Http2Preface, 0),
    (b"PRI * HTTP/2.0\r\nHost: a\r\n\r\n", Rule::Http2Preface, 0),
    (b"GE:T / HTTP/1.1\r\nHost: a\r\n\r\n", Rule::Method, 2),
    (b"G\xe9T / HTTP/1.1\r\nHost: a\r\n\r\n", Rule::Method, 1),
    (b"HTTP/1.1 200 OK\r\n\r\n", Rule::Method, 4),
    (b"GET / HTTP/1.\r\nHost: a\r\n\r\n", Rule::RequestLine, 13),
    (b"GET / HTTP/1.10\r\nHost: a\r\n\r\n", Rule::RequestLine, 14),
    (b"GET / HTTP/01.1\r\nHost: a\r\n\r\n", Rule::RequestLine, 12),
    (b"GET / http/1.1\r\nHost: a\r\n\r\n", Rule::RequestLine, 6),
    (b"GET / HTTPS/1.1\r\nHost: a\r\n\r\n", Rule::RequestLine, 10),
    (b"GET / HTTP/1.32\r\nHost: a\r\n\r\n", Rule::RequestLine, 14),
    (b"GET / H\r\n\r\n", Rule::RequestLine, 7),
    (b"GET /a HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n", Rule::RequestLine, 15),
    (b"GET / HTTP/1.2\r\n\r\n", Rule::HostMissing, 0),
    (b"GET / HTTP/1.2\r\nHost: a\r\nHost: b\r\n\r\n", Rule::HostRepeated, 31),
    (b"GET / HTTP/1.2\r\nHost: a\r\nX : b\r\n\r\n", Rule::FieldName, 26),
    (b"GET / HTTP/1.2\nHost: a\r\n\r\n", Rule::BareLf, 14),
    (b"GET /caf\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", Rule::Target, 8),
    (b"GET /caf\xe9 HTTP/1.1\r\nHost: a\r\n\r\n", Rule::Target, 8),
    (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", Rule::Target, 4),
    (b"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", Rule::Target, 11),
    (b"GET http://a/ HTTP/1.1\r\n\r\n", Rule::HostMissing, 0),
    (b"CONNECT /a HTTP/1.1\r\nHost: a\r\n\r\n", Rule::ConnectTarget, 8),
    (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n", Rule::ConnectBody, 47),
    (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", Rule::ConnectBody, 50),
    (b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", Rule::HostRepeated, 31),
    (b"GET / HTTP/1.0\r\nHost: a b\r\n\r\n", Rule::HostInvalid, 22),
    (b"GET / HTTP/1.1\r\nHost: a\xe9\r\n\r\n", Rule::HostInvalid, 22),
    (b"GET / HTTP/1.1\r\nhOST: a\r\nHosT:\r\n\r\n", Rule::HostRepeated, 30),
    (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", Rule::CodingInHttp10, 36),
    (b"GET / HTTP/1.1\r\nX: a\x01\r\nHost: a\r\n\r\n\r\n\r\n", Rule::FieldValue, 20),
    (b"G ET / HTTP/1.1\r\nHost: a\r\n\r\n", Rule::Target, 2),
    // A forbidden byte before the end of its line decides, whatever else is wrong before it.
    (b"GET  bad\0\r\nX : y\r\n\r\n\r\n", Rule::Nul, 8),
    // A value that the framing or the host forbids is judged with the whole head.
    (b"GET / HTTP/1.1\r\nHost: a b\r\nX: y\n\r\n", Rule::BareLf, 31),
];

#[rustfmt::skip]
pub(super) const ACCEPTED: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: \t\r\n\r\n",
    b"GET / HTTP/1.1\r\nX-A:\r\nX-B: \r\nX-C:\t\t\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"\r\nGET / HTTP/1.0\r\n\r\n",
    b"\r\n\r\nGET / HTTP/1.0\r\n\r\n",
    b"\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"M-SEARCH /m HTTP/1.1\r\nHost: a\r\n\r\n",
    b"! / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /a?b=c HTTP/1.1\r\nContent-Length: 3\r\nHost: a:80\r\n\r\nabcGET",
    b"GET /\"<>\\^`{|}%zz HTTP/1.1\r\nHost: a\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET HTTP://a/p?q HTTP/1.1\r\nHost: other\r\n\r\n",
    b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n\x16\x03",
    b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    b"GET / HTTP/1.2\r\nHost: a\r\n\r\n",
    b"\r\nGET / HTTP/1.9\r\nHost: a\r\nX: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n!#$%&'*+-.^_`|~09aZ: v\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: a:b \t c\xff\x80\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\0\n\r\r",
    b"GET / HTTP/1.1\r\nX_A: u\r\nX-A: v\r\nHost: a\r\n\r\n",
];

#[rustfmt::skip]
pub(super) const PARTIAL: &[&[u8]] = &[
    b"", b"\r", b"\r\n", b"\r\n\r", b"G", b"GET", b"GET ", b"GET /", b"GET / HTTP/1.1", b"GET / HTTP/1.1\r", b"GET / HTTP/1.1\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r", b"\r\nGET / HTTP/1.1\r\nHost", b"GET  bad HTTQ",
    b"GET / HTTP/9.9\r", b"GET / HTTP/1.1\r\nX: \x01", b"PRI * HTTP/2.0\r", b"\r\n\r\n\r\n\r\n", b"\r\n\r\n\r\n\r\n\r",
];

#[test]
fn what_httparse_accepts_and_http_forbids_is_refused() {
    for (what, head, rule, offset) in LENIENT {
        assert!(httparse_accepts(head), "httparse no longer accepts: {what}");
        assert_eq!(rule_of(head), Some((*rule, *offset)), "{what}");
    }
}

#[test]
fn what_httparse_refuses_is_refused_with_its_reason() {
    for (what, head, rule, offset) in STRICT {
        assert!(!httparse_accepts(head), "httparse now accepts: {what}");
        assert_eq!(rule_of(head), Some((*rule, *offset)), "{what}");
    }
}

#[test]
fn characters_that_a_uri_excludes_are_handed_on() {
    let head = b"GET /\"<>{}|^ HTTP/1.1\r\nHost: a\r\n\r\n";
    assert!(httparse_accepts(head));
    assert_eq!(rule_of(head), None);
}

#[test]
fn higher_minor_versions_are_served_although_httparse_refuses_them() {
    for minor in '0'..='9' {
        let head = format!("GET /a HTTP/1.{minor}\r\nHost: a\r\nConnection: x\r\n\r\n").into_bytes();
        assert_eq!(httparse_accepts(&head), minor < '2', "HTTP/1.{minor}");
        let meta = parsed(&head).unwrap();
        assert_eq!(meta.version, if minor == '0' { Version::Http10 } else { Version::Http11 });
        assert_eq!(&head[meta.target()], b"/a");
        assert_eq!(&head[meta.fields()], b"Host: a\r\nConnection: x\r\n");
        assert_eq!(meta.len as usize, head.len());
    }
}

#[test]
fn a_major_version_other_than_1_gets_505() {
    for head in ["GET / HTTP/2.0\r\n\r\n", "GET / HTTP/0.9\r\n\r\n", "PRI * HTTP/2.0\r\n\r\n"] {
        assert_eq!(parsed(head.as_bytes()).unwrap_err().status().code(), 505, "{head:?}");
    }
}
