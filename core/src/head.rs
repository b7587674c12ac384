//! From bytes to a request head, or to the rule that they break (RFC 9112 sections 2, 3 and 5).
//!
//! httparse does the parsing; this module adds what it is too lenient about and makes the verdict independent of how
//! the bytes were cut. Five things can end the reading of a head, and the first of them in byte order decides:
//!
//! 1. a byte that no head may contain: NUL, CR without LF, LF without CR, an empty line too many before the request
//!    line, or a first byte that cannot begin a method;
//! 2. a byte by which the method or the target is too long, or which begins a field line too many;
//! 3. the end of a line that is no request line, or no field line: no continuation can mend it;
//! 4. the empty line at the end: the head is complete, and what the parser says of it counts;
//! 5. the limit on its size.
//!
//! So a parser error inside a line means nothing yet: a forbidden byte may still come before the end of the line.

mod diagnosis;
mod lines;
mod places;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;
use core::mem::MaybeUninit;

use httparse::{Header, Status};

use crate::error::{RequestError, Rule};
use crate::framing::FramingFields;
use crate::part::{part, part_mut};
use crate::request::{HeadMeta, Version};
use crate::target;
use crate::token::is_tchar;

pub use lines::{HeadLine, head_lines, trailer_lines};
#[cfg(feature = "http")]
pub(crate) use places::search as search_places;
pub(crate) use places::{FieldPlace, FieldPlaces};
#[cfg(test)]
pub(crate) use tests::parsed;

/// The longest method that is read; a longer one gets a 501.
pub(crate) const MAX_METHOD: usize = 256;

/// The first byte of TLS: that of a record which belongs to a handshake (RFC 8446 section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// Empty lines that are skipped before a request line. RFC 9112 section 2.2 asks for one; some clients send one behind a
/// body and others to keep a connection.
pub(crate) const MAX_EMPTY_LINES: usize = 4;

/// Field lines for which there is room on the stack; more are parsed on the heap, off the usual path.
const FIELDS_ON_STACK: usize = 128;

/// What a head may be at most; all inclusive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadLimits {
    /// Bytes of the head, empty lines before it included.
    pub(crate) size: u32,
    /// Field lines.
    pub(crate) fields: usize,
    /// Bytes of the request target.
    pub(crate) target: usize,
    /// Bytes of the body, as far as `Content-Length` announces them.
    pub(crate) body: u64,
}

/// The verdict over the bytes so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Parsed {
    /// The head goes on.
    Partial,
    /// The head is whole and keeps all rules.
    Complete(HeadMeta),
    /// The head breaks a rule, and no further byte can change that.
    Refused(RequestError),
}

/// How far the end of one message's head has been searched for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct HeadScan {
    scanned: u32,
    place: PackedHeadPlace,
}

/// Where in the head the search stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum HeadPlace {
    /// In the method, or before it.
    Method,
    /// In the target, which begins at this offset.
    Target(u32),
    /// Behind the target.
    Version,
    /// Behind the request line and so many field lines.
    Fields(u32),
}

/// A [`HeadPlace`] in four bytes, since each idle channel has one: 0 is the method, and a method is shorter than `VERSION`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct PackedHeadPlace(u32);

impl PackedHeadPlace {
    const VERSION: u32 = 1 << 16;

    fn get(self) -> HeadPlace {
        match self.0 {
            0 => HeadPlace::Method,
            Self::VERSION => HeadPlace::Version,
            target if target < Self::VERSION => HeadPlace::Target(target),
            fields => HeadPlace::Fields(fields - Self::VERSION - 1),
        }
    }

    fn set(&mut self, place: HeadPlace) {
        self.0 = match place {
            HeadPlace::Method => 0,
            HeadPlace::Target(at) => at,
            HeadPlace::Version => Self::VERSION,
            HeadPlace::Fields(fields) => fields + Self::VERSION + 1,
        };
    }
}

