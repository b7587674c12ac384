//! The fields of a response (RFC 9110 section 5), validated when they are made and kept as the wire will see them.
//!
//! Nothing that could end a line enters [`Fields`], so whatever an application echoes into a field, a response
//! cannot be split. The fields that frame a message belong to the machine: see [`Fields::push`].

use alloc::boxed::Box;
use core::fmt;

use self::wire::Wire;
use crate::part::{ascii, part};
use crate::request::FieldRef;
use crate::token::{has_element, is_tchar};

mod wire;

/// The fields whose values are not shown by `Debug` of fields, and are hidden in recordings unless told otherwise.
pub const SECRETS: [&str; 4] = ["Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie"];

/// The fields of a response, an interim response or a trailer section, in the order in which they were pushed. `Debug`
/// shows names and values, and of the values of [`SECRETS`] how long they are.
///
/// Up to 70 bytes of field lines are held without an allocation.
///
/// ```
/// use httpfsm::fields::Fields;
///
/// let mut fields = Fields::new();
/// fields.push("Content-Type", "text/plain")?;
/// fields.push("X-Trace", [0x61, 0x62])?;
/// assert_eq!(fields.get("content-type"), Some(&b"text/plain"[..]));
/// assert!(fields.push("X-Evil", "a\r\nSet-Cookie: b").is_err());
/// # Ok::<(), httpfsm::fields::InvalidField>(())
/// ```
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Fields {
    /// `Name: value CRLF`, ready to be copied.
    wire: Wire,
    content_length: u64,
    marks: u8,
}

/// Bits of `Fields::marks`: which of the fields that the machine must know about are there.
mod mark {
    pub(super) const DATE: u8 = 1;
    pub(super) const SERVER: u8 = 1 << 1;
    pub(super) const CLOSE: u8 = 1 << 2;
    pub(super) const UPGRADE: u8 = 1 << 3;
    pub(super) const LENGTH: u8 = 1 << 4;
    pub(super) const PROTOCOLS: u8 = 1 << 5;
}

impl Fields {
    /// No fields.
    #[must_use]
    pub const fn new() -> Self {
        Self { wire: Wire::new(), content_length: 0, marks: 0 }
    }

    /// Adds a field line; earlier lines of the same name stay (RFC 9110 section 5.3). Blanks around the value are
    /// trimmed. Bytes above 0x7f are sent as they are (obs-text).
    ///
    /// Three names never reach the wire as given, because the machine writes them:
    /// - `Content-Length` declares the length of the content ([`content_length`](Self::content_length)), once;
    /// - `Connection` takes the options `close` and `upgrade` only ([`close`](Self::close),
    ///   [`upgrade`](Self::upgrade)), the second of which goes with every `Upgrade`;
    /// - `Transfer-Encoding` and `Keep-Alive` are refused.
    ///
    /// # Errors
    ///
    /// [`InvalidField`], and nothing is added: the name is no token (RFC 9110 section 5.1), the value holds a
    /// control character other than HTAB (section 5.5), the name is reserved, or the length is not a decimal
    /// number or is given twice.
    pub fn push(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), InvalidField> {
        self.push_bytes(name, value.as_ref())
    }

    /// The same as [`push`](Self::push), in a chain.
    ///
    /// ```
    /// use httpfsm::fields::Fields;
    ///
    /// let hints = Fields::new().with("Link", "</style.css>; rel=preload; as=style")?;
    /// # Ok::<(), httpfsm::fields::InvalidField>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`push`](Self::push).
    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, InvalidField> {
        self.push_bytes(name, value.as_ref())?;
        Ok(self)
    }

