//! Hides the values of fields, byte by byte, so that every length and position stays as it was.
//!
//! A stream is looked at byte by byte, so it does not matter where reads end. Bytes that no field value may hold
//! stay as they are, so that the machine's verdict on them does, too.

use httpfsm::channel::Channel;

/// The fields whose values are hidden.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Names {
    names: Vec<String>,
    /// The longest name that is looked at.
    longest: usize,
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

impl Names {
    /// In lower case, without those that a replay needs.
    pub(crate) fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let names = names.into_iter().map(str::to_ascii_lowercase);
        let names: Vec<_> = names.filter(|name| !NEEDED.contains(&&**name)).collect();
        let lengths = names.iter().map(String::len).chain(NEEDED.map(str::len));
        Self { longest: lengths.max().unwrap_or(0), names }
    }

    pub(crate) fn as_slice(&self) -> &[String] {
        &self.names
    }

    pub(crate) fn contain(&self, name: &[u8]) -> bool {
        self.names.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name))
    }
}

/// Hides one byte.
fn hide(byte: &mut u8) {
    if matches!(*byte, 0x21..=0x7e | 0x80..) {
        *byte = b'x';
    }
}

/// Hides the value of a field, if its name is one of those.
pub(crate) fn hide_value(names: &Names, name: &str, value: &mut [u8]) {
    if names.contain(name.as_bytes()) {
        value.iter_mut().for_each(hide);
    }
}

/// Goes through lines and hides the values of those that begin as a field does.
#[derive(Default)]
pub(crate) struct Lines {
    place: Place,
    name: Vec<u8>,
    /// The last line was hidden: so is its continuation (an obs-fold, which the machine refuses).
    hidden: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Place {
    #[default]
    Start,
    Name,
    Value,
    Hidden,
}

impl Lines {
    /// For bytes of which nothing is known but that lines in them may be fields.
    pub(crate) fn apply(&mut self, names: &Names, bytes: &mut [u8]) {
        for byte in bytes {
            self.byte(names, byte);
        }
    }

    fn byte(&mut self, names: &Names, byte: &mut u8) {
        if *byte == b'\n' {
            self.hidden = self.place == Place::Hidden;
            self.place = Place::Start;
            self.name.clear();
            return;
        }
        match self.place {
            Place::Start if matches!(*byte, b' ' | b'\t') => {
                if self.hidden {
                    self.place = Place::Hidden;
                }
            }
            Place::Start | Place::Name => {
                self.place = Place::Name;
                match *byte {
                    b':' if names.contain(&self.name) => self.place = Place::Hidden,
                    b':' => self.place = Place::Value,
                    // Where no blank belongs, the machine refuses it; the value is a secret all the same.
                    b' ' | b'\t' | b'\r' => {}
                    _ if self.name.len() > names.longest => self.place = Place::Value,
                    other => self.name.push(other.to_ascii_lowercase()),
                }
            }
            Place::Value => {}
            Place::Hidden => hide(byte),
        }
    }
}

/// What is to be sent, with its secrets hidden. It is looked at when it is staged, not when it leaves, so that content
/// is hidden in what the application gave just as it is in what is sent: only so do both replay.
#[derive(Default)]
pub(crate) struct Outgoing {
    lines: Lines,
    waiting: Vec<u8>,
}

impl Outgoing {
    /// Takes up what the channel has staged since the last call; returns it, hidden.
    pub(crate) fn staged(&mut self, names: &Names, channel: &Channel) -> &mut [u8] {
        let unsent = channel.unsent_len();
        if unsent < self.waiting.len() {
            // The connection is lost, and what was to be sent with it.
            *self = Self::default();
        }
        let known = self.waiting.len();
        let (mut slices, mut skip) = ([&[][..]; 8], known);
        let filled = channel.unsent_slices(&mut slices);
        for slice in slices.iter().take(filled) {
            self.waiting.extend_from_slice(slice.get(skip..).unwrap_or_default());
            skip = skip.saturating_sub(slice.len());
        }
        let new = self.waiting.get_mut(known..).unwrap_or_default();
        self.lines.apply(names, new);
        new
    }

