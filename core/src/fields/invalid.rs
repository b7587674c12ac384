//! What may not be sent as a field, and why.

use alloc::boxed::Box;
use core::fmt;

use crate::token::is_tchar;

/// Why a field cannot be sent.
///
/// ```
/// use httpfsm::{Fields, InvalidField};
///
/// let fault = Fields::new().with("Location", "/a\r\nSet-Cookie: b=1").unwrap_err();
/// match &fault {
///     InvalidField::Value { byte, position, .. } => assert_eq!((*byte, *position), (b'\r', 2)),
///     other => panic!("{other}"),
/// }
/// assert_eq!(fault.to_string(), "The value of Location holds the control character 0x0d at byte 2.");
/// ```
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
    /// The name of a cookie is no token, or a semicolon in its value, path or domain would begin an attribute (RFC 6265
    /// section 4.1.1).
    Cookie {
        /// The cookie's name.
        name: Box<str>,
    },
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
            Self::Cookie { name } => write!(
                f,
                "The name of the cookie {name:?} is not a token, or its value, path or domain holds a semicolon."
            ),
        }
    }
}

impl core::error::Error for InvalidField {}

/// Whether a field may have this name.
pub(super) fn check_name(name: &str) -> Result<(), InvalidField> {
    if !name.is_empty() && name.bytes().fold(true, |fine, byte| fine & is_tchar(byte)) {
        return Ok(());
    }
    Err(InvalidField::Name { name: name.into() })
}

/// Whether a field may have this value.
pub(super) fn check_value(name: &str, value: &[u8]) -> Result<(), InvalidField> {
    let control = |byte: u8| (byte < 0x20 && byte != b'\t') | (byte == 0x7f);
    // A fold without an early end is checked many bytes at a time; the position is looked for only when it fails.
    if !value.iter().fold(false, |found, byte| found | control(*byte)) {
        return Ok(());
    }
    let position = value.iter().position(|byte| control(*byte)).unwrap_or(0);
    let byte = value.get(position).copied().unwrap_or(0);
    Err(InvalidField::Value { name: name.into(), byte, position })
}
