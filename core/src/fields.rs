//! The fields of a response (RFC 9110 section 5), validated when they are made and kept as the wire will see them.
//!
//! Nothing that could end a line enters [`Fields`], so whatever an application echoes into a field, a response
//! cannot be split. The fields that frame a message belong to the machine: see [`Fields::push`].

use core::fmt;

pub use self::invalid::InvalidField;
use self::invalid::{check_name, check_value};
use self::line_bytes::LineBytes;
use crate::part::{ascii, part};
use crate::token::has_element;

mod invalid;
mod line_bytes;
#[cfg(test)]
mod tests;

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
    lines: LineBytes,
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
    ///
    /// ```
    /// use httpfsm::Fields;
    ///
    /// // All responses without fields may share one.
    /// static NONE: Fields = Fields::new();
    /// assert!(NONE.is_empty());
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self { lines: LineBytes::new(), content_length: 0, marks: 0 }
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
    /// ```
    /// use httpfsm::Fields;
    ///
    /// let mut fields = Fields::new();
    /// fields.push("Set-Cookie", "a=1")?;
    /// fields.push("Set-Cookie", "b=2")?;
    /// assert_eq!(fields.iter().count(), 2);
    /// // What a peer has sent cannot end the line, and what frames the message is not the application's.
    /// assert!(fields.push("X-Echo", "a\r\nSet-Cookie: c=3").is_err());
    /// assert!(fields.push("Transfer-Encoding", "chunked").is_err());
    /// # Ok::<(), httpfsm::InvalidField>(())
    /// ```
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

    /// The fields of names and values, in order. A [`FromIterator`] could not say which of them cannot be sent.
    ///
    /// ```
    /// use httpfsm::fields::Fields;
    ///
    /// let fields = Fields::try_from_iter([("Vary", "Accept"), ("Cache-Control", "no-store")])?;
    /// assert_eq!(fields.iter().count(), 2);
    /// # Ok::<(), httpfsm::fields::InvalidField>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`push`](Self::push), of the first that cannot be sent.
    pub fn try_from_iter<N, V>(lines: impl IntoIterator<Item = (N, V)>) -> Result<Self, InvalidField>
    where
        N: AsRef<str>,
        V: AsRef<[u8]>,
    {
        let mut fields = Self::new();
        for (name, value) in lines {
            fields.push(name.as_ref(), value)?;
        }
        Ok(fields)
    }

    /// Replaces every line of this name with one.
    ///
    /// ```
    /// use httpfsm::Fields;
    ///
    /// let mut fields = Fields::new().with("Cache-Control", "no-cache")?.with("cache-control", "private")?;
    /// fields.set("Cache-Control", "no-store")?;
    /// assert_eq!(fields.iter().map(|field| field.value).collect::<Vec<_>>(), [b"no-store"]);
    /// # Ok::<(), httpfsm::InvalidField>(())
    /// ```
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
    ///
    /// ```
    /// use httpfsm::Fields;
    ///
    /// let mut fields = Fields::new().with("Content-Length", "5")?.with("Connection", "close")?;
    /// assert!(fields.remove("content-length") && fields.remove("connection"));
    /// assert!(!fields.remove("Server"));
    /// assert!(fields.is_empty());
    /// # Ok::<(), httpfsm::InvalidField>(())
    /// ```
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
        let mut kept = LineBytes::new();
        for field in self.iter().filter(|field| !field.name.eq_ignore_ascii_case(name)) {
            kept.push_line(field.name, field.value);
        }
        self.lines = kept;
        true
    }

    /// The field lines in order. `Content-Length` and `Connection` are not among them.
    ///
    /// ```
    /// use httpfsm::Fields;
    ///
    /// let fields = Fields::new().with("Content-Length", "5")?.with("Vary", "Accept")?;
    /// let lines: Vec<_> = fields.iter().map(|field| (field.name, field.value)).collect();
    /// assert_eq!(lines, [("Vary", &b"Accept"[..])]);
    /// # Ok::<(), httpfsm::InvalidField>(())
    /// ```
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter { rest: self.wire() }
    }

    /// The value of the first line of this name (any case).
    ///
    /// ```
    /// use httpfsm::Fields;
    ///
    /// let fields = Fields::new().with("Content-Type", " text/plain ")?;
    /// assert_eq!(fields.get("content-type"), Some(&b"text/plain"[..]));
    /// # Ok::<(), httpfsm::InvalidField>(())
    /// ```
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    }

    /// Whether nothing was pushed.
    ///
    /// ```
    /// use httpfsm::Fields;
    ///
    /// let mut fields = Fields::new();
    /// assert!(fields.is_empty());
    /// // `Connection` is not among the lines, but it counts.
    /// fields.push("Connection", "close")?;
    /// assert!(!fields.is_empty() && fields.iter().next().is_none());
    /// # Ok::<(), httpfsm::InvalidField>(())
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.wire().is_empty() && self.marks == 0
    }

    /// Removes everything; memory that was allocated stays for the next response.
    ///
    /// ```
    /// use httpfsm::Fields;
    ///
    /// let mut fields = Fields::new();
    /// for tag in ["\"a\"", "\"b\""] {
    ///     // Each response is made in the same memory.
    ///     fields.clear();
    ///     fields.push("ETag", tag)?;
    /// }
    /// assert_eq!(fields.iter().map(|field| field.value).collect::<Vec<_>>(), [b"\"b\""]);
    /// # Ok::<(), httpfsm::InvalidField>(())
    /// ```
    pub fn clear(&mut self) {
        self.lines.clear();
        self.content_length = 0;
        self.marks = 0;
    }

    /// Adds all of `other` after what is here. Its `Content-Length`, if it has one, replaces the one here.
    ///
    /// ```
    /// use httpfsm::Fields;
    ///
    /// let everywhere = Fields::new().with("X-Content-Type-Options", "nosniff")?;
    /// let mut fields = Fields::new().with("Content-Type", "text/plain")?;
    /// fields.extend(&everywhere);
    /// assert_eq!(fields.iter().last().map(|field| field.name), Some("X-Content-Type-Options"));
    /// # Ok::<(), httpfsm::InvalidField>(())
    /// ```
    pub fn extend(&mut self, other: &Self) {
        self.lines.extend(other.wire());
        self.marks |= other.marks;
        if other.marks & mark::LENGTH != 0 {
            self.content_length = other.content_length;
        }
    }

    /// The length that `Content-Length` declared.
    ///
    /// ```
    /// use httpfsm::Fields;
    ///
    /// let fields = Fields::new().with("Content-Length", "5")?;
    /// assert_eq!(fields.content_length(), Some(5));
    /// // The machine writes this line, so it is not among the others.
    /// assert_eq!(fields.get("Content-Length"), None);
    /// # Ok::<(), httpfsm::InvalidField>(())
    /// ```
    #[inline]
    #[must_use]
    pub const fn content_length(&self) -> Option<u64> {
        if self.marks & mark::LENGTH != 0 { Some(self.content_length) } else { None }
    }

    /// Whether `Connection: close` was given: the connection ends after this response (RFC 9112 section 9.6).
    ///
    /// ```
    /// use httpfsm::Fields;
    ///
    /// assert!(Fields::new().with("Connection", "Close")?.close());
    /// assert!(!Fields::new().close());
    /// # Ok::<(), httpfsm::InvalidField>(())
    /// ```
    #[inline]
    #[must_use]
    pub const fn close(&self) -> bool {
        self.marks & mark::CLOSE != 0
    }

    /// Whether `Upgrade` (with a protocol in it) or `Connection: upgrade` was given: whoever sends the field has to send the
    /// option (RFC 9110 section 7.8).
    ///
    /// ```
    /// use httpfsm::Fields;
    ///
    /// // The field brings its option along.
    /// assert!(Fields::new().with("Upgrade", "websocket")?.upgrade());
    /// assert!(Fields::new().with("Connection", "upgrade")?.upgrade());
    /// # Ok::<(), httpfsm::InvalidField>(())
    /// ```
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
    ///
    /// ```
    /// use httpfsm::Fields;
    ///
    /// // A response that a proxy passes on has the date of its origin.
    /// assert!(Fields::new().with("Date", "Sun, 06 Nov 1994 08:49:37 GMT")?.has_date());
    /// # Ok::<(), httpfsm::InvalidField>(())
    /// ```
    #[inline]
    #[must_use]
    pub const fn has_date(&self) -> bool {
        self.marks & mark::DATE != 0
    }

    /// Whether `Server` was given; the machine then adds none of its own.
    ///
    /// ```
    /// use httpfsm::Fields;
    ///
    /// // This response does not say `httpfsm`, whatever `ChannelConfig::identity` is.
    /// assert!(Fields::new().with("Server", "origin/1")?.has_server());
    /// # Ok::<(), httpfsm::InvalidField>(())
    /// ```
    #[inline]
    #[must_use]
    pub const fn has_server(&self) -> bool {
        self.marks & mark::SERVER != 0
    }

    /// Bytes that they hold on the heap.
    pub(crate) fn heap_len(&self) -> usize {
        self.lines.heap_len()
    }

    /// The field lines as they go to the wire.
    #[inline]
    pub(crate) fn wire(&self) -> &[u8] {
        self.lines.as_slice()
    }

    /// Neither `Date` nor `Server` was given: the case of nearly every response, in one test.
    #[inline]
    pub(crate) const fn is_anonymous(&self) -> bool {
        self.marks & (mark::DATE | mark::SERVER) == 0
    }

    /// Lines that are known to be valid and of no interest to the machine: neither checked nor copied.
    #[inline]
    pub(crate) const fn from_known(lines: &'static [u8]) -> Self {
        Self { lines: LineBytes::Static(lines), content_length: 0, marks: 0 }
    }

    fn push_bytes(&mut self, name: &str, value: &[u8]) -> Result<(), InvalidField> {
        check_name(name)?;
        check_value(name, value)?;
        self.push_checked(Known::of(name), name, value)
    }

    /// Adds a line whose name is a token in lower case, and whose value holds no control character but HTAB.
    #[cfg(feature = "http")]
    #[inline]
    pub(crate) fn push_lowercase(&mut self, name: &str, value: &[u8]) -> Result<(), InvalidField> {
        self.push_checked(Known::of_lowercase(name), name, value)
    }

    /// Adds a line that has been checked, and whose name means this to the machine.
    #[inline]
    fn push_checked(&mut self, known: Known, name: &str, value: &[u8]) -> Result<(), InvalidField> {
        // CR and LF are refused, also at the ends, so only SP and HTAB are trimmed.
        let value = value.trim_ascii();
        match known {
            Known::Other => {}
            Known::Date => self.marks |= mark::DATE,
            Known::Server => self.marks |= mark::SERVER,
            Known::Upgrade if has_element(value) => self.marks |= mark::PROTOCOLS,
            Known::Upgrade => {}
            Known::Connection => return self.connection(name, value),
            Known::ContentLength => return self.length(value),
            Known::Reserved => return Err(InvalidField::Reserved { name: name.into() }),
        }
        self.lines.push_line(name, value);
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
        map.entries(self.iter().map(entry));
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
///
/// ```
/// use httpfsm::Fields;
///
/// let fields = Fields::try_from_iter([("Vary", "Accept"), ("Set-Cookie", "a=1")])?;
/// let mut lines = fields.iter();
/// assert_eq!(lines.next().map(|field| field.name), Some("Vary"));
/// // The value of a secret is not shown.
/// assert_eq!(format!("{lines:?}"), r#"{"Set-Cookie": 3 bytes}"#);
/// # Ok::<(), httpfsm::InvalidField>(())
/// ```
#[derive(Clone)]
pub struct Iter<'a> {
    rest: &'a [u8],
}

