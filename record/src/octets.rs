//! Octets in JSON: a string with one character per octet (ISO 8859-1), of which all but printable ASCII is escaped.

use std::fmt;
use std::io::{self, Write};

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Octets that a person can read in the file, and that a terminal can be shown.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Octets(pub(crate) Vec<u8>);

impl From<&[u8]> for Octets {
    fn from(octets: &[u8]) -> Self {
        Self(octets.to_vec())
    }
}

impl Serialize for Octets {
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
        self.0.iter().try_for_each(|octet| fmt::Write::write_char(f, char::from(*octet)))
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Octets;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string of characters up to U+00FF")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Octets, E> {
                let octets = text.chars().map(u8::try_from).collect::<Result<_, _>>();
                octets.map(Octets).map_err(|_| E::custom("a character above U+00FF is no octet"))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

/// Appends `value` as one line of JSON.
pub(crate) fn write_line(value: &impl Serialize, line: &mut Vec<u8>) {
    let mut serializer = serde_json::Serializer::with_formatter(&mut *line, Ascii);
    // A line is structs, strings and numbers, and a vector takes all octets: this does not fail.
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
    use super::{Octets, write_line};

    #[test]
    fn every_octet_is_printable_and_comes_back() {
        let all = Octets((0..=255).collect());
        let mut line = Vec::new();
        write_line(&all, &mut line);
        assert!(line.pop() == Some(b'\n') && line.iter().all(|octet| (b' '..=b'~').contains(octet)));
        let back: Octets = serde_json::from_slice(&line).unwrap();
        assert_eq!(back, all);
    }

    #[test]
    fn a_character_that_is_no_octet_is_refused() {
        assert!(serde_json::from_str::<Octets>("\"\u{100}\"").is_err());
    }
}
