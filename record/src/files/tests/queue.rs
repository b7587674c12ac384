//! The way to the thread that writes: what finds no room there is lost, and nobody waits.

use std::fs;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::Duration;

use httpfsm::handler::Subscriber;
use httpfsm_transport::{Opened, Recorder, Tape};

use super::support::{Recorded, SubscriberLog, recorder, within};
use crate::files::{BATCHES, Batch, BatchQueue, FileRecorder, FileTape, QUEUED, RecordingState};
use crate::options::Options;
use crate::recording::Recording;
use crate::replay;
use crate::writer::{LOST, Progress, Writer, open_regular};

#[test]
fn where_the_writer_cannot_follow_the_recording_ends_and_nobody_waits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    // Nobody takes anything out of the queue.
    let (sender, receiver) = sync_channel(3);
    let progress = Arc::new(Progress::default());
    let queue = BatchQueue { sender, progress: Arc::clone(&progress) };
    let tape = |opened: &Opened<'_>, name: &str, number| -> Box<dyn Tape> {
        let recording = Recording::new(opened, &Options::default());
        Box::new(FileTape::new(recording, queue.clone(), RecordingState::new(number, name.to_owned())))
    };
    let mut recorded = Recorded::with("a", |opened| tape(opened, "a", 0));
    recorded.step(9);
    let mut second = Recorded::with("b", |opened| tape(opened, "b", 1));
    second.step(1);
    drop((recorded, second));
    drop(queue);
    let heard = Arc::new(SubscriberLog::default());
    progress.report_to(&(Arc::clone(&heard) as Arc<dyn Subscriber>));
    Writer::new(folder.path().to_owned(), open_regular, Arc::clone(&progress)).run(&receiver);
    assert_eq!(progress.bytes.load(Ordering::SeqCst), 0);
    let replayed = replay(&fs::read(&path).unwrap()[..]).unwrap();
    assert_eq!((replayed.inputs, &*replayed.end), (3, "lost"));
    assert_eq!(progress.lost.load(Ordering::SeqCst), 2);
    let texts = heard.texts();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts.iter().any(|text| text.contains(&path.display().to_string())), "{texts:?}");
    let folder = folder.path().display().to_string();
    assert!(
        texts.iter().any(|text| text.contains(&format!("in {folder}: 1 of them got no first line"))),
        "{texts:?}"
    );
}

#[test]
fn a_batch_that_is_too_large_for_an_empty_queue_is_told_as_lost_too() {
    let folder = tempfile::tempdir().unwrap();
    let heard = Arc::new(SubscriberLog::default());
    let recorder = recorder(folder.path(), &heard);
    let source = Arc::new(RecordingState::new(0, "a".to_owned()));
    let batch = |lines| Batch { source: Arc::clone(&source), lines, last: false };
    assert!(recorder.0.queue.take(batch(b"{}\n".to_vec()), 0));
    assert!(!recorder.0.queue.take(batch(vec![b'\n'; QUEUED + 1]), 1));
    assert!(recorder.flush());
    assert_eq!(fs::read(folder.path().join("a.jsonl")).unwrap(), [b"{}\n", LOST].concat());
    assert_eq!((recorder.lost(), heard.texts().len()), (1, 1));
}

#[test]
fn a_channel_waits_for_no_writer_that_stands_still_and_a_flush_has_an_end() {
    within(|| {
        let folder = tempfile::tempdir().unwrap();
        let heard = Arc::new(SubscriberLog::held_up());
        let recorder = recorder(&folder.path().join("recordings"), &heard);
        fs::remove_dir(folder.path().join("recordings")).unwrap();
        Recorded::by(&recorder, "a").step(1);
        while heard.texts().is_empty() {
            thread::yield_now();
        }
        // The writer tells, and does not come back. Twice what the queue holds.
        let mut recorded = Recorded::by(&recorder, "b");
        recorded.step(2 * BATCHES);
        assert!(recorder.0.queue.progress.bytes.load(Ordering::SeqCst) <= QUEUED);
        assert_eq!(recorder.lost(), 2);
        assert!(!recorder.0.queue.progress.wait(Duration::from_millis(20)), "it stands still");
        drop(recorded);
        heard.go_on();
        assert!(recorder.flush());
    });
}

/// However long its connection goes on.
#[test]
fn a_recording_that_is_full_passes_nothing_on() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { max_bytes: 1000, ..Options::default() };
    let recorder = FileRecorder::new(folder.path(), Options::default(), 1).unwrap();
    let mut recorded = Recorded::with("full", |opened| {
        let recording = Recording::new(opened, &options);
        Box::new(FileTape::new(recording, recorder.0.queue.clone(), RecordingState::new(0, "full".into())))
    });
    recorded.step(100);
    assert!(recorder.flush());
    let path = folder.path().join("full.jsonl");
    assert!(fs::read_to_string(&path).unwrap().ends_with("{\"end\":\"full\"}\n"));
    let passed = recorder.0.queue.progress.passed.load(Ordering::Acquire);
    recorded.step(100);
    assert_eq!(recorder.0.queue.progress.passed.load(Ordering::Acquire), passed);
}

#[test]
fn a_subscriber_that_holds_its_recorder_is_dropped_with_its_server() {
    struct Holds(Mutex<Option<FileRecorder>>);
    impl Subscriber for Holds {}
    let folder = tempfile::tempdir().unwrap();
    let recorder = FileRecorder::new(folder.path(), Options::default(), 1).unwrap();
    let holds = Arc::new(Holds(Mutex::default()));
    *holds.0.lock().unwrap() = Some(recorder.clone());
    let gone: Weak<Holds> = Arc::downgrade(&holds);
    for _ in 0..2 {
        recorder.report_to(Arc::<Holds>::clone(&holds));
    }
    let shared = Arc::downgrade(&recorder.0);
    drop(recorder);
    drop(holds);
    assert!(gone.upgrade().is_none() && shared.upgrade().is_none());
}
