//! The fields that frame a request, and those that say what the connection does next.

use super::*;
use crate::request::BodyLength;
use std::format;
use std::string::String;

fn body_of(lines: &str) -> Result<BodyLength, Rule> {
    parsed(&with(lines)).map(|meta| meta.body).map_err(|error| error.rule)
}

#[test]
fn content_length_is_digits_once() {
    for (value, length) in [
        ("0", 0),
        ("5", 5),
        ("005", 5),
        (" \t 5 \t", 5),
        ("\t42", 42),
        ("00000000000000000000000000000000009", 9),
    ] {
        assert_eq!(body_of(&format!("Content-Length:{value}")), Ok(BodyLength::Known(length)), "{value:?}");
    }
    for value in [
        "", " ", "+5", "-5", "-48", "1_0", "0x10", "0o5", "0b1", "1Z", "5 5", "5\t5", "5abc", "abc5",
        "\"5\"", "5.0", "5;", "5, x", "\u{a0}5", "5\u{85}", "0 43",
    ] {
        assert_eq!(body_of(&format!("Content-Length: {value}")), Err(Rule::ContentLength), "{value:?}");
    }
    for value in ["5, 5", "5,6", "5,", ",5", "5, ,5", ","] {
        assert_eq!(
            body_of(&format!("Content-Length: {value}")),
            Err(Rule::ContentLengthRepeated),
            "{value:?}"
        );
    }
    for lines in ["Content-Length: 5\r\nContent-Length: 5", "content-length: 1\r\nX: y\r\nCONTENT-LENGTH: 0"]
    {
        assert_eq!(body_of(lines), Err(Rule::ContentLengthRepeated), "{lines:?}");
    }
    for value in ["1073741825", "9223372036854775808", "18446744073709551615", "18446744073709551616"] {
        assert_eq!(body_of(&format!("Content-Length: {value}")), Err(Rule::BodyTooLarge), "{value:?}");
    }
    assert_eq!(body_of(&format!("Content-Length: {}", "9".repeat(400))), Err(Rule::BodyTooLarge));
    // Without a limit the largest number passes, and one more is still refused.
    let unlimited = HeadLimits { body: u64::MAX, ..LIMITS };
    let largest = with("Content-Length: 18446744073709551615");
    let Parsed::Complete(meta) = verdict(&largest, [], &unlimited) else { panic!() };
    assert_eq!(meta.body, BodyLength::Known(u64::MAX));
    let wrap = with("Content-Length: 18446744073709551616");
    assert_eq!(verdict(&wrap, [], &unlimited), refused(Rule::BodyTooLarge, LINES as usize + 16));
    assert_eq!(body_of("X: y"), Ok(BodyLength::None));
}

#[test]
fn a_length_and_a_coding_are_refused_whatever_stands_beside_them() {
    for version in ["1.0", "1.1"] {
        for beside in
            ["", "Expect:\r\n", "Expect: 100-continue\r\n", "Expect: x\r\n", "Connection: close\r\n"]
        {
            for host in ["", "Host: a\r\n"] {
                let head = format!(
                    "POST / HTTP/{version}\r\n{host}{beside}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
                );
                let expected = if version == "1.1" && host.is_empty() {
                    Rule::HostMissing
                } else {
                    Rule::LengthAndCoding
                };
                assert_eq!(rule_of(head.as_bytes()).map(|(rule, _)| rule), Some(expected), "{head}");
            }
        }
    }
}

