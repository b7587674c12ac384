//! Hides secrets, byte by byte, so that every length and position stays as it was.
//!
//! What a peer has sent is hidden by what the machine has taken it for, and shown only as a part of something well-formed.
//! Content, of requests and of responses, is looked at by lines, since it may show a head.

use std::borrow::Cow;
use std::ops::Range;

use httpfsm::channel::InputPart;
use httpfsm::fields::Fields;
use httpfsm::request::{HeadLine, head_lines, trailer_lines};
use httpfsm::trailers::is_forbidden;

use crate::latin1::Latin1;

mod lines;
mod outgoing;

pub(crate) use lines::ContentLines;
pub(crate) use outgoing::Outgoing;

/// The fields whose values are hidden.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SecretNames {
    names: Vec<String>,
    /// The longest of them.
    longest: usize,
    /// What is in them beside letters, digits, hyphens and underscores.
    marks: Vec<u8>,
}

/// Their values decide how a message is read; without them nothing replays.
const NEEDED: [&str; 8] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl SecretNames {
    /// In lower case, without those that a replay needs.
    pub(crate) fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let names = names.into_iter().map(str::to_ascii_lowercase);
        let names: Vec<_> = names.filter(|name| !NEEDED.contains(&&**name)).collect();
        let longest = names.iter().map(String::len).max().unwrap_or(0);
        let is_mark = |byte: &u8| !byte.is_ascii_alphanumeric() && !b"-_".contains(byte);
        let marks = names.iter().flat_map(|name| name.bytes()).filter(is_mark).collect();
        Self { names, longest, marks }
    }

    pub(crate) fn as_slice(&self) -> &[String] {
        &self.names
    }

    /// Whether the byte may be a part of a name.
    fn is_part(&self, byte: u8) -> bool {
        byte.is_ascii_alphanumeric() || b"-_".contains(&byte) || self.marks.contains(&byte)
    }

    fn contain(&self, name: &[u8]) -> bool {
        self.names.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name))
    }
}

/// Hides one byte.
fn hide(byte: &mut u8) {
    if matches!(*byte, 0x21..=0x7e | 0x80..) {
        *byte = b'x';
    }
}

/// The methods that are shown: those that are registered, and `PURGE`. Behind a body that was longer than it said, the rest
/// of it and the method of the next request are one word.
const METHODS: &[&str] = &[
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "CONNECT",
    "COPY",
    "DELETE",
    "GET",
    "HEAD",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "OPTIONS",
    "ORDERPATCH",
    "PATCH",
    "POST",
    "PRI",
    "PROPFIND",
    "PROPPATCH",
    "PURGE",
    "PUT",
    "QUERY",
    "REBIND",
    "REPORT",
    "SEARCH",
    "TRACE",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
];

/// `method`, or as many `x` if it may be a part of something else.
pub(crate) fn shown_method(method: &str) -> Cow<'_, str> {
    if METHODS.contains(&method) { method.into() } else { "x".repeat(method.len()).into() }
}

/// What a stretch of the input is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StretchKind {
    /// What the machine tells.
    Told(InputPart),
    /// What was read as a head that was not delivered, and what came behind it.
    UndeliveredHead,
}

/// How what a peer has sent is hidden.
pub(crate) struct Hiding {
    pub(crate) names: SecretNames,
    /// Bodies are hidden, too, and trailers with their names.
    pub(crate) bodies: bool,
    /// Whether the machine sends the texts of failures; only then a replay needs them.
    pub(crate) failures: bool,
    /// The content of the request that arrives, and of the one that the application has.
    arriving: ContentLines,
    delivered: ContentLines,
}

impl Hiding {
    pub(crate) fn new(names: SecretNames, bodies: bool, failures: bool) -> Self {
        Self {
            names,
            bodies,
            failures,
            arriving: ContentLines::default(),
            delivered: ContentLines::default(),
        }
    }

    /// The bytes of a body.
    pub(crate) fn body(&self, bytes: &[u8]) -> Latin1 {
        Latin1(if self.bodies { vec![b'x'; bytes.len()] } else { bytes.to_vec() })
    }

    /// An error page.
    pub(crate) fn page(&self, bytes: &[u8]) -> Latin1 {
        let mut page = self.body(bytes);
        if !self.bodies {
            ContentLines::default().apply(&self.names, &mut page.0);
        }
        page
    }