    /// Replaces every line of this name with one.
    ///
    /// # Errors
    ///
    /// Those of [`push`](Self::push); nothing is removed then.
    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), InvalidField> {
        let one = Self::new().with(name, value)?;
        self.remove(name);
        self.extend(&one);
        Ok(())
    }

    /// Removes every line of this name (any case), `Content-Length` and `Connection` included; says whether there
    /// was one.
    pub fn remove(&mut self, name: &str) -> bool {
        let marks = match Known::of(name) {
            Known::Date => mark::DATE,
            Known::Server => mark::SERVER,
            Known::Connection => mark::CLOSE | mark::UPGRADE,
            Known::ContentLength => mark::LENGTH,
            Known::Upgrade => mark::PROTOCOLS,
            Known::Reserved | Known::Other => 0,
        };
        let marked = self.marks & marks != 0;
        self.marks &= !marks;
        if self.marks & mark::LENGTH == 0 {
            self.content_length = 0;
        }
        if self.get(name).is_none() {
            return marked;
        }
        let mut kept = Wire::new();
        for field in self.iter().filter(|field| !field.name.eq_ignore_ascii_case(name)) {
            kept.push_line(field.name, field.value);
        }
        self.wire = kept;
        true
    }

    /// The field lines in order. `Content-Length` and `Connection` are not among them.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter { rest: self.wire() }
    }

    /// The value of the first line of this name (any case).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    }

    /// Whether nothing was pushed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.wire().is_empty() && self.marks == 0
    }

    /// Removes everything; memory that was allocated stays for the next response.
    pub fn clear(&mut self) {
        self.wire.clear();
        self.content_length = 0;
        self.marks = 0;
    }

    /// Adds all of `other` after what is here. Its `Content-Length`, if it has one, replaces the one here.
    pub fn extend(&mut self, other: &Self) {
        self.wire.extend(other.wire());
        self.marks |= other.marks;
        if other.marks & mark::LENGTH != 0 {
            self.content_length = other.content_length;
        }
    }

    /// The length that `Content-Length` declared.
    #[inline]
    #[must_use]
    pub const fn content_length(&self) -> Option<u64> {
        if self.marks & mark::LENGTH != 0 { Some(self.content_length) } else { None }
    }

    /// Whether `Connection: close` was given: the connection ends after this response (RFC 9112 section 9.6).
    #[inline]
    #[must_use]
    pub const fn close(&self) -> bool {
        self.marks & mark::CLOSE != 0
    }

    /// Whether `Upgrade` (with a protocol in it) or `Connection: upgrade` was given: whoever sends the field has to send the option (RFC 9110
    /// section 7.8).
    #[inline]
    #[must_use]
    pub const fn upgrade(&self) -> bool {
        self.marks & (mark::UPGRADE | mark::PROTOCOLS) != 0
    }

    /// Whether `Upgrade` was given, with a protocol in it.
    #[inline]
    pub(crate) const fn names_protocols(&self) -> bool {
        self.marks & mark::PROTOCOLS != 0
    }

    /// Whether `Date` was given; the machine then adds none.
    #[inline]
    #[must_use]
    pub const fn has_date(&self) -> bool {
        self.marks & mark::DATE != 0
    }

    /// Whether `Server` was given; the machine then adds none of its own.
    #[inline]
    #[must_use]
    pub const fn has_server(&self) -> bool {
        self.marks & mark::SERVER != 0
    }

    /// The field lines as they go to the wire.
    #[inline]
    pub(crate) fn wire(&self) -> &[u8] {
        self.wire.as_slice()
    }

    /// Neither `Date` nor `Server` was given: the case of nearly every response, in one test.
    #[inline]
    pub(crate) const fn is_anonymous(&self) -> bool {
        self.marks & (mark::DATE | mark::SERVER) == 0
    }

    /// Lines that are known to be valid and of no interest to the machine: neither checked nor copied.
    #[inline]
    pub(crate) const fn from_known(lines: &'static [u8]) -> Self {
        Self { wire: Wire::Static(lines), content_length: 0, marks: 0 }
    }

    fn push_bytes(&mut self, name: &str, value: &[u8]) -> Result<(), InvalidField> {
        check_name(name)?;
        check_value(name, value)?;
        // CR and LF are refused above, also at the ends, so only SP and HTAB are trimmed.
        let value = value.trim_ascii();
        match Known::of(name) {
            Known::Other => {}
            Known::Date => self.marks |= mark::DATE,
            Known::Server => self.marks |= mark::SERVER,
            Known::Upgrade if has_element(value) => self.marks |= mark::PROTOCOLS,
            Known::Upgrade => {}
            Known::Connection => return self.connection(name, value),
            Known::ContentLength => return self.length(value),
            Known::Reserved => return Err(InvalidField::Reserved { name: name.into() }),
        }
        self.wire.push_line(name, value);
        Ok(())
    }

    fn connection(&mut self, name: &str, value: &[u8]) -> Result<(), InvalidField> {
        let mut marks = 0;
        for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if option.eq_ignore_ascii_case(b"close") {
                marks |= mark::CLOSE;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                marks |= mark::UPGRADE;
            } else if !option.is_empty() {
                return Err(InvalidField::Reserved { name: name.into() });
            }
        }
        self.marks |= marks;
        Ok(())
    }

    fn length(&mut self, value: &[u8]) -> Result<(), InvalidField> {
        if self.marks & mark::LENGTH != 0 {
            return Err(InvalidField::ContentLengthRepeated);
        }
        if value.is_empty() {
            return Err(InvalidField::ContentLength);
        }
        let mut length = 0_u64;
        for byte in value {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return Err(InvalidField::ContentLength);
            }
            length = length
                .checked_mul(10)
                .and_then(|length| length.checked_add(u64::from(digit)))
                .ok_or(InvalidField::ContentLength)?;
        }
        self.content_length = length;
        self.marks |= mark::LENGTH;
        Ok(())
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for field in self.iter() {
            map.entry(&field.name, &Value { name: field.name, value: field.value });
        }
        if let Some(length) = self.content_length() {
            map.entry(&"Content-Length", &length);
        }
        match (self.close(), self.upgrade()) {
            (false, false) => {}
            (true, false) => drop(map.entry(&"Connection", &"close")),
            (false, true) => drop(map.entry(&"Connection", &"upgrade")),
            (true, true) => drop(map.entry(&"Connection", &"close, upgrade")),
        }
        map.finish()
    }
}

