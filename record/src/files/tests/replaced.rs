//! Something else that has come in the place of a recording is neither written to nor waited for.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use super::support::{Recorded, SubscriberLog, recorder, within};
use crate::replay;

/// Puts something in the place of a recording that is under way. Whatever it is, its channel and the other recordings
/// go on, and it is told.
fn put_in_place(put: impl Fn(&Path) -> Option<File> + Send + 'static) {
    within(move || {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let heard = Arc::new(SubscriberLog::default());
        let recorder = recorder(folder.path(), &heard);
        let (mut one, mut other) = (Recorded::by(&recorder, "a"), Recorded::by(&recorder, "b"));
        one.step(1);
        other.step(1);
        assert!(recorder.flush());
        fs::rename(&path, folder.path().join("first")).unwrap();
        let held = put(&path);
        for _ in 0..200 {
            one.step(1);
            other.step(1);
        }
        assert!(recorder.flush(), "the writer waits for a file");
        drop((one, other));
        assert!(recorder.flush());
        let replayed = replay(&fs::read(folder.path().join("b.jsonl")).unwrap()[..]).unwrap();
        assert_eq!((replayed.inputs, &*replayed.end), (201, "over"));
        let texts = heard.texts();
        assert_eq!(texts.len(), 1, "once: {texts:?}");
        assert!(texts[0].contains(&path.display().to_string()), "{texts:?}");
        assert_eq!(recorder.lost(), 1);
        drop(held);
    });
}

fn make_fifo(path: &Path) -> bool {
    let Some(mkfifo) = httpfsm_testing::tool("mkfifo") else { return false };
    assert!(Command::new(mkfifo).arg(path).status().unwrap().success());
    true
}

#[test]
fn a_named_pipe_that_nobody_reads_in_place_of_a_recording_holds_up_nobody() {
    let place = tempfile::tempdir().unwrap();
    if make_fifo(&place.path().join("fifo")) {
        put_in_place(|path| {
            make_fifo(path);
            None
        });
    }
}

#[test]
fn a_named_pipe_with_a_reader_that_does_not_read_holds_up_nobody() {
    let place = tempfile::tempdir().unwrap();
    if make_fifo(&place.path().join("fifo")) {
        put_in_place(|path| {
            make_fifo(path);
            // Both ends, so that it opens at once.
            Some(OpenOptions::new().read(true).write(true).open(path).unwrap())
        });
    }
}

#[test]
fn a_link_in_place_of_a_recording_is_not_followed() {
    let elsewhere = tempfile::tempdir().unwrap();
    let target = elsewhere.path().join("target");
    fs::write(&target, "precious").unwrap();
    let linked = target.clone();
    put_in_place(move |path| {
        symlink(&linked, path).unwrap();
        None
    });
    assert_eq!(fs::read_to_string(target).unwrap(), "precious");
}

#[test]
fn another_file_in_place_of_a_recording_stays_as_it_is() {
    let elsewhere = tempfile::tempdir().unwrap();
    let kept = elsewhere.path().join("kept");
    let linked = kept.clone();
    put_in_place(move |path| {
        fs::write(path, "precious").unwrap();
        fs::hard_link(path, &linked).unwrap();
        None
    });
    assert_eq!(fs::read_to_string(kept).unwrap(), "precious");
}

#[test]
fn a_folder_or_nothing_in_place_of_a_recording_is_told() {
    put_in_place(|path| {
        fs::create_dir(path).unwrap();
        None
    });
    put_in_place(|_| None);
}
