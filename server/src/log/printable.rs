//! Makes a line safe for a terminal: it can neither look like two lines nor contain control sequences.

/// Bytes of a line that are kept.
pub(super) const LENGTH: usize = 16 << 10;

/// Escapes a line for a terminal. Text behind a line end inside of it is indented, so that it does not look like
/// another line.
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

/// Whether a character is written unescaped: no control character, no line or paragraph separator, no character without
/// a width, none that changes the text direction. Of the combining characters only accents are written: variation
/// selectors can hide text.
pub(crate) fn is_shown(c: char) -> bool {
    // `escape_debug` escapes a combining character only at the beginning, and would escape quotes and backslashes, too.
    matches!(c, ' '..='~') || !is_ignorable(c) && format!("_{c}").escape_debug().eq(['_', c])
}

/// Whether a character is a `Default_Ignorable_Code_Point` of Unicode that `escape_debug` does not escape.
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
