//! Recordings on disks that do not do what is wanted of them.

use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::symlink;
use std::process::Command;
use std::sync::mpsc;
use std::sync::{Condvar, Weak};

use httpfsm::channel::{CompiledConfig, Facts};
use httpfsm::config::ChannelConfig;
use httpfsm::handler::{ConnectionInfo, Failure};
use httpfsm::peer::Peer;
use httpfsm::time::{Date, Moment};

use super::*;
use crate::replay;
use crate::writer::{Begin, FAILED, LOST};

/// Longer than anything here takes: only what never comes reaches it.
const HANG: Duration = Duration::from_secs(30);

/// A channel, and the tape that it is recorded on.
struct Recorded {
    channel: Channel,
    tape: Box<dyn Tape>,
    at: u64,
}

impl Recorded {
    fn with(name: &str, tape: impl FnOnce(&Opened<'_>) -> Box<dyn Tape>) -> Self {
        let compiled = Arc::new(CompiledConfig::new(&ChannelConfig::default()));
        let (peername, sockname) = (Peer::Unix(None), Peer::Unix(None));
        let info = ConnectionInfo::new(peername, sockname, "http", name.to_owned());
        let facts = Facts::default();
        let tape = tape(&Opened { info: &info, compiled: &compiled, facts });
        Self { channel: Channel::new(Arc::clone(&compiled), facts), tape, at: 0 }
    }

    fn by(recorder: &FileRecorder, name: &str) -> Self {
        Self::with(name, |opened| recorder.open(opened).unwrap())
    }

    /// So many inputs, each a batch.
    fn step(&mut self, inputs: usize) {
        for _ in 0..inputs {
            self.at += 1;
            let now = Now::new(Moment::from_millis(self.at), &Date::EPOCH);
            self.tape.input(&now, &Input::Tick);
            let taken = self.channel.handle(&now, Input::Tick);
            self.tape.taken(&taken, &self.channel);
            self.tape.rest();
        }
    }
}

/// What a subscriber is told; it may be held up there.
#[derive(Default)]
struct Heard {
    texts: Mutex<Vec<String>>,
    held_up: Mutex<bool>,
    goes_on: Condvar,
    panics: bool,
}

impl Heard {
    fn texts(&self) -> Vec<String> {
        self.texts.lock().unwrap().clone()
    }

    fn go_on(&self) {
        *self.held_up.lock().unwrap() = false;
        self.goes_on.notify_all();
    }
}

impl Subscriber for Heard {
    fn failed(&self, connection: Option<&ConnectionInfo>, failure: Failure, text: &str) {
        assert!(connection.is_none() && failure == Failure::Recording);
        self.texts.lock().unwrap().push(text.to_owned());
        let held_up = self.held_up.lock().unwrap();
        drop(self.goes_on.wait_while(held_up, |held_up| *held_up).unwrap());
        assert!(!self.panics);
    }
}

fn recorder(folder: &Path, heard: &Arc<Heard>) -> FileRecorder {
    let recorder = FileRecorder::new(folder, Options::default(), 100).unwrap();
    recorder.record(Which::All);
    recorder.report_to(Arc::<Heard>::clone(heard));
    recorder
}

/// Runs on a thread of its own, so that what hangs fails.
fn within(run: impl FnOnce() + Send + 'static) {
    let (done, is_done) = mpsc::channel();
    let thread = thread::spawn(move || {
        run();
        let _ = done.send(());
    });
    if is_done.recv_timeout(HANG) == Err(mpsc::RecvTimeoutError::Timeout) {
        panic!("it waits for a file");
    }
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn where_the_writer_cannot_follow_the_recording_ends_and_nobody_waits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    // Nobody takes anything out of the queue.
    let (sender, receiver) = sync_channel(3);
    let progress = Arc::new(Progress::default());
    let queue = Queue { sender, progress: Arc::clone(&progress) };
    let tape = |opened: &Opened<'_>, name: &str, number| -> Box<dyn Tape> {
        let recording = Recording::new(opened, &Options::default());
        Box::new(FileTape::new(recording, queue.clone(), Source::new(number, name.to_owned())))
    };
    let mut recorded = Recorded::with("a", |opened| tape(opened, "a", 0));
    recorded.step(9);
    let mut second = Recorded::with("b", |opened| tape(opened, "b", 1));
    second.step(1);
    drop((recorded, second));
    drop(queue);
    let heard = Arc::new(Heard::default());
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
    let heard = Arc::new(Heard::default());
    let recorder = recorder(folder.path(), &heard);
    let source = Arc::new(Source::new(0, "a".to_owned()));
    let batch = |lines| Batch { source: Arc::clone(&source), lines, last: false };
    assert!(recorder.0.queue.take(batch(b"{}\n".to_vec()), 0));
    assert!(!recorder.0.queue.take(batch(vec![b'\n'; QUEUED + 1]), 1));
    assert!(recorder.flush());
    assert_eq!(fs::read(folder.path().join("a.jsonl")).unwrap(), [b"{}\n", LOST].concat());
    assert_eq!((recorder.lost(), heard.texts().len()), (1, 1));
}