impl HeadScan {
    /// Judges `bytes`, which start at the message's first byte and grow from call to call. The work of all calls
    /// together is linear in the bytes: they are parsed at the first call and once more when the end is there, and
    /// searched once for that end, line by line.
    #[inline]
    pub(crate) fn advance(&mut self, bytes: &[u8], limits: &HeadLimits) -> Parsed {
        let mut meta = HeadMeta::default();
        if self.at_once(bytes, limits, &mut meta, None) {
            return Parsed::Complete(meta);
        }
        self.go_on(bytes, limits)
    }

    /// The first half of [`advance`](Self::advance): parses a head that came whole, into `meta`, and the places of its
    /// fields into `places`. Returns whether it is one. Whole heads in one read are the rule: searching for the end
    /// first would read them twice.
    #[inline]
    pub(crate) fn at_once(
        self,
        bytes: &[u8],
        limits: &HeadLimits,
        meta: &mut HeadMeta,
        places: Option<&mut FieldPlaces>,
    ) -> bool {
        let window = bytes.get(..limits.size as usize).unwrap_or(bytes);
        self.scanned == 0 && parse(window, limits, meta, places).is_ok()
    }

    /// The second half of [`advance`](Self::advance), for a head that did not come whole or breaks a rule.
    #[cold]
    pub(crate) fn go_on(&mut self, bytes: &[u8], limits: &HeadLimits) -> Parsed {
        self.search(bytes.get(..limits.size as usize).unwrap_or(bytes), limits)
    }

    /// Searches on for the first thing that ends the reading.
    fn search(&mut self, window: &[u8], limits: &HeadLimits) -> Parsed {
        let refuse = |rule, at| Parsed::Refused(RequestError::new(rule, at as u64));
        let start = start(window);
        match window.get(start) {
            // These have rules of their own.
            Some(b'\0' | b'\r' | b'\n') | None => {}
            Some(&byte) if is_tchar(byte) => {}
            Some(&TLS_HANDSHAKE) if start == 0 => return refuse(Rule::TlsOnPlainPort, start),
            Some(_) => return refuse(Rule::FirstByte, start),
        }
        let mut from = self.scanned as usize;
        crate::witness::bytes(window.len() - from);
        loop {
            let found = memchr::memchr3(b'\0', b'\r', b'\n', part(window, from..));
            let at = found.map_or(window.len(), |found| from + found);
            if let Some(error) = self.pass_limit(window, from, at, limits) {
                return Parsed::Refused(error);
            }
            if found.is_none() {
                break;
            }
            match (window.get(at), window.get(at + 1)) {
                (Some(b'\0'), _) => return refuse(Rule::Nul, at),
                (Some(b'\n'), _) => return refuse(Rule::BareLf, at),
                (_, Some(b'\n')) => {}
                (_, Some(_)) => return refuse(Rule::BareCr, at),
                (_, None) => {
                    // The next byte decides whether this CR is bare.
                    self.scanned = at as u32;
                    return self.unfinished(window, limits);
                }
            }
            let line_at = memchr::memrchr(b'\n', part(window, ..at)).map_or(0, |before| before + 1);
            if line_at < at {
                let fields = match self.place.get() {
                    HeadPlace::Fields(fields) => Some(fields),
                    HeadPlace::Method | HeadPlace::Target(_) | HeadPlace::Version => None,
                };
                let is_first = fields.map(|fields| fields == 0);
                if let Some(error) = diagnosis::wrong_line(part(window, ..at), line_at, is_first) {
                    return Parsed::Refused(error);
                }
                self.place.set(HeadPlace::Fields(fields.map_or(0, |fields| fields + 1)));
            } else if at == start {
                return refuse(Rule::EmptyLines, at);
            } else if at > start {
                *self = Self::default();
                return match check_whole(part(window, ..at + 2), limits) {
                    Ok(meta) => Parsed::Complete(meta),
                    Err(error) => Parsed::Refused(error),
                };
            }
            from = at + 2;
        }
        self.scanned = window.len() as u32;
        self.unfinished(window, limits)
    }

