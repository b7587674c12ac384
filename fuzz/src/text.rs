//! The character sets of RFC 9110 section 5.6, written down once more: nothing here is shared with the machine.

/// Whether the bytes are a token.
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| is_tchar(*byte))
}

/// Whether the byte may stand in a token.
pub fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether the byte may stand in a field value.
pub fn is_field_byte(byte: u8) -> bool {
    byte == b'\t' || byte == b' ' || byte.is_ascii_graphic() || byte >= 0x80
}

/// Without the blanks around it.
pub fn trim(bytes: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let Some(first) = bytes.iter().position(|byte| !blank(byte)) else { return &[] };
    let last = bytes.iter().rposition(|byte| !blank(byte)).unwrap_or(first);
    &bytes[first..=last]
}

/// Where the first `needle` begins.
pub fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    let (first, _) = needle.split_first()?;
    // libFuzzer takes note of every comparison of slices, which costs more than all the rest of a search.
    bytes.windows(needle.len()).position(|window| window.first() == Some(first) && window == needle)
}

/// The lines of bytes that end in CR LF, each without it.
pub fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut rest = bytes;
    while let Some(end) = find(rest, b"\r\n") {
        lines.push(&rest[..end]);
        rest = &rest[end + 2..];
    }
    lines
}

/// The name and the trimmed value of a field line.
pub fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = (&line[..colon], trim(&line[colon + 1..]));
    (is_token(name) && value.iter().all(|byte| is_field_byte(*byte))).then_some((name, value))
}

/// The number that the digits make; `None` when 64 bits do not hold it.
pub fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}