    /// The text of a failure, where the machine sends it. It has the length that it had, and is hidden as it is in the page
    /// that is sent.
    pub(crate) fn failure(&self, text: Option<&str>) -> Option<String> {
        let text = text.filter(|_| self.failures)?;
        Some(if self.bodies { "x".repeat(text.len()) } else { ContentLines::hide_text(&self.names, text) })
    }

    /// The application gets another request.
    pub(crate) fn begin_delivery(&mut self) {
        self.delivered = ContentLines::default();
    }

    /// Hides content that the application gets, as it is hidden where it arrives.
    pub(crate) fn deliver(&mut self, bytes: &mut [u8]) {
        if !self.bodies {
            self.delivered.apply(&self.names, bytes);
        }
    }

    /// Whether the value of the field of a head is hidden. `Trailer` says the names of trailers.
    fn hides_field(&self, name: &str) -> bool {
        self.names.contain(name.as_bytes()) || self.bodies && name.eq_ignore_ascii_case("trailer")
    }

    /// The trailer fields that the application gives. Where their names are hidden, those are left out that are not sent,
    /// since a machine would send them by their hidden names.
    pub(crate) fn trailers(&self, fields: &Fields) -> Vec<(String, Latin1)> {
        if !self.bodies {
            return self.fields(fields);
        }
        let sent = fields.iter().filter(|field| !is_forbidden(field.name));
        let hidden = sent.map(|field| {
            let mut value = field.value.to_vec();
            value.iter_mut().for_each(hide);
            ("x".repeat(field.name.len()), Latin1(value))
        });
        hidden.collect()
    }

    /// The fields of a head, with the values of secret ones hidden.
    pub(crate) fn fields(&self, fields: &Fields) -> Vec<(String, Latin1)> {
        let named = fields.iter().map(|field| {
            let mut value = field.value.to_vec();
            if self.hides_field(field.name) {
                value.iter_mut().for_each(hide);
            }
            (field.name.to_owned(), Latin1(value))
        });
        let length = fields.content_length().map(|length| ("Content-Length", length.to_string()));
        let options = [(fields.close(), "close"), (fields.upgrade(), "upgrade")];
        let options =
            options.into_iter().filter(|option| option.0).map(|option| ("Connection", option.1.to_owned()));
        let known = length.into_iter().chain(options);
        named.chain(known.map(|(name, value)| (name.to_owned(), Latin1(value.into_bytes())))).collect()
    }

    /// Hides what is not to be shown of these bytes, which are a part of the input. A machine that reads them takes them for
    /// the same, unless it refuses them.
    pub(crate) fn apply(&mut self, part: StretchKind, bytes: &mut [u8]) {
        match part {
            StretchKind::Told(InputPart::Head) | StretchKind::UndeliveredHead => {
                self.arriving = ContentLines::default();
                let (mut hidden, shown) = self.hidden_values(head_lines(bytes), false);
                hidden.extend(unknown_method(bytes));
                if part == StretchKind::UndeliveredHead {
                    hide_invalid(bytes);
                }
                hide_ranges(hidden, shown, bytes);
            }
            StretchKind::Told(InputPart::Trailers) => {
                let (hidden, shown) = self.hidden_values(trailer_lines(bytes), self.bodies);
                hide_ranges(hidden, shown, bytes);
            }
            StretchKind::Told(InputPart::Body | InputPart::Skipped) if !self.bodies => {
                self.arriving.apply(&self.names, bytes);
            }
            StretchKind::Told(InputPart::ChunkSize | InputPart::ChunkLineEnd) => {}
            // A machine that looked for a head in them would see another byte.
            StretchKind::Told(InputPart::Unread) if are_empty_lines(bytes) => {}
            StretchKind::Told(InputPart::ChunkExtension) => {
                let hidden = bytes.iter_mut().filter(|byte| !matches!(**byte, b';' | b'=' | b'"' | b'\\'));
                hidden.for_each(hide);
            }
            StretchKind::Told(_) => bytes.fill(b'x'),
        }
    }

