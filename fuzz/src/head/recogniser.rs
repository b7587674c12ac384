//! A reading of request heads by the book: split at CR LF, then line by line. It is slow, sees all bytes at once, and
//! shares no code with the machine.

use super::host;
use crate::text::{field, find, is_tchar, is_token, lines, number, trim};

/// What a head may be at most.
pub(super) struct HeadLimits {
    pub(super) size: usize,
    pub(super) fields: usize,
    pub(super) target: usize,
    pub(super) body: u64,
}

/// The longest method.
const METHOD: usize = 256;

/// What a connection begins with, if its input ends after the bytes.
pub(super) enum Verdict<'a> {
    /// No request, and nothing to respond to.
    Nothing,
    /// One of these statuses: of several faults any may be the one that is told.
    Refused(Vec<u16>),
    Accepted(ExpectedHead<'a>),
}

/// A request head.
pub(super) struct ExpectedHead<'a> {
    pub(super) len: usize,
    pub(super) method: &'a [u8],
    pub(super) target: &'a [u8],
    pub(super) is_1_0: bool,
    /// HTTP/1.2 to HTTP/1.9.
    pub(super) is_later_minor: bool,
    pub(super) fields: Vec<(&'a [u8], &'a [u8])>,
    pub(super) body: ExpectedBody,
    pub(super) persists: bool,
    pub(super) expects: bool,
    pub(super) upgrades: bool,
}

impl ExpectedHead<'_> {
    pub(super) fn is_connect(&self) -> bool {
        self.method == b"CONNECT"
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ExpectedBody {
    None,
    Length(u64),
    Chunked,
}

pub(super) fn recognise<'a>(bytes: &'a [u8], limits: &HeadLimits) -> Verdict<'a> {
    let window = &bytes[..bytes.len().min(limits.size)];
    // Four empty lines are skipped (RFC 9112 section 2.2).
    let start = 2 * window.chunks(2).take(4).take_while(|line| *line == b"\r\n").count();
    let rest = &window[start..];
    let end = if rest.starts_with(b"\r\n") { Some(0) } else { find(rest, b"\r\n\r\n").map(|at| at + 4) };
    let part = &rest[..end.unwrap_or(rest.len())];
    // What is too long is refused at the byte that passes its limit, unless something before it was.
    if let Some((at, mut statuses)) = passed_limit(part, limits) {
        let before = &part[..at];
        if has_stray_byte(before) || lines(before).iter().skip(1).any(|line| field(line).is_none()) {
            statuses.push(400);
        }
        if let Some(line_end) = find(before, b"\r\n") {
            statuses.extend(request_line_faults(&before[..line_end]));
        }
        return Verdict::Refused(statuses);
    }
    // A wrong line is refused where it ends, whatever follows.
    if let Some(line_end) = find(part, b"\r\n").filter(|at| *at > 0 && !has_stray_byte(&part[..at + 2])) {
        let faults = request_line_faults(&part[..line_end]);
        if !faults.is_empty() {
            return Verdict::Refused(faults);
        }
    }
    // Of the fields, those that have come decide.
    let complete = find_last(part, b"\r\n").map_or(0, |at| at + 2);
    let unfinished = vec![400];
    if has_stray_byte(part) || end == Some(0) {
        return Verdict::Refused(unfinished);
    }
    match end {
        Some(end) => whole(&rest[..end], start, limits),
        None if window.len() == limits.size => {
            let mut statuses = vec![431];
            let fields = lines(&part[..complete]);
            if fields.iter().skip(1).any(|line| field(line).is_none()) {
                statuses.extend(unfinished);
            }
            Verdict::Refused(statuses)
        }
        None if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n')) => Verdict::Nothing,
        None => Verdict::Refused(unfinished),
    }
}

fn find_last(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).rposition(|window| window == what)
}

/// What is wrong with a request line, as statuses.
fn request_line_faults(line: &[u8]) -> Vec<u16> {
    let words: Vec<_> = line.split(|byte| *byte == b' ').collect();
    let word = |n: usize| words.get(n).copied().unwrap_or_default();
    let (method, target, version) = (word(0), word(1), word(2));
    let mut faults = Vec::new();
    let mut must = |holds: bool, status: u16| {
        if !holds {
            faults.push(status);
        }
    };
    must(words.len() == 3, 400);
    must(is_token(method), 400);
    must(is_target(method, target), 400);
    match version {
        [b'H', b'T', b'T', b'P', b'/', major @ b'0'..=b'9', b'.', b'0'..=b'9'] => must(*major == b'1', 505),
        _ => must(false, 400),
    }
    faults
}

/// NUL, CR or LF alone, or a beginning that no method has. A CR at the end of all bytes may still get its LF.
fn has_stray_byte(bytes: &[u8]) -> bool {
    let strayed = |at: usize| match bytes[at] {
        0 => true,
        b'\n' => at == 0 || bytes[at - 1] != b'\r',
        b'\r' => bytes.get(at + 1).is_some_and(|next| *next != b'\n'),
        _ => false,
    };
    let begins_badly = bytes.first().is_some_and(|first| *first != b'\r' && !is_tchar(*first));
    begins_badly || (0..bytes.len()).any(strayed)
}