    /// Checks the bytes `from..to` against the limits of method, target and fields. Returns the error of the first byte that
    /// exceeds one.
    fn pass_limit(
        &mut self,
        window: &[u8],
        from: usize,
        to: usize,
        limits: &HeadLimits,
    ) -> Option<RequestError> {
        let mut from = from;
        while from < to {
            let place = self.place.get();
            let (word_at, most) = match place {
                HeadPlace::Method => (start(window), MAX_METHOD),
                HeadPlace::Target(at) => (at as usize, limits.target),
                HeadPlace::Version => break,
                HeadPlace::Fields(fields) if (fields as usize) < limits.fields => break,
                // The line begins here, or it would have been refused before.
                HeadPlace::Fields(_) => return Some(RequestError::new(Rule::TooManyFields, from as u64)),
            };
            crate::witness::bytes(to - from);
            let end = memchr::memchr(b' ', part(window, from..to)).map_or(to, |found| from + found);
            if end - word_at > most {
                return Some(diagnosis::too_long(part(window, ..word_at + most + 1), limits));
            }
            if end < to {
                let is_method = place == HeadPlace::Method;
                self.place.set(if is_method {
                    HeadPlace::Target(end as u32 + 1)
                } else {
                    HeadPlace::Version
                });
            }
            from = end + 1;
        }
        None
    }

    fn unfinished(self, window: &[u8], limits: &HeadLimits) -> Parsed {
        if window.len() < limits.size as usize {
            Parsed::Partial
        } else {
            Parsed::Refused(RequestError::new(Rule::HeadTooLarge, window.len() as u64))
        }
    }
}

/// Why `parse` did not accept a head. The faults of one line are found by [`HeadScan::search`].
enum NotParsed {
    /// The parser's own verdict; `None`: it wants more.
    Syntax(Option<httparse::Error>),
    /// The parser accepted a line that we do not.
    Lenient,
    /// A rule that concerns several lines, or the value of a field.
    Rule(RequestError),
}

/// Checks a head that is whole and free of forbidden bytes.
fn check_whole(head: &[u8], limits: &HeadLimits) -> Result<HeadMeta, RequestError> {
    let mut meta = HeadMeta::default();
    let parsed = parse(head, limits, &mut meta, None);
    let verdict = match parsed {
        Err(NotParsed::Syntax(Some(httparse::Error::Version))) => match as_http11(head) {
            Some(copy) => parse_any_number(&copy, limits, &mut meta),
            None => parsed,
        },
        Err(NotParsed::Syntax(Some(httparse::Error::TooManyHeaders))) => {
            parse_any_number(head, limits, &mut meta)
        }
        verdict => verdict,
    };
    verdict.map(|()| meta).map_err(|reason| match reason {
        NotParsed::Rule(error) => error,
        // `search` has accepted each line. If httparse still refuses the head, the error names the request line.
        NotParsed::Syntax(_) | NotParsed::Lenient => RequestError::new(Rule::RequestLine, 0),
    })
}

/// The usual path: the head at the start of `bytes`, parsed in place.
#[inline]
fn parse(
    bytes: &[u8],
    limits: &HeadLimits,
    meta: &mut HeadMeta,
    places: Option<&mut FieldPlaces>,
) -> Result<(), NotParsed> {
    let mut room = [MaybeUninit::uninit(); FIELDS_ON_STACK];
    let room = part_mut(&mut room, ..limits.fields.min(FIELDS_ON_STACK));
    parse_into(room, bytes, limits, meta, places)
}

/// Parses with as much room as the head may need. Each field line has at least four bytes.
fn parse_any_number(head: &[u8], limits: &HeadLimits, meta: &mut HeadMeta) -> Result<(), NotParsed> {
    let fields = limits.fields.min(head.len() / 4);
    let mut room: Vec<MaybeUninit<Header<'_>>> = Vec::new();
    room.resize(fields, MaybeUninit::uninit());
    parse_into(&mut room, head, limits, meta, None)
}

