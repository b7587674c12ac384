//! From and to the types of the crate `http`.

#[path = "support/rig.rs"]
mod rig;

use std::error::Error;
use std::sync::Arc;

use http::header::{HeaderMap, HeaderName, HeaderValue, InvalidHeaderName, MaxSizeReached};
use http::uri::InvalidUri;
use httpfsm::channel::{Channel, CompiledConfig, Facts, Input, Output};
use httpfsm::request::RequestHead;
use httpfsm::time::{Date, Moment, Now};
use httpfsm::{ChannelConfig, Fields, InvalidField, Status};
use rig::Rig;

/// The head as the machine delivers it, however large.
#[track_caller]
fn head(bytes: &[u8]) -> Arc<RequestHead> {
    let config = ChannelConfig {
        max_request_header_size: 1 << 22,
        max_request_target_size: 0,
        max_request_fields: 0,
        ..ChannelConfig::default()
    };
    let mut channel = Channel::new(Arc::new(CompiledConfig::new(&config)), Facts::default());
    let now = Now::new(Moment::START, &Date::EPOCH);
    for piece in bytes.chunks(16 << 10) {
        channel.handle(&now, Input::RxData(piece)).expect("it reads");
    }
    let outputs: Vec<_> =
        std::iter::from_fn(|| channel.next_output().map(|o| matches!(o, Output::HttpRequest))).collect();
    assert!(outputs.contains(&true), "no request: {}", channel.state());
    Arc::new(channel.request().expect("a request").into())
}

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let line = |(name, value): &(&str, &str)| {
        (
            HeaderName::from_bytes(name.as_bytes()).expect("a name"),
            HeaderValue::from_bytes(value.as_bytes()).expect("a value"),
        )
    };
    lines.iter().map(line).collect()
}

fn lines(fields: &Fields) -> Vec<(&str, &[u8])> {
    fields.iter().map(|field| (field.name, field.value)).collect()
}

#[test]
fn a_head_becomes_a_request_with_all_its_fields() {
    let head = head(
        b"\r\nPATCH /a/b?c=%20d HTTP/1.0\r\nHost: example.com:8080\r\nX-Empty:\r\nx-a: \t one \t\r\nX-A:two:2\r\n\
        X-Opaque: caf\xe9\r\n\r\n",
    );
    let request = Arc::clone(&head).into_http("the body").unwrap();
    assert_eq!(request.method(), "PATCH");
    assert_eq!(request.uri(), "/a/b?c=%20d");
    assert_eq!(request.version(), http::Version::HTTP_10);
    assert_eq!(*request.body(), "the body");
    let expected: &[(&str, &[u8])] = &[
        ("host", b"example.com:8080"),
        ("x-empty", b""),
        ("x-a", b"one"),
        ("x-a", b"two:2"),
        ("x-opaque", b"caf\xe9"),
    ];
    let found: Vec<_> =
        request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    assert_eq!(found, expected);
    // Nothing was copied.
    let raw = head.as_ref().as_ref().raw().as_ptr_range();
    assert!(raw.contains(&request.headers()["x-a"].as_bytes().as_ptr()));
    assert!(raw.contains(&request.uri().path().as_ptr()));
    assert_eq!(
        head.into_bytes(),
        &b"\r\nPATCH /a/b?c=%20d HTTP/1.0\r\nHost: example.com:8080\r\nX-Empty:\r\n\
        x-a: \t one \t\r\nX-A:two:2\r\nX-Opaque: caf\xe9\r\n\r\n"[..]
    );
}

#[test]
fn a_request_is_filled_but_for_its_body_and_extensions_in_the_memory_of_its_fields() {
    let mut old = HeaderMap::with_capacity(20);
    old.insert("x-old", "1".parse().unwrap());
    let room = old.capacity();
    let head = head(b"GET / HTTP/1.1\r\nHost: a\r\nX-A:  \t\r\n\r\n");
    let mut request = http::Request::new("the body");
    request.extensions_mut().insert(7_u8);
    *request.headers_mut() = old;
    head.fill_http(&mut request).unwrap();
    assert_eq!((*request.body(), request.extensions().get()), ("the body", Some(&7_u8)));
    let found: Vec<_> =
        request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    assert_eq!(found, [("host", &b"a"[..]), ("x-a", b"")]);
    assert_eq!(request.headers().capacity(), room);
}

