//! Bytes in JSON: a string with one character per byte (ISO 8859-1), of which all but printable ASCII is escaped.

use std::fmt;
use std::io::{self, Write};

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes that a person can read in the file, and that a terminal can be shown.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Latin1(pub(crate) Vec<u8>);

impl From<&[u8]> for Latin1 {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl Serialize for Latin1 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) if text.is_ascii() => serializer.serialize_str(text),
            _ => serializer.collect_str(&Latin(&self.0)),
        }
    }
}

struct Latin<'a>(&'a [u8]);

impl fmt::Display for Latin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| fmt::Write::write_char(f, char::from(*byte)))
    }
}

impl<'de> Deserialize<'de> for Latin1 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Latin1;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string of characters up to U+00FF")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Latin1, E> {
                let bytes = text.chars().map(u8::try_from).collect::<Result<_, _>>();
                bytes.map(Latin1).map_err(|_| E::custom("a character above U+00FF is no byte"))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

/// Appends `value` as one line of JSON.
pub(crate) fn write_line(value: &impl Serialize, line: &mut Vec<u8>) {
    let mut serializer = serde_json::Serializer::with_formatter(&mut *line, Ascii);
    // A line is structs, strings and numbers, and a vector takes all bytes: this does not fail.
    let _ = value.serialize(&mut serializer);
    line.push(b'\n');
}

/// JSON in printable ASCII alone.
struct Ascii;

impl serde_json::ser::Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(|c: char| c > '~') {
            let (plain, other) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let mut characters = other.chars();
            if let Some(other) = characters.next() {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
            rest = characters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::{Latin1, write_line};

    #[test]
    fn every_byte_is_printable_and_comes_back() {
        let all = Latin1((0..=255).collect());
        let mut line = Vec::new();
        write_line(&all, &mut line);
        assert!(line.pop() == Some(b'\n') && line.iter().all(|byte| (b' '..=b'~').contains(byte)));
        let back: Latin1 = serde_json::from_slice(&line).unwrap();
        assert_eq!(back, all);
    }

    #[test]
    fn a_character_that_is_no_byte_is_refused() {
        assert!(serde_json::from_str::<Latin1>("\"\u{100}\"").is_err());
    }
}