#[inline]
fn parse_into<'b>(
    room: &mut [MaybeUninit<Header<'b>>],
    bytes: &'b [u8],
    limits: &HeadLimits,
    meta: &mut HeadMeta,
    places: Option<&mut FieldPlaces>,
) -> Result<(), NotParsed> {
    let mut request = httparse::Request::new(&mut []);
    let parsed = request.parse_with_uninit_headers(bytes, room);
    crate::witness::bytes(match parsed {
        Ok(Status::Complete(len)) => len,
        _ => bytes.len(),
    });
    match parsed {
        Ok(Status::Complete(len)) => {
            // Before the check, which is slower while they are to come. Those of a head that is refused serve nobody.
            if let Some(places) = places {
                places.keep(bytes, request.headers);
            }
            check(bytes, len, &request, limits, meta)
        }
        Ok(Status::Partial) => Err(NotParsed::Syntax(None)),
        Err(error) => Err(NotParsed::Syntax(Some(error))),
    }
}

/// Checks what httparse is too lenient about, and draws the conclusions from the fields.
#[inline]
fn check(
    bytes: &[u8],
    len: usize,
    request: &httparse::Request<'_, '_>,
    limits: &HeadLimits,
    meta: &mut HeadMeta,
) -> Result<(), NotParsed> {
    let offset = |part: &[u8]| part.as_ptr().addr().wrapping_sub(bytes.as_ptr().addr());
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
        return Err(NotParsed::Lenient);
    };
    let (method, target) = (method.as_bytes(), target.as_bytes());

    // httparse skips any number of empty lines, and takes LF alone as a line end. It lets a CR stand only before LF,
    // so one byte before each LF is enough to look at.
    let method_at = offset(method);
    if method_at != 0 && method_at != start(bytes) {
        return Err(NotParsed::Lenient);
    }
    let start = method_at;
    if bytes.get(len.wrapping_sub(4)..len) != Some(b"\r\n\r\n") {
        return Err(NotParsed::Lenient);
    }

    if method.len() > MAX_METHOD || target.len() > limits.target || target::check(method, target).is_err() {
        return Err(NotParsed::Lenient);
    }

    let mut framing = FramingFields::default();
    for header in request.headers.iter() {
        let name = header.name.as_bytes();
        if bytes.get(offset(name).wrapping_sub(2)) != Some(&b'\r') {
            return Err(NotParsed::Lenient);
        }
        framing.field(name, header.value, offset(header.value)).map_err(NotParsed::Rule)?;
    }

    let version = if minor == 0 { Version::Http10 } else { Version::Http11 };
    let connect = method == b"CONNECT";
    let framed = framing.finish(version, connect, limits.body).map_err(NotParsed::Rule)?;
    *meta = HeadMeta {
        body: framed.body,
        len: len as u32,
        target_len: target.len() as u32,
        method_len: method.len() as u16,
        start: start as u8,
        version,
        expect: framed.expect,
        keep_alive: framed.keep_alive,
        upgrade: framed.upgrade,
        head: method == b"HEAD",
        connect,
    };
    Ok(())
}

/// Bytes of the empty lines that may come before the request line (RFC 9112 section 2.2).
pub(crate) fn start(window: &[u8]) -> usize {
    let empty = window.chunks(2).take(MAX_EMPTY_LINES).take_while(|line| *line == b"\r\n").count();
    2 * empty
}

/// Whether the bytes are empty lines that are skipped, of which the last one may have just begun, so that no head has begun
/// and none is refused.
pub(crate) fn is_before(bytes: &[u8], limits: &HeadLimits) -> bool {
    let begun = part(bytes, start(bytes)..);
    bytes.len() < limits.size as usize && matches!(begun, [] | [b'\r'])
}

/// A copy of the head that says HTTP/1.1, if it says HTTP/1.2 to HTTP/1.9: "a server can treat a higher minor version
/// as the highest that it supports" (RFC 9110 section 2.5), but httparse refuses it.
#[cold]
fn as_http11(head: &[u8]) -> Option<Vec<u8>> {
    let start = start(head);
    let end = start + memchr::memchr(b'\r', head.get(start..)?)?;
    let mut words = head.get(start..end)?.split(|&byte| byte == b' ');
    // Words behind the version stay, and are refused with the copy.
    let (_method, _target, version) = (words.next()?, words.next()?, words.next()?);
    let [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9'] = version else { return None };
    let mut copy = head.to_vec();
    *copy.get_mut(end - 1)? = b'1';
    Some(copy)
}
