//! The form of an entry: what is read, and what is refused with its line.

use crate::corpus::{self, Step};

#[test]
fn what_is_no_entry_is_refused_with_its_line() {
    for (text, error) in [
        ("S1 a\n  source x\n  > a\n", "t.txt:1 a: open, close, reset, waiting or tunnel is missing"),
        ("S1 a\n  > a\n  open\n", "t.txt:1 a: the source is missing"),
        ("S1 a\n  source x\n  = GET /\n  open\n", "t.txt:1 a: something is expected of nothing"),
        ("X1 a\n", "t.txt:1: X1 is no row: \"X1 a\""),
        ("S1 A\n", "t.txt:1: A is no id (lower case, digits, hyphens): \"S1 A\""),
        ("S1 a\n  source x\n  > a \n", "t.txt:3: a line ends in a blank (write \\s or \\t): \"  > a \""),
        ("S1 a\n  source x\n  > \\q\n", "t.txt:3: no such escape: \\q: \"  > \\\\q\""),
        ("S1 a\n  source x\n  sends a\n", "t.txt:3: no such line: \"  sends a\""),
        ("S1 a\n  source x\n  > \\!a\\!b\n  > \\!\n", "t.txt:4: two bytes are blamed: \"  > \\\\!\""),
        ("  > a\n", "t.txt:1: this belongs to no entry: \"  > a\""),
        (
            "S1 a\n  source x\n  > a\n  open\n  > b\n",
            "t.txt:5: nothing follows the end of the connection: \"  > b\"",
        ),
    ] {
        assert_eq!(corpus::parse("t.txt", text).err().as_deref(), Some(error), "{text:?}");
    }
}

#[test]
fn bytes_are_read_as_they_are_written() {
    let text = "S1 a\n  source x\n  > a\\r\\n\\t\\s\\\\\\x00\\xff\\(bc\\)2\\;3\n  open\n";
    let entries = corpus::parse("t.txt", text).expect("an entry");
    assert_eq!(entries[0].bytes(), b"a\r\n\t \\\0\xffbcbc3");
    let text = "S1 a\n  source x\n  > ab\n  > \\[cd\\!e\n  +2s\n  -5ms\n  open\n";
    let entries = corpus::parse("t.txt", text).expect("an entry");
    assert_eq!(entries[0].blamed, Some(2));
    let steps = [Step::Bytes(b"abcde".into()), Step::Time(2000), Step::Time(-5)];
    assert_eq!(entries[0].acts[0].steps, steps);
}
