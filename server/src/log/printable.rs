//! What of a line is written as it is: a line can neither look like two nor command a terminal.

/// Bytes of a line that are kept.
pub(super) const LENGTH: usize = 16 << 10;

/// A line of which a terminal obeys nothing, and that cannot look like two: what stands behind a line end inside of it is
/// indented.
pub(super) fn printable(line: &str) -> String {
    let mut printable = String::with_capacity(line.len() + 1);
    for c in line.chars() {
        if printable.len() >= LENGTH {
            printable.push_str("...");
            break;
        }
        match c {
            '\n' => printable.push_str("\n    "),
            c if !is_shown(c) => printable.extend(c.escape_default()),
            c => printable.push(c),
        }
    }
    printable.push('\n');
    printable
}

/// Whether it is shown as what it is, and changes nothing of what stands beside it: no control character, no other line or
/// paragraph separator, no character of no width or that turns the direction of the text. Accents that combine with the
/// character before them are shown, and nothing else that does: text can be hidden in variation selectors.
pub(crate) fn is_shown(c: char) -> bool {
    // Behind another, as those are that combine with it. Quotes and backslashes would be escaped, too.
    matches!(c, ' '..='~') || !is_ignorable(c) && format!("_{c}").escape_debug().eq(['_', c])
}

/// Whether it is one of those that Unicode has programs ignore (`Default_Ignorable_Code_Point`) and that `escape_debug` leaves
/// as it is.
fn is_ignorable(c: char) -> bool {
    matches!(
        c,
        '\u{34f}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{ffa0}'
            | '\u{e0100}'..='\u{e01ef}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_can_neither_forge_another_nor_command_a_terminal() {
        assert_eq!(printable("a\nb\x1b[2J\r\u{9b}é"), "a\n    b\\u{1b}[2J\\r\\u{9b}é\n");
        let shown = "\"a' \\ \u{e4}e\u{301}\u{939}\u{93f}\u{4e2d}\u{1f600}";
        assert_eq!(printable(shown), format!("{shown}\n"));
        for hidden in [
            '\u{7f}',
            '\u{ad}',
            '\u{200b}',
            '\u{200f}',
            '\u{2028}',
            '\u{2029}',
            '\u{202e}',
            '\u{2066}',
            '\u{feff}',
            '\u{e0041}',
            '\u{34f}',
            '\u{115f}',
            '\u{180b}',
            '\u{3164}',
            '\u{fe00}',
            '\u{fe0f}',
            '\u{e0100}',
            '\u{e01ef}',
        ] {
            assert_eq!(printable(&format!("a{hidden}b")), format!("a{}b\n", hidden.escape_default()));
        }
        let long = printable(&"é".repeat(LENGTH));
        assert!(long.ends_with("...\n") && long.len() <= LENGTH + 8, "{}", long.len());
    }
}
