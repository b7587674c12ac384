//! Whether a browser asks for a page to show, or a script for something that belongs to one.

use httpfsm::request::RequestRef;

/// The fields that decide it.
pub(crate) const VARY: &str = "Accept, Sec-Fetch-Mode";

/// Browsers say what they do by `Sec-Fetch-Mode` (W3C Fetch Metadata). Of a client that does not, a request for a page is
/// one that accepts HTML by name, as `*/*` is in the requests of scripts as well.
pub(crate) fn is_navigation(request: RequestRef<'_>) -> bool {
    match request.field("Sec-Fetch-Mode") {
        Some(mode) => mode == b"navigate",
        None => request.field_all("Accept").any(|value| value.split(|&byte| byte == b',').any(is_html)),
    }
}

/// Whether an element of `Accept` is `text/html` and not refused (RFC 9110 section 12.5.1).
fn is_html(range: &[u8]) -> bool {
    let mut parts = range.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
    let is_html = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case(b"text/html"));
    let is_refused = |weight: &[u8]| {
        let zero = weight.strip_prefix(b"q=0").or_else(|| weight.strip_prefix(b"Q=0"));
        zero.is_some_and(|rest| rest.iter().all(|&byte| matches!(byte, b'.' | b'0')))
    };
    is_html && !parts.any(is_refused)
}

#[cfg(test)]
mod tests {
    use super::is_navigation;
    use crate::exchange::request;

    #[test]
    fn a_page_to_show_is_told_from_what_belongs_to_one() {
        for (lines, expected) in [
            ("", false),
            ("Accept: */*\r\n", false),
            ("Accept: text/*\r\n", false),
            ("Accept: application/json\r\n", false),
            ("Accept: text/html\r\n", true),
            ("Accept: application/json, Text/HTML ;q=0.1\r\n", true),
            ("Accept: application/json\r\nAccept: text/html\r\n", true),
            ("Accept: text/html;q=0, */*\r\n", false),
            ("Accept: text/html; q=0.000\r\n", false),
            ("Accept: text/html;q=0.001\r\n", true),
            ("Accept: text/htmlx, x-text/html\r\n", false),
            ("Sec-Fetch-Mode: navigate\r\nAccept: */*\r\n", true),
            ("Sec-Fetch-Mode: cors\r\nAccept: text/html\r\n", false),
            ("Sec-Fetch-Mode: no-cors\r\n", false),
        ] {
            let request = request(&format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n"));
            assert_eq!(is_navigation(request.head()), expected, "{lines}");
        }
    }
}
