//! Whatever bytes begin a connection: the channel accepts those heads, and only those, that a naive reading of
//! RFC 9112 with the positions of `docs/compatibility.md` accepts, and sees the same request in them.
//!
//! Seen to fail with the check of `\r\n\r\n` in `core/src/head.rs` left out (a head with bare LF is accepted), with a
//! second `Host` accepted in `core/src/framing.rs`, with `keep_alive` there deciding by "or", and with the places of
//! fields in `core/src/head/places.rs` one byte late.

mod host;
mod recogniser;

use std::sync::{Arc, LazyLock};

use httpfsm::Version;
use httpfsm::channel::CompiledConfig;
use httpfsm::config::ChannelConfig;
use httpfsm::request::{BodyLength, RequestHead, RequestRef};

use self::recogniser::{ExpectedBody, ExpectedHead, HeadLimits, Verdict, recognise};
use crate::reading::{self, Reading, Upgrades};

/// Judges the bytes, with limits that are easily reached and with such as a server has.
pub fn check(bytes: &[u8]) {
    check_with(bytes, &SMALL, &SMALL_SETTINGS);
    check_with(bytes, &USUAL, &USUAL_SETTINGS);
}

const SMALL: HeadLimits = HeadLimits { size: 600, fields: 8, target: 40, body: 1000 };
const USUAL: HeadLimits = HeadLimits { size: 16 << 10, fields: 100, target: 8 << 10, body: 1 << 24 };

static SMALL_SETTINGS: LazyLock<Arc<CompiledConfig>> = LazyLock::new(|| compiled_config(&SMALL));
static USUAL_SETTINGS: LazyLock<Arc<CompiledConfig>> = LazyLock::new(|| compiled_config(&USUAL));

fn compiled_config(limits: &HeadLimits) -> Arc<CompiledConfig> {
    let config = CompiledConfig::new(&ChannelConfig {
        max_request_header_size: limits.size as u32,
        max_request_fields: limits.fields as u32,
        max_request_target_size: limits.target as u32,
        max_request_body_size: limits.body,
        ..ChannelConfig::hardened()
    });
    // As for a tower service, which is given the fields from where the parser has found them.
    Arc::new(config.taking_all_fields(true))
}

fn check_with(bytes: &[u8], limits: &HeadLimits, compiled: &Arc<CompiledConfig>) {
    let reading = reading::read(compiled, Upgrades::Refused, bytes, |_| usize::MAX, || u64::MAX);
    match recognise(bytes, limits) {
        Verdict::Nothing => {
            assert!(reading.requests.is_empty(), "a request in {}", bytes.escape_ascii());
            assert_eq!(reading.refused, None, "a refusal of {}", bytes.escape_ascii());
        }
        Verdict::Refused(statuses) => refused(bytes, &statuses, limits, &reading),
        Verdict::Accepted(head) => {
            let Some(request) = reading.requests.first() else {
                panic!("{:?} for {}", reading.refused, bytes.escape_ascii())
            };
            accepted(bytes, &head, request.head.as_ref());
            same_in_http(&head, request.head.clone());
        }
    }
}

fn refused(bytes: &[u8], statuses: &[u16], limits: &HeadLimits, reading: &Reading) {
    let text = bytes.escape_ascii();
    assert!(reading.requests.is_empty(), "accepted, but {statuses:?} is expected: {text}");
    let Some(error) = reading.refused else { panic!("neither accepted nor refused: {text}") };
    let status = error.status().code();
    assert!(statuses.contains(&status), "{error:?} is {status} instead of {statuses:?}: {text}");
    assert!(error.offset <= bytes.len().min(limits.size) as u64, "{error:?} is not in the head: {text}");
    let line = format!("{status} ");
    assert_eq!(reading.sent.get(9..13), Some(line.as_bytes()), "another status was sent: {text}");
}

fn accepted(bytes: &[u8], expected: &ExpectedHead<'_>, request: RequestRef<'_>) {
    let text = bytes.escape_ascii();
    assert_eq!(request.raw(), &bytes[..expected.len], "the head ends elsewhere: {text}");
    assert_eq!(request.method().as_bytes(), expected.method, "{text}");
    assert_eq!(request.target().as_bytes(), expected.target, "{text}");
    assert_eq!(request.version() == Version::Http10, expected.is_1_0, "{text}");
    let fields: Vec<_> = request.fields().map(|field| (field.name.as_bytes(), field.value)).collect();
    assert_eq!(fields, expected.fields, "{text}");
    let body = match request.body_length() {
        BodyLength::None => ExpectedBody::None,
        BodyLength::Known(length) => ExpectedBody::Length(length),
        BodyLength::Chunked => ExpectedBody::Chunked,
    };
    assert_eq!(body, expected.body, "{text}");
    assert_eq!(request.keep_alive(), expected.persists, "persistence: {text}");
    assert_eq!(request.expects_continue(), expected.expects, "expectation: {text}");
    assert_eq!(request.upgrade().is_some(), expected.upgrades, "upgrade: {text}");
    assert_eq!(
        (request.is_head(), request.is_connect()),
        (expected.method == b"HEAD", expected.is_connect())
    );
    same_as_httparse(expected, request);
}

/// The crate `http` has the same fields, unless it cannot have the request: its targets are fewer.
fn same_in_http(expected: &ExpectedHead<'_>, head: RequestHead) {
    let Ok(request) = Arc::new(head).into_http(()) else { return };
    assert_eq!(request.headers().len(), expected.fields.len(), "{:?}", request.headers());
    for (name, _) in &expected.fields {
        let of_name = expected.fields.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        let values: Vec<_> = of_name.map(|(_, value)| *value).collect();
        let name = std::str::from_utf8(name).expect("a name is a token");
        let found: Vec<_> = request.headers().get_all(name).iter().map(|value| value.as_bytes()).collect();
        assert_eq!(found, values, "{name} of {:?}", request.headers());
    }
}

/// A head that we accept is one for the parser that others use, too, and says the same.
fn same_as_httparse(expected: &ExpectedHead<'_>, request: RequestRef<'_>) {
    let mut room = [httparse::EMPTY_HEADER; 128];
    let mut parsed = httparse::Request::new(&mut room);
    let verdict = parsed.parse(request.raw());
    if expected.is_later_minor {
        // It knows 1.0 and 1.1 only.
        assert_eq!(verdict, Err(httparse::Error::Version));
        return;
    }
    assert_eq!(verdict, Ok(httparse::Status::Complete(expected.len)));
    assert_eq!(parsed.method, Some(request.method()));
    assert_eq!(parsed.path, Some(request.target()));
    assert_eq!(parsed.version, Some(u8::from(!expected.is_1_0)));
    let fields: Vec<_> = parsed.headers.iter().map(|header| (header.name.as_bytes(), header.value)).collect();
    assert_eq!(fields, expected.fields);
}
