//! What kind of content a file is, by its name.

use std::path::Path;

use mime_guess::mime::{self, Mime};

/// The `Content-Type` of a file; octets of which nothing is known where its name says nothing.
pub(super) fn content_type(path: &Path) -> String {
    let kind = mime_guess::from_path(path).first_or_octet_stream();
    let text = kind.to_string();
    if is_text(&kind) && kind.get_param(mime::CHARSET).is_none() {
        return text + "; charset=utf-8";
    }
    text
}

/// Whether a reader would have to guess a character set. JSON is UTF-8 anyway (RFC 8259 section 8.1), and XML and SVG
/// say it themselves.
fn is_text(kind: &Mime) -> bool {
    kind.type_() == mime::TEXT || kind.essence_str() == "application/javascript"
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::content_type;

    #[test]
    fn the_name_says_what_it_is() {
        for (name, expected) in [
            ("a.html", "text/html; charset=utf-8"),
            ("A.TXT", "text/plain; charset=utf-8"),
            ("a.css", "text/css; charset=utf-8"),
            ("a.js", "text/javascript; charset=utf-8"),
            ("a.md", "text/markdown; charset=utf-8"),
            ("a.json", "application/json"),
            ("a.svg", "image/svg+xml"),
            ("a.png", "image/png"),
            ("a.wasm", "application/wasm"),
            ("a.tar.gz", "application/gzip"),
            ("LICENSE", "application/octet-stream"),
            ("a.unheard-of", "application/octet-stream"),
        ] {
            assert_eq!(content_type(Path::new(name)), expected, "{name}");
        }
    }
}
