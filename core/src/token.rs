//! The character sets that several grammars share: tchar and blanks (RFC 9110 section 5.6).

/// Whether the byte may stand in a token (RFC 9110 section 5.6.2).
pub(crate) const fn is_tchar(byte: u8) -> bool {
    TCHAR[byte as usize]
}

/// Whether the bytes are a token: at least one tchar and nothing else.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| is_tchar(byte))
}

/// Whether the byte is SP or HTAB, the only blanks of HTTP (RFC 9110 section 5.6.3).
pub(crate) const fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Whether the byte may stand in a field value: visible, blank or obs-text (RFC 9110 section 5.5).
pub(crate) const fn is_field_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// The bytes without the blanks at both ends. Nothing else is trimmed: not VT, not FF, not NBSP.
pub(crate) fn trim_blanks(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes {
        if !is_blank(*first) {
            break;
        }
        bytes = rest;
    }
    while let [rest @ .., last] = bytes {
        if !is_blank(*last) {
            break;
        }
        bytes = rest;
    }
    bytes
}

static TCHAR: [bool; 256] = alphanumeric_and(b"!#$%&'*+-.^_`|~");

/// The set of the ASCII letters, the digits and `marks`.
pub(crate) const fn alphanumeric_and(marks: &[u8]) -> [bool; 256] {
    let mut set = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        set[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut mark = 0;
    while mark < marks.len() {
        set[marks[mark] as usize] = true;
        mark += 1;
    }
    set
}

/// Whether a list has an element: an empty one is none (RFC 9110 section 5.6.1.2).
pub(crate) fn has_element(list: &[u8]) -> bool {
    list.iter().any(|&byte| byte != b',' && !is_blank(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tchar_is_the_set_of_the_grammar() {
        let separators = b"\"(),/:;<=>?@[\\]{}";
        for byte in 0..=255u8 {
            let expected = byte.is_ascii_graphic() && !separators.contains(&byte);
            assert_eq!(is_tchar(byte), expected, "byte {byte:#04x}");
        }
        assert!(is_token(b"M-SEARCH"));
        assert!(!is_token(b""));
        assert!(!is_token(b"a b"));
    }

    #[test]
    fn a_set_has_the_letters_the_digits_and_the_marks() {
        let set = alphanumeric_and(b"-~\xff");
        for byte in 0..=255u8 {
            let expected = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'~' | 0xff);
            assert_eq!(set[usize::from(byte)], expected, "byte {byte:#04x}");
        }
    }

    #[test]
    fn only_sp_and_htab_are_trimmed() {
        assert_eq!(trim_blanks(b" \t a \t b\t "), b"a \t b");
        assert_eq!(trim_blanks(b" \t "), b"");
        for kept in [&b"\x0ba"[..], b"a\x0c", b"\xa0a", b"a\x85", b"\ra", b"a\n"] {
            assert_eq!(trim_blanks(kept), kept);
        }
    }

    #[test]
    fn field_bytes_are_visible_blank_or_obs_text() {
        for byte in 0..=255u8 {
            let expected = byte == b'\t' || (0x20..0x7f).contains(&byte) || byte >= 0x80;
            assert_eq!(is_field_byte(byte), expected, "byte {byte:#04x}");
        }
    }
}
