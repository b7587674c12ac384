//! The character sets that several grammars share: tchar and blanks (RFC 9110 section 5.6).

/// Whether the octet may stand in a token (RFC 9110 section 5.6.2).
pub(crate) const fn is_tchar(octet: u8) -> bool {
    TCHAR[octet as usize]
}

/// Whether the octets are a token: at least one tchar and nothing else.
pub(crate) fn is_token(octets: &[u8]) -> bool {
    !octets.is_empty() && octets.iter().all(|&octet| is_tchar(octet))
}

/// Whether the octet is SP or HTAB, the only blanks of HTTP (RFC 9110 section 5.6.3).
pub(crate) const fn is_blank(octet: u8) -> bool {
    octet == b' ' || octet == b'\t'
}

/// Whether the octet may stand in a field value: visible, blank or obs-text (RFC 9110 section 5.5).
pub(crate) const fn is_field_octet(octet: u8) -> bool {
    octet == b'\t' || (octet >= b' ' && octet != 0x7f)
}

/// The octets without the blanks at both ends. Nothing else is trimmed: not VT, not FF, not NBSP.
pub(crate) fn trim_blanks(mut octets: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = octets {
        if !is_blank(*first) {
            break;
        }
        octets = rest;
    }
    while let [rest @ .., last] = octets {
        if !is_blank(*last) {
            break;
        }
        octets = rest;
    }
    octets
}

static TCHAR: [bool; 256] = alphanumeric_and(b"!#$%&'*+-.^_`|~");

/// The set of the ASCII letters, the digits and `marks`.
pub(crate) const fn alphanumeric_and(marks: &[u8]) -> [bool; 256] {
    let mut set = [false; 256];
    let mut octet = 0;
    while octet < 256 {
        set[octet] = (octet as u8).is_ascii_alphanumeric();
        octet += 1;
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
        for octet in 0..=255u8 {
            let expected = octet.is_ascii_graphic() && !separators.contains(&octet);
            assert_eq!(is_tchar(octet), expected, "octet {octet:#04x}");
        }
        assert!(is_token(b"M-SEARCH"));
        assert!(!is_token(b""));
        assert!(!is_token(b"a b"));
    }

    #[test]
    fn a_set_has_the_letters_the_digits_and_the_marks() {
        let set = alphanumeric_and(b"-~\xff");
        for octet in 0..=255u8 {
            let expected = octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'~' | 0xff);
            assert_eq!(set[usize::from(octet)], expected, "octet {octet:#04x}");
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
    fn field_octets_are_visible_blank_or_obs_text() {
        for octet in 0..=255u8 {
            let expected = octet == b'\t' || (0x20..0x7f).contains(&octet) || octet >= 0x80;
            assert_eq!(is_field_octet(octet), expected, "octet {octet:#04x}");
        }
    }
}
