//! How many channels may be recorded: which count, and how it is told that no more may.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

use httpfsm::handler::Subscriber;
use httpfsm_transport::Recorder;

use super::support::{Recorded, SubscriberLog};
use crate::files::{Batch, BatchQueue, FileRecorder, RecorderState, Which};
use crate::options::Options;
use crate::writer::{Progress, Writer};

#[test]
fn that_no_more_channels_are_recorded_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let heard = Arc::new(SubscriberLog::default());
    let recorder = FileRecorder::new(folder.path(), Options::default(), 2).unwrap();
    recorder.report_to(Arc::<SubscriberLog>::clone(&heard));
    recorder.record(Which::All);
    let _first = Recorded::by(&recorder, "a");
    assert!(recorder.flush());
    assert_eq!(heard.texts(), [""; 0]);
    let _second = Recorded::by(&recorder, "b");
    recorder.record(Which::All);
    assert!(recorder.flush());
    assert!(recorder.flush());
    let folder = folder.path().display();
    let text = format!("As many connections are recorded in {folder} as may be: those that follow are not.");
    assert_eq!(heard.texts(), [text]);
}

#[test]
#[cfg(target_os = "linux")]
fn that_no_more_channels_are_recorded_is_told_again_when_some_were_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let heard = Arc::new(SubscriberLog::default());
    let (recorder, receiver) = unwritten(&heard, 2);
    let progress = Arc::clone(&recorder.0.queue.progress);
    let (path, open) = (folder.path().to_owned(), |path: &Path, _| {
        let full = path.ends_with("b.jsonl");
        OpenOptions::new().append(true).create(!full).open(if full { Path::new("/dev/full") } else { path })
    });
    let writer = thread::spawn(move || Writer::new(path, open, progress).run(&receiver));
    let mut open = ["a", "b", "c"].into_iter().map(|name| {
        let mut recorded = Recorded::by(&recorder, name);
        assert!(recorder.flush());
        recorded.step(1);
        assert!(recorder.flush());
        recorded
    });
    let first = open.next();
    let second = open.next();
    let folder = folder.path().display();
    let text = format!("As many connections are recorded in {folder} as may be: those that follow are not.");
    assert!(
        matches!(&heard.texts()[..], [told, full] if *told == text && full.contains("No space")),
        "{:?}",
        heard.texts()
    );
    let third = open.next();
    assert_eq!(heard.texts()[2..], [text]);
    assert!(recorder.flush());
    assert_eq!(heard.texts().len(), 3);
    drop((first, second, third, recorder));
    writer.join().unwrap();
}

/// A recorder of at most so many channels that nobody writes for: its queue has room for one batch.
fn unwritten(heard: &Arc<SubscriberLog>, max_recordings: usize) -> (FileRecorder, Receiver<Option<Batch>>) {
    let (sender, receiver) = sync_channel(1);
    let progress = Arc::new(Progress::with_room_for(max_recordings));
    progress.report_to(&(Arc::clone(heard) as Arc<dyn Subscriber>));
    let recorder = FileRecorder(Arc::new(RecorderState {
        which: Mutex::new(Which::All),
        on: AtomicBool::new(true),
        opened: AtomicU64::new(0),
        numbers: AtomicU64::new(0),
        options: Options::default(),
        folder: PathBuf::new(),
        queue: BatchQueue { sender, progress },
    }));
    (recorder, receiver)
}

#[test]
fn a_recording_that_finds_no_room_before_its_first_line_does_not_count() {
    let (recorder, _receiver) = unwritten(&Arc::default(), 2);
    let mut first = Recorded::by(&recorder, "a");
    first.step(1);
    for name in ["b", "c", "d"] {
        let mut recorded = Recorded::by(&recorder, name);
        assert_eq!((recorder.left(), recorder.recorded()), (0, Which::Nothing));
        // Lost once, however long it goes on.
        recorded.step(3);
        assert_eq!((recorder.left(), recorder.recorded()), (1, Which::All), "{name}");
    }
    // Switched off while none are left, it stays off when one is again.
    let mut recorded = Recorded::by(&recorder, "e");
    assert_eq!((recorder.recorded(), recorder.told()), (Which::Nothing, Which::All));
    recorder.record(Which::Nothing);
    recorded.step(3);
    assert_eq!((recorder.left(), recorder.recorded()), (1, Which::Nothing));
    // The first has lost what follows, and has its file.
    first.step(3);
    drop(first);
    assert_eq!((recorder.left(), recorder.lost()), (1, 5));
}

#[test]
#[cfg(target_os = "linux")]
fn recordings_that_are_used_up_for_a_moment_are_not_told_to_be_and_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let heard = Arc::new(SubscriberLog::default());
    let (recorder, receiver) = unwritten(&heard, 1);
    let progress = Arc::clone(&recorder.0.queue.progress);
    // It takes the last place, and cannot be written.
    Recorded::by(&recorder, "a").step(1);
    assert_eq!((recorder.left(), recorder.recorded()), (0, Which::Nothing));
    recorder.record(Which::Named("c".to_owned()));
    let full = |_: &Path, _| OpenOptions::new().append(true).open("/dev/full");
    // The writer ends when its queue does, and the recorder holds its own.
    let (sender, messages) = sync_channel(1);
    sender.send(receiver.recv().unwrap()).unwrap();
    drop(sender);
    Writer::new(folder.path().to_owned(), full, progress).run(&messages);
    let texts = heard.texts();
    assert!(matches!(&texts[..], [text] if text.contains("No space")), "{texts:?}");
    assert_eq!((recorder.left(), recorder.recorded()), (1, Which::Named("c".to_owned())));
    let _other = Recorded::by(&recorder, "c");
    assert_eq!((recorder.left(), recorder.recorded()), (0, Which::Nothing));
}

#[test]
fn a_recorder_that_is_used_up_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = FileRecorder::new(folder.path(), Options::default(), 2).unwrap();
    recorder.record(Which::All);
    let _first = Recorded::by(&recorder, "first");
    assert_eq!((recorder.left(), recorder.recorded()), (1, Which::All));
    let _second = Recorded::by(&recorder, "second");
    for which in [Which::All, Which::Named("third".to_owned())] {
        assert_eq!((recorder.left(), recorder.recorded()), (0, Which::Nothing));
        recorder.record(which);
    }
}