    /// What is to be hidden: names and values of `all` fields, or the values of secret ones; and how many bytes the lines
    /// have.
    fn hidden_values<'a>(
        &self,
        lines: impl Iterator<Item = HeadLine<'a>>,
        all: bool,
    ) -> (Vec<Range<usize>>, usize) {
        let (mut hidden, mut at) = (Vec::new(), 0);
        for line in lines {
            let end = at + line.len;
            if let Some(field) = line.field.filter(|field| all || self.hides_field(field.name)) {
                let colon = at + field.name.len();
                hidden.extend(all.then_some(at..colon));
                hidden.push(colon + 1..end);
            }
            at = end;
        }
        (hidden, at)
    }
}

/// Hides these ranges, and what is not `shown`.
fn hide_ranges(hidden: Vec<Range<usize>>, shown: usize, bytes: &mut [u8]) {
    for range in hidden {
        bytes.get_mut(range).unwrap_or_default().iter_mut().for_each(hide);
    }
    if let Some((lines, rest)) = bytes.split_at_mut_checked(shown) {
        // Behind an empty line that ends a head is no head any more; before a head it ends none.
        let has_line = lines.iter().any(|byte| !matches!(byte, b'\r' | b'\n'));
        let ends = has_line && lines.ends_with(b"\r\n\r\n");
        if ends { rest.fill(b'x') } else { hide_malformed(rest) }
    }
}

/// Whether these are the empty lines that are skipped before a request, the last of which may have just begun.
fn are_empty_lines(bytes: &[u8]) -> bool {
    bytes.len() <= 9 && bytes.chunks(2).all(|line| b"\r\n".starts_with(line))
}

/// Visible characters that no token has (RFC 9110 section 5.6.2), but for the colon.
const DELIMITERS: &[u8] = b"\"(),/;<=>?@[\\]{}";

/// Hides a target and a `Host` that no request may have, which may be anything: a field that was cut, a name and a password
/// in front of an `@` (RFC 3986 section 3.2.1). For what the machine refuses them is most often still there.
fn hide_invalid(head: &mut [u8]) {
    let (mut found, mut at) = (Vec::new(), 0);
    for line in head_lines(head) {
        found.extend(line.invalid.map(|range| at + range.start..at + range.end));
        at += line.len;
    }
    for range in found {
        let bytes = head.get_mut(range).unwrap_or_default().iter_mut();
        bytes
            .filter(|byte| !DELIMITERS.contains(byte) && !matches!(byte, b':' | b'#' | b'*' | b'%'))
            .for_each(hide);
    }
}

/// Where the method stands at the head's beginning, if it is not shown.
fn unknown_method(head: &[u8]) -> Option<Range<usize>> {
    let request_line = head_lines(head).find(|line| line.len > 2)?;
    let begin = head.iter().position(|byte| !matches!(byte, b'\r' | b'\n'))?;
    let method = head.get(begin..begin + request_line.len)?.split(|byte| *byte == b' ').next()?;
    let is_shown = std::str::from_utf8(method).is_ok_and(|method| METHODS.contains(&method));
    (!is_shown).then_some(begin..begin + method.len())
}