impl<'a> IntoIterator for &'a Fields {
    type Item = FieldRef<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The lines of [`Fields`], in order.
#[derive(Clone)]
pub struct Iter<'a> {
    rest: &'a [u8],
}

impl fmt::Debug for Iter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = FieldRef<'a>;

    fn next(&mut self) -> Option<FieldRef<'a>> {
        // Neither a name nor a value holds CR, and no name holds a colon: `push` saw to it.
        let end = memchr::memchr(b'\r', self.rest)?;
        let (line, rest) = (part(self.rest, ..end), part(self.rest, end + 2..));
        let colon = memchr::memchr(b':', line)?;
        self.rest = rest;
        Some(FieldRef { name: ascii(part(line, ..colon)), value: part(line, colon + 2..) })
    }
}

/// Why a field cannot be sent.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum InvalidField {
    /// The name is empty or holds a byte that no token may hold (RFC 9110 section 5.1).
    Name {
        /// The name as it was given.
        name: Box<str>,
    },
    /// The value holds a control character other than HTAB (RFC 9110 section 5.5).
    Value {
        /// The field's name.
        name: Box<str>,
        /// The character.
        byte: u8,
        /// Where it stands, from the start of the value as it was given.
        position: usize,
    },
    /// The machine writes this field (`Transfer-Encoding`, `Keep-Alive`), or this option of `Connection`, itself.
    Reserved {
        /// The field's name.
        name: Box<str>,
    },
    /// The value of `Content-Length` is not a decimal number below 2^64 (RFC 9110 section 8.6).
    ContentLength,
    /// `Content-Length` was given twice (RFC 9110 section 8.6).
    ContentLengthRepeated,
}

impl fmt::Display for InvalidField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { name } => write!(f, "The field name {name:?} is not a token."),
            Self::Value { name, byte, position } => {
                write!(f, "The value of {name} holds the control character 0x{byte:02x} at byte {position}.")
            }
            Self::Reserved { name } if name.eq_ignore_ascii_case("connection") => f.write_str(
                "Connection holds an option other than close and upgrade; the server writes the others.",
            ),
            Self::Reserved { name } => write!(f, "{name} frames the message and is written by the server."),
            Self::ContentLength => {
                f.write_str("The value of Content-Length is not a decimal number below 2^64.")
            }
            Self::ContentLengthRepeated => f.write_str("Content-Length is given twice."),
        }
    }
}

impl core::error::Error for InvalidField {}

/// The names that mean something to the machine.
#[derive(Clone, Copy)]
enum Known {
    Other,
    Date,
    Server,
    Connection,
    ContentLength,
    Upgrade,
    Reserved,
}

