//! The request target and its four forms (RFC 9112 section 3.2).
//!
//! Bytes that a URI excludes but that frame nothing (`"<>\^{|}` and a percent sign without two digits) are handed on
//! unchanged; a fragment, a control character or a byte above 0x7E is refused.

use crate::error::Rule;
use crate::host::authority;
use crate::part::{part, text_part};

/// Whether the target is in a form that is valid with the method. The error carries the offset of the byte to blame
/// within the target.
///
/// # Errors
///
/// [`Rule::Target`], and [`Rule::ConnectTarget`] where `CONNECT` has no `host:port`.
#[inline]
pub(crate) fn check(method: &[u8], target: &[u8]) -> Result<(), (Rule, usize)> {
    // One pass without a branch, so that it becomes vector code.
    let excluded = target.iter().fold(false, |found, &byte| found | is_excluded(byte));
    if !excluded && target.first() == Some(&b'/') && method != b"CONNECT" {
        return Ok(());
    }
    check_other_forms(method, target)
}

/// A target taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TargetParts<'a> {
    /// The authority of the absolute-form or the authority-form.
    pub(crate) authority: Option<&'a str>,
    /// The path: `/` where an absolute-form has none, `*` in asterisk-form, empty in authority-form.
    pub(crate) path: &'a str,
    /// What follows the first question mark.
    pub(crate) query: Option<&'a str>,
}

/// Takes apart a target that [`check`] has accepted.
pub(crate) fn parts(target: &str, connect: bool) -> TargetParts<'_> {
    if connect {
        return TargetParts { authority: Some(target), path: "", query: None };
    }
    let (authority, rest) = match scheme_len(target.as_bytes()) {
        Some(start) => {
            let end = start + authority_len(part(target.as_bytes(), start..));
            (Some(text_part(target, start..end)), text_part(target, end..))
        }
        None => (None, target),
    };
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (rest, None),
    };
    TargetParts { authority, path: if path.is_empty() { "/" } else { path }, query }
}

/// Whether the byte may not stand in any target.
pub(crate) const fn is_excluded(byte: u8) -> bool {
    byte < b'!' || byte > b'~' || byte == b'#'
}

#[cold]
fn check_other_forms(method: &[u8], target: &[u8]) -> Result<(), (Rule, usize)> {
    if let Some(at) = target.iter().position(|&byte| is_excluded(byte)) {
        return Err((Rule::Target, at));
    }
    if method == b"CONNECT" {
        return check_authority_form(target);
    }
    if target == b"*" && method == b"OPTIONS" {
        return Ok(());
    }
    let start = scheme_len(target).ok_or((Rule::Target, 0))?;
    let rest = part(target, start..);
    match authority(part(rest, ..authority_len(rest))) {
        Some(found) if !found.host.is_empty() => Ok(()),
        _ => Err((Rule::Target, start)),
    }
}

/// `host ":" port` with a port that exists: "a server MUST reject a CONNECT request that targets an empty or invalid
/// port number" (RFC 9110 section 9.3.6).
fn check_authority_form(target: &[u8]) -> Result<(), (Rule, usize)> {
    let refused = (Rule::ConnectTarget, 0);
    let found = authority(target).ok_or(refused)?;
    let port = found.port.ok_or(refused)?;
    let number = port.iter().fold(0u32, |number, digit| {
        number.saturating_mul(10).saturating_add(u32::from(digit.wrapping_sub(b'0')))
    });
    if found.host.is_empty() || number == 0 || number > 65_535 { Err(refused) } else { Ok(()) }
}

