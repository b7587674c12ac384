//! Random sessions of hostile clients, with secrets wherever none is to be shown.

use std::cell::Cell;
use std::time::Duration;

use httpfsm::config::ServerConfig;
use httpfsm_record::{Options, replay};
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};

use crate::hidden::{SECRET, leaked};
use crate::support::{application, recorded};

/// What happens on a connection.
#[derive(Clone, Debug)]
enum Step {
    Send(Vec<u8>),
    Take(usize),
    Wait(u64),
    CloseWrite,
    Reset,
    GoOut,
}

/// A line of a head. `SECRET` is one. Where secrets are in the lines of contents, most requests are to be served.
fn line(secrets: Secrets) -> impl Strategy<Value = &'static str> {
    let refused = if secrets == Secrets::InLines { 0 } else { 2 };
    // All that follows a length that is too long is content, and shown unless all content is hidden.
    let length =
        if secrets == Secrets::Everywhere { "Content-Length: 99999999" } else { "Content-Length: 7," };
    prop_oneof![
        6 => prop::sample::select(vec![
            "Cookie: SECRET", "COOKIE:SECRET", "Authorization: Basic SECRET", "Proxy-Authorization:\tSECRET SECRET ",
        ]),
        4 => prop::sample::select(vec!["X: y", "Connection: close", "Connection: upgrade", "Upgrade: echo"]),
        u32::from(secrets == Secrets::Everywhere) => Just("Trailer: SECRET"),
        refused.max(1) => Just("Expect: 100-continue"),
        refused => prop::sample::select(vec![
            "Expect: magic", "Transfer-Encoding: gzip", "Content-Length: 7, 8", "Host: b", "Host: u:SECRET",
            length, "Content-Length: -1", "Transfer-Encoding: chunked, gzip",
        ]),
        refused => prop::sample::select(vec![
            "Cookie : SECRET", "Cookie\u{b}: SECRET", "Cookie\0: SECRET", "Cookie SECRET", " SECRET", "X: a\rCookie: SECRET",
            "X: a\nCookie: SECRET", ": SECRET", "Cook@ie: SECRET", "Cookie: SECRET\u{1}SECRET", "", "SECRET", "\tCookie: SECRET",
        ]),
    ]
}

/// Where secrets are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Secrets {
    /// In fields whose values are hidden.
    InFields,
    /// There, and in lines of contents that look like such fields.
    InLines,
    /// Everywhere, also in trailers, and lengths may be wrong.
    Everywhere,
}

/// A body, and the line that frames it.
fn body(secrets: Secrets) -> impl Strategy<Value = (String, String)> {
    let free = secrets == Secrets::Everywhere;
    let content = match secrets {
        Secrets::InFields => "content\r\n\r\ncontent",
        Secrets::InLines => {
            "a\r\nCookie: SECRET\r\n SECRET\r\n\r\nGET / HTTP/1.1\r\nauthorization:SECRET SECRET\n\nz"
        }
        Secrets::Everywhere => "SECRET\r\nSECRET SECRET\r\n\r\n{\"a\":\"SECRET\"}\r\n",
    };
    let text = content.replace("SECRET", SECRET);
    let extension = prop::sample::select(vec![
        "",
        "",
        ";SECRET",
        "; a=SECRET",
        ";a=\"SECRET\\\"\"",
        ";@SECRET",
        " SECRET",
    ]);
    let trailer = prop::sample::select(vec![
        "",
        "Cookie: SECRET\r\n",
        "Cookie : SECRET\r\n",
        "X: y\r\n SECRET\r\n",
        "SECRET",
    ]);
    let own =
        prop::sample::select(if free { vec!["", "X-Sum: SECRET\r\n", "SECRET: pw\r\n"] } else { vec![""] });
    let more = prop_oneof![Just(0), 0..if free { 60_usize } else { 1 }];
    let chunked = (extension, trailer, own, more).prop_map(move |(extension, trailer, own, more)| {
        let whole = content.replace("SECRET", SECRET);
        // In two chunks, so that a line goes on in the second.
        let (first, second) = whole.split_at(if free { 0 } else { whole.len() / 3 });
        let before =
            if first.is_empty() { String::new() } else { format!("{:x}\r\n{first}\r\n", first.len()) };
        let size = second.len() + more;
        let chunk = format!("{before}{size:x}{extension}\r\n{second}\r\n0{extension}\r\n{own}{trailer}\r\n");
        ("Transfer-Encoding: chunked\r\n".to_owned(), chunk)
    });
    let most = if free { 200 } else { text.len() };
    let known = (0..=most).prop_map(move |n| (format!("Content-Length: {n}\r\n"), content.to_owned()));
    prop_oneof![
        4 => Just((String::new(), String::new())),
        1 => Just((String::new(), content.to_owned())),
        1 => Just(("Transfer-Encoding: chunked\r\n".to_owned(), "abcSECRET\r\n".to_owned())),
        4 => chunked,
        4 => known,
    ]
}

