//! The character sets of RFC 9110 section 5.6, written down once more: nothing here is shared with the machine.

/// Whether the octets are a token.
pub fn is_token(octets: &[u8]) -> bool {
    !octets.is_empty() && octets.iter().all(|octet| is_tchar(*octet))
}

/// Whether the octet may stand in a token.
pub fn is_tchar(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet)
}

/// Whether the octet may stand in a field value.
pub fn is_field_octet(octet: u8) -> bool {
    octet == b'\t' || octet == b' ' || octet.is_ascii_graphic() || octet >= 0x80
}

/// Without the blanks around it.
pub fn trim(octets: &[u8]) -> &[u8] {
    let blank = |octet: &u8| matches!(octet, b' ' | b'\t');
    let Some(first) = octets.iter().position(|octet| !blank(octet)) else { return &[] };
    let last = octets.iter().rposition(|octet| !blank(octet)).unwrap_or(first);
    &octets[first..=last]
}

/// Where the first `needle` begins.
pub fn find(octets: &[u8], needle: &[u8]) -> Option<usize> {
    let (first, _) = needle.split_first()?;
    // libFuzzer takes note of every comparison of slices, which costs more than all the rest of a search.
    octets.windows(needle.len()).position(|window| window.first() == Some(first) && window == needle)
}

/// The lines of octets that end in CR LF, each without it.
pub fn lines(octets: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut rest = octets;
    while let Some(end) = find(rest, b"\r\n") {
        lines.push(&rest[..end]);
        rest = &rest[end + 2..];
    }
    lines
}

/// The name and the trimmed value of a field line.
pub fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|octet| *octet == b':')?;
    let (name, value) = (&line[..colon], trim(&line[colon + 1..]));
    (is_token(name) && value.iter().all(|octet| is_field_octet(*octet))).then_some((name, value))
}

/// The number that the digits make; `None` when 64 bits do not hold it.
pub fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}
