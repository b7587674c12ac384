//! Secrets in content, of which nothing is known but that it may show a head.

use super::{SecretNames, hide};

/// Goes through content, in pieces, and hides what stands behind the name of a secret field and a colon, to the end of the
/// line, and the lines behind that one that begin with a blank, as a folded field does.
///
/// The name may stand anywhere in a line, so that it is found behind the words of a failure and in a text that quotes a
/// line. What stands between it and the colon may be anything but a part of a name: blanks, a quotation mark.
#[derive(Default)]
pub(crate) struct ContentLines {
    /// The last word, if the byte behind a backslash belongs to an escape sequence.
    word: Word,
    /// The last word, if the byte behind a backslash belongs to the word.
    plain_word: Word,
    /// A backslash has come.
    escape: bool,
    /// The rest of the line is hidden.
    hides: bool,
    /// Nothing has come of the line, and the line before it was hidden.
    may_be_fold: bool,
    /// Something has come of the line, other than CR.
    is_filled: bool,
    /// A line that follows an empty line may begin in the middle.
    is_partial: bool,
}

/// The last word of a line.
#[derive(Default)]
struct Word {
    /// In lower case; of a longer one than any name the beginning.
    bytes: Vec<u8>,
    /// Something else has come behind it.
    is_over: bool,
}

impl Word {
    fn go_on(&mut self, names: &SecretNames, byte: u8, is_part: bool) {
        if !is_part {
            self.is_over = true;
            return;
        }
        if std::mem::take(&mut self.is_over) {
            self.bytes.clear();
        }
        if self.bytes.len() <= names.longest {
            self.bytes.push(byte.to_ascii_lowercase());
        }
    }

    /// None, with its memory.
    fn cleared(&mut self) -> Self {
        self.bytes.clear();
        std::mem::take(self)
    }
}

impl ContentLines {
    /// Of the content of a response. That of a 206 begins in the middle of a line, and so may each of its parts, behind the
    /// empty line that ends the head of the part (RFC 9110 section 14.6).
    pub(crate) fn of_response(status: u16) -> Self {
        let is_partial = status == 206;
        Self { is_partial, hides: is_partial, ..Self::default() }
    }

    pub(crate) fn apply(&mut self, names: &SecretNames, bytes: &mut [u8]) {
        for byte in bytes {
            self.byte(names, byte);
        }
    }

    /// `text`, hidden as in a content where it stands from the beginning of a line.
    pub(crate) fn hide_text(names: &SecretNames, text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        Self::default().apply(names, &mut bytes);
        // Of a character each byte is hidden, or none: what is hidden begins behind a colon.
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn byte(&mut self, names: &SecretNames, byte: &mut u8) {
        if *byte == b'\n' {
            self.end_line();
            return;
        }
        self.hides |= std::mem::take(&mut self.may_be_fold) && matches!(*byte, b' ' | b'\t');
        self.is_filled |= *byte != b'\r';
        let is_escaped = std::mem::replace(&mut self.escape, *byte == b'\\');
        if self.hides {
            hide(byte);
        } else if *byte == b':'
            && [&self.word, &self.plain_word].iter().any(|word| names.contain(&word.bytes))
        {
            self.hides = true;
        } else {
            let is_part = names.is_part(*byte);
            self.word.go_on(names, *byte, is_part && !is_escaped);
            self.plain_word.go_on(names, *byte, is_part);
        }
    }

    fn end_line(&mut self) {
        let (word, plain_word) = (self.word.cleared(), self.plain_word.cleared());
        *self = Self {
            word,
            plain_word,
            may_be_fold: self.hides,
            hides: self.is_partial && !self.is_filled,
            is_partial: self.is_partial,
            ..Self::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::SecretNames;
    use super::ContentLines;

    fn hidden(mut lines: ContentLines, text: &str) -> String {
        let names = SecretNames::new(crate::MASKED.into_iter().chain(["x.key", "k"]));
        let (mut whole, mut pieces) = (text.as_bytes().to_vec(), text.as_bytes().to_vec());
        let (is_partial, hides) = (lines.is_partial, lines.hides);
        lines.apply(&names, &mut whole);
        let mut lines = ContentLines { is_partial, hides, ..ContentLines::default() };
        pieces.iter_mut().for_each(|byte| lines.apply(&names, std::slice::from_mut(byte)));
        assert_eq!(whole, pieces, "in pieces");
        let again = whole.clone();
        ContentLines { is_partial, hides, ..ContentLines::default() }.apply(&names, &mut pieces);
        assert_eq!(again, pieces, "what is hidden is hidden the same way again");
        String::from_utf8(whole).unwrap()
    }

    #[test]
    fn what_stands_behind_the_name_of_a_secret_and_a_colon_is_hidden_to_the_end_of_the_line() {
        for (text, expected) in [
            (
                "HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\n\r\nbody",
                "HTTP/1.1 200 OK\r\nSet-Cookie: xxx\r\n\r\nbody",
            ),
            ("COOKIE:a b\nX: a\n", "COOKIE:x x\nX: a\n"),
            ("It panicked: Cookie: a\n b\n\tc\nd\n e", "It panicked: Cookie: x\n x\n\tx\nd\n e"),
            ("Cookie : a", "Cookie : x"),
            ("{\"n\":1,\"cookie\": \"a\"}", "{\"n\":1,\"cookie\": xxxx"),
            ("\"A: b\\r\\nCookie: c\"", "\"A: b\\r\\nCookie: xx"),
            // The byte behind a backslash may be the rest of an escape sequence or the beginning of a name.
            ("\\Cookie: a", "\\Cookie: x"),
            ("D\\Authorization: a b", "D\\Authorization: x x"),
            ("\"\\\\Cookie: a\"", "\"\\\\Cookie: xx"),
            ("\\\\r\\\\nCookie: a", "\\\\r\\\\nCookie: x"),
            ("Cookie\\t: a", "Cookie\\t: x"),
            ("\\k: a", "\\k: x"),
            ("\\My-Cookie: a, \\nCookies: b", "\\My-Cookie: a, \\nCookies: b"),
            ("X: a\rCookie: b", "X: a\rCookie: x"),
            ("x.key: a", "x.key: x"),
            ("My-Cookie: a, Cookies: b, Cookie; c", "My-Cookie: a, Cookies: b, Cookie; c"),
            ("Cookie is: a", "Cookie is: a"),
            ("Cookie\n: a", "Cookie\n: a"),
            ("Cookie: a\n\n b", "Cookie: x\n\n b"),
        ] {
            assert_eq!(hidden(ContentLines::default(), text), expected);
        }
    }

    #[test]
    fn a_line_of_which_the_beginning_is_not_in_a_range_is_hidden() {
        let part = "a b\r\nX: y\r\n\r\nc: d\n e\nf";
        assert_eq!(hidden(ContentLines::of_response(206), part), "x x\r\nX: y\r\n\r\nxx x\n x\nf");
        assert_eq!(hidden(ContentLines::of_response(200), part), part);
    }
}
