//! Nothing that could end a line is taken, and the refusal says why.

use std::string::ToString;
use std::vec::Vec;
use std::{format, vec};

use proptest::prelude::*;

use crate::fields::Fields;

proptest! {
    /// Whatever is pushed, the wire holds one line for each push that was accepted, and reads back as given.
    #[test]
    fn the_wire_has_the_lines_that_were_accepted_and_no_other(
        pushed in prop::collection::vec(("[A-Za-z:\r\n\\- ]{0,8}", prop::collection::vec(
            prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'a'), any::<u8>()], 0..40)), 0..12)
    ) {
        let mut fields = Fields::new();
        let mut accepted = Vec::new();
        for (name, value) in &pushed {
            if fields.push(name, value).is_ok() {
                accepted.push((name.as_str(), value.trim_ascii()));
            }
        }
        let seen: Vec<_> = fields.iter().map(|field| (field.name, field.value)).collect();
        prop_assert_eq!(&seen, &accepted);
        let ends = fields.wire().iter().filter(|byte| matches!(byte, b'\r' | b'\n' | 0)).count();
        prop_assert_eq!(ends, 2 * accepted.len());
    }
}

#[test]
fn every_control_character_in_a_value_is_refused_wherever_it_stands() {
    for byte in (0..=0x1f).chain([0x7f]) {
        for value in [vec![byte], vec![b'a', byte, b'b'], [&[b'a'; 70][..], &[byte], b"X: y"].concat()] {
            let refused = Fields::new().with("X-A", &value);
            // Also CR, LF and FF at an end, which count as blanks elsewhere.
            let fine = byte == b'\t';
            assert_eq!(refused.is_ok(), fine, "byte 0x{byte:02x} in {}", value.escape_ascii());
        }
    }
}

#[test]
fn an_injected_line_is_refused_and_nothing_is_added() {
    let mut fields = Fields::new();
    fields.push("A", "1").unwrap();
    let before = fields.clone();
    for (name, value) in [
        ("X", "a\r\nY: z"),
        ("X", "a\nY: z"),
        ("X", "a\rY: z"),
        ("X", "\r\nY: z"),
        ("X", "a\r\n"),
        ("X", "a\r\n\r\n<html>"),
        ("X\r\nY", "z"),
        ("X: y\r\nY", "z"),
        ("Content-Length", "1\r\nY: z"),
        ("Connection", "close\r\nY: z"),
        ("Date", "now\r\nY: z"),
    ] {
        assert!(fields.push(name, value).is_err(), "{name:?}: {value:?}");
        assert_eq!(fields, before, "{name:?}: {value:?}");
    }
}

#[test]
fn a_name_that_is_no_token_is_refused() {
    for byte in 0..=0x7f_u8 {
        let name = format!("X{}Y", char::from(byte));
        let token = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        assert_eq!(Fields::new().push(&name, "v").is_ok(), token, "{name:?}");
    }
    assert!(Fields::new().push("", "v").is_err());
    assert!(Fields::new().push("Größe", "v").is_err());
}

#[test]
fn the_faults_are_sentences() {
    let fault = Fields::new().push("Connection", "keep-alive").unwrap_err();
    assert_eq!(
        fault.to_string(),
        "Connection holds an option other than close and upgrade; the server writes the others."
    );
    let fault = Fields::new().push("Transfer-Encoding", "chunked").unwrap_err();
    assert_eq!(fault.to_string(), "Transfer-Encoding frames the message and is written by the server.");
    let fault = Fields::new().push("X", "a\0").unwrap_err();
    assert_eq!(fault.to_string(), "The value of X holds the control character 0x00 at byte 1.");
    let fault = Fields::new().push("X Y", "a").unwrap_err();
    assert_eq!(fault.to_string(), "The field name \"X Y\" is not a token.");
    let shown = format!("{:?}", Fields::new().with("A", "\"").unwrap().with("Connection", "close").unwrap());
    assert_eq!(shown, r#"{"A": "\"", "Connection": "close"}"#);
}
