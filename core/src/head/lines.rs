//! The lines of a head or a trailer section, as far as they are well-formed: for those who show bytes of a peer.

use core::iter::FusedIterator;
use core::ops::Range;

use crate::fields::FieldRef;
use crate::host::authority;
use crate::part::{ascii, part};
use crate::target;
use crate::token::{is_field_byte, is_tchar, trim_blanks};

/// A line that is well-formed.
///
/// ```
/// use httpfsm::request::head_lines;
///
/// let head = b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic c2VjcmV0\r\n\r\n";
/// // Shows the head without its secret.
/// let mut at = 0;
/// let mut shown = String::new();
/// for line in head_lines(head) {
///     match &line.field {
///         Some(field) if field.is_named("authorization") => shown.push_str("Authorization: ...\r\n"),
///         _ => shown.push_str(&String::from_utf8_lossy(&head[at..at + line.len])),
///     }
///     at += line.len;
/// }
/// assert_eq!(shown, "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: ...\r\n\r\n");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HeadLine<'a> {
    /// How many bytes it has, its CR LF included.
    pub len: usize,
    /// The field that it is; `None`: it is the request line, or an empty line.
    pub field: Option<FieldRef<'a>>,
    /// Where the line has a target, behind its scheme, or the value of a `Host` that no request may have: a head with such a
    /// line is refused.
    pub invalid: Option<Range<usize>>,
}

/// Walks the lines of the head at the start of `bytes`, empty lines before it included, to the empty line at its end. It
/// stops before a line that is not whole or not well-formed, so that what it does not come to is no part of a well-formed
/// head: the lines of a head that is served are all well-formed, those of a refused one perhaps not.
///
/// ```
/// use httpfsm::request::head_lines;
///
/// let head = b"GET / HTTP/1.1\r\nHost: a\r\nCookie : b\r\n\r\n";
/// let names: Vec<_> = head_lines(head).map(|line| line.field.map(|field| field.name)).collect();
/// assert_eq!(names, [None, Some("Host")]);
/// ```
pub fn head_lines(bytes: &[u8]) -> impl FusedIterator<Item = HeadLine<'_>> {
    HeadLines { rest: Some(bytes), next: NextLine::EmptyOrRequest }
}

/// As [`head_lines`], of a trailer section: it has no request line.
///
/// ```
/// use httpfsm::request::trailer_lines;
///
/// let names: Vec<_> = trailer_lines(b"Digest: a\r\n\r\n").map(|line| line.field.map(|field| field.name)).collect();
/// // The last one is the empty line at the end.
/// assert_eq!(names, [Some("Digest"), None]);
/// ```
pub fn trailer_lines(bytes: &[u8]) -> impl FusedIterator<Item = HeadLine<'_>> {
    HeadLines { rest: Some(bytes), next: NextLine::FieldOrEnd }
}

/// What a line may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum NextLine {
    EmptyOrRequest,
    FieldOrEnd,
}

struct HeadLines<'a> {
    rest: Option<&'a [u8]>,
    next: NextLine,
}

impl<'a> Iterator for HeadLines<'a> {
    type Item = HeadLine<'a>;

    fn next(&mut self) -> Option<HeadLine<'a>> {
        let rest = self.rest.take()?;
        let end = memchr::memchr(b'\n', rest)?;
        let line = part(rest, ..end).strip_suffix(b"\r")?;
        let (is_over, field, invalid) = match (self.next, line) {
            (NextLine::EmptyOrRequest, []) => (false, None, None),
            (NextLine::EmptyOrRequest, _) => {
                let (method, target) = request_line(line)?;
                self.next = NextLine::FieldOrEnd;
                (false, None, invalid_target(method, target))
            }
            (NextLine::FieldOrEnd, []) => (true, None, None),
            (NextLine::FieldOrEnd, _) => {
                let field = field(line)?;
                (false, Some(field), invalid_host(field, line.len()))
            }
        };
        self.rest = (!is_over).then(|| part(rest, end + 1..));
        Some(HeadLine { len: end + 1, field, invalid })
    }
}

impl FusedIterator for HeadLines<'_> {}

/// The method and the target of `method SP request-target SP HTTP-version` (RFC 9112 section 3), of any version and any form
/// of a target.
fn request_line(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut words = line.split(|&byte| byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return None;
    };
    let is_version = matches!(version, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit());
    let is_target = |bytes: &[u8]| bytes.iter().all(|&byte| is_field_byte(byte) && byte != b'\t');
    let is_request = is_version
        && !method.is_empty()
        && method.iter().all(|&byte| is_tchar(byte))
        && !target.is_empty()
        && is_target(target);
    is_request.then_some((method, target))
}

