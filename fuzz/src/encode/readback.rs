//! What httparse and a naive decoder read in the bytes of a response, against what was given.

use httpfsm::{Fields, Status};

use super::case::Request;
use crate::chunked::decoder::{BodyLimits, DecodedBody, decode, may_trail};

/// What an application gave.
pub(super) struct Given<'a> {
    pub(super) request: Request,
    /// Those that were taken.
    pub(super) interims: Vec<(Status, Fields)>,
    pub(super) status: Status,
    pub(super) fields: &'a Fields,
    /// All content, also what was too much.
    pub(super) content: Vec<u8>,
    /// The content was given piece by piece, and its length with the head, if it is known.
    pub(super) stream: Option<Option<u64>>,
    pub(super) trailers: &'a Fields,
    /// The content was short of its length.
    pub(super) is_cut: bool,
}

/// A head as httparse reads it, and its end.
struct ResponseHead {
    status: u16,
    minor: u8,
    reason: String,
    fields: Vec<(String, Vec<u8>)>,
    len: usize,
}

impl ResponseHead {
    fn all(&self, name: &str) -> Vec<&[u8]> {
        let named = self.fields.iter().filter(|field| field.0.eq_ignore_ascii_case(name));
        named.map(|field| field.1.as_slice()).collect()
    }
}

/// The fields that the machine may add, each once, behind those of the application.
const ADDED: [&str; 6] = ["server", "via", "date", "connection", "content-length", "transfer-encoding"];

/// Whether nothing but the interim responses was sent.
pub(super) fn interims_only(sent: &[u8], given: &Given<'_>) -> bool {
    interims(sent, given).is_empty()
}

/// Reads all of a response. Returns whether its head promises that the connection persists; `None` for a hand-over.
pub(super) fn check(sent: &[u8], given: &Given<'_>, excess: u64) -> Option<bool> {
    let rest = interims(sent, given);
    let head = head(rest);
    let text = sent.escape_ascii();
    let content = &rest[head.len..];
    assert_eq!(head.status, given.status.code(), "{text}");
    assert_eq!(head.reason, given.status.reason(), "{text}");
    assert_eq!(head.minor == 1, given.request.is_1_1(), "the version of another request: {text}");
    let switches = head.status == 101 || (given.request == Request::Connect && given.status.is_success());
    added(&head, given);

    let lengths = head.all("content-length");
    let codings = head.all("transfer-encoding");
    let length = lengths.first().map(|value| decimal(value));
    assert!(lengths.is_empty() || codings.is_empty(), "framed twice: {text}");
    assert!(codings.iter().all(|coding| *coding == b"chunked"), "{text}");
    assert!(codings.is_empty() || given.request.is_1_1(), "chunks for HTTP/1.0: {text}");
    if given.status.forbids_content() || switches || given.request.is_head() || head.status == 205 {
        assert!(content.is_empty(), "content where there is none: {text}");
        let unframed = head.status < 200 || head.status == 204 || switches;
        assert!(!unframed || (lengths.is_empty() && codings.is_empty()), "framing of nothing: {text}");
        assert!(head.status != 205 || switches || length == Some(0), "the end of a 205 is unknown: {text}");
    } else {
        framed(content, given, excess, length, !codings.is_empty());
    }
    if switches {
        return None;
    }
    let says = |option: &[u8]| head.all("connection").contains(&option);
    let persists = if given.request.is_1_1() { !says(b"close") } else { says(b"keep-alive") };
    assert!(persists || given.request.is_1_1() || says(b"close"), "HTTP/1.0 is told nothing: {text}");
    Some(persists)
}

/// The content as a peer reads it is what was given, up to its declared length.
fn framed(content: &[u8], given: &Given<'_>, excess: u64, length: Option<u64>, is_chunked: bool) {
    let text = content.escape_ascii();
    let declared = given.fields.content_length().or(given.stream.flatten());
    if is_chunked {
        assert_eq!(declared, None, "a known length was not said");
        let limits = BodyLimits {
            extension_line: 0,
            extension_body: 0,
            content: u64::MAX,
            trailer_size: usize::MAX,
            trailer_fields: usize::MAX,
        };
        let DecodedBody::Whole { content: read, trailers, len } = decode(content, &limits) else {
            panic!("not the chunks of a whole body: {text}")
        };
        assert_eq!(len, content.len(), "something follows the last chunk: {text}");
        assert_eq!(read, given.content, "{text}");
        let expected: Vec<_> = given
            .trailers
            .iter()
            .filter(|f| may_trail(f.name))
            .map(|f| (f.name.to_owned(), f.value.to_vec()))
            .collect();
        assert_eq!(trailers, expected, "{text}");
        return;
    }
    let expected = match length {
        Some(length) => {
            assert_eq!(length, declared.unwrap_or(given.content.len() as u64), "another length was said");
            let end = given.content.len().min(usize::try_from(length).unwrap_or(usize::MAX));
            assert_eq!(excess, (given.content.len() - end) as u64, "the excess is reported");
            &given.content[..end]
        }
        None => {
            assert!(!given.request.is_1_1(), "content without an end: {text}");
            &given.content
        }
    };
    assert_eq!(content, expected);
    let is_whole = length.is_none_or(|length| length == content.len() as u64);
    assert_eq!(is_whole, !given.is_cut, "{length:?} for {} bytes", content.len());
}

/// What was given stands first and unchanged; behind it stands what the machine adds.
fn added(head: &ResponseHead, given: &Given<'_>) {
    let own = pairs(given.fields);
    assert_eq!(head.fields.get(..own.len()), Some(own.as_slice()), "the fields that were given");
    let mut names: Vec<_> =
        head.fields[own.len()..].iter().map(|field| field.0.to_ascii_lowercase()).collect();
    assert!(names.iter().all(|name| ADDED.contains(&name.as_str())), "{names:?} was added");
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count, "added twice");
    let has = |name: &str| !head.all(name).is_empty();
    assert!(has("date") || head.status == 101, "a response without a date");
    let dates = own.iter().filter(|field| field.0.eq_ignore_ascii_case("date")).count();
    assert!(dates == 0 || head.all("date").len() == dates, "a second date was added");
}

/// The interim responses that come first; returns what follows them.
fn interims<'o>(sent: &'o [u8], given: &Given<'_>) -> &'o [u8] {
    let mut rest = sent;
    for (status, fields) in &given.interims {
        let interim = head(rest);
        assert_eq!((interim.status, interim.minor), (status.code(), 1));
        assert_eq!(interim.fields, pairs(fields));
        rest = &rest[interim.len..];
    }
    rest
}

fn pairs(fields: &Fields) -> Vec<(String, Vec<u8>)> {
    fields.iter().map(|field| (field.name.to_owned(), field.value.to_vec())).collect()
}

fn head(bytes: &[u8]) -> ResponseHead {
    let mut room = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut room);
    let Ok(httparse::Status::Complete(len)) = response.parse(bytes) else {
        panic!("no head of a response: {}", bytes.escape_ascii())
    };
    let fields =
        response.headers.iter().map(|header| (header.name.to_owned(), header.value.to_vec())).collect();
    ResponseHead {
        status: response.code.unwrap_or_default(),
        minor: response.version.unwrap_or_default(),
        reason: response.reason.unwrap_or_default().to_owned(),
        fields,
        len,
    }
}

fn decimal(digits: &[u8]) -> u64 {
    assert!(!digits.is_empty() && digits.iter().all(u8::is_ascii_digit));
    crate::text::number(digits).expect("a length of 64 bits")
}