/// The first byte by which the method or the target is too long, or that begins a field line too many; and the statuses for
/// it.
fn passed_limit(head: &[u8], limits: &HeadLimits) -> Option<(usize, Vec<u16>)> {
    let is_text = |byte: &u8| !matches!(byte, b'\0' | b'\r' | b'\n');
    let line = &head[..head.iter().position(|byte| !is_text(byte)).unwrap_or(head.len())];
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if method.len() > METHOD {
        return Some((METHOD, if is_token(&method[..METHOD]) { vec![501] } else { vec![400] }));
    }
    if target.len() > limits.target {
        return Some((
            method.len() + 1 + limits.target,
            if is_token(method) { vec![414] } else { vec![400] },
        ));
    }
    let ends: Vec<_> = (0..head.len()).filter(|at| head[..*at].ends_with(b"\r\n")).collect();
    let begins = ends.get(limits.fields).copied().filter(|at| is_text(&head[*at]));
    begins.map(|at| (at, vec![431]))
}

fn whole<'a>(head: &'a [u8], start: usize, limits: &HeadLimits) -> Verdict<'a> {
    let mut faults = Vec::new();
    let mut must = |holds: bool, status: u16| {
        if !holds {
            faults.push(status);
        }
    };
    // The first line is one: the caller has seen to that.
    let lines = lines(head);
    let words: Vec<_> = lines[0].split(|byte| *byte == b' ').collect();
    let word = |n: usize| words.get(n).copied().unwrap_or_default();
    let (method, target) = (word(0), word(1));
    let minor = word(2).last().map_or(1, |digit| digit - b'0');
    let is_1_0 = minor == 0;

    // The last of the lines is the empty one.
    let fields: Vec<_> = lines[1..lines.len() - 1].iter().filter_map(|line| field(line)).collect();
    must(fields.len() == lines.len() - 2, 400);
    let all = |name: &str| -> Vec<&[u8]> {
        let name = name.as_bytes();
        fields.iter().filter(|field| field.0.eq_ignore_ascii_case(name)).map(|field| field.1).collect()
    };
    let members = |name: &str| -> Vec<Vec<u8>> {
        let values = all(name);
        let members = values.iter().flat_map(|value| value.split(|byte| *byte == b','));
        members.map(|member| trim(member).to_ascii_lowercase()).collect()
    };
    let lists = |name: &str, option: &str| members(name).iter().any(|member| member == option.as_bytes());

    let hosts = all("host");
    must(hosts.len() == 1 || (is_1_0 && hosts.is_empty()), 400);
    must(hosts.iter().all(|value| host::is_authority(value)), 400);

    let (lengths, codings) = (all("content-length"), members("transfer-encoding"));
    let is_connect = method == b"CONNECT";
    let mut body = ExpectedBody::None;
    if !codings.is_empty() {
        body = ExpectedBody::Chunked;
        must(lengths.is_empty() && !is_1_0 && !is_connect, 400);
        if let Err(status) = is_chunked_once(&codings) {
            must(false, status);
        }
    }
    if let Some(value) = lengths.first() {
        must(lengths.len() == 1, 400);
        must(!value.is_empty() && value.iter().all(u8::is_ascii_digit), 400);
        // What no number holds is too large for any limit.
        let length = number(value).unwrap_or(u64::MAX);
        must(length <= limits.body, 413);
        must(length == 0 || !is_connect, 400);
        body = ExpectedBody::Length(length);
    }
    let expectations = members("expect");
    must(is_1_0 || expectations.iter().all(|member| member.is_empty() || member == b"100-continue"), 417);

    if !faults.is_empty() {
        return Verdict::Refused(faults);
    }
    Verdict::Accepted(ExpectedHead {
        len: start + head.len(),
        method,
        target,
        is_1_0,
        is_later_minor: minor > 1,
        body,
        persists: !lists("connection", "close") && (!is_1_0 || lists("connection", "keep-alive")),
        expects: !is_1_0
            && !matches!(body, ExpectedBody::None | ExpectedBody::Length(0))
            && lists("expect", "100-continue"),
        upgrades: !is_1_0
            && lists("connection", "upgrade")
            && all("upgrade").iter().any(|value| !value.is_empty()),
        fields,
    })
}

/// The four forms of RFC 9112 section 3.2 with their methods; visible ASCII without `#`.
fn is_target(method: &[u8], target: &[u8]) -> bool {
    if !target.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#') {
        return false;
    }
    if method == b"CONNECT" {
        return host::is_host_and_port(target);
    }
    if target.starts_with(b"/") || (target == b"*" && method == b"OPTIONS") {
        return true;
    }
    let Some(scheme) = find(target, b"://") else { return false };
    let known = matches!(target[..scheme].to_ascii_lowercase().as_slice(), b"http" | b"https");
    let rest = &target[scheme + 3..];
    let authority = rest.split(|byte| matches!(byte, b'/' | b'?')).next().unwrap_or_default();
    known && host::is_authority(authority) && !authority.is_empty() && authority[0] != b':'
}

/// `chunked` and nothing else; the error is the status. A coding that is not known, before a final `chunked`, is a
/// body that could be framed.
fn is_chunked_once(codings: &[Vec<u8>]) -> Result<(), u16> {
    let Some((last, before)) = codings.split_last() else { return Err(400) };
    if last != b"chunked" || !before.iter().all(|coding| is_other_coding(coding)) {
        return Err(400);
    }
    if before.is_empty() { Ok(()) } else { Err(501) }
}

fn is_other_coding(coding: &[u8]) -> bool {
    let mut parts = coding.split(|byte| *byte == b';').map(trim);
    let name = parts.next().unwrap_or_default();
    let is_parameter = |part: &[u8]| match part.iter().position(|byte| *byte == b'=') {
        Some(at) => is_token(trim(&part[..at])) && is_token(trim(&part[at + 1..])),
        None => is_token(part),
    };
    is_token(name) && name != b"chunked" && parts.all(is_parameter)
}
