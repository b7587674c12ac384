use super::*;
use crate::request::BodyLength;
use proptest::prelude::*;
use std::format;
use std::string::String;
use std::vec;

pub(crate) const LIMITS: HeadLimits =
    HeadLimits { size: 256 << 10, fields: 128, target: 8 << 10, body: 1 << 30 };

/// What the octets of one whole head say, under the default limits.
pub(crate) fn parsed(head: &[u8]) -> Result<HeadMeta, RequestError> {
    match HeadScan::default().advance(head, &LIMITS) {
        Parsed::Complete(meta) => Ok(meta),
        Parsed::Refused(error) => Err(error),
        Parsed::Partial => panic!("the head is not whole: {}", head.escape_ascii()),
    }
}

/// The first verdict when the octets arrive up to each of the cuts, and then whole.
fn verdict(octets: &[u8], cuts: impl IntoIterator<Item = usize>, limits: &HeadLimits) -> Parsed {
    let mut scan = HeadScan::default();
    for end in cuts.into_iter().chain([octets.len()]) {
        let parsed = scan.advance(&octets[..end], limits);
        if parsed != Parsed::Partial {
            return parsed;
        }
    }
    Parsed::Partial
}

/// The one verdict of every way to cut the octets in two, and of single octets.
fn verdict_of_every_cut(octets: &[u8], limits: &HeadLimits) -> Parsed {
    let whole = verdict(octets, [], limits);
    for cut in 0..octets.len() {
        assert_eq!(verdict(octets, [cut], limits), whole, "cut at {cut}: {}", octets.escape_ascii());
    }
    assert_eq!(verdict(octets, 0..octets.len(), limits), whole, "bytewise: {}", octets.escape_ascii());
    whole
}

fn rule_of(octets: &[u8]) -> Option<(Rule, u64)> {
    match verdict(octets, [], &LIMITS) {
        Parsed::Refused(error) => Some((error.rule, error.offset)),
        Parsed::Complete(_) => None,
        Parsed::Partial => panic!("no verdict: {}", octets.escape_ascii()),
    }
}

/// A request with these field lines.
fn with(lines: &str) -> Vec<u8> {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n").into_bytes()
}

/// Where the lines of [`with`] begin.
const LINES: u64 = 26;

/// What httparse by itself says of a head; pinned so that an upgrade cannot move the border in silence.
fn httparse_accepts(head: &[u8]) -> bool {
    let mut headers = [httparse::EMPTY_HEADER; 16];
    matches!(httparse::Request::new(&mut headers).parse(head), Ok(Status::Complete(_)))
}