impl fmt::Debug for Iter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.clone().map(entry)).finish()
    }
}

/// A field of a response, for `Debug`.
fn entry(field: FieldRef<'_>) -> (&str, Value<'_>) {
    (field.name, Value { name: field.name, value: field.value })
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

    /// The same of a name in lower case, which is compared as it is.
    #[cfg(feature = "http")]
    #[inline]
    fn of_lowercase(name: &str) -> Self {
        match name {
            "date" => Self::Date,
            "server" => Self::Server,
            "upgrade" => Self::Upgrade,
            "connection" => Self::Connection,
            "content-length" => Self::ContentLength,
            "keep-alive" | "transfer-encoding" => Self::Reserved,
            _ => Self::Other,
        }
    }
}

/// A field: its name as it was sent and its value without the blanks around it. `Debug` shows the name, and how long the
/// value is, since of a received field the name does not tell whether the value is a secret.
///
/// ```
/// use httpfsm::{FieldRef, Fields};
///
/// let fields = Fields::new().with("Vary", "Accept")?;
/// for FieldRef { name, value } in &fields {
///     assert_eq!((name, value), ("Vary", &b"Accept"[..]));
/// }
/// # Ok::<(), httpfsm::InvalidField>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FieldRef<'a> {
    /// The name, a token (RFC 9110 section 5.1).
    pub name: &'a str,
    /// The value: visible ASCII, SP, HTAB and opaque bytes from 0x80 (RFC 9110 section 5.5).
    pub value: &'a [u8],
}

impl FieldRef<'_> {
    /// Whether the field has this name; case does not count.
    ///
    /// ```
    /// use httpfsm::FieldRef;
    ///
    /// let field = FieldRef { name: "content-type", value: b"text/plain" };
    /// assert!(field.is_named("Content-Type"));
    /// ```
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

impl fmt::Debug for FieldRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FieldRef")
            .field("name", &self.name)
            .field("value", &format_args!("{} bytes", self.value.len()))
            .finish()
    }
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