/// Hides lines of which the first is not whole or not well-formed. For what the machine refuses them is most often still
/// there: ends of lines, blanks, the first colon of each line, the first control character, and the first delimiter of the
/// first line.
fn hide_malformed(bytes: &mut [u8]) {
    let (mut colon, mut control, mut delimiter, mut line, mut before) = (false, false, false, 0, b'\n');
    for at in 0..bytes.len() {
        let next = bytes.get(at + 1).copied();
        let Some(byte) = bytes.get_mut(at) else { return };
        let is_end = match *byte {
            b'\r' => next.is_some_and(|next| next != b'\n'),
            b'\n' => before != b'\r' || line == 0,
            b'\0' => true,
            _ => false,
        };
        before = *byte;
        match *byte {
            b'\n' => (colon, delimiter, line) = (false, true, 0),
            b'\r' | b' ' | b'\t' => line += usize::from(*byte != b'\r'),
            b':' if !colon => (colon, line) = (true, line + 1),
            byte if DELIMITERS.contains(&byte) && !delimiter => (delimiter, line) = (true, line + 1),
            b'!'..=b'~' | 0x80.. => (*byte, line) = (b'x', line + 1),
            _ if control => *byte = b'x',
            _ => control = true,
        }
        if is_end {
            // The machine reads no further.
            bytes.get_mut(at + 1..).unwrap_or_default().fill(b'x');
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use httpfsm::channel::InputPart;

    use super::{Hiding, SecretNames, StretchKind};

    /// `text`, hidden as this part.
    fn hidden(part: StretchKind, bodies: bool, text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        Hiding::new(SecretNames::new(crate::MASKED), bodies, false).apply(part, &mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_values_of_secret_fields_are_hidden_and_keep_their_length() {
        let head = "\r\nGET /?Cookie: HTTP/1.1\r\nHost: a\r\nAuthorization: Basic c2Vj\r\ncOOKIE:a=1; b=\t2\r\nX: Cookie: y\r\n\r\n";
        let expected = "\r\nGET /?Cookie: HTTP/1.1\r\nHost: a\r\nAuthorization: xxxxx xxxx\r\ncOOKIE:xxxx xx\tx\r\nX: Cookie: y\r\n\r\n";
        assert_eq!(hidden(StretchKind::Told(InputPart::Head), false, head), expected);
        assert_eq!(hidden(StretchKind::UndeliveredHead, true, head), expected);
    }

    #[test]
    fn empty_lines_that_nobody_reads_are_shown_and_nothing_else_is() {
        for (unread, expected) in [
            ("\r", "\r"),
            ("\r\n\r\n\r\n\r\n\r", "\r\n\r\n\r\n\r\n\r"),
            ("\r\n\r\n\r\n\r\n\r\n", "xxxxxxxxxx"),
            ("\r\n\n", "xxx"),
            ("\r\na", "xxx"),
        ] {
            assert_eq!(hidden(StretchKind::Told(InputPart::Unread), false, unread), expected);
        }
    }

    #[test]
    fn a_target_or_a_host_that_is_refused_is_hidden() {
        for (head, expected) in [
            ("GET http://me:pass@h/a HTTP/1.1\r\n", "GET http://xx:xxxx@x/x HTTP/1.1\r\n"),
            ("GET http://me:p/w@h HTTP/1.1\r\n", "GET http://xx:x/x@x HTTP/1.1\r\n"),
            ("GET http://me:pass%40h/ HTTP/1.1\r\n", "GET http://xx:xxxx%xxx/ HTTP/1.1\r\n"),
            ("CONNECT me:pass@h:443 HTTP/1.1\r\n", "CONNECT xx:xxxx@x:xxx HTTP/1.1\r\n"),
            ("GET me@h/ HTTP/1.1\r\n", "GET xx@x/ HTTP/1.1\r\n"),
            ("GET Cookie:pass HTTP/1.1\r\n", "GET xxxxxx:xxxx HTTP/1.1\r\n"),
            ("GET /a#pass HTTP/1.1\r\n", "GET /x#xxxx HTTP/1.1\r\n"),
            ("PRI * HTTP/2.0\r\n", "PRI * HTTP/2.0\r\n"),
            ("GET /a@b//c@d HTTP/1.0\r\n", "GET /a@b//c@d HTTP/1.0\r\n"),
            ("GET / HTTP/1.1\r\nHost: me:p@ss@h:1\r\n", "GET / HTTP/1.1\r\nHost: xx:x@xx@x:x\r\n"),
            ("GET / HTTP/1.1\r\nHost: me:pass\r\n", "GET / HTTP/1.1\r\nHost: xx:xxxx\r\n"),
            ("GET / HTTP/1.1\r\nHost: me:80\r\n", "GET / HTTP/1.1\r\nHost: me:80\r\n"),
        ] {
            assert_eq!(hidden(StretchKind::UndeliveredHead, false, head), expected);
        }
    }

    #[test]
    fn a_method_that_may_be_the_rest_of_a_body_is_hidden() {
        for (head, expected) in [
            ("GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"),
            ("secretGET /get HTTP/1.1\r\n\r\n", "xxxxxxxxx /get HTTP/1.1\r\n\r\n"),
            ("\r\n\r\nget / HTTP/1.1\r\n", "\r\n\r\nxxx / HTTP/1.1\r\n"),
            ("\r\n\r\n", "\r\n\r\n"),
        ] {
            assert_eq!(hidden(StretchKind::UndeliveredHead, false, head), expected);
        }
        assert_eq!((super::shown_method("PUT"), super::shown_method("PUTS")), ("PUT".into(), "xxxx".into()));
    }

    #[test]
    fn of_a_head_that_is_not_delivered_nothing_is_shown_from_its_first_malformed_line_on() {
        let begin = "GET / HTTP/1.1\r\nHost: a\r\nCookie: b\r\n";
        let shown = "GET / HTTP/1.1\r\nHost: a\r\nCookie: x\r\n";
        for (rest, expected) in [
            (
                "Cookie : a\r\n b\r\n\tc\u{1}\u{2}d\r\nA: b\r\n\r\nbody\0",
                "xxxxxx : x\r\n x\r\n\tx\u{1}xx\r\nx: x\r\n\r\nxxxxx",
            ),
            ("Cookie\u{b}: a", "xxxxxx\u{b}: x"),
            ("Cookie\0: a\r\n", "xxxxxx\0xxxxx"),
            ("X: a\rCookie: b\r\n", "x: x\rxxxxxxxxxxx"),
            ("X: a\nCookie: b\r\n", "x: x\nxxxxxxxxxxx"),
            ("X: a\r", "x: x\r"),
            ("\r\nGET / HTTP/1.1\r\nCookie: c\r\n\r\n", "\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
            ("Cookie: c", "xxxxxx: x"),
        ] {
            assert_eq!(
                hidden(StretchKind::UndeliveredHead, false, &format!("{begin}{rest}")),
                format!("{shown}{expected}")
            );
        }
    }

    #[test]
    fn of_a_chunk_extension_only_the_grammar_is_left() {
        let hidden = hidden(StretchKind::Told(InputPart::ChunkExtension), false, " ;a=b ; c=\"d\\\"e; f\"");
        assert_eq!(hidden, " ;x=x ; x=\"x\\\"x; x\"");
    }

    #[test]
    fn trailers_are_hidden_with_bodies_names_and_all_or_where_they_are_secrets() {
        let (section, trailers) = ("Cookie: a\r\nX-Sum: b\r\n\r\n", StretchKind::Told(InputPart::Trailers));
        assert_eq!(hidden(trailers, false, section), "Cookie: x\r\nX-Sum: b\r\n\r\n");
        assert_eq!(hidden(trailers, true, section), "xxxxxx: x\r\nxxxxx: x\r\n\r\n");
    }

    #[test]
    fn what_is_no_part_of_a_request_is_hidden_and_bodies_when_they_are_to_be() {
        for (part, without, with) in [
            (InputPart::Body, "a: b\r\n", "xxxxxx"),
            (InputPart::Skipped, "a: b\r\n", "xxxxxx"),
            (InputPart::HandedOver, "xxxxxx", "xxxxxx"),
            (InputPart::Unread, "xxxxxx", "xxxxxx"),
            (InputPart::ChunkSize, "a: b\r\n", "a: b\r\n"),
        ] {
            assert_eq!(hidden(StretchKind::Told(part), false, "a: b\r\n"), without);
            assert_eq!(hidden(StretchKind::Told(part), true, "a: b\r\n"), with);
        }
    }

    #[test]
    fn content_of_a_request_is_looked_at_by_lines_which_end_with_it() {
        let mut hiding = Hiding::new(SecretNames::new(crate::MASKED), false, false);
        let mut pieces = [
            (InputPart::Head, "POST / HTTP/1.1\r\n\r\n", "POST / HTTP/1.1\r\n\r\n"),
            (InputPart::Body, "A: b\nCoo", "A: b\nCoo"),
            (InputPart::ChunkLineEnd, "\r\n", "\r\n"),
            (InputPart::Body, "kie: a", "kie: x"),
            (InputPart::Skipped, "b\nC: d\nCookie: e", "x\nC: d\nCookie: x"),
            (InputPart::Head, "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"),
            (InputPart::Body, "abc", "abc"),
        ]
        .map(|(part, text, hidden)| (part, text.as_bytes().to_vec(), hidden));
        for (part, text, hidden) in &mut pieces {
            hiding.apply(StretchKind::Told(*part), text);
            assert_eq!(String::from_utf8_lossy(text), *hidden);
        }
    }

    #[test]
    fn what_a_replay_needs_cannot_be_hidden() {
        let names = SecretNames::new(["Content-Length", "X-Key"]);
        assert_eq!(names.as_slice(), ["x-key"]);
    }
}