fn request(secrets: Secrets) -> impl Strategy<Value = String> {
    let target = prop::sample::select(vec![
        "/",
        "/pipe",
        "/pipe",
        "/pipe",
        "/headers",
        "/echo",
        "/large",
        "/stream",
        "/hints",
        "/login",
        "/fail",
        "/never",
        "/close",
        "/upgrade",
        "/pieces",
        "/hints-and-pieces",
        "/hints-and-pieces",
        "/late-hints",
        "/cut",
        "/cut-at-once",
        "/fail-with-fields",
    ]);
    let begins = ["", "", "", "\r\n", "\r\n\r\n", "SECRET\r\n", "SECRET"];
    let well_formed = if secrets == Secrets::InLines { 5 } else { 7 };
    let begin = prop::sample::select(begins[..well_formed].to_vec());
    let first = prop_oneof![
        12 => (prop::sample::select(vec!["GET", "POST", "HEAD"]), target, prop::sample::select(vec!["1.1", "1.1", "1.0", "2.0"]))
            .prop_map(|(method, target, version)| format!("{method} {target} HTTP/{version}")),
        1 => prop::sample::select(vec![
            "CONNECT a:1 HTTP/1.1", "SECRET", "SECRET SECRET", "GET /", "{\"a\":\"SECRET\"}", "GET /#SECRET HTTP/1.1",
            "GET Cookie:SECRET HTTP/1.1", "GET http://u:SECRET/ HTTP/1.1", "GET http://u:SECRET@h/ HTTP/1.1",
            "CONNECT u:SECRET%40h HTTP/1.1",
        ]).prop_map(str::to_owned),
    ];
    let lines = prop::collection::vec(line(secrets), 0..3);
    (begin, first, lines, body(secrets)).prop_map(|(begin, first, lines, (framing, body))| {
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        format!("{begin}{first}\r\nHost: a\r\n{lines}{framing}\r\n{body}").replace("SECRET", SECRET)
    })
}

/// Requests, of which some bytes are others. No change makes a name of a field another name, nor a secret a part of the line
/// before it; in a content it might, so where secrets are in its lines nothing is changed.
fn requests(secrets: Secrets) -> impl Strategy<Value = Vec<u8>> {
    let odd = prop::sample::select(b"\0\x01\x0b\x7f\xff \t@\";".to_vec());
    let changed = prop::collection::vec((any::<prop::sample::Index>(), odd), 0..3);
    let left_out = prop::option::weighted(0.3, any::<prop::sample::Index>());
    let odds = if secrets == Secrets::InLines { 0.0 } else { 0.4 };
    (prop::collection::vec(request(secrets), 1..4), prop::bool::weighted(odds), changed, left_out).prop_map(
        |(requests, is_changed, changed, left_out)| {
            let mut bytes = requests.concat().into_bytes();
            if !is_changed {
                return bytes;
            }
            for (at, odd) in changed {
                let byte = at.get_mut(&mut bytes);
                if !b"\r\n".contains(byte) {
                    *byte = odd;
                }
            }
            let is_end = |at: usize| bytes.get(at..at + 2) == Some(b"\r\n");
            let may_go = |at: &usize| bytes[*at] == b':' || is_end(*at) || *at > 0 && is_end(*at - 1);
            let places: Vec<_> = (0..bytes.len()).filter(may_go).collect();
            if let Some(left_out) = left_out {
                bytes.remove(*left_out.get(&places));
            }
            bytes
        },
    )
}

