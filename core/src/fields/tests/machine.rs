//! The fields that the machine writes, or must know about.

use std::format;

use super::lines;
use crate::fields::{Fields, InvalidField};

#[test]
fn the_content_length_is_kept_off_the_wire() {
    let mut fields = Fields::new().with("content-LENGTH", " 0042 ").unwrap();
    assert_eq!(fields.content_length(), Some(42));
    assert!(fields.wire().is_empty() && !fields.is_empty());
    assert_eq!(fields.push("Content-Length", "42"), Err(InvalidField::ContentLengthRepeated));
    for value in ["", "-1", "+1", "1,1", "1 1", "0x1", "18446744073709551616", "٣"] {
        assert_eq!(
            Fields::new().push("Content-Length", value),
            Err(InvalidField::ContentLength),
            "{value:?}"
        );
    }
    let most = Fields::new().with("Content-Length", "18446744073709551615").unwrap();
    assert_eq!(most.content_length(), Some(u64::MAX));
}

#[test]
fn the_framing_fields_belong_to_the_machine() {
    for (name, value) in [
        ("Transfer-Encoding", "chunked"),
        ("transfer-encoding", "gzip"),
        ("Keep-Alive", "timeout=5"),
        ("Connection", "keep-alive"),
        ("Connection", "close, X-Secret"),
    ] {
        let refused = Fields::new().push(name, value);
        assert_eq!(refused, Err(InvalidField::Reserved { name: name.into() }), "{name}: {value}");
    }
    let fields = Fields::new().with("Connection", "Close , ,UPGRADE").unwrap();
    assert!(fields.close() && fields.upgrade() && fields.wire().is_empty());
}

#[test]
fn date_and_server_are_remembered() {
    let fields = Fields::new().with("SERVER", "mine").unwrap();
    assert!(fields.has_server() && !fields.has_date() && !fields.is_anonymous());
    let fields = Fields::new().with("date", "x").unwrap();
    assert!(!fields.has_server() && fields.has_date() && !fields.is_anonymous());
}

#[test]
fn upgrade_has_its_option_as_long_as_one_of_both_is_there() {
    let mut fields = Fields::new().with("UPGRADE", "x").unwrap();
    assert!(fields.upgrade());
    assert!(!fields.remove("Connection") && fields.upgrade());
    fields.push("Connection", "upgrade").unwrap();
    assert!(fields.remove("Upgrade") && fields.upgrade());
    assert!(fields.remove("Connection") && !fields.upgrade());
}

#[test]
fn names_of_the_same_length_mean_nothing_to_the_machine() {
    for name in [
        "Host",
        "Etag",
        "Origin",
        "Accept",
        "Set-Cookie",
        "Connectiox",
        "Accept-Charset",
        "Content-Lengtx",
        "Transfer-Encodinx",
    ] {
        let fields = Fields::new().with(name, "1").unwrap();
        assert_eq!(lines(&fields), format!("{name}: 1\r\n"));
        assert!(fields.is_anonymous() && !fields.close() && !fields.upgrade(), "{name}");
        assert_eq!(fields.content_length(), None, "{name}");
    }
}