#[test]
fn the_only_transfer_coding_is_chunked_once() {
    for value in ["chunked", "CHUNKED", "\t chunked \t", "cHuNkEd"] {
        assert_eq!(body_of(&format!("Transfer-Encoding:{value}")), Ok(BodyLength::Chunked), "{value:?}");
    }
    for value in [
        "",
        "identity",
        "gzip",
        "xchunked",
        "chunkedx",
        "chunked, identity",
        "chunked chunked",
        "x chunked",
        "'chunked'",
        "\"chunked\"",
        "chu nked",
        "chunked;",
        "chunked=",
        "chunked;q=1",
        "chunked, chunked",
        ", chunked",
        "chunked,",
        "gzip,, chunked",
        "chunked, gzip, chunked",
        "gzip;, chunked",
        "gzip;=1, chunked",
        "gzip;a=, chunked",
        "gz ip, chunked",
        "gzip;a=b=c, chunked",
        "\u{a0}chunked",
        "chunked\u{85}",
    ] {
        assert_eq!(body_of(&format!("Transfer-Encoding: {value}")), Err(Rule::TransferCoding), "{value:?}");
    }
    for value in ["gzip, chunked", "x-foo,chunked", "identity, chunked", "gzip;q=1 ; a, x, chunked"] {
        assert_eq!(body_of(&format!("Transfer-Encoding: {value}")), Err(Rule::UnknownCoding), "{value:?}");
    }
    let lines = |first: &str, second: &str| {
        body_of(&format!("Transfer-Encoding: {first}\r\nX: y\r\ntransfer-encoding: {second}"))
    };
    assert_eq!(lines("chunked", "chunked"), Err(Rule::TransferCoding));
    assert_eq!(lines("chunked", "identity"), Err(Rule::TransferCoding));
    assert_eq!(lines("chunked", ""), Err(Rule::TransferCoding));
    assert_eq!(lines("", "chunked"), Err(Rule::TransferCoding));
    assert_eq!(lines("gzip", "chunked"), Err(Rule::UnknownCoding));
    for lines in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 0",
        "Content-Length: 5\r\nTransfer-Encoding:",
        "Transfer-Encoding: gzip\r\nContent-Length: 5",
    ] {
        assert_eq!(body_of(lines), Err(Rule::LengthAndCoding), "{lines:?}");
    }
    // Other fields, however alike their names.
    for name in [
        "Transfer_Encoding",
        "Transfer-%45ncoding",
        "Transfer.Encoding",
        "X-Transfer-Encoding",
        "Content-Encoding",
    ] {
        assert_eq!(
            body_of(&format!("{name}: chunked\r\nContent-Length: 2")),
            Ok(BodyLength::Known(2)),
            "{name}"
        );
    }
}

#[test]
fn names_are_told_apart_in_every_byte() {
    let facts = |name: &str, value: &str| {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{name}: {value}\r\nContent-Length: 1\r\n\r\n");
        parsed(head.as_bytes()).map(|meta| (meta.expect, meta.keep_alive)).map_err(|error| error.rule)
    };
    let plain = Ok((false, true));
    for (name, value, marked) in [
        ("host", "a", Err(Rule::HostRepeated)),
        ("connection", "close", Ok((false, false))),
        ("content-length", "1", Err(Rule::ContentLengthRepeated)),
        ("transfer-encoding", "chunked", Err(Rule::LengthAndCoding)),
        ("expect", "100-continue", Ok((true, true))),
    ] {
        assert_eq!(facts(name, value), marked);
        assert_eq!(facts(&name.to_uppercase(), value), marked);
        for at in 0..name.len() {
            let mut other = String::from(name).into_bytes();
            other[at] = if other[at] == b'-' { b'.' } else { b'~' };
            assert_eq!(facts(std::str::from_utf8(&other).unwrap(), value), plain, "{name} at {at}");
        }
        assert_eq!(facts(&name[1..], value), plain);
    }
}

#[test]
fn connection_options_decide_whether_the_connection_persists() {
    let persists = |version: &str, lines: &str| {
        let head = format!("GET / HTTP/{version}\r\nHost: a\r\n{lines}\r\n\r\n");
        parsed(head.as_bytes()).unwrap().keep_alive
    };
    assert!(persists("1.1", "X: y"));
    assert!(!persists("1.0", "X: y"));
    for option in ["close", "CLOSE", "x, close", "close,x", "x,close,y", " , close ,", "keep-alive, close"] {
        assert!(!persists("1.1", &format!("Connection: {option}")), "{option:?}");
        assert!(!persists("1.0", &format!("Connection: keep-alive\r\nConnection: {option}")), "{option:?}");
        assert!(!persists("1.0", &format!("Connection: {option}\r\nConnection: keep-alive")), "{option:?}");
    }
    for option in ["keep-alive", "Keep-Alive", "x,keep-alive", "keep-alive , x", ",,keep-alive"] {
        assert!(persists("1.0", &format!("Connection: {option}")), "{option:?}");
    }
    for option in ["closed", "close x", "\"close\"", "keep-alive;close", "", ",,,"] {
        assert!(persists("1.1", &format!("Connection: {option}")), "{option:?}");
        assert!(!persists("1.0", &format!("Connection: {option}")), "{option:?}");
    }
}