fn steps(secrets: Secrets) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => requests(secrets).prop_map(Step::Send),
        4 => (0..8_000_usize).prop_map(Step::Take),
        2 => (0..40_000_u64).prop_map(Step::Wait),
        1 => Just(Step::CloseWrite),
        1 => Just(Step::Reset),
        1 => Just(Step::GoOut),
    ];
    prop::collection::vec(step, 1..8)
}

/// What is recorded of a session.
fn recordings(hardened: bool, mask_bodies: bool, piece: usize, steps: Vec<Step>) -> Vec<String> {
    let mut config = if hardened { ServerConfig::hardened() } else { ServerConfig::default() };
    config.channel.maximum_simultaneous_requests = 2 * u32::from(hardened);
    config.channel.expose_tracebacks = hardened;
    let options = Options { mask_bodies, ..Options::default() };
    recorded(config, options, application, |server, _| {
        let client = server.connect().unwrap();
        for step in steps {
            match step {
                Step::Send(bytes) => {
                    for piece in bytes.chunks(piece) {
                        client.send(piece);
                        server.run();
                    }
                }
                Step::Take(bytes) => drop(client.take_at_most(bytes)),
                Step::Wait(millis) => drop(server.advance(Duration::from_millis(millis))),
                Step::CloseWrite => client.close_write(),
                Step::Reset => client.reset(),
                Step::GoOut => {
                    server.handle().begin_drain(None);
                }
            }
            server.run();
        }
    })
}

fn hides_its_secrets(
    hardened: bool,
    mask_bodies: bool,
    piece: usize,
    steps: Vec<Step>,
) -> Result<(), TestCaseError> {
    for recording in recordings(hardened, mask_bodies, piece, steps) {
        let leaked = leaked(&recording);
        prop_assert!(leaked.is_empty(), "{:?} in\n{}", leaked, recording);
        let replayed = replay(recording.as_bytes());
        prop_assert!(replayed.is_ok(), "{}\n{}", replayed.unwrap_err(), recording);
    }
    Ok(())
}

fn piece() -> impl Strategy<Value = usize> {
    prop_oneof![1_usize..60, Just(usize::MAX)]
}

/// The same cases each time; with `PROPTEST_RNG_SEED` others, and more with `HTTPFSM_CASES`.
pub(crate) fn cases(usual: u32) -> ProptestConfig {
    let cases = std::env::var("HTTPFSM_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(usual);
    let seed = std::env::var("PROPTEST_RNG_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(0x9112);
    let rng_seed = RngSeed::Fixed(seed);
    ProptestConfig { cases, rng_seed, failure_persistence: None, ..ProptestConfig::default() }
}

/// What hides all hides secrets, too: so it is counted what is left.
#[test]
fn most_hostile_sessions_are_recorded_to_their_end() {
    let (all, masked) = (Cell::new(0), Cell::new(0));
    let ran = TestRunner::new(cases(100)).run(&(piece(), steps(Secrets::InFields)), |(piece, steps)| {
        for recording in recordings(false, false, piece, steps) {
            all.set(all.get() + 1);
            let end = recording.lines().last().unwrap_or_default();
            masked.set(masked.get() + u32::from(end.contains("masked")));
        }
        Ok(())
    });
    assert!(ran.is_ok(), "{ran:?}");
    assert!(masked.get() * 10 < all.get(), "{} of {} end before what is hidden", masked.get(), all.get());
}

proptest! {
    #![proptest_config(cases(300))]

    /// Secrets are in the fields whose values are hidden, and in all that is malformed.
    #[test]
    fn no_session_shows_a_credential(hardened in any::<bool>(), piece in piece(), steps in steps(Secrets::InFields)) {
        hides_its_secrets(hardened, false, piece, steps)?;
    }

    /// And in contents, in lines that begin as those fields do.
    #[test]
    fn no_session_shows_a_credential_that_a_content_shows_as_a_field(
        hardened in any::<bool>(),
        piece in piece(),
        steps in steps(Secrets::InLines),
    ) {
        hides_its_secrets(hardened, false, piece, steps)?;
    }

    /// And in content, trailers, and what comes where a message is framed wrongly.
    #[test]
    fn no_session_shows_a_body_that_is_hidden(hardened in any::<bool>(), piece in piece(), steps in steps(Secrets::Everywhere)) {
        hides_its_secrets(hardened, true, piece, steps)?;
    }
}
