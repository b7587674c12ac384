//! The trailer section of a chunked body (RFC 9112 section 7.1.2): fields after the content, kept apart from those
//! of the head.

#[cfg(test)]
mod tests;

use core::fmt;

use crate::error::{RequestError, Rule};
use crate::part::part;
use crate::request::{FieldLines, FieldRef, show_names};
use crate::token::{is_blank, is_field_byte, is_tchar};

/// The verdict over the bytes so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TrailerStatus {
    /// The section goes on.
    Partial,
    /// The section is whole.
    Complete {
        /// Bytes of the section, its final CR LF included.
        len: usize,
    },
    /// The section breaks a rule, and no further byte can change that.
    Refused(RequestError),
}

/// How far a trailer section has been checked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TrailerScan {
    scanned: u32,
    fields: u32,
    next: NextInSection,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum NextInSection {
    #[default]
    Line,
    Name,
    Value,
    LineLf,
    /// The LF of the empty line at the end.
    EndLf,
}

impl TrailerScan {
    /// Judges `bytes`, which start at the section's first byte and grow from call to call; each byte is looked at
    /// once, and what is wrong is refused at once. `max_size` counts the final CR LF; both limits are inclusive.
    /// `base_offset`, where the section begins in the body as it was sent, is added to the offsets of errors.
    pub(crate) fn advance(
        &mut self,
        bytes: &[u8],
        max_size: u32,
        max_fields: usize,
        base_offset: u64,
    ) -> TrailerStatus {
        let window = bytes.get(..max_size as usize).unwrap_or(bytes);
        let rest = part(window, self.scanned as usize..);
        for &byte in rest {
            crate::witness::bytes(1);
            match self.byte(byte, max_fields) {
                Ok(Some(next)) => self.next = next,
                Ok(None) => return TrailerStatus::Complete { len: self.scanned as usize + 1 },
                Err((rule, back)) => {
                    let at = u64::from(self.scanned) - back;
                    return TrailerStatus::Refused(RequestError::new(rule, base_offset + at));
                }
            }
            self.scanned += 1;
        }
        if window.len() < max_size as usize {
            TrailerStatus::Partial
        } else {
            let error = RequestError::new(Rule::TrailerTooLarge, base_offset + u64::from(max_size));
            TrailerStatus::Refused(error)
        }
    }

    /// Takes one byte; `None`: it ends the section. An error says how many bytes before this one its fault is.
    fn byte(&mut self, byte: u8, max_fields: usize) -> Result<Option<NextInSection>, (Rule, u64)> {
        let next = match (self.next, byte) {
            (NextInSection::EndLf, b'\n') => return Ok(None),
            (NextInSection::LineLf, b'\n') => NextInSection::Line,
            (NextInSection::LineLf | NextInSection::EndLf, _) => return Err((Rule::BareCr, 1)),
            (_, b'\n') => return Err((Rule::BareLf, 0)),

            (NextInSection::Line, b'\r') => NextInSection::EndLf,
            (NextInSection::Line, _) if is_blank(byte) && self.fields > 0 => return Err((Rule::ObsFold, 0)),
            (NextInSection::Line, _) if !is_tchar(byte) => return Err((Rule::TrailerField, 0)),
            (NextInSection::Line, _) if self.fields as usize >= max_fields => {
                return Err((Rule::TooManyTrailers, 0));
            }
            (NextInSection::Line, _) => {
                self.fields += 1;
                NextInSection::Name
            }

            (NextInSection::Name, b':') => NextInSection::Value,
            (NextInSection::Name, _) if is_tchar(byte) => NextInSection::Name,
            (NextInSection::Value, b'\r') => NextInSection::LineLf,
            (NextInSection::Value, _) if is_field_byte(byte) => NextInSection::Value,
            (NextInSection::Name | NextInSection::Value, _) => return Err((Rule::TrailerField, 0)),
        };
        Ok(Some(next))
    }
}

/// The trailer fields of a request body. Those that must not be in a trailer section, because a message is framed,
/// routed, authenticated or understood by them (RFC 9110 section 6.5.1), are left out. `Debug` shows the names of the
/// others, and of their values how long they are.
///
/// ```
#[doc = include_str!("examples/trailers.txt")]
/// // `Host` has no place in a trailer section, so it is left out.
/// assert_eq!(format!("{trailers:?}"), r#"{"X-Rows": 1 bytes}"#);
/// # Ok::<(), httpfsm::channel::NotAccepted>(())
/// ```
#[derive(Clone, Copy)]
pub struct Trailers<'a> {
    section: &'a [u8],
}

impl fmt::Debug for Trailers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_names(self.iter(), f)
    }
}

impl<'a> Trailers<'a> {
    /// The fields of a section that has been checked; with or without its final CR LF.
    pub(crate) const fn new(section: &'a [u8]) -> Self {
        Self { section }
    }

    /// The fields in the order in which they came.
    ///
    /// ```
    #[doc = include_str!("examples/trailers.txt")]
    /// let names: Vec<_> = trailers.iter().map(|field| field.name).collect();
    /// assert_eq!(names, ["X-Rows"]);
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = FieldRef<'a>> + use<'a> {
        FieldLines::new(self.section).filter(|field| !is_forbidden(field.name))
    }

    /// The value of the first field of this name, in any case.
    ///
    /// ```
    #[doc = include_str!("examples/trailers.txt")]
    /// assert_eq!(trailers.get("x-rows"), Some(&b"1"[..]));
    /// assert_eq!(trailers.get("Host"), None);
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.iter().find(|field| field.is_named(name)).map(|field| field.value)
    }

    /// Whether there is no field.
    ///
    /// ```
    #[doc = include_str!("examples/trailers.txt")]
    /// assert!(!trailers.is_empty());
    /// # Ok::<(), httpfsm::channel::NotAccepted>(())
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

/// Whether a field of this name has no place in a trailer section: message framing, routing, request modifiers,
/// authentication, response control data, and what is needed to process the content (RFC 9110 section 6.5.1). Such fields
/// are neither shown in the trailers of a request nor sent in those of a response.
///
/// ```
/// use httpfsm::trailers::is_forbidden;
///
/// assert!(is_forbidden("Content-Length"));
/// assert!(!is_forbidden("Server-Timing"));
/// ```
#[must_use]
pub fn is_forbidden(name: &str) -> bool {
    const PREFIXES: [&str; 3] = ["content-", "if-", "proxy-"];
    const NAMES: [&str; 32] = [
        "age",
        "authorization",
        "cache-control",
        "connection",
        "cookie",
        "date",
        "expect",
        "expires",
        "forwarded",
        "host",
        "http2-settings",
        "keep-alive",
        "location",
        "max-forwards",
        "origin",
        "pragma",
        "range",
        "retry-after",
        "server",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "vary",
        "via",
        "warning",
        "www-authenticate",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-real-ip",
    ];
    let starts =
        |prefix: &str| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    // A digest of the content is what a trailer is for.
    let is_digest = name.eq_ignore_ascii_case("content-digest");
    (PREFIXES.into_iter().any(starts) && !is_digest)
        || NAMES.into_iter().any(|forbidden| name.eq_ignore_ascii_case(forbidden))
}
