//! The chunked transfer coding by the book (RFC 9112 section 7.1): it takes whole lines from bytes that are all there,
//! and shares no code with the machine.

use crate::text::{field, find, is_field_byte, is_tchar, is_token, lines, trim};

/// What a body may be at most; all inclusive.
pub(crate) struct BodyLimits {
    /// Bytes between a chunk size and its CR.
    pub(crate) extension_line: usize,
    /// The same over all chunks.
    pub(crate) extension_body: usize,
    /// Bytes of content.
    pub(crate) content: u64,
    /// Bytes of the trailer section with its final CR LF.
    pub(crate) trailer_size: usize,
    /// Trailer fields.
    pub(crate) trailer_fields: usize,
}

/// A decoded body.
pub(crate) enum DecodedBody {
    Whole {
        content: Vec<u8>,
        trailers: Vec<(String, Vec<u8>)>,
        /// Bytes of the body as it was sent.
        len: usize,
    },
    /// One of the statuses; of several faults of a line any may be the one that is told.
    Refused { content: Vec<u8>, statuses: Vec<u16> },
    /// The bytes end before the body does, and perhaps behind a fault.
    Unfinished { content: Vec<u8> },
}

pub(crate) fn decode(bytes: &[u8], limits: &BodyLimits) -> DecodedBody {
    let mut content = Vec::new();
    let mut rest = bytes;
    let mut extensions = 0;
    loop {
        let Some(end) = find(rest, b"\r\n") else { return DecodedBody::Unfinished { content } };
        let line = &rest[..end];
        rest = &rest[end + 2..];
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let (digits, extension) = line.split_at(digits);
        extensions += extension.len();
        let in_limits = extension.len() <= limits.extension_line && extensions <= limits.extension_body;
        if !(1..=16).contains(&digits.len()) || !is_extension(extension) || !in_limits {
            return DecodedBody::Refused { content, statuses: vec![400] };
        }
        let size = digits.iter().fold(0, |size, digit| size << 4 | u64::from(value(*digit)));
        if size == 0 {
            break;
        }
        if size > limits.content - content.len() as u64 {
            return DecodedBody::Refused { content, statuses: vec![413] };
        }
        let size = size as usize;
        content.extend_from_slice(&rest[..size.min(rest.len())]);
        match rest.get(size..) {
            None | Some([] | [b'\r']) => return DecodedBody::Unfinished { content },
            Some([b'\r', b'\n', more @ ..]) => rest = more,
            Some(_) => return DecodedBody::Refused { content, statuses: vec![400] },
        }
    }
    let before = bytes.len() - rest.len();
    let end = if rest.starts_with(b"\r\n") { Some(2) } else { find(rest, b"\r\n\r\n").map(|at| at + 4) };
    let Some(end) = end else {
        return if rest.len() >= limits.trailer_size {
            DecodedBody::Refused { content, statuses: vec![400, 431] }
        } else {
            DecodedBody::Unfinished { content }
        };
    };
    let lines = lines(&rest[..end]);
    let lines = &lines[..lines.len() - 1];
    let fields: Vec<_> = lines.iter().filter_map(|line| field(line)).collect();
    let mut statuses = Vec::new();
    if fields.len() < lines.len() {
        statuses.push(400);
    }
    if end > limits.trailer_size || lines.len() > limits.trailer_fields {
        statuses.push(431);
    }
    if !statuses.is_empty() {
        return DecodedBody::Refused { content, statuses };
    }
    let owned = |(name, value): (&[u8], &[u8])| (String::from_utf8_lossy(name).into_owned(), value.to_vec());
    DecodedBody::Whole { content, trailers: fields.into_iter().map(owned).collect(), len: before + end }
}

fn value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => digit.to_ascii_lowercase() - b'a' + 10,
    }
}

/// `*( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )`, without blanks at its end.
fn is_extension(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while !rest.is_empty() {
        let Some((b';', more)) = blanks(rest).split_first() else { return false };
        let Some(more) = token(blanks(more)) else { return false };
        rest = more;
        if let Some((b'=', more)) = blanks(rest).split_first() {
            let more = blanks(more);
            let Some(more) = token(more).or_else(|| quoted(more)) else { return false };
            rest = more;
        }
    }
    true
}

fn blanks(bytes: &[u8]) -> &[u8] {
    let count = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    debug_assert!(trim(&bytes[..count]).is_empty());
    &bytes[count..]
}

/// What follows the token that comes first.
fn token(bytes: &[u8]) -> Option<&[u8]> {
    let len = bytes.iter().take_while(|byte| is_tchar(**byte)).count();
    is_token(&bytes[..len]).then(|| &bytes[len..])
}

/// What follows the quoted-string that comes first (RFC 9110 section 5.6.4).
fn quoted(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes.strip_prefix(b"\"")?;
    loop {
        rest = match rest {
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', byte, rest @ ..] if is_field_byte(*byte) => rest,
            [byte, rest @ ..] if *byte != b'\\' && is_field_byte(*byte) => rest,
            _ => return None,
        };
    }
}

/// Whether a field of this name is of use behind the content (RFC 9110 section 6.5.1).
pub(crate) fn may_trail(name: &str) -> bool {
    const FRAMING: &[&str] = &["connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];
    const ROUTING: &[&str] = &[
        "forwarded",
        "host",
        "max-forwards",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-real-ip",
    ];
    const REQUEST: &[&str] = &["authorization", "cookie", "expect", "http2-settings", "origin", "range"];
    const RESPONSE: &[&str] = &[
        "age",
        "cache-control",
        "date",
        "expires",
        "location",
        "pragma",
        "retry-after",
        "server",
        "set-cookie",
        "vary",
        "warning",
        "www-authenticate",
    ];
    let name = name.to_ascii_lowercase();
    let is_of = |names: &[&str]| names.contains(&name.as_str());
    let begins = ["content-", "if-", "proxy-"].iter().any(|prefix| name.starts_with(prefix));
    name == "content-digest" || !(begins || [FRAMING, ROUTING, REQUEST, RESPONSE].into_iter().any(is_of))
}