/// The fields of the request that is delivered.
#[track_caller]
fn delivered(rig: &Rig) -> Vec<(String, String)> {
    let head = RequestHead::from(rig.channel.request().expect("a request"));
    let request = Arc::new(head).into_http(()).expect("a request of that crate");
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    request.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

/// The fields of a head as one reads them who knows nothing of the machine.
fn read(head: &str) -> Vec<(String, String)> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.map(|(name, value)| (name.to_lowercase(), value.trim_matches([' ', '\t']).to_owned())).collect()
}

#[test]
fn fields_are_the_same_however_a_head_comes_to_a_handler_that_takes_all_of_them() {
    // More than have room on the stack.
    let many: String = (0..130).map(|number| format!("X-{number}: {number}\r\n")).collect();
    let heads = [
        "GET /a HTTP/1.1\r\nHost: a\r\nX-Empty:\r\nx-a: \t one \t\r\nX-A:two:2\r\nUser-Agent: b\r\n\r\n",
        "\r\nGET /b HTTP/1.1\r\nHOST:b\r\n\r\n",
        "GET /c HTTP/1.1\r\nA:\t\r\nHost: c\r\nCookie: d\r\n\r\n",
        &format!("GET /d HTTP/1.1\r\nHost: d\r\n{many}\r\n"),
        "GET /e HTTP/1.0\r\n\r\n",
    ];
    let config = ChannelConfig { max_request_fields: 0, ..ChannelConfig::default() };
    let config = CompiledConfig::new(&config).taking_all_fields(true);
    for first in &heads[..4] {
        for second in heads {
            // A long head not at each byte.
            for cut in (0..second.len()).step_by(1 + second.len() / 200) {
                let mut rig = Rig::compiled(config.clone(), Facts::default());
                rig.rx(first.as_bytes());
                assert_eq!(delivered(&rig), read(first), "{first:?}");
                rig.ok("").send_all();
                if cut > 0 {
                    rig.rx(&second.as_bytes()[..cut]);
                }
                rig.rx(&second.as_bytes()[cut..]);
                assert_eq!(delivered(&rig), read(second), "{second:?} cut at {cut} behind {first:?}");
            }
        }
    }
}

#[test]
fn each_form_of_a_target_becomes_its_uri() {
    for (line, uri) in [
        ("GET / HTTP/1.1", "/"),
        ("GET //evil?a?b HTTP/1.1", "//evil?a?b"),
        ("OPTIONS * HTTP/1.1", "*"),
        ("GET http://a:1/b?c HTTP/1.1", "http://a:1/b?c"),
        ("CONNECT a:443 HTTP/1.1", "a:443"),
        ("a-method-of-more-than-15-bytes /x HTTP/1.1", "/x"),
    ] {
        let head = head(format!("{line}\r\nHost: a:443\r\n\r\n").as_bytes());
        let request = head.into_http(()).unwrap();
        assert_eq!(request.uri(), uri, "{line}");
        assert_eq!(request.method().as_str(), line.split(' ').next().unwrap());
        assert_eq!(request.version(), http::Version::HTTP_11);
    }
}

#[test]
fn what_those_types_cannot_express_is_an_error() {
    let of = |target: &str, fields: &str| {
        let head = head(format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes());
        head.into_http(()).map(drop)
    };
    for target in ["/<", "/`", "http://a/<", "http://a%41b/"] {
        assert!(of(target, "").unwrap_err().is::<InvalidUri>(), "{target}");
    }
    assert!(of(&"/a".repeat(40_000), "").unwrap_err().is::<InvalidUri>());
    let name = "n".repeat(1 << 16);
    assert!(of("/", &format!("{name}: v\r\n")).unwrap_err().is::<InvalidHeaderName>());
    let lines: String = (0..40_000).map(|number| format!("a{number}:b\r\n")).collect();
    assert!(of("/", &lines).unwrap_err().is::<MaxSizeReached>());
}

