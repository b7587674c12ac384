//! `uri-host [ ":" port ]`, the value of `Host` and the authority of a target (RFC 9110 section 7.2,
//! RFC 3986 section 3.2.2), to the letter of the grammar.

use core::net::Ipv6Addr;
use core::str;

use crate::part::part;
use crate::token::alphanumeric_and;

/// A host and, where a colon stands, its port; either may be empty.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Authority<'a> {
    pub(crate) host: &'a [u8],
    pub(crate) port: Option<&'a [u8]>,
}

/// Splits `uri-host [ ":" port ]` and checks both parts; `None` when the bytes are something else (userinfo
/// included: RFC 9110 section 4.2.4).
pub(crate) fn authority(bytes: &[u8]) -> Option<Authority<'_>> {
    let host_len = match bytes.first() {
        Some(b'[') => ip_literal(bytes)?,
        _ => reg_name(bytes)?,
    };
    let (host, rest) = bytes.split_at_checked(host_len)?;
    match rest {
        [] => Some(Authority { host, port: None }),
        [b':', port @ ..] if port.iter().all(u8::is_ascii_digit) => {
            Some(Authority { host, port: Some(port) })
        }
        _ => None,
    }
}

/// The bytes of the reg-name that comes first, possibly none. An IPv4 address is a reg-name by its characters,
/// and RFC 3986 reads every string of digits and dots that is no address as a name.
fn reg_name(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = bytes.get(at..)?;
        let Some(plain) = rest.iter().position(|&byte| !HOST[byte as usize]) else {
            return Some(bytes.len());
        };
        at += plain;
        match rest.get(plain..) {
            Some([b':', ..]) => return Some(at),
            Some([b'%', high, low, ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => at += 3,
            _ => return None,
        }
    }
}

/// The bytes of `[IPv6address]` or `[IPvFuture]`, brackets included.
fn ip_literal(bytes: &[u8]) -> Option<usize> {
    let close = memchr::memchr(b']', bytes)?;
    let inside = bytes.get(1..close)?;
    let valid = match inside.first() {
        Some(b'v' | b'V') => ip_future(inside),
        _ => str::from_utf8(inside).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok()),
    };
    valid.then_some(close + 1)
}

/// `"v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" )`.
fn ip_future(inside: &[u8]) -> bool {
    let Some(dot) = memchr::memchr(b'.', inside) else { return false };
    let version = part(inside, 1..dot);
    let address = part(inside, dot + 1..);
    !version.is_empty()
        && version.iter().all(u8::is_ascii_hexdigit)
        && !address.is_empty()
        && address.iter().all(|&byte| byte == b':' || HOST[byte as usize])
}

/// unreserved and sub-delims (RFC 3986 section 2).
static HOST: [bool; 256] = alphanumeric_and(b"-._~!$&'()*+,;=");

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;

    #[test]
    fn hosts_of_the_grammar_are_accepted() {
        for good in [
            "",
            ":",
            ":80",
            "localhost",
            "example.com",
            "EXAMPLE.com",
            "example.com:",
            "example.com:8080",
            "example.com:99999",
            "a_b.example",
            "a..b",
            "-",
            "%41b",
            "%c3%a9.example:1",
            "a!$&'()*+,;=~",
            "127.0.0.1",
            "127.0.0.1:80",
            "999.1.1.1",
            "[::1]",
            "[::1]:",
            "[::1]:8080",
            "[::]",
            "[1:2:3:4:5:6:7:8]",
            "[1:2:3:4:5:6:7::]",
            "[2001:DB8::abcd]",
            "[::ffff:192.0.2.1]:80",
            "[v1.a]",
            "[vF.a:b!~]:80",
            "[V1f.x]",
        ] {
            assert!(authority(good.as_bytes()).is_some(), "{good:?} must be accepted");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for bad in [
            " ",
            "a b",
            "a\tb",
            "user@example.com",
            "user:pw@example.com",
            "example.com/",
            "example.com?x",
            "example.com#x",
            "http://example.com",
            "example.com:http",
            "example.com:80a",
            "example.com:+80",
            "example.com:-1",
            "example.com:80:80",
            "example.com: 80",
            "::1",
            "a|b",
            "a\\b",
            "a\"b",
            "a<b",
            "a>b",
            "a^b",
            "a`b",
            "a{b",
            "a}b",
            "a[b",
            "a]b",
            "%",
            "%4",
            "%4g",
            "%zz",
            "a%",
            "caf\u{e9}.example",
            "a\u{1}b",
            "a\u{7f}b",
            "[]",
            "[",
            "[::1",
            "[::1]x",
            "[::1]80",
            "[::1]:x",
            "[::1%25eth0]",
            "[fe80::1%eth0]",
            "[1:2:3:4:5:6:7]",
            "[1:2:3:4:5:6:7:8:9]",
            "[1::2::3]",
            "[12345::]",
            "[::1.2.3]",
            "[::1.2.3.256]",
            "[127.0.0.1]",
            "[example.com]",
            "[g::1]",
            "[v.a]",
            "[v1]",
            "[v1.]",
            "[vg.a]",
            "[v1.a@b]",
            "[[::1]]",
        ] {
            assert!(authority(bad.as_bytes()).is_none(), "{bad:?} must be refused");
        }
    }

    #[test]
    fn every_byte_in_a_name_is_judged_by_the_grammar() {
        for byte in 0..=255u8 {
            let expected = byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte);
            let name = [b'a', byte, b'b'];
            assert_eq!(authority(&name).is_some(), expected, "byte {byte:#04x}");
        }
    }

    #[test]
    fn host_and_port_are_told_apart() {
        let parts = |text: &'static str| {
            let found = authority(text.as_bytes()).unwrap();
            let port = found.port.map(|port| String::from_utf8(port.to_vec()).unwrap());
            (String::from_utf8(found.host.to_vec()).unwrap(), port)
        };
        assert_eq!(parts("a:1"), ("a".into(), Some("1".into())));
        assert_eq!(parts("a:"), ("a".into(), Some("".into())));
        assert_eq!(parts("a"), ("a".into(), None));
        assert_eq!(parts("[::1]:22"), ("[::1]".into(), Some("22".into())));
    }
}
