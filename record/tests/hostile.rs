//! Recordings that a stranger made, or that lie: each is told apart, and none makes the machine or the replay panic.
#![allow(clippy::unwrap_used)]

use std::io::{BufReader, Read, repeat};

use httpfsm_record::{Replay, ReplayFailure, replay};
use proptest::prelude::*;

const RECORDINGS: [&str; 4] = [
    include_str!("recordings/pipelined.jsonl"),
    include_str!("recordings/refused.jsonl"),
    include_str!("recordings/slow-head.jsonl"),
    include_str!("recordings/upload.jsonl"),
];

/// Where the decimal numbers stand.
fn numbers(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut before = b' ';
    for (at, byte) in text.bytes().enumerate() {
        match found.last_mut() {
            Some((_, end)) if byte.is_ascii_digit() && *end == at => *end = at + 1,
            _ if byte.is_ascii_digit() && before == b':' => found.push((at, at + 1)),
            _ => {}
        }
        before = byte;
    }
    found
}

/// Replays it to its end, whatever that is.
fn walk(recording: &[u8]) {
    let Ok(mut replay) = Replay::new(recording) else { return };
    while let Ok(Some(step)) = replay.step() {
        assert!(!format!("{step:?}").is_empty());
    }
}

#[test]
fn a_recording_without_an_end_is_refused_when_it_is_too_large() {
    assert!(matches!(replay(BufReader::new(repeat(b' '))), Err(ReplayFailure::TooLarge)));
    let no_text = replay(BufReader::new(repeat(0xff).take(9)));
    assert!(matches!(no_text, Err(ReplayFailure::NoRecording(_))), "{no_text:?}");
}

#[test]
fn lines_that_are_nested_or_numbered_without_measure_are_malformed() {
    let (head, _) = RECORDINGS[0].split_once('\n').unwrap();
    for line in [
        &"[".repeat(100_000),
        "{\"in\":\"Sent\",\"n\":1e99}",
        "{\"in\":\"Sent\",\"n\":-1}",
        "{\"in\":\"Sent\"}",
        "{\"in\":\"GoOut\"}",
    ] {
        let recording = format!("{head}\n{line}\n");
        assert!(matches!(replay(recording.as_bytes()), Err(ReplayFailure::Malformed { line: 2, .. })));
    }
    let page = "{\"page\":\"Nul 1\",\"text\":\"a/b\",\"bytes\":\"c\"}\n";
    let pages: String = (0..2000).map(|n| page.replace("1", &n.to_string())).collect();
    let recording = format!("{head}\n{pages}");
    assert!(matches!(replay(recording.as_bytes()), Err(ReplayFailure::Malformed { line: 1002, .. })));
    assert_eq!(replay(format!("{head}\n{}", page.repeat(2000)).as_bytes()).unwrap().inputs, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn no_number_makes_a_replay_panic(
        which in 0..RECORDINGS.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![
            any::<u64>(),
            Just(u64::MAX),
            Just(u64::from(u32::MAX)),
            Just(0),
            Just(1),
        ]), 1..6),
    ) {
        let mut recording = RECORDINGS[which].to_owned();
        for (place, number) in changes {
            let numbers = numbers(&recording);
            let (begin, end) = *place.get(&numbers);
            recording.replace_range(begin..end, &number.to_string());
        }
        // How a channel stood is not compared, so that the walk goes on behind what is different.
        let blind: Vec<_> = recording
            .lines()
            .map(|line| line.split_once(",\"then\":").map_or(line.to_owned(), |(left, _)| format!("{left}}}")) + "\n")
            .collect();
        walk(recording.as_bytes());
        walk(blind.concat().as_bytes());
    }

    #[test]
    fn no_order_of_lines_and_no_byte_makes_a_replay_panic(
        which in 0..RECORDINGS.len(),
        order in prop::collection::vec(any::<prop::sample::Index>(), 1..60),
        bytes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        let lines: Vec<_> = RECORDINGS[which].lines().filter(|line| !line.contains("\"out\"")).collect();
        let mut recording = vec![format!("{}\n", lines[0])];
        for place in order {
            let line = place.get(&lines[1..]);
            let blind = line.split_once(",\"then\":").map_or((*line).to_owned(), |(left, _)| format!("{left}}}"));
            recording.push(blind + "\n");
        }
        let mut recording = recording.concat().into_bytes();
        walk(&recording);
        for (place, byte) in bytes {
            let at = place.index(recording.len());
            recording[at] = byte;
        }
        walk(&recording);
    }
}