impl Known {
    #[inline]
    fn of(name: &str) -> Self {
        // The length decides first, so that most names are compared with nothing.
        match name.len() {
            4 if name.eq_ignore_ascii_case("date") => Self::Date,
            6 if name.eq_ignore_ascii_case("server") => Self::Server,
            7 if name.eq_ignore_ascii_case("upgrade") => Self::Upgrade,
            10 if name.eq_ignore_ascii_case("connection") => Self::Connection,
            10 if name.eq_ignore_ascii_case("keep-alive") => Self::Reserved,
            14 if name.eq_ignore_ascii_case("content-length") => Self::ContentLength,
            17 if name.eq_ignore_ascii_case("transfer-encoding") => Self::Reserved,
            _ => Self::Other,
        }
    }
}

fn check_name(name: &str) -> Result<(), InvalidField> {
    if !name.is_empty() && name.bytes().fold(true, |fine, byte| fine & is_tchar(byte)) {
        return Ok(());
    }
    Err(InvalidField::Name { name: name.into() })
}

fn check_value(name: &str, value: &[u8]) -> Result<(), InvalidField> {
    let control = |byte: u8| (byte < 0x20 && byte != b'\t') | (byte == 0x7f);
    // A fold without an early end is checked many bytes at a time; the position is looked for only when it fails.
    if !value.iter().fold(false, |found, byte| found | control(*byte)) {
        return Ok(());
    }
    let position = value.iter().position(|byte| control(*byte)).unwrap_or(0);
    let byte = value.get(position).copied().unwrap_or(0);
    Err(InvalidField::Value { name: name.into(), byte, position })
}

