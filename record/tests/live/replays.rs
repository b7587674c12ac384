//! Recordings that replay, up to their end or to where they break off, and those that do not.

use httpfsm_record::{Options, ReplayFailure, replay};

use crate::support::{GET, session};

#[test]
fn a_session_replays_and_can_be_read() {
    let recording = session(
        Options::default(),
        &[GET.as_bytes(), b"POST /echo HTTP/1.1\r\nHost: a\r\n", b"Content-Length: 3\r\n\r\n\xff\0b"],
    );
    let replayed = replay(recording.as_bytes()).unwrap();
    assert_eq!(replayed.end, "over");
    assert!(recording.contains(r#""bytes":"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n""#), "{recording}");
    assert!(recording.contains(r#"{"out":"HttpRequest","n":1,"text":"GET / HTTP/1.1"}"#), "{recording}");
    assert!(recording.contains(r#"{"out":"BodyData","bytes":"\u00ff\u0000b"}"#), "{recording}");
    assert!(recording.contains(r#"{"out":"HttpChannelClosed","text":"PeerEnded"}"#), "{recording}");
}

#[test]
fn a_change_is_found_in_its_line() {
    let recording = session(Options::default(), &[GET.as_bytes(), GET.as_bytes()]);
    for (from, to) in [("200 OK", "200 KO"), ("WaitResponse", "Responding"), ("PeerEnded", "Drained")] {
        let at = recording.lines().position(|line| line.contains(from)).unwrap();
        let changed = recording.replacen(from, to, 1);
        let Err(ReplayFailure::Differs(difference)) = replay(changed.as_bytes()) else {
            panic!("{from} is equal to {to}")
        };
        assert_eq!(difference.line, at + 1);
        assert!(difference.expected.contains(to) && difference.got.contains(from), "{difference:?}");
    }
    // An output that is left out makes the next one differ.
    let opened = recording.lines().position(|line| line.contains("HttpChannelOpened")).unwrap();
    let left_out: Vec<_> = recording
        .lines()
        .enumerate()
        .filter(|line| line.0 != opened)
        .map(|line| format!("{}\n", line.1))
        .collect();
    assert!(matches!(replay(left_out.concat().as_bytes()), Err(ReplayFailure::Differs(_))));
}

#[test]
fn what_is_no_recording_is_told_with_its_line() {
    let recording = session(Options::default(), &[GET.as_bytes()]);
    let last = recording.lines().count();
    for (spoilt, line) in [
        (recording.replacen("\"in\":\"RxData\"", "\"in\":\"DequeueRequest\"", 1), 2),
        (recording.replace("{\"end\":\"over\"}", "{\"and\":1}"), last),
    ] {
        let Err(ReplayFailure::Malformed { line: at, .. }) = replay(spoilt.as_bytes()) else {
            panic!("{spoilt}")
        };
        assert_eq!(at, line, "{spoilt}");
    }
    assert!(matches!(replay(&b""[..]), Err(ReplayFailure::Empty)));
    for spoilt in ["hello\n", "hello", "{\"end\":\"lost\"}\n"] {
        assert!(matches!(replay(spoilt.as_bytes()), Err(ReplayFailure::NoRecording(_))), "{spoilt}");
    }
}

#[test]
fn a_recording_of_another_format_is_told_from_other_files() {
    let recording = session(Options::default(), &[GET.as_bytes()]);
    for (format, made) in [(2, "an older"), (4, "a newer")] {
        // Whatever else its first line has.
        for rest in ["", "\"new\":1,"] {
            let other = recording.replacen("\"httpfsm\":3,", &format!("\"httpfsm\":{format},{rest}"), 1);
            let Err(failure @ ReplayFailure::OtherFormat(_)) = replay(other.as_bytes()) else {
                panic!("{other}")
            };
            let text = format!(
                "the format of this recording is {format}, of {made} version of the program; this one reads 3"
            );
            assert_eq!(failure.to_string(), text);
        }
    }
}

#[test]
fn a_recording_ends_at_its_bound_and_replays_up_to_there() {
    for max_bytes in [3_000, 4_000, 10_000] {
        let options = Options { max_bytes, ..Options::default() };
        let requests = GET.repeat(20);
        let pieces = [requests.as_bytes(), b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n"];
        let recording = session(options, &pieces);
        assert!(recording.len() <= max_bytes, "{} bytes", recording.len());
        assert_eq!(replay(recording.as_bytes()).unwrap().end, "full");
    }
}

#[test]
fn a_recording_that_breaks_off_replays_up_to_there() {
    let recording = session(Options::default(), &[GET.as_bytes()]);
    let lines: Vec<_> = recording.split_inclusive('\n').collect();
    for kept in 1..lines.len() {
        let broken = lines[..kept].concat() + &lines[kept][..lines[kept].len() / 2];
        assert_eq!(replay(broken.as_bytes()).unwrap().end, "cut");
    }
}

#[test]
fn a_tail_that_is_cut_inside_a_character_is_cut_as_any_other() {
    let recording = session(Options::default(), &[GET.as_bytes()]);
    let end = recording.rfind("{\"end\"").unwrap();
    let tail = "{\"out\":\"Refused\",\"text\":\"\u{e4}\u{20ac}";
    for kept in 1..=tail.len() {
        let cut = [&recording.as_bytes()[..end], &tail.as_bytes()[..kept]].concat();
        assert_eq!(replay(&cut[..]).unwrap().end, "cut", "{kept}");
    }
    // A whole line of it is none.
    let line = [&recording.as_bytes()[..end], b"{\"text\":\"\xff\"}\n"].concat();
    let at = recording.lines().count();
    assert!(matches!(replay(&line[..]), Err(ReplayFailure::Malformed { line, .. }) if line == at));
}

#[test]
fn what_stands_behind_the_end_is_not_looked_at() {
    let recording = session(Options::default(), &[GET.as_bytes()]);
    let expected = replay(recording.as_bytes()).unwrap();
    for behind in
        ["none\n", "\n", "{\"in\":\"none\"}\n", "{\"page\":\"Nul 1\"}\n", "{\"end\":\"full\"}\n", "none"]
    {
        assert_eq!(replay(format!("{recording}{behind}").as_bytes()).unwrap(), expected, "{behind}");
    }
    assert_eq!(replay(&[recording.as_bytes(), b"\xff\n"].concat()[..]).unwrap(), expected);
}
