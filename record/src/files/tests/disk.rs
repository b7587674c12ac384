//! A recording that cannot be opened or written: no descriptor, no folder, no space.

use std::cell::Cell;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;

use httpfsm::handler::Subscriber;

use super::support::{Recorded, SubscriberLog, recorder};
use crate::files::{Batch, BatchQueue, FileRecorder, RecordingState};
use crate::options::Options;
use crate::writer::{Begin, FAILED, Progress, Writer, open_regular};

/// Without a descriptor the second batch cannot be written. The file says so when it can be opened again.
#[test]
fn a_recording_that_finds_no_descriptor_says_that_it_is_lost_when_there_are_some() {
    thread_local! {
        static WANTING: Cell<u32> = const { Cell::new(0) };
    }
    fn open(path: &Path, begin: Begin) -> io::Result<File> {
        if begin == Begin::GoOn && WANTING.get() > 0 {
            WANTING.set(WANTING.get() - 1);
            return Err(rustix::io::Errno::MFILE.into());
        }
        open_regular(path, begin)
    }
    let folder = tempfile::tempdir().unwrap();
    let (sender, receiver) = sync_channel(9);
    let progress = Arc::new(Progress::default());
    let queue = BatchQueue { sender, progress: Arc::clone(&progress) };
    let heard = Arc::new(SubscriberLog::default());
    progress.report_to(&(Arc::clone(&heard) as Arc<dyn Subscriber>));
    let source = Arc::new(RecordingState::new(0, "a".to_owned()));
    for passed in 0..3 {
        let batch = Batch { source: Arc::clone(&source), lines: b"{}\n".to_vec(), last: false };
        assert!(queue.take(batch, passed));
    }
    // As a flush does it.
    queue.sender.try_send(None).unwrap();
    drop(queue);
    WANTING.set(1);
    Writer::new(folder.path().to_owned(), open, Arc::clone(&progress)).run(&receiver);
    assert_eq!(fs::read(folder.path().join("a.jsonl")).unwrap(), [b"{}\n", FAILED].concat());
    assert_eq!((heard.texts().len(), progress.lost.load(Ordering::SeqCst)), (1, 1), "{:?}", heard.texts());
}

#[test]
fn a_folder_that_is_gone_is_told_once_for_each_recording_with_its_path() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("recordings");
    let heard = Arc::new(SubscriberLog::default());
    let recorder = recorder(&folder, &heard);
    fs::remove_dir(&folder).unwrap();
    for name in ["a", "b"] {
        let mut recorded = Recorded::by(&recorder, name);
        recorded.step(1);
        assert!(recorder.flush());
        // It is known by now that there is no use in it.
        recorded.step(50);
        assert!(recorder.flush());
    }
    let expected = |name: &str| {
        let path = folder.join(name);
        format!("The recording {} cannot be made: ", path.display())
    };
    let texts = heard.texts();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts[0].starts_with(&expected("a.jsonl")) && texts[0].ends_with('.'), "{texts:?}");
    assert!(texts[1].starts_with(&expected("b.jsonl")), "{texts:?}");
    assert_eq!(recorder.lost(), 2);
}

/// A path may have any character, and what is told becomes a line of a log.
#[test]
fn a_path_with_line_ends_is_told_in_one_line() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("a\r\nb\x1b[2J");
    let heard = Arc::new(SubscriberLog::default());
    let recorder = recorder(&folder, &heard);
    fs::remove_dir(&folder).unwrap();
    Recorded::by(&recorder, "a").step(1);
    assert!(recorder.flush());
    let texts = heard.texts();
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(texts[0].contains("/a  b [2J/a.jsonl cannot be made: "), "{texts:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_ends_a_recording_and_is_told_once() {
    let (sender, receiver) = sync_channel(9);
    let progress = Arc::new(Progress::default());
    let queue = BatchQueue { sender, progress: Arc::clone(&progress) };
    let heard = Arc::new(SubscriberLog::panicking());
    progress.report_to(&(Arc::clone(&heard) as Arc<dyn Subscriber>));
    let source = Arc::new(RecordingState::new(0, "a".to_owned()));
    for passed in 0..3 {
        let batch = Batch { source: Arc::clone(&source), lines: b"{}\n".to_vec(), last: false };
        assert!(queue.take(batch, passed));
    }
    drop(queue);
    let full = |_: &Path, _| OpenOptions::new().append(true).open("/dev/full");
    Writer::new("/there".into(), full, Arc::clone(&progress)).run(&receiver);
    assert!(source.is_broken.load(Ordering::SeqCst));
    let texts = heard.texts();
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(texts[0].starts_with("The recording /there/a.jsonl cannot be written to: No space"), "{texts:?}");
    assert_eq!(progress.lost.load(Ordering::SeqCst), 1);
}

#[test]
fn a_file_of_which_nothing_could_be_written_is_removed_and_does_not_count() {
    let folder = tempfile::tempdir().unwrap();
    let (sender, receiver) = sync_channel(9);
    let progress = Arc::new(Progress::with_room_for(0));
    let queue = BatchQueue { sender, progress: Arc::clone(&progress) };
    let heard = Arc::new(SubscriberLog::default());
    progress.report_to(&(Arc::clone(&heard) as Arc<dyn Subscriber>));
    for (number, name) in [(0, "a"), (1, "b")] {
        let source = Arc::new(RecordingState::new(number, name.to_owned()));
        assert!(queue.take(Batch { source, lines: b"{}\n".to_vec(), last: false }, 0));
    }
    drop(queue);
    // A file that takes nothing; beside "b" somebody else writes.
    let unwritable: fn(&Path, Begin) -> io::Result<File> = |path, begin| {
        if begin == Begin::Anew {
            OpenOptions::new().write(true).create_new(true).open(path)?;
        }
        let opened = File::open(path);
        if path.ends_with("b.jsonl") {
            fs::write(path, "theirs")?;
        }
        opened
    };
    Writer::new(folder.path().to_owned(), unwritable, Arc::clone(&progress)).run(&receiver);
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["b.jsonl"]);
    assert_eq!(progress.left.load(Ordering::SeqCst), 2);
    assert_eq!(progress.lost.load(Ordering::SeqCst), 2);
    assert_eq!(heard.texts().len(), 2, "{:?}", heard.texts());
}

#[test]
fn a_folder_that_cannot_be_had_is_named() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    fs::write(&file, "").unwrap();
    for folder in [file.clone(), file.join("below")] {
        let failed = FileRecorder::new(&folder, Options::default(), 1);
        let text = failed.map(|_| ()).unwrap_err().to_string();
        assert!(text.contains(&folder.display().to_string()), "{text}");
    }
}