/// The value of a field as text in `Debug`; of a secret, how long it is.
pub(crate) struct Value<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: &'a [u8],
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if SECRETS.iter().any(|secret| secret.eq_ignore_ascii_case(self.name)) {
            return write!(f, "{} bytes", self.value.len());
        }
        write!(f, "\"{}\"", self.value.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use std::string::{String, ToString};
    use std::vec::Vec;
    use std::{format, vec};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever is pushed, the wire holds one line for each push that was accepted, and reads back as given.
        #[test]
        fn the_wire_has_the_lines_that_were_accepted_and_no_other(
            pushed in prop::collection::vec(("[A-Za-z:\r\n\\- ]{0,8}", prop::collection::vec(
                prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'a'), any::<u8>()], 0..40)), 0..12)
        ) {
            let mut fields = Fields::new();
            let mut accepted = Vec::new();
            for (name, value) in &pushed {
                if fields.push(name, value).is_ok() {
                    accepted.push((name.as_str(), value.trim_ascii()));
                }
            }
            let seen: Vec<_> = fields.iter().map(|field| (field.name, field.value)).collect();
            prop_assert_eq!(&seen, &accepted);
            let ends = fields.wire().iter().filter(|byte| matches!(byte, b'\r' | b'\n' | 0)).count();
            prop_assert_eq!(ends, 2 * accepted.len());
        }
    }

    fn lines(fields: &Fields) -> String {
        String::from_utf8_lossy(fields.wire()).into_owned()
    }

    #[test]
    fn fields_keep_their_order_case_and_repetition() {
        let mut fields = Fields::new();
        fields.push("Set-Cookie", "a=1").unwrap();
        fields.push("x-TRACE", "7").unwrap();
        fields.push("Set-Cookie", "b=2").unwrap();
        assert_eq!(lines(&fields), "Set-Cookie: a=1\r\nx-TRACE: 7\r\nSet-Cookie: b=2\r\n");
        let seen: Vec<_> = fields.iter().map(|field| (field.name, field.value)).collect();
        assert_eq!(seen, vec![("Set-Cookie", &b"a=1"[..]), ("x-TRACE", b"7"), ("Set-Cookie", b"b=2")]);
        assert_eq!(fields.get("SET-COOKIE"), Some(&b"a=1"[..]));
        assert_eq!(fields.get("Set-Cooki"), None);
    }

    #[test]
    fn every_control_character_in_a_value_is_refused_wherever_it_stands() {
        for byte in (0..=0x1f).chain([0x7f]) {
            for value in [vec![byte], vec![b'a', byte, b'b'], [&[b'a'; 70][..], &[byte], b"X: y"].concat()] {
                let refused = Fields::new().with("X-A", &value);
                // Also CR, LF and FF at an end, which count as blanks elsewhere.
                let fine = byte == b'\t';
                assert_eq!(refused.is_ok(), fine, "byte 0x{byte:02x} in {}", value.escape_ascii());
            }
        }
    }

    #[test]
    fn an_injected_line_is_refused_and_nothing_is_added() {
        let mut fields = Fields::new();
        fields.push("A", "1").unwrap();
        let before = fields.clone();
        for (name, value) in [
            ("X", "a\r\nY: z"),
            ("X", "a\nY: z"),
            ("X", "a\rY: z"),
            ("X", "\r\nY: z"),
            ("X", "a\r\n"),
            ("X", "a\r\n\r\n<html>"),
            ("X\r\nY", "z"),
            ("X: y\r\nY", "z"),
            ("Content-Length", "1\r\nY: z"),
            ("Connection", "close\r\nY: z"),
            ("Date", "now\r\nY: z"),
        ] {
            assert!(fields.push(name, value).is_err(), "{name:?}: {value:?}");
            assert_eq!(fields, before, "{name:?}: {value:?}");
        }
    }

    #[test]
    fn a_name_that_is_no_token_is_refused() {
        for byte in 0..=0x7f_u8 {
            let name = format!("X{}Y", char::from(byte));
            let token = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            assert_eq!(Fields::new().push(&name, "v").is_ok(), token, "{name:?}");
        }
        assert!(Fields::new().push("", "v").is_err());
        assert!(Fields::new().push("Größe", "v").is_err());
    }

    #[test]
    fn blanks_around_a_value_are_trimmed_and_bytes_above_ascii_stay() {
        let fields = Fields::new().with("X", b" \t a\tb \xe9 \t").unwrap();
        assert_eq!(fields.wire(), b"X: a\tb \xe9\r\n");
        assert_eq!(lines(&Fields::new().with("X", "").unwrap()), "X: \r\n");
        assert_eq!(lines(&Fields::new().with("X", "  ").unwrap()), "X: \r\n");
        let empty = Fields::new().with("X", "").unwrap();
        assert_eq!(empty.get("x"), Some(&b""[..]));
    }

    #[test]
    fn the_content_length_is_kept_off_the_wire() {
        let mut fields = Fields::new().with("content-LENGTH", " 0042 ").unwrap();
        assert_eq!(fields.content_length(), Some(42));
        assert!(fields.wire().is_empty() && !fields.is_empty());
        assert_eq!(fields.push("Content-Length", "42"), Err(InvalidField::ContentLengthRepeated));
        for value in ["", "-1", "+1", "1,1", "1 1", "0x1", "18446744073709551616", "٣"] {
            assert_eq!(
                Fields::new().push("Content-Length", value),
                Err(InvalidField::ContentLength),
                "{value:?}"
            );
        }
        let most = Fields::new().with("Content-Length", "18446744073709551615").unwrap();
        assert_eq!(most.content_length(), Some(u64::MAX));
    }

    #[test]
    fn the_framing_fields_belong_to_the_machine() {
        for (name, value) in [
            ("Transfer-Encoding", "chunked"),
            ("transfer-encoding", "gzip"),
            ("Keep-Alive", "timeout=5"),
            ("Connection", "keep-alive"),
            ("Connection", "close, X-Secret"),
        ] {
            let refused = Fields::new().push(name, value);
            assert_eq!(refused, Err(InvalidField::Reserved { name: name.into() }), "{name}: {value}");
        }
        let fields = Fields::new().with("Connection", "Close , ,UPGRADE").unwrap();
        assert!(fields.close() && fields.upgrade() && fields.wire().is_empty());
    }

    #[test]
    fn date_and_server_are_remembered() {
        let fields = Fields::new().with("SERVER", "mine").unwrap();
        assert!(fields.has_server() && !fields.has_date() && !fields.is_anonymous());
        let fields = Fields::new().with("date", "x").unwrap();
        assert!(!fields.has_server() && fields.has_date() && !fields.is_anonymous());
    }

    #[test]
    fn upgrade_has_its_option_as_long_as_one_of_both_is_there() {
        let mut fields = Fields::new().with("UPGRADE", "x").unwrap();
        assert!(fields.upgrade());
        assert!(!fields.remove("Connection") && fields.upgrade());
        fields.push("Connection", "upgrade").unwrap();
        assert!(fields.remove("Upgrade") && fields.upgrade());
        assert!(fields.remove("Connection") && !fields.upgrade());
    }

    #[test]
    fn set_replaces_and_remove_forgets() {
        let mut fields =
            Fields::new().with("A", "1").unwrap().with("B", "2").unwrap().with("a", "3").unwrap();
        fields.set("a", "4").unwrap();
        assert_eq!(lines(&fields), "B: 2\r\na: 4\r\n");
        assert!(fields.set("B", "\n").is_err());
        assert_eq!(fields.get("B"), Some(&b"2"[..]));
        for (name, value) in [
            ("Date", "x"),
            ("Server", "x"),
            ("Connection", "close"),
            ("Content-Length", "1"),
            ("Upgrade", "x"),
        ] {
            let mut fields = Fields::new().with(name, value).unwrap();
            assert!(fields.remove(name), "{name}");
            assert_eq!(fields, Fields::new(), "{name}");
            assert!(!fields.remove(name), "{name}");
        }
        fields.clear();
        assert!(fields.is_empty());
    }

    #[test]
    fn extend_takes_lines_and_marks() {
        let mut fields = Fields::new().with("A", "1").unwrap().with("Content-Length", "1").unwrap();
        let more = Fields::new().with("Server", "x").unwrap().with("Content-Length", "2").unwrap();
        fields.extend(&more);
        assert_eq!(lines(&fields), "A: 1\r\nServer: x\r\n");
        assert!(fields.has_server());
        assert_eq!(fields.content_length(), Some(2));
    }

    #[test]
    fn extend_keeps_the_length_that_only_one_of_both_declares() {
        let plain = Fields::new().with("A", "1").unwrap();
        let declared = Fields::new().with("Content-Length", "7").unwrap();
        for (mut fields, more) in [(declared.clone(), &plain), (plain.clone(), &declared)] {
            fields.extend(more);
            assert_eq!(fields.content_length(), Some(7));
        }
    }

    #[test]
    fn names_of_the_same_length_mean_nothing_to_the_machine() {
        for name in [
            "Host",
            "Etag",
            "Origin",
            "Accept",
            "Set-Cookie",
            "Connectiox",
            "Accept-Charset",
            "Content-Lengtx",
            "Transfer-Encodinx",
        ] {
            let fields = Fields::new().with(name, "1").unwrap();
            assert_eq!(lines(&fields), format!("{name}: 1\r\n"));
            assert!(fields.is_anonymous() && !fields.close() && !fields.upgrade(), "{name}");
            assert_eq!(fields.content_length(), None, "{name}");
        }
    }

    #[test]
    fn fields_are_equal_if_their_lines_and_marks_are() {
        let fields = Fields::new().with("A", "1").unwrap();
        assert_eq!(fields, Fields::new().with("A", "1").unwrap());
        assert_ne!(fields, Fields::new().with("A", "2").unwrap());
        assert_ne!(fields, Fields::new().with("A", "1").unwrap().with("Connection", "close").unwrap());
    }

    #[test]
    fn the_faults_are_sentences() {
        let fault = Fields::new().push("Connection", "keep-alive").unwrap_err();
        assert_eq!(
            fault.to_string(),
            "Connection holds an option other than close and upgrade; the server writes the others."
        );
        let fault = Fields::new().push("Transfer-Encoding", "chunked").unwrap_err();
        assert_eq!(fault.to_string(), "Transfer-Encoding frames the message and is written by the server.");
        let fault = Fields::new().push("X", "a\0").unwrap_err();
        assert_eq!(fault.to_string(), "The value of X holds the control character 0x00 at byte 1.");
        let fault = Fields::new().push("X Y", "a").unwrap_err();
        assert_eq!(fault.to_string(), "The field name \"X Y\" is not a token.");
        let shown =
            format!("{:?}", Fields::new().with("A", "\"").unwrap().with("Connection", "close").unwrap());
        assert_eq!(shown, r#"{"A": "\"", "Connection": "close"}"#);
    }

    #[test]
    fn fields_are_small() {
        assert!(size_of::<Fields>() <= 88, "{}", size_of::<Fields>());
    }
}