/// Puts something in the place of a recording that is under way. Whatever it is, its channel and the other recordings
/// go on, and it is told.
fn put_in_place(put: impl Fn(&Path) -> Option<File> + Send + 'static) {
    within(move || {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let heard = Arc::new(Heard::default());
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
    let queue = Queue { sender, progress: Arc::clone(&progress) };
    let heard = Arc::new(Heard::default());
    progress.report_to(&(Arc::clone(&heard) as Arc<dyn Subscriber>));
    let source = Arc::new(Source::new(0, "a".to_owned()));
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
fn a_folder_or_nothing_in_place_of_a_recording_is_told() {
    put_in_place(|path| {
        fs::create_dir(path).unwrap();
        None
    });
    put_in_place(|_| None);
}

#[test]
fn a_folder_that_is_gone_is_told_once_for_each_recording_with_its_path() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("recordings");
    let heard = Arc::new(Heard::default());
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

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_ends_a_recording_and_is_told_once() {
    let (sender, receiver) = sync_channel(9);
    let progress = Arc::new(Progress::default());
    let queue = Queue { sender, progress: Arc::clone(&progress) };
    let heard = Arc::new(Heard { panics: true, ..Heard::default() });
    progress.report_to(&(Arc::clone(&heard) as Arc<dyn Subscriber>));
    let source = Arc::new(Source::new(0, "a".to_owned()));
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
    let queue = Queue { sender, progress: Arc::clone(&progress) };
    let heard = Arc::new(Heard::default());
    progress.report_to(&(Arc::clone(&heard) as Arc<dyn Subscriber>));
    for (number, name) in [(0, "a"), (1, "b")] {
        let source = Arc::new(Source::new(number, name.to_owned()));
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
fn that_no_more_channels_are_recorded_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let heard = Arc::new(Heard::default());
    let recorder = FileRecorder::new(folder.path(), Options::default(), 2).unwrap();
    recorder.report_to(Arc::<Heard>::clone(&heard));
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

/// A recorder of at most so many channels that nobody writes for: its queue has room for one batch.
fn unwritten(heard: &Arc<Heard>, max_recordings: usize) -> (FileRecorder, mpsc::Receiver<Option<Batch>>) {
    let (sender, receiver) = sync_channel(1);
    let progress = Arc::new(Progress::with_room_for(max_recordings));
    progress.report_to(&(Arc::clone(heard) as Arc<dyn Subscriber>));
    let recorder = FileRecorder(Arc::new(Shared {
        which: Mutex::new(Which::All),
        on: AtomicBool::new(true),
        opened: AtomicU64::new(0),
        numbers: AtomicU64::new(0),
        options: Options::default(),
        folder: PathBuf::new(),
        queue: Queue { sender, progress },
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
    // The first has lost what follows, and has its file.
    first.step(3);
    drop(first);
    assert_eq!((recorder.left(), recorder.lost()), (1, 4));
}

#[test]
#[cfg(target_os = "linux")]
fn recordings_that_are_used_up_for_a_moment_are_not_told_to_be_and_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let heard = Arc::new(Heard::default());
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
fn a_channel_waits_for_no_writer_that_stands_still_and_a_flush_has_an_end() {
    within(|| {
        let folder = tempfile::tempdir().unwrap();
        let heard = Arc::new(Heard { held_up: Mutex::new(true), ..Heard::default() });
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

/// However long its connection goes on.
#[test]
fn a_recording_that_is_full_passes_nothing_on() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { max_bytes: 1000, ..Options::default() };
    let recorder = FileRecorder::new(folder.path(), Options::default(), 1).unwrap();
    let mut recorded = Recorded::with("full", |opened| {
        let recording = Recording::new(opened, &options);
        Box::new(FileTape::new(recording, recorder.0.queue.clone(), Source::new(0, "full".into())))
    });
    recorded.step(100);
    assert!(recorder.flush());
    let path = folder.path().join("full.jsonl");
    assert!(fs::read_to_string(&path).unwrap().ends_with("{\"end\":\"full\"}\n"));
    let passed = recorder.0.queue.progress.passed.load(Ordering::Acquire);
    recorded.step(100);
    assert_eq!(recorder.0.queue.progress.passed.load(Ordering::Acquire), passed);
}