#[test]
fn an_upgrade_request_has_version_option_and_field() {
    let upgrades = |version: &str, lines: &str| {
        let head = format!("GET / HTTP/{version}\r\nHost: a\r\n{lines}\r\n\r\n");
        parsed(head.as_bytes()).unwrap().upgrade
    };
    assert!(upgrades("1.1", "Connection: Upgrade\r\nUpgrade: foo/2"));
    assert!(upgrades("1.1", "UPGRADE: foo/2\r\nConnection: keep-alive, upgrade"));
    assert!(upgrades("1.1", "Connection: x\r\nConnection: upgrade\r\nUpgrade:\r\nUpgrade: a, b"));
    assert!(!upgrades("1.0", "Connection: Upgrade\r\nUpgrade: foo/2"));
    assert!(!upgrades("1.1", "Upgrade: foo/2"));
    assert!(!upgrades("1.1", "Connection: Upgrade"));
    assert!(!upgrades("1.1", "Connection: Upgrade\r\nUpgrade:"));
    assert!(!upgrades("1.1", "Connection: Upgrade\r\nUpgrade: ,\r\nUpgrade:"));
    assert!(upgrades("1.1", "Connection: Upgrade\r\nUpgrade: ,\r\nUpgrade: a"));
    assert!(!upgrades("1.1", "Connection: Upgrades\r\nUpgrade: foo"));
    assert!(!upgrades("1.1", "Connection: Upgrade\r\nUpgrada: foo"));
}

#[test]
fn an_expectation_is_met_or_refused() {
    let expects = |version: &str, lines: &str| {
        let head = format!("POST / HTTP/{version}\r\nHost: a\r\n{lines}\r\n\r\n");
        parsed(head.as_bytes()).map(|meta| meta.expect).map_err(|error| error.rule)
    };
    for value in ["100-continue", "100-CONTINUE", "100-continue, 100-Continue", ",100-continue,"] {
        assert_eq!(expects("1.1", &format!("Expect: {value}\r\nContent-Length: 1")), Ok(true), "{value:?}");
        assert_eq!(expects("1.1", &format!("Transfer-Encoding: chunked\r\nExpect: {value}")), Ok(true));
        assert_eq!(expects("1.1", &format!("Expect: {value}\r\nContent-Length: 0")), Ok(false), "{value:?}");
        assert_eq!(expects("1.1", &format!("Expect: {value}")), Ok(false), "{value:?}");
        assert_eq!(expects("1.0", &format!("Expect: {value}\r\nContent-Length: 1")), Ok(false), "{value:?}");
    }
    assert_eq!(expects("1.1", "Expect:\r\nContent-Length: 1"), Ok(false));
    for value in ["teapot", "100-continue, x", "x 100-continue", "100-continue;a", "\"100-continue\""] {
        assert_eq!(expects("1.1", &format!("Expect: {value}")), Err(Rule::Expectation), "{value:?}");
        assert_eq!(expects("1.0", &format!("Expect: {value}")), Ok(false), "{value:?}");
        // A framing error comes first.
        let lines = format!("Expect: {value}\r\nContent-Length: 5x");
        assert_eq!(expects("1.1", &lines), Err(Rule::ContentLength), "{value:?}");
        let lines = format!("Expect: {value}\r\nTransfer-Encoding: x");
        assert_eq!(expects("1.1", &lines), Err(Rule::TransferCoding), "{value:?}");
    }
    assert_eq!(expects("1.1", "Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 1"), Ok(true));
    assert_eq!(
        expects("1.1", "Expect: 100-continue\r\nExpect: x\r\nContent-Length: 1"),
        Err(Rule::Expectation)
    );
    let error = parsed(&with("Expect: a\r\nExpect: b")).unwrap_err();
    assert_eq!(error, RequestError::new(Rule::Expectation, LINES + 8));
}
