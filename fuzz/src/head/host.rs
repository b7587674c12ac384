//! `uri-host [ ":" port ]` (RFC 3986 section 3.2), by the book.

/// Whether the bytes are a host, which may be empty, with or without a port.
pub(super) fn is_authority(bytes: &[u8]) -> bool {
    split(bytes).is_some()
}

/// Whether the bytes are a host and a port between 1 and 65535.
pub(super) fn is_host_and_port(bytes: &[u8]) -> bool {
    let Some((host, Some(port))) = split(bytes) else { return false };
    let digits = port.iter().position(|digit| *digit != b'0').map_or(&[][..], |at| &port[at..]);
    let fits = (1..=5).contains(&digits.len()) && (digits.len() < 5 || digits <= &b"65535"[..]);
    !host.is_empty() && fits
}

fn split(bytes: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    // The colons of an address stand in brackets.
    let colon = bytes.iter().rposition(|byte| *byte == b':').filter(|at| !bytes[*at..].contains(&b']'));
    let (host, port) = match colon {
        Some(at) => (&bytes[..at], Some(&bytes[at + 1..])),
        None => (bytes, None),
    };
    let is_host = match host {
        [b'[', inside @ .., b']'] => is_address(inside) || is_future(inside),
        _ => is_name(host),
    };
    (is_host && port.is_none_or(|port| port.iter().all(u8::is_ascii_digit))).then_some((host, port))
}

fn is_name(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    loop {
        rest = match rest {
            [] => return true,
            [b'%', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => rest,
            [first, rest @ ..] if is_name_byte(*first) => rest,
            _ => return false,
        };
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte)
}

fn is_future(inside: &[u8]) -> bool {
    let [b'v' | b'V', rest @ ..] = inside else { return false };
    let mut parts = rest.splitn(2, |byte| *byte == b'.');
    let (version, address) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    !version.is_empty()
        && version.iter().all(u8::is_ascii_hexdigit)
        && !address.is_empty()
        && address.iter().all(|byte| *byte == b':' || is_name_byte(*byte))
}

/// An IPv6 address: eight groups, or fewer around one `::`.
fn is_address(inside: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(inside) else { return false };
    match text.split_once("::") {
        None => groups(text, true) == Some(8),
        Some((left, right)) => {
            let count = |side: &str, ends: bool| if side.is_empty() { Some(0) } else { groups(side, ends) };
            matches!((count(left, false), count(right, true)), (Some(left), Some(right)) if left + right <= 7)
        }
    }
}

/// How many groups of 16 bits; an IPv4 address at the end is two.
fn groups(side: &str, ends: bool) -> Option<usize> {
    let parts: Vec<_> = side.split(':').collect();
    let mut count = 0;
    for (at, part) in parts.iter().enumerate() {
        let is_group = (1..=4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        count += match () {
            () if is_group => 1,
            () if ends && at + 1 == parts.len() && is_ipv4(part) => 2,
            () => return None,
        };
    }
    Some(count)
}

fn is_ipv4(text: &str) -> bool {
    let is_byte = |part: &str| {
        (1..=3).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && (part.len() == 1 || !part.starts_with('0'))
            && part.parse::<u8>().is_ok()
    };
    text.split('.').count() == 4 && text.split('.').all(is_byte)
}