/// The bytes of `http://` or `https://`, in any case.
pub(crate) fn scheme_len(target: &[u8]) -> Option<usize> {
    [&b"http://"[..], b"https://"].into_iter().find_map(|scheme| {
        let start = target.get(..scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(scheme.len())
    })
}

/// The bytes before the path or the query.
fn authority_len(rest: &[u8]) -> usize {
    memchr::memchr2(b'/', b'?', rest).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_goes_with_its_methods() {
        for (method, target) in [
            ("GET", "/"),
            ("GET", "/a?b=c?d"),
            ("GET", "//evil"),
            ("GET", "/!$&'()*+,;=:@-._~"),
            ("GET", "/\"<>\\^`{|}"),
            ("GET", "/%zz%4"),
            ("OPTIONS", "*"),
            ("OPTIONS", "/"),
            ("GET", "http://example.com"),
            ("GET", "HTTP://example.com/p?q=1"),
            ("POST", "https://example.com:8080?q"),
            ("GET", "http://example.com:/"),
            ("GET", "http://[::1]:80/"),
            ("OPTIONS", "http://example.com"),
            ("CONNECT", "example.com:443"),
            ("CONNECT", "[::1]:1"),
            ("CONNECT", "a:65535"),
        ] {
            assert_eq!(check(method.as_bytes(), target.as_bytes()), Ok(()), "{method} {target}");
        }
    }

    #[test]
    fn other_targets_are_refused_at_their_byte() {
        for (method, target, rule, at) in [
            ("GET", "*", Rule::Target, 0),
            ("OPTIONS", "**", Rule::Target, 0),
            ("options", "*", Rule::Target, 0),
            ("GET", "?a=b", Rule::Target, 0),
            ("GET", "a", Rule::Target, 0),
            ("GET", "!", Rule::Target, 0),
            ("GET", "example.com:80", Rule::Target, 0),
            ("GET", "ftp://example.com/", Rule::Target, 0),
            ("GET", "http:/example.com/", Rule::Target, 0),
            ("GET", "http:///p", Rule::Target, 7),
            ("GET", "http://:80/p", Rule::Target, 7),
            ("GET", "http://u@example.com/", Rule::Target, 7),
            ("GET", "http://example.com:80x/p", Rule::Target, 7),
            ("GET", "https://a b/", Rule::Target, 9),
            ("GET", "/#f", Rule::Target, 1),
            ("GET", "/a#", Rule::Target, 2),
            ("GET", "/caf\u{e9}", Rule::Target, 4),
            ("GET", "/\u{7f}", Rule::Target, 1),
            ("CONNECT", "/path", Rule::ConnectTarget, 0),
            ("CONNECT", "*", Rule::ConnectTarget, 0),
            ("CONNECT", "example.com", Rule::ConnectTarget, 0),
            ("CONNECT", "example.com:", Rule::ConnectTarget, 0),
            ("CONNECT", "example.com:x", Rule::ConnectTarget, 0),
            ("CONNECT", "example.com:0", Rule::ConnectTarget, 0),
            ("CONNECT", "example.com:65536", Rule::ConnectTarget, 0),
            ("CONNECT", "example.com:99999999999999999999", Rule::ConnectTarget, 0),
            ("CONNECT", ":80", Rule::ConnectTarget, 0),
            ("CONNECT", "u@example.com:80", Rule::ConnectTarget, 0),
            ("CONNECT", "http://example.com:80", Rule::ConnectTarget, 0),
            ("CONNECT", "a:80#", Rule::Target, 4),
        ] {
            assert_eq!(check(method.as_bytes(), target.as_bytes()), Err((rule, at)), "{method} {target}");
        }
    }

    #[test]
    fn every_byte_of_a_target_is_judged() {
        for byte in 0..=255u8 {
            let expected = byte.is_ascii_graphic() && byte != b'#';
            assert_eq!(check(b"GET", &[b'/', byte]).is_ok(), expected, "byte {byte:#04x}");
        }
    }

    #[test]
    fn a_target_is_taken_apart() {
        let whole = |authority, path, query| TargetParts { authority, path, query };
        assert_eq!(parts("/a/b?c?d", false), whole(None, "/a/b", Some("c?d")));
        assert_eq!(parts("/a?", false), whole(None, "/a", Some("")));
        assert_eq!(parts("//x", false), whole(None, "//x", None));
        assert_eq!(parts("*", false), whole(None, "*", None));
        assert_eq!(parts("http://h:1", false), whole(Some("h:1"), "/", None));
        assert_eq!(parts("HTTPS://h?q", false), whole(Some("h"), "/", Some("q")));
        assert_eq!(parts("http://h/p?q=http://x", false), whole(Some("h"), "/p", Some("q=http://x")));
        assert_eq!(parts("h:443", true), whole(Some("h:443"), "", None));
    }
}