    /// The first `n` bytes leave.
    pub(crate) fn leave(&mut self, n: usize) -> Vec<u8> {
        self.waiting.drain(..n.min(self.waiting.len())).collect()
    }
}

/// `content`, hidden as it is in `staged`, where it stands behind the head of a response or a chunk's size.
pub(crate) fn hide_content(names: &Names, content: &mut [u8], staged: &[u8], head: &[u8]) {
    let behind = staged.windows(head.len()).position(|window| window == head).map(|at| at + head.len());
    let places = || [behind, Some(0)].into_iter().flatten().filter_map(|at| staged.get(at..));
    let whole =
        places().find_map(|there| there.get(..content.len()).filter(|there| is_hidden(content, there)));
    // What exceeds a Content-Length was cut.
    let cut =
        || places().find(|there| (1..content.len()).contains(&there.len()) && is_hidden(content, there));
    match whole.or_else(cut) {
        Some(there) => {
            let (sent, excess) = content.split_at_mut(there.len());
            sent.copy_from_slice(there);
            excess.iter_mut().for_each(hide);
        }
        // It is not sent (a response to HEAD, or one that came too late), so nothing depends on it.
        None => Lines::default().apply(names, content),
    }
}

/// `text`, hidden as it is in a page where it stands from the beginning of a line.
pub(crate) fn hide_text(names: &Names, text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    Lines::default().apply(names, &mut bytes);
    // Of a character each byte is hidden, or none: what is hidden begins behind a colon.
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether `hidden` is `bytes`, but for what is hidden.
fn is_hidden(bytes: &[u8], hidden: &[u8]) -> bool {
    bytes.iter().zip(hidden).all(|(byte, hidden)| byte == hidden || *hidden == b'x')
}

/// Goes through the requests of a connection. It knows where their bodies begin and end, so that the last line of a
/// body is not joined with the request behind it. It need not understand what the machine refuses, because the machine
/// reads no further then.
pub(crate) struct Requests {
    part: Part,
    lines: Lines,
    bodies: bool,
    length: Option<u64>,
    chunked: bool,
    /// Bytes of the line so far, its CR LF aside.
    line: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    RequestLine,
    Fields,
    Body(u64),
    Size(u64),
    Extension(u64),
    Chunk(u64),
    ChunkEnd,
    Trailers,
    /// No message is here that the machine would read.
    Lost,
}

impl Requests {
    /// With `bodies`, bodies are hidden, too.
    pub(crate) fn new(bodies: bool) -> Self {
        let (part, lines) = (Part::RequestLine, Lines::default());
        Self { part, lines, bodies, length: None, chunked: false, line: 0 }
    }

    pub(crate) fn apply(&mut self, names: &Names, bytes: &mut [u8]) {
        for byte in bytes {
            self.part = self.byte(names, byte);
        }
    }

    fn byte(&mut self, names: &Names, byte: &mut u8) -> Part {
        match self.part {
            Part::RequestLine => self.request_line(names, byte),
            Part::Fields | Part::Trailers => self.field(names, byte),
            Part::Lost => {
                self.lines.byte(names, byte);
                Part::Lost
            }
            Part::Body(left) => {
                self.content(byte);
                if left == 1 { self.next() } else { Part::Body(left - 1) }
            }
            Part::Chunk(left) => {
                self.content(byte);
                if left == 1 { Part::ChunkEnd } else { Part::Chunk(left - 1) }
            }
            Part::ChunkEnd => match *byte {
                b'\r' => Part::ChunkEnd,
                b'\n' => self.size(),
                _ => self.lose(),
            },
            Part::Size(size) => match char::from(*byte).to_digit(16) {
                Some(_) if size >> 60 != 0 => self.lose(),
                Some(digit) => Part::Size(size << 4 | u64::from(digit)),
                None if *byte == b'\n' => self.chunk(size),
                None => Part::Extension(size),
            },
            Part::Extension(size) if *byte == b'\n' => self.chunk(size),
            Part::Extension(size) => Part::Extension(size),
        }
    }

    fn next(&mut self) -> Part {
        *self = Self::new(self.bodies);
        self.part
    }

    fn lose(&mut self) -> Part {
        self.lines = Lines::default();
        Part::Lost
    }

    fn size(&mut self) -> Part {
        self.line = 0;
        Part::Size(0)
    }

    fn chunk(&mut self, size: u64) -> Part {
        self.lines = Lines::default();
        self.line = 0;
        if size == 0 { Part::Trailers } else { Part::Chunk(size) }
    }

    fn content(&self, byte: &mut u8) {
        if self.bodies {
            *byte = b'x';
        }
    }

    fn request_line(&mut self, names: &Names, byte: &mut u8) -> Part {
        let place = self.lines.place;
        let part = match *byte {
            // Empty lines may come before it.
            b'\n' if self.line == 0 => Part::RequestLine,
            b'\n' => {
                self.line = 0;
                Part::Fields
            }
            b'\r' => Part::RequestLine,
            // What has a blank before its colon is no field, and may be a request.
            b' ' | b'\t' if matches!(place, Place::Start | Place::Name) => {
                self.line += 1;
                self.lines.place = Place::Value;
                return Part::RequestLine;
            }
            _ => {
                self.line += 1;
                Part::RequestLine
            }
        };
        // A field where a request should begin, behind a body that was longer than it said: no method has a colon, so
        // the machine refuses it, whatever its value is.
        self.lines.byte(names, byte);
        part
    }

    fn field(&mut self, names: &Names, byte: &mut u8) -> Part {
        let place = self.lines.place;
        match (*byte, place) {
            (b'\n', _) => {
                let empty = std::mem::take(&mut self.line) == 0;
                self.lines.byte(names, byte);
                return if empty { self.section_end() } else { self.part };
            }
            (b'\r', _) => {}
            // Both are looked at in heads alone; a trailer section that has them means nothing.
            (b':', Place::Name) if self.part == Part::Fields => {
                self.line += 1;
                match &self.lines.name[..] {
                    // Twice is refused.
                    b"content-length" if self.length.is_some() => return self.lose(),
                    b"content-length" => self.length = Some(0),
                    b"transfer-encoding" => self.chunked = true,
                    _ => {}
                }
            }
            (digit, Place::Value) if self.part == Part::Fields && self.lines.name == b"content-length" => {
                self.line += 1;
                let length = self.length.unwrap_or(0);
                match digit {
                    b' ' | b'\t' => {}
                    b'0'..=b'9' => {
                        match length.checked_mul(10).map(|n| n.saturating_add(u64::from(digit - b'0'))) {
                            Some(length) => self.length = Some(length),
                            None => return self.lose(),
                        }
                    }
                    _ => return self.lose(),
                }
            }
            _ => self.line += 1,
        }
        self.lines.byte(names, byte);
        self.part
    }

    fn section_end(&mut self) -> Part {
        match (self.part, self.chunked, self.length) {
            (Part::Trailers, _, _) | (_, false, None | Some(0)) => self.next(),
            (_, false, Some(length)) => Part::Body(length),
            (_, true, None) => self.size(),
            // Both together are refused.
            (_, true, Some(_)) => self.lose(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Lines, Names, Requests};

    fn names() -> Names {
        Names::new(crate::MASKED)
    }

    fn requests(text: &str, bodies: bool, cut: usize) -> String {
        let mut bytes = text.as_bytes().to_vec();
        let mut mask = Requests::new(bodies);
        let (left, right) = bytes.split_at_mut(cut);
        mask.apply(&names(), left);
        mask.apply(&names(), right);
        String::from_utf8(bytes).unwrap()
    }

    /// Asserts it for every cut.
    fn hides(text: &str, expected: &str) {
        for cut in 0..=text.len() {
            assert_eq!(requests(text, false, cut), expected, "cut at {cut}");
        }
    }

    #[test]
    fn the_values_of_secret_fields_are_hidden_for_every_cut_and_keep_their_length() {
        hides(
            "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic c2Vj\r\ncOOKIE:a=1; b=\t2\r\nX: Cookie: y\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: xxxxx xxxx\r\ncOOKIE:xxxx xx\tx\r\nX: Cookie: y\r\n\r\n",
        );
    }

    #[test]
    fn what_the_machine_refuses_is_hidden_too_and_is_refused_for_the_same_reason() {
        hides(
            "GET / HTTP/1.1\r\nCookie : a\r\n b\r\n\tc\u{1}\r\nCookie: d\re\nCookie: f",
            "GET / HTTP/1.1\r\nCookie : x\r\n x\r\n\tx\u{1}\r\nCookie: x\rx\nCookie: x",
        );
    }

    #[test]
    fn a_field_where_a_request_should_begin_is_hidden_and_a_request_that_looks_like_one_is_not() {
        hides("Cookie: a b\r\n c\r\nCookie: d", "Cookie: x x\r\n x\r\nCookie: x");
        hides(
            "POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nabc\r\nAUTHORIZATION:d\r\n\r\ncookie:e",
            "POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nabc\r\nAUTHORIZATION:x\r\n\r\ncookie:x",
        );
        let text = "COO kie:/a HTTP/1.1\r\n\r\nCOOKIE /:b HTTP/1.1\r\n\r\nGET Cookie:c HTTP/1.1\r\n\r\n";
        hides(text, text);
    }

    #[test]
    fn a_body_is_shown_and_ends_where_it_ends() {
        let text = "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nCookie: aGET / HTTP/1.1\r\nCookie: b\r\n\r\n";
        hides(text, &text.replace("Cookie: b", "Cookie: x"));
        assert!(requests(text, true, 0).contains("\r\n\r\nxxxxxxxxxGET / HTTP/1.1\r\nCookie: x\r\n\r\n"));
    }

    #[test]
    fn chunks_are_followed_to_their_trailers() {
        let text = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
            b;e=1\r\n\r\nCookie: a\r\n2\r\nbc\r\n0\r\nCookie: d\r\nA: b\r\n\r\nGET / HTTP/1.1\r\nCookie: e\r\n\r\n";
        hides(text, &text.replace("Cookie: d", "Cookie: x").replace("Cookie: e", "Cookie: x"));
        assert!(requests(text, true, 0).contains("b;e=1\r\nxxxxxxxxxxx\r\n2\r\nxx\r\n0\r\nCookie: x\r\n"));
    }

    #[test]
    fn behind_a_framing_that_is_refused_everything_that_looks_like_a_secret_is_hidden() {
        for framing in
            ["Content-Length: 99\r\nTransfer-Encoding: chunked", "Content-Length: 9\r\nContent-Length: 9"]
        {
            let text =
                format!("POST / HTTP/1.1\r\n{framing}\r\n\r\nGET / HTTP/1.1\r\nCookie: secret\r\n\r\n");
            hides(&text, &text.replace("secret", "xxxxxx"));
        }
    }

    #[test]
    fn lines_are_found_without_knowing_messages() {
        let mut bytes = *b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\n\r\nbody";
        Lines::default().apply(&names(), &mut bytes);
        assert_eq!(&bytes, b"HTTP/1.1 200 OK\r\nSet-Cookie: xxx\r\n\r\nbody");
    }

    #[test]
    fn what_a_replay_needs_cannot_be_hidden() {
        let names = Names::new(["Content-Length", "X-Key"]);
        assert_eq!(names.as_slice(), ["x-key"]);
    }
}
