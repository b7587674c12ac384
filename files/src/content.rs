//! The type of a file's content: by its name, or by its first bytes where the name has no known extension.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::at_once::{Reads, read_at};
use crate::types::Types;

/// Bytes at the beginning of a file that are examined.
const BEGINNING: usize = 512;

/// The `Content-Type` of a file.
///
/// A file whose name has no type is text if it looks like text, so that a browser shows a `LICENSE`, else
/// `application/octet-stream`. With `X-Content-Type-Options: nosniff` a browser runs neither of the two as a page, a
/// style or a script.
///
/// # Errors
///
/// Those of reading.
pub(crate) fn content_type(types: &Types, path: &Path, file: &File, reads: Reads) -> io::Result<String> {
    match types.of(path) {
        Some(kind) if is_utf8(&kind) => Ok(format!("{kind}; charset=utf-8")),
        Some(kind) => Ok(kind.into()),
        None if is_text(&beginning(file, reads)?) => Ok("text/plain; charset=utf-8".to_owned()),
        None => Ok("application/octet-stream".to_owned()),
    }
}

/// Whether content of a type needs `charset=utf-8`. WebVTT is always UTF-8; plain text usually is and cannot declare
/// it. HTML, XML, style sheets and scripts declare their encoding or take that of their page, which a `charset` would
/// overrule; JSON has no such parameter (RFC 8259 section 11).
fn is_utf8(kind: &str) -> bool {
    matches!(kind, "text/plain" | "text/vtt")
}

fn beginning(file: &File, reads: Reads) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; BEGINNING];
    loop {
        match read_at(file, &mut bytes, 0, reads) {
            Ok(read) => {
                bytes.truncate(read);
                return Ok(bytes);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether a file that begins like this is text: UTF-8 without the bytes that no text holds (WHATWG MIME Sniffing
/// section 3). The last character may be incomplete.
fn is_text(beginning: &[u8]) -> bool {
    let is_binary = |byte: &u8| matches!(byte, 0..=8 | 0xb | 0xe..=0x1a | 0x1c..=0x1f);
    let is_utf8 = std::str::from_utf8(beginning).map_or_else(|error| error.error_len().is_none(), |_| true);
    is_utf8 && !beginning.iter().any(is_binary)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::Path;

    use super::{BEGINNING, Reads, Types, content_type, is_text};

    fn of(name: &str, content: &[u8]) -> String {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        content_type(&Types::default(), Path::new(name), &file, Reads::Waiting).unwrap()
    }

    #[test]
    fn a_character_set_is_said_where_the_content_cannot_say_it() {
        for (name, expected) in [
            ("a.txt", "text/plain; charset=utf-8"),
            ("A.LOG", "text/plain; charset=utf-8"),
            ("a.vtt", "text/vtt; charset=utf-8"),
            ("a.html", "text/html"),
            ("a.xml", "text/xml"),
            ("a.xhtml", "application/xhtml+xml"),
            ("a.svg", "image/svg+xml"),
            ("a.css", "text/css"),
            ("a.js", "text/javascript"),
            ("a.mjs", "text/javascript"),
            ("a.csv", "text/csv"),
            ("a.md", "text/markdown"),
            ("a.json", "application/json"),
            ("a.png", "image/png"),
        ] {
            // Whatever is in it.
            assert_eq!(of(name, b"\xff\0<html>"), expected, "{name}");
        }
    }

    #[test]
    fn a_name_without_a_type_means_text_or_bytes_and_nothing_that_runs() {
        const TEXT: &str = "text/plain; charset=utf-8";
        const BYTES: &str = "application/octet-stream";
        for name in ["LICENSE", "a.unheard-of", "token"] {
            for (content, expected) in [
                (&b""[..], TEXT),
                (b"Copyright \xc2\xa9\r\n\x1b[1mme\x0c\t", TEXT),
                (b"<!DOCTYPE html><script>alert(1)</script>", TEXT),
                (b"#!/bin/sh\n", TEXT),
                (b"\x7fELF\x02\x01\x01\0", BYTES),
                (b"\x89PNG\r\n\x1a\n", BYTES),
                (b"\x1f\x8b\x08", BYTES),
                (b"caf\xe9 latin-1", BYTES),
                (b"\xff\xfeu\0t\0f\0-\0", BYTES),
            ] {
                assert_eq!(of(name, content), expected, "{name}: {content:?}");
            }
            // Only the beginning is looked at, which may end inside a character.
            let long = [&b"-"[..], &"é".repeat(BEGINNING / 2).into_bytes(), b"\0"].concat();
            assert_eq!(of(name, &long), TEXT);
        }
    }

    #[test]
    fn a_control_character_that_text_has_is_no_sign_of_bytes() {
        let texts: Vec<u8> = (0..0x20).filter(|&byte| is_text(&[byte])).collect();
        assert_eq!(texts, [b'\t', b'\n', 0xc, b'\r', 0x1b]);
    }
}