/// Where in its line a target stands that is in no form which is valid with the method.
fn invalid_target(method: &[u8], target: &[u8]) -> Option<Range<usize>> {
    target::check(method, target).err()?;
    let begin = method.len() + 1;
    Some(begin + target::scheme_len(target).unwrap_or(0)..begin + target.len())
}

/// Where in its line, of so many bytes, the value of a `Host` stands that is none.
fn invalid_host(field: FieldRef<'_>, line_len: usize) -> Option<Range<usize>> {
    let is_invalid = field.is_named("host") && authority(field.value).is_none();
    is_invalid.then(|| field.name.len() + 1..line_len)
}

/// `field-name ":" OWS field-value OWS` (RFC 9112 section 5).
fn field(line: &[u8]) -> Option<FieldRef<'_>> {
    let colon = memchr::memchr(b':', line)?;
    let (name, value) = (part(line, ..colon), part(line, colon + 1..));
    let is_field = !name.is_empty()
        && name.iter().all(|&byte| is_tchar(byte))
        && value.iter().all(|&byte| is_field_byte(byte));
    is_field.then(|| FieldRef { name: ascii(name), value: trim_blanks(value) })
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    /// The lengths and names of the lines, and the bytes that are left.
    fn walked<'a>(
        bytes: &'a [u8],
        lines: impl Iterator<Item = HeadLine<'a>>,
    ) -> (Vec<Option<&'a str>>, usize) {
        let (mut names, mut left) = (Vec::new(), bytes.len());
        for line in lines {
            names.push(line.field.map(|field| field.name));
            left -= line.len;
        }
        (names, left)
    }

    #[test]
    fn a_head_is_walked_to_its_empty_line() {
        let head =
            b"\r\nPOST /\xe4?a=b HTTP/1.1\r\nHost: a\r\nX:\t caf\xe9 \r\nEmpty:\r\n\r\nbody: x\r\n\r\n";
        let names = [None, None, Some("Host"), Some("X"), Some("Empty"), None];
        assert_eq!(walked(head, head_lines(head)), (names.into(), 11));
        let values: Vec<_> = head_lines(head).filter_map(|line| Some(line.field?.value)).collect();
        assert_eq!(values, [&b"a"[..], b"caf\xe9", b""]);
    }

    #[test]
    fn a_walk_stops_before_a_line_that_is_not_well_formed() {
        for (line, is_field) in [
            ("A: b", true),
            ("A:", true),
            ("A: b: c", true),
            ("A : b", false),
            ("A\u{b}: b", false),
            ("A\0: b", false),
            (": b", false),
            (" A: b", false),
            ("A", false),
            ("A: b\rC: d", false),
            ("A: b\nC: d", false),
            ("A: b\0", false),
            ("A: b\u{7f}", false),
        ] {
            let head = std::format!("GET / HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n");
            let (names, _) = walked(head.as_bytes(), head_lines(head.as_bytes()));
            assert_eq!(names.len(), if is_field { 4 } else { 2 }, "{line:?}");
        }
    }

    #[test]
    fn a_request_line_has_three_words() {
        for (line, is_request) in [
            ("GET / HTTP/1.1", true),
            ("PRI * HTTP/2.0", true),
            ("GET /\u{e4} HTTP/0.9", true),
            ("GET /", false),
            ("GET  HTTP/1.1", false),
            (" / HTTP/1.1", false),
            ("GET / HTTP/1.1 ", false),
            ("GET / HTTP/1.10", false),
            ("GET / http/1.1", false),
            ("G@T / HTTP/1.1", false),
            ("GET /\t HTTP/1.1", false),
            ("GET / a HTTP/1.1", false),
            ("Cookie: a HTTP/1.1", false),
        ] {
            let head = std::format!("\r\n{line}\r\nHost: a\r\n");
            assert_eq!(head_lines(head.as_bytes()).count(), if is_request { 3 } else { 1 }, "{line:?}");
        }
    }

    #[test]
    fn a_line_that_is_not_whole_is_none() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        for cut in 0..=head.len() {
            let whole = part(head, ..cut).windows(2).filter(|end| end == b"\r\n").count();
            assert_eq!(head_lines(part(head, ..cut)).count(), whole, "{cut}");
        }
    }

    #[test]
    fn a_trailer_section_has_no_request_line() {
        let section = b"A: b\r\nC: d\r\n\r\nE: f\r\n";
        assert_eq!(walked(section, trailer_lines(section)), (std::vec![Some("A"), Some("C"), None], 6));
        assert_eq!(trailer_lines(b"GET / HTTP/1.1\r\n").count(), 0);
    }
}