#[test]
fn headers_become_fields_without_what_the_machine_writes() {
    let fields = Fields::try_from(&headers(&[
        ("Content-Type", " text/plain\t"),
        ("Content-Length", "5"),
        ("Set-Cookie", "a"),
        ("Set-Cookie", "b"),
        ("Transfer-Encoding", "chunked"),
        ("Keep-Alive", "timeout=5"),
        ("Connection", "x-hop, Close , keep-alive"),
        ("Date", "now"),
        ("X-Empty", ""),
    ]))
    .unwrap();
    let expected: &[(&str, &[u8])] = &[
        ("content-type", b"text/plain"),
        ("set-cookie", b"a"),
        ("set-cookie", b"b"),
        ("date", b"now"),
        ("x-empty", b""),
    ];
    assert_eq!(lines(&fields), expected);
    assert_eq!(fields.content_length(), Some(5));
    assert!(fields.close() && !fields.upgrade() && fields.has_date());
    let upgrade = Fields::try_from(&headers(&[("upgrade", "websocket"), ("connection", "Upgrade")])).unwrap();
    assert!(upgrade.upgrade() && !upgrade.close());
}

#[test]
fn a_length_that_is_none_is_an_error() {
    let of = |lines: &[(&str, &str)]| Fields::try_from(&headers(lines)).unwrap_err();
    assert_eq!(of(&[("content-length", "five")]), InvalidField::ContentLength);
    let twice = [("content-length", "5"), ("content-length", "5")];
    assert_eq!(of(&twice), InvalidField::ContentLengthRepeated);
}

/// What those types let through, `push` does as well: each byte in each place.
#[test]
fn what_is_not_checked_again_would_be_accepted() {
    for byte in 0..=255_u8 {
        let alike = |checked: Result<(), InvalidField>, valid: bool| {
            assert_eq!(checked.is_ok(), valid, "{byte:#04x}")
        };
        alike(
            Fields::new().push("n", [b'v', byte, b'v']),
            HeaderValue::from_bytes(&[b'v', byte, b'v']).is_ok(),
        );
        if byte.is_ascii() {
            let name = char::from(byte).to_string();
            alike(Fields::new().push(&name, "v"), HeaderName::from_bytes(&[byte]).is_ok());
        }
    }
}

#[test]
fn fields_become_headers_and_come_back() -> Result<(), Box<dyn Error>> {
    let fields = Fields::new()
        .with("X-A", "1")?
        .with("x-a", b"caf\xe9")?
        .with("Content-Length", "7")?
        .with("Connection", "close, upgrade")?;
    let map = HeaderMap::try_from(&fields)?;
    let expected = [
        ("x-a", &b"1"[..]),
        ("x-a", b"caf\xe9"),
        ("content-length", b"7"),
        ("connection", b"close, upgrade"),
    ];
    let found: Vec<_> = map.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    assert_eq!(found, expected);
    let back = Fields::try_from(&map)?;
    assert_eq!((back.content_length(), back.close(), back.upgrade()), (Some(7), true, true));
    let long = Fields::new().with(&"n".repeat(1 << 16), "")?;
    assert!(HeaderMap::try_from(&long).unwrap_err().is::<InvalidHeaderName>());
    let option = |option| Fields::new().with("Connection", option).map(|fields| HeaderMap::try_from(&fields));
    assert_eq!(option("close")??, headers(&[("connection", "close")]));
    assert_eq!(option("upgrade")??, headers(&[("connection", "upgrade")]));
    assert_eq!(HeaderMap::try_from(&Fields::new())?, HeaderMap::new());
    Ok(())
}

#[test]
fn each_status_has_its_counterpart() {
    for code in 100..=999 {
        let (ours, theirs) = (Status::new(code).unwrap(), http::StatusCode::from_u16(code).unwrap());
        assert_eq!((Status::from(theirs), http::StatusCode::from(ours)), (ours, theirs));
    }
}