/// What httparse accepts and we refuse, with our reason.
#[rustfmt::skip]
const LENIENT: &[(&str, &[u8], Rule, u64)] = &[
    ("every line ends in LF", b"GET / HTTP/1.1\nHost: a\n\n", Rule::BareLf, 14),
    ("the request line ends in LF", b"GET / HTTP/1.1\nHost: a\r\n\r\n", Rule::BareLf, 14),
    ("a field line ends in LF", b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", Rule::BareLf, 23),
    ("an empty field ends in LF", b"GET / HTTP/1.1\r\nX:\nHost: a\r\n\r\n", Rule::BareLf, 18),
    ("the last field line ends in LF", b"GET / HTTP/1.1\r\nHost: a\n\r\n", Rule::BareLf, 23),
    ("the head ends in LF", b"GET / HTTP/1.1\r\nHost: a\r\n\n", Rule::BareLf, 25),
    ("no field, the head ends in LF", b"GET / HTTP/1.0\r\n\n", Rule::BareLf, 16),
    ("two empty lines before", b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Rule::EmptyLines, 2),
    ("many empty lines before", b"\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Rule::EmptyLines, 2),
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
const STRICT: &[(&str, &[u8], Rule, u64)] = &[
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
const REFUSED: &[(&[u8], Rule, u64)] = &[
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", Rule::FirstOctet, 0),
    (b"\r\n\x16\x03", Rule::FirstOctet, 2),
    (b"\x7f\r\nGET / HTTP/1.1\r\n\r\n", Rule::FirstOctet, 0),
    (b" GET / HTTP/1.1\r\n\r\n", Rule::FirstOctet, 0),
    (b"\tGET / HTTP/1.1\r\n\r\n", Rule::FirstOctet, 0),
    (b"\r\n GET / HTTP/1.1\r\n\r\n", Rule::FirstOctet, 2),
    (b"\r\n\r\n", Rule::EmptyLines, 2),
    (b"\r\n\rX", Rule::BareCr, 2),
    (b"\xff\xfe", Rule::FirstOctet, 0),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Rule::Http2Preface, 0),
    (b"PRI * HTTP/2.0\r\nHost: a\r\n\r\n", Rule::Target, 4),
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
    // A forbidden octet before the end decides, whatever else is wrong before it.
    (b"GET  bad\r\nX : y\r\n\0\r\n\r\n", Rule::Nul, 17),
    (b"GET / HTTP/1.1\r\nHost: a b\r\nX: y\n\r\n", Rule::BareLf, 31),
];

#[rustfmt::skip]
const ACCEPTED: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: \t\r\n\r\n",
    b"GET / HTTP/1.1\r\nX-A:\r\nX-B: \r\nX-C:\t\t\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"\r\nGET / HTTP/1.0\r\n\r\n",
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
const PARTIAL: &[&[u8]] = &[
    b"", b"\r", b"\r\n", b"\r\n\r", b"G", b"GET", b"GET ", b"GET /", b"GET / HTTP/1.1", b"GET / HTTP/1.1\r", b"GET / HTTP/1.1\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r", b"\r\nGET / HTTP/1.1\r\nHost", b"GET  bad HTTQ",
    b"GET / HTTP/9.9\r\n :::\x01", b"PRI * HTTP/2.0\r\n\r",
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
fn the_verdict_never_depends_on_the_cuts() {
    let named = LENIENT.iter().chain(STRICT).map(|&(_, head, rule, offset)| (head, rule, offset));
    let mut count = 0;
    for (head, rule, offset) in named.chain(REFUSED.iter().copied()) {
        let expected = Parsed::Refused(RequestError::new(rule, offset));
        assert_eq!(verdict_of_every_cut(head, &LIMITS), expected, "{}", head.escape_ascii());
        count += 1;
    }
    for head in ACCEPTED {
        let found = verdict_of_every_cut(head, &LIMITS);
        assert!(matches!(found, Parsed::Complete(_)), "{found:?}: {}", head.escape_ascii());
        count += 1;
    }
    for head in PARTIAL {
        assert_eq!(verdict_of_every_cut(head, &LIMITS), Parsed::Partial, "{}", head.escape_ascii());
        count += 1;
    }
    assert!(count >= 80, "{count}");
}

#[test]
fn forbidden_octets_are_refused_at_once() {
    for (what, head, rule, offset) in LENIENT.iter().chain(STRICT) {
        let behind = match rule {
            Rule::BareCr | Rule::EmptyLines => 2,
            Rule::BareLf | Rule::Nul | Rule::FirstOctet => 1,
            _ => continue,
        };
        let seen = *offset as usize + behind;
        let expected = Parsed::Refused(RequestError::new(*rule, *offset));
        assert_eq!(verdict(&head[..seen], [], &LIMITS), expected, "{what}");
        assert_eq!(verdict(&head[..seen - 1], [], &LIMITS), Parsed::Partial, "{what}");
    }
}

/// Judges by each limit, around the length of what is limited.
fn around(octets: &[u8], exact: usize, limits: impl Fn(usize) -> HeadLimits) -> [Parsed; 3] {
    [exact - 1, exact, exact + 1].map(|limit| verdict_of_every_cut(octets, &limits(limit)))
}

fn refused(rule: Rule, offset: usize) -> Parsed {
    Parsed::Refused(RequestError::new(rule, offset as u64))
}

#[test]
fn the_size_of_a_head_is_limited_to_the_octet() {
    for head in [
        &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
        b"\r\nGET / HTTP/1.1\r\nHost: a\r\nX: yyyyyyyyyyy\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
    ] {
        let limits = |size| HeadLimits { size: size as u32, ..LIMITS };
        let [below, at, above] = around(head, head.len(), limits);
        assert_eq!(below, refused(Rule::HeadTooLarge, head.len() - 1));
        assert!(matches!(at, Parsed::Complete(_)), "{at:?}");
        assert_eq!(at, above);
        // What follows the head does not count.
        let more = [head, b"GET / HTTP/1.1\r\n"].concat();
        assert_eq!(verdict_of_every_cut(&more, &limits(head.len())), at);
    }
    // A forbidden octet decides only within the limit.
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n";
    let limits = |size| HeadLimits { size, ..LIMITS };
    assert_eq!(verdict_of_every_cut(head, &limits(28)), refused(Rule::HeadTooLarge, 28));
    assert_eq!(verdict_of_every_cut(head, &limits(29)), refused(Rule::Nul, 28));
    let head = b"GET / HTTP/1.1\rX";
    assert_eq!(verdict_of_every_cut(head, &limits(15)), refused(Rule::HeadTooLarge, 15));
    assert_eq!(verdict_of_every_cut(head, &limits(16)), refused(Rule::BareCr, 14));
}

#[test]
fn the_number_of_fields_is_limited_to_the_line() {
    for count in [1usize, 3, 100, 127, 128, 129, 200] {
        let mut head = b"GET / HTTP/1.1\r\nHost: a\r\n".to_vec();
        (1..count).for_each(|_| head.extend_from_slice(b"a:\r\n"));
        let last = head.len() - if count == 1 { 9 } else { 4 };
        head.extend_from_slice(b"\r\n");
        let limits = |fields| HeadLimits { fields, ..LIMITS };
        let [below, at, above] =
            [count - 1, count, count + 1].map(|fields| verdict(&head, 0..head.len(), &limits(fields)));
        assert_eq!(below, refused(Rule::TooManyFields, last), "{count}");
        assert!(matches!(at, Parsed::Complete(_)), "{count}: {at:?}");
        assert_eq!(at, above);
        assert_eq!(at, verdict(&head, [], &limits(count)));
        assert_eq!(at, verdict(&head, [], &limits(usize::MAX)));
    }
}

#[test]
fn the_target_is_limited_to_the_octet() {
    let head = b"GET /345678 HTTP/1.1\r\nHost: a\r\n\r\n";
    let limits = |target| HeadLimits { target, ..LIMITS };
    let [below, at, above] = around(head, 7, limits);
    assert_eq!(below, refused(Rule::TargetTooLong, 4 + 6));
    assert!(matches!(at, Parsed::Complete(_)), "{at:?}");
    assert_eq!(at, above);
    // The same where something else is wrong behind it.
    let bad = b"GET /345678 HTTP/1.1\r\nHost : a\r\n\r\n";
    let [below, at, above] = around(bad, 7, limits);
    assert_eq!(below, refused(Rule::TargetTooLong, 4 + 6));
    assert_eq!(at, refused(Rule::FieldName, 26));
    assert_eq!(at, above);
}

#[test]
fn a_method_may_have_256_octets() {
    for (len, rule) in [(255, None), (256, None), (257, Some(Rule::MethodTooLong))] {
        for rest in [" / HTTP/1.1\r\nHost: a\r\n\r\n", " /#\r\nHost : a\r\n\r\n"] {
            let head = [vec![b'A'; len], rest.into()].concat();
            let found = verdict_of_every_cut(&head, &LIMITS);
            match (rule, rest.contains('#')) {
                (Some(rule), _) => assert_eq!(found, refused(rule, 256)),
                (None, false) => assert!(matches!(found, Parsed::Complete(_)), "{found:?}"),
                (None, true) => assert_eq!(found, refused(Rule::Target, len + 2)),
            }
        }
    }
}

#[test]
fn a_head_without_end_is_refused_for_what_is_too_long() {
    let limits = HeadLimits { size: 600, target: 300, ..LIMITS };
    let fill = |start: &str, len: usize| [start.as_bytes(), &vec![b'a'; len]].concat();
    for (head, rule, offset) in [
        (fill("GET /", 900), Rule::TargetTooLong, 4 + 300),
        (fill("\r\nGET /", 900), Rule::TargetTooLong, 2 + 4 + 300),
        (fill("", 900), Rule::MethodTooLong, 256),
        (fill("\r\n", 900), Rule::MethodTooLong, 2 + 256),
        (fill("GET / HTTP/1.", 900), Rule::HeadTooLarge, 600),
        (fill("GET / HTTP/1.1\r\nX: ", 900), Rule::HeadTooLarge, 600),
        (fill("GET / HTTP/1.1\r\n", 900), Rule::HeadTooLarge, 600),
    ] {
        assert_eq!(verdict_of_every_cut(&head, &limits), refused(rule, offset), "{}", head.escape_ascii());
    }
    // A request line that is whole is not to blame.
    let head = fill(&format!("GET /{} HTTP/1.1\r\nX: ", "a".repeat(320)), 900);
    assert_eq!(verdict_of_every_cut(&head, &limits), refused(Rule::HeadTooLarge, 600));
    // The target has its limit to the octet here too, and a CR at the end of the window is none of it.
    let tight = |target| HeadLimits { size: 100, target, ..LIMITS };
    let head = fill("GET /", 94);
    assert_eq!(
        verdict_of_every_cut(&[&head[..], b"\r\n"].concat(), &tight(95)),
        refused(Rule::HeadTooLarge, 100)
    );
    assert_eq!(
        verdict_of_every_cut(&[&head[..], b"\r\n"].concat(), &tight(94)),
        refused(Rule::TargetTooLong, 98)
    );
    // Nor is one that ends with the window.
    let head = fill("GET /", 84);
    assert_eq!(
        verdict_of_every_cut(&[&head[..], b" HTTP/1.1\r\nX"].concat(), &tight(10)),
        refused(Rule::HeadTooLarge, 100)
    );
    // A window shorter than a method may be.
    let small = HeadLimits { size: 200, ..LIMITS };
    assert_eq!(verdict_of_every_cut(&fill("", 256), &small), refused(Rule::HeadTooLarge, 200));
}

#[test]
fn the_announced_body_is_limited_to_the_octet() {
    let head = with("Content-Length: 1000");
    let limits = |body| HeadLimits { body, ..LIMITS };
    let [below, at, above] = [999, 1000, 1001].map(|body| verdict_of_every_cut(&head, &limits(body)));
    assert_eq!(below, refused(Rule::BodyTooLarge, LINES as usize + 16));
    assert!(matches!(at, Parsed::Complete(HeadMeta { body: BodyLength::Known(1000), .. })), "{at:?}");
    assert_eq!(at, above);
}

fn body_of(lines: &str) -> Result<BodyLength, Rule> {
    parsed(&with(lines)).map(|meta| meta.body).map_err(|error| error.rule)
}

#[test]
fn content_length_is_digits_once() {
    for (value, length) in [
        ("0", 0),
        ("5", 5),
        ("005", 5),
        (" \t 5 \t", 5),
        ("\t42", 42),
        ("00000000000000000000000000000000009", 9),
    ] {
        assert_eq!(body_of(&format!("Content-Length:{value}")), Ok(BodyLength::Known(length)), "{value:?}");
    }
    for value in [
        "", " ", "+5", "-5", "-48", "1_0", "0x10", "0o5", "0b1", "1Z", "5 5", "5\t5", "5abc", "abc5",
        "\"5\"", "5.0", "5;", "5, x", "\u{a0}5", "5\u{85}", "0 43",
    ] {
        assert_eq!(body_of(&format!("Content-Length: {value}")), Err(Rule::ContentLength), "{value:?}");
    }
    for value in ["5, 5", "5,6", "5,", ",5", "5, ,5", ","] {
        assert_eq!(
            body_of(&format!("Content-Length: {value}")),
            Err(Rule::ContentLengthRepeated),
            "{value:?}"
        );
    }
    for lines in ["Content-Length: 5\r\nContent-Length: 5", "content-length: 1\r\nX: y\r\nCONTENT-LENGTH: 0"]
    {
        assert_eq!(body_of(lines), Err(Rule::ContentLengthRepeated), "{lines:?}");
    }
    for value in ["1073741825", "9223372036854775808", "18446744073709551615", "18446744073709551616"] {
        assert_eq!(body_of(&format!("Content-Length: {value}")), Err(Rule::BodyTooLarge), "{value:?}");
    }
    assert_eq!(body_of(&format!("Content-Length: {}", "9".repeat(400))), Err(Rule::BodyTooLarge));
    // Without a limit the largest number passes, and one more is still refused.
    let unlimited = HeadLimits { body: u64::MAX, ..LIMITS };
    let largest = with("Content-Length: 18446744073709551615");
    let Parsed::Complete(meta) = verdict(&largest, [], &unlimited) else { panic!() };
    assert_eq!(meta.body, BodyLength::Known(u64::MAX));
    let wrap = with("Content-Length: 18446744073709551616");
    assert_eq!(verdict(&wrap, [], &unlimited), refused(Rule::BodyTooLarge, LINES as usize + 16));
    assert_eq!(body_of("X: y"), Ok(BodyLength::None));
}

#[test]
fn a_length_and_a_coding_are_refused_whatever_stands_beside_them() {
    for version in ["1.0", "1.1"] {
        for beside in
            ["", "Expect:\r\n", "Expect: 100-continue\r\n", "Expect: x\r\n", "Connection: close\r\n"]
        {
            for host in ["", "Host: a\r\n"] {
                let head = format!(
                    "POST / HTTP/{version}\r\n{host}{beside}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
                );
                let expected = if version == "1.1" && host.is_empty() {
                    Rule::HostMissing
                } else {
                    Rule::LengthAndCoding
                };
                assert_eq!(rule_of(head.as_bytes()).map(|(rule, _)| rule), Some(expected), "{head}");
            }
        }
    }
}

#[test]
fn the_only_transfer_coding_is_chunked_once() {
    for value in ["chunked", "CHUNKED", "\t chunked \t", "cHuNkEd"] {
        assert_eq!(body_of(&format!("Transfer-Encoding:{value}")), Ok(BodyLength::Chunked), "{value:?}");
    }
    for value in [
        "",
        "identity",
        "gzip",
        "xchunked",
        "chunkedx",
        "chunked, identity",
        "chunked chunked",
        "x chunked",
        "'chunked'",
        "\"chunked\"",
        "chu nked",
        "chunked;",
        "chunked=",
        "chunked;q=1",
        "chunked, chunked",
        ", chunked",
        "chunked,",
        "gzip,, chunked",
        "chunked, gzip, chunked",
        "gzip;, chunked",
        "gzip;=1, chunked",
        "gzip;a=, chunked",
        "gz ip, chunked",
        "gzip;a=b=c, chunked",
        "\u{a0}chunked",
        "chunked\u{85}",
    ] {
        assert_eq!(body_of(&format!("Transfer-Encoding: {value}")), Err(Rule::TransferCoding), "{value:?}");
    }
    for value in ["gzip, chunked", "x-foo,chunked", "identity, chunked", "gzip;q=1 ; a, x, chunked"] {
        assert_eq!(body_of(&format!("Transfer-Encoding: {value}")), Err(Rule::UnknownCoding), "{value:?}");
    }
    let lines = |first: &str, second: &str| {
        body_of(&format!("Transfer-Encoding: {first}\r\nX: y\r\ntransfer-encoding: {second}"))
    };
    assert_eq!(lines("chunked", "chunked"), Err(Rule::TransferCoding));
    assert_eq!(lines("chunked", "identity"), Err(Rule::TransferCoding));
    assert_eq!(lines("chunked", ""), Err(Rule::TransferCoding));
    assert_eq!(lines("", "chunked"), Err(Rule::TransferCoding));
    assert_eq!(lines("gzip", "chunked"), Err(Rule::UnknownCoding));
    for lines in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 0",
        "Content-Length: 5\r\nTransfer-Encoding:",
        "Transfer-Encoding: gzip\r\nContent-Length: 5",
    ] {
        assert_eq!(body_of(lines), Err(Rule::LengthAndCoding), "{lines:?}");
    }
    // Other fields, however alike their names.
    for name in [
        "Transfer_Encoding",
        "Transfer-%45ncoding",
        "Transfer.Encoding",
        "X-Transfer-Encoding",
        "Content-Encoding",
    ] {
        assert_eq!(
            body_of(&format!("{name}: chunked\r\nContent-Length: 2")),
            Ok(BodyLength::Known(2)),
            "{name}"
        );
    }
}

#[test]
fn names_are_told_apart_in_every_octet() {
    let facts = |name: &str, value: &str| {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{name}: {value}\r\nContent-Length: 1\r\n\r\n");
        parsed(head.as_bytes()).map(|meta| (meta.expect, meta.keep_alive)).map_err(|error| error.rule)
    };
    let plain = Ok((false, true));
    for (name, value, marked) in [
        ("host", "a", Err(Rule::HostRepeated)),
        ("connection", "close", Ok((false, false))),
        ("content-length", "1", Err(Rule::ContentLengthRepeated)),
        ("transfer-encoding", "chunked", Err(Rule::LengthAndCoding)),
        ("expect", "100-continue", Ok((true, true))),
    ] {
        assert_eq!(facts(name, value), marked);
        assert_eq!(facts(&name.to_uppercase(), value), marked);
        for at in 0..name.len() {
            let mut other = String::from(name).into_bytes();
            other[at] = if other[at] == b'-' { b'.' } else { b'~' };
            assert_eq!(facts(std::str::from_utf8(&other).unwrap(), value), plain, "{name} at {at}");
        }
        assert_eq!(facts(&name[1..], value), plain);
    }
}

#[test]
fn connection_options_decide_whether_the_connection_persists() {
    let persists = |version: &str, lines: &str| {
        let head = format!("GET / HTTP/{version}\r\nHost: a\r\n{lines}\r\n\r\n");
        parsed(head.as_bytes()).unwrap().keep_alive
    };
    assert!(persists("1.1", "X: y"));
    assert!(!persists("1.0", "X: y"));
    for option in ["close", "CLOSE", "x, close", "close,x", "x,close,y", " , close ,", "keep-alive, close"] {
        assert!(!persists("1.1", &format!("Connection: {option}")), "{option:?}");
        assert!(!persists("1.0", &format!("Connection: keep-alive\r\nConnection: {option}")), "{option:?}");
        assert!(!persists("1.0", &format!("Connection: {option}\r\nConnection: keep-alive")), "{option:?}");
    }
    for option in ["keep-alive", "Keep-Alive", "x,keep-alive", "keep-alive , x", ",,keep-alive"] {
        assert!(persists("1.0", &format!("Connection: {option}")), "{option:?}");
    }
    for option in ["closed", "close x", "\"close\"", "keep-alive;close", "", ",,,"] {
        assert!(persists("1.1", &format!("Connection: {option}")), "{option:?}");
        assert!(!persists("1.0", &format!("Connection: {option}")), "{option:?}");
    }
}

#[test]
fn an_upgrade_request_has_version_option_and_field() {
    let upgrades = |version: &str, lines: &str| {
        let head = format!("GET / HTTP/{version}\r\nHost: a\r\n{lines}\r\n\r\n");
        parsed(head.as_bytes()).unwrap().upgrade
    };
    assert!(upgrades("1.1", "Connection: Upgrade\r\nUpgrade: foo/2"));
    assert!(upgrades("1.1", "UPGRADE: foo/2\r\nConnection: keep-alive, upgrade"));
    assert!(upgrades("1.1", "Connection: x\r\nConnection: upgrade\r\nUpgrade:\r\nUpgrade: a, b"));
    assert!(!upgrades("1.0", "Connection: Upgrade\r\nUpgrade: foo/2"));
    assert!(!upgrades("1.1", "Upgrade: foo/2"));
    assert!(!upgrades("1.1", "Connection: Upgrade"));
    assert!(!upgrades("1.1", "Connection: Upgrade\r\nUpgrade:"));
    assert!(!upgrades("1.1", "Connection: Upgrades\r\nUpgrade: foo"));
    assert!(!upgrades("1.1", "Connection: Upgrade\r\nUpgrada: foo"));
}

#[test]
fn an_expectation_is_met_or_refused() {
    let expects = |version: &str, lines: &str| {
        let head = format!("POST / HTTP/{version}\r\nHost: a\r\n{lines}\r\n\r\n");
        parsed(head.as_bytes()).map(|meta| meta.expect).map_err(|error| error.rule)
    };
    for value in ["100-continue", "100-CONTINUE", "100-continue, 100-Continue", ",100-continue,"] {
        assert_eq!(expects("1.1", &format!("Expect: {value}\r\nContent-Length: 1")), Ok(true), "{value:?}");
        assert_eq!(expects("1.1", &format!("Transfer-Encoding: chunked\r\nExpect: {value}")), Ok(true));
        assert_eq!(expects("1.1", &format!("Expect: {value}\r\nContent-Length: 0")), Ok(false), "{value:?}");
        assert_eq!(expects("1.1", &format!("Expect: {value}")), Ok(false), "{value:?}");
        assert_eq!(expects("1.0", &format!("Expect: {value}\r\nContent-Length: 1")), Ok(false), "{value:?}");
    }
    assert_eq!(expects("1.1", "Expect:\r\nContent-Length: 1"), Ok(false));
    for value in ["teapot", "100-continue, x", "x 100-continue", "100-continue;a", "\"100-continue\""] {
        assert_eq!(expects("1.1", &format!("Expect: {value}")), Err(Rule::Expectation), "{value:?}");
        assert_eq!(expects("1.0", &format!("Expect: {value}")), Ok(false), "{value:?}");
        // A framing error comes first.
        let lines = format!("Expect: {value}\r\nContent-Length: 5x");
        assert_eq!(expects("1.1", &lines), Err(Rule::ContentLength), "{value:?}");
        let lines = format!("Expect: {value}\r\nTransfer-Encoding: x");
        assert_eq!(expects("1.1", &lines), Err(Rule::TransferCoding), "{value:?}");
    }
    assert_eq!(expects("1.1", "Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 1"), Ok(true));
    assert_eq!(
        expects("1.1", "Expect: 100-continue\r\nExpect: x\r\nContent-Length: 1"),
        Err(Rule::Expectation)
    );
    let error = parsed(&with("Expect: a\r\nExpect: b")).unwrap_err();
    assert_eq!(error, RequestError::new(Rule::Expectation, LINES + 8));
}

#[test]
fn what_is_no_longer_http_1_is_answered_505() {
    for head in ["GET / HTTP/2.0\r\n\r\n", "GET / HTTP/0.9\r\n\r\n", "PRI * HTTP/2.0\r\n\r\n"] {
        assert_eq!(parsed(head.as_bytes()).unwrap_err().status().code(), 505, "{head:?}");
    }
}

#[test]
fn the_scan_state_is_small_and_starts_anew_with_a_message() {
    assert!(size_of::<HeadScan>() <= 8);
    let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut scan = HeadScan::default();
    assert_eq!(scan.advance(&head[..20], &LIMITS), Parsed::Partial);
    assert!(matches!(scan.advance(head, &LIMITS), Parsed::Complete(_)));
    assert_eq!(scan, HeadScan::default());
}

#[test]
fn no_octet_is_searched_twice_when_a_head_trickles() {
    let head = [b"GET / HTTP/1.1\r\nHost: a\r\nX: ".to_vec(), vec![b'x'; 1000]].concat();
    let mut scan = HeadScan::default();
    for end in 1..=head.len() {
        assert_eq!(scan.advance(&head[..end], &LIMITS), Parsed::Partial);
        let is_undecided = head[end - 1] == b'\r';
        assert_eq!(scan.scanned as usize, end - usize::from(is_undecided), "after {end} octets");
    }
}

/// Octets that change what a head means, and some that do not.
const OCTETS: &[u8] = b"\0\r\n\r\n\r\n \t:;,/?#*%aA1-_\"\x01\x0b\x7f\x80\xff@[]";

prop_compose! {
    fn mutated_head()(
        which in 0usize..ACCEPTED.len() + REFUSED.len(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0u8..4, 0usize..OCTETS.len()), 0..4),
    ) -> Vec<u8> {
        let source = ACCEPTED.get(which).copied().unwrap_or_else(|| REFUSED[which - ACCEPTED.len()].0);
        let mut head = source.to_vec();
        for (place, kind, octet) in edits {
            let at = place.index(head.len() + 1);
            match kind {
                0 if at < head.len() => { head.remove(at); }
                1 if at < head.len() => head[at] = OCTETS[octet],
                2 => { head.splice(at..at, b"\r\n".iter().copied()); }
                _ => head.insert(at, OCTETS[octet]),
            }
        }
        head
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_octets_have_one_verdict(head in mutated_head(), size in prop_oneof![Just(256u32 << 10), 1u32..80]) {
        let limits = HeadLimits { size, target: 12, fields: 3, ..LIMITS };
        let whole = verdict_of_every_cut(&head, &limits);
        match whole {
            Parsed::Complete(meta) => {
                // The guard and the parser agree on the end: the first empty line after the request line.
                let end = head.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
                prop_assert_eq!(meta.len as usize, end);
                prop_assert!(meta.len <= size);
                let text = &head[..end];
                prop_assert!(!text.contains(&0));
                let lines = text.windows(2).filter(|two| two == b"\r\n").count();
                prop_assert_eq!(text.iter().filter(|&&octet| octet == b'\r').count(), lines);
                prop_assert_eq!(text.iter().filter(|&&octet| octet == b'\n').count(), lines);
            }
            Parsed::Refused(error) => {
                prop_assert!(error.offset <= head.len() as u64);
                // The walk that looks for the reason never comes back without one.
                prop_assert_ne!(error, RequestError::new(Rule::RequestLine, 0));
            }
            Parsed::Partial => {
                prop_assert!(head.len() < size as usize);
                prop_assert!(!head.windows(4).any(|four| four == b"\r\n\r\n"));
            }
        }
    }
}
