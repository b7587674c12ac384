//! Connections that were recorded once are replayed: the machine does today what it did then.
//!
//! Each file is what `httpfsm serve --record` wrote of a connection. Where the machine is to do something else from now
//! on, `httpfsm replay FILE` shows the difference, and the file is recorded anew.
#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::io::BufReader;

use httpfsm_record::{Replay, replay};

fn equal(name: &str) {
    let path = format!("{}/tests/recordings/{name}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let file = File::open(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    match replay(BufReader::new(file)) {
        Ok(replayed) => assert!(replayed.inputs > 3 && replayed.end == "over", "{replayed:?}"),
        Err(failure) => panic!("{name}: {failure}"),
    }
}

#[test]
fn pipelined_requests_and_a_head() {
    equal("pipelined");
}

#[test]
fn a_chunked_upload_that_expects_its_100() {
    equal("upload");
}

#[test]
fn a_request_that_is_refused() {
    equal("refused");
}

#[test]
fn a_head_that_does_not_come() {
    equal("slow-head");
}

/// The bodies of peers stand in it.
#[test]
fn debug_of_a_step_shows_no_bytes() {
    let path = format!("{}/tests/recordings/upload.jsonl", env!("CARGO_MANIFEST_DIR"));
    let mut replay = Replay::new(BufReader::new(File::open(path).unwrap())).unwrap();
    let mut read = 0;
    while let Some(step) = replay.step().unwrap() {
        read += step.bytes.len();
        let shown = format!("{step:?}");
        assert!(shown.contains(&format!("bytes: {} bytes,", step.bytes.len())), "{shown}");
    }
    assert!(read > 100, "{read} bytes were replayed");
}
