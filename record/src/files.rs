//! Recordings in files: which channels are recorded, and who writes.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::mem;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use httpfsm::channel::Channel;
use httpfsm::error::NotAccepted;
use httpfsm::input::Input;
use httpfsm::output::Output;
use httpfsm::request::RequestRef;
use httpfsm::time::Now;
use httpfsm_transport::{Opened, Recorder, Tape};

use crate::recording::{Options, Recording};

/// Which of the channels that open from now on are recorded.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Which {
    /// None.
    #[default]
    Nothing,
    /// All.
    All,
    /// The first, and then one in so many; 0 is none.
    OneIn(u64),
    /// The next one from this address; then none.
    NextFrom(IpAddr),
    /// The one of this name; then none.
    Named(String),
}

/// Octets that wait to be written, of all recordings together.
const QUEUED: usize = 16 << 20;
/// Batches of lines that wait to be written.
const BATCHES: usize = 4096;
/// Octets that a channel gathers before it passes them on.
const BATCH: usize = 8 << 10;

/// Records channels into `DIR/<channel>.jsonl`. Its clones are handles on the same one; what they say holds at once,
/// for channels that open from then on.
///
/// A thread of its own writes. No channel ever waits for it: where it cannot follow, or the disk is full, the recording
/// ends and says that it is `lost` from there on. One that has reached [`Options::max_octets`] says that it is `full`.
///
/// ```
/// use httpfsm_record::{FileRecorder, Options, Which};
///
/// let folder = tempfile::tempdir()?;
/// let recorder = FileRecorder::new(folder.path(), Options::default(), 100)?;
/// // Given to a server with `Server::recorder(recorder.clone())`, and told what to do while it serves:
/// recorder.record(Which::OneIn(1000));
/// recorder.record(Which::Nothing);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct FileRecorder(Arc<Shared>);

struct Shared {
    which: Mutex<Which>,
    /// Whether `which` is anything at all.
    on: AtomicBool,
    opened: AtomicU64,
    left: AtomicUsize,
    options: Options,
    folder: PathBuf,
    queue: Queue,
}

#[derive(Clone)]
struct Queue {
    sender: SyncSender<Batch>,
    octets: Arc<AtomicUsize>,
    lost: Arc<Lost>,
}

/// Recordings of which a batch found no room, and which do not say so yet.
type Lost = Mutex<Vec<Arc<Target>>>;

/// The last line of a recording that has lost what came behind it.
const LOST: &[u8] = b"{\"end\":\"lost\"}\n";

enum Batch {
    Lines(Arc<Target>, Vec<u8>),
    /// Everything before has been written.
    Written(SyncSender<()>),
    /// There are lost ones.
    Lost,
}

/// A file that is written to. It is open only while a batch is written: descriptors are the server's.
#[derive(Default)]
struct Target {
    path: Mutex<PathBuf>,
    begun: AtomicBool,
    /// Batches that wait to be written.
    waiting: AtomicUsize,
    /// A batch was lost: what comes behind it means nothing.
    broken: AtomicBool,
}

impl FileRecorder {
    /// A recorder that records nothing yet, and never more than `max_recordings` channels. The folder is made if it
    /// is not there; only the user can read the files.
    ///
    /// # Errors
    ///
    /// The folder cannot be made, or there is no thread to be had.
    pub fn new(folder: impl AsRef<Path>, options: Options, max_recordings: usize) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        let (sender, receiver) = sync_channel(BATCHES);
        let (octets, lost) = (Arc::new(AtomicUsize::new(0)), Arc::new(Lost::default()));
        let queue = Queue { sender, octets: Arc::clone(&octets), lost: Arc::clone(&lost) };
        let thread = thread::Builder::new().name("httpfsm-record".to_owned()).stack_size(256 << 10);
        thread.spawn(move || write(&receiver, &octets, &lost))?;
        Ok(Self(Arc::new(Shared {
            which: Mutex::default(),
            on: AtomicBool::new(false),
            opened: AtomicU64::new(0),
            left: AtomicUsize::new(max_recordings),
            options,
            folder: folder.as_ref().to_owned(),
            queue,
        })))
    }

    /// Says which of the channels that open from now on are recorded. Recordings that run go on to their end.
    pub fn record(&self, which: Which) {
        let on = which != Which::Nothing;
        *self.0.which.lock().unwrap_or_else(PoisonError::into_inner) = which;
        self.0.opened.store(0, Ordering::Relaxed);
        self.0.on.store(on, Ordering::Release);
    }

    /// Which channels are recorded.
    #[must_use]
    pub fn recorded(&self) -> Which {
        self.0.which.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until everything that was passed on so far is written.
    pub fn flush(&self) {
        let (done, written) = sync_channel(1);
        if self.0.queue.sender.send(Batch::Written(done)).is_ok() {
            let _ = written.recv();
        }
    }
}

impl Shared {
    fn wants(&self, channel: &Opened<'_>) -> bool {
        if !self.on.load(Ordering::Acquire) {
            return false;
        }
        let mut which = self.which.lock().unwrap_or_else(PoisonError::into_inner);
        let (wanted, once) = match &*which {
            Which::Nothing => (false, false),
            Which::All => (true, false),
            Which::OneIn(n) => (*n > 0 && self.opened.fetch_add(1, Ordering::Relaxed) % n == 0, false),
            Which::NextFrom(ip) => (channel.info.peername.ip() == Some(ip.to_canonical()), true),
            Which::Named(name) => (channel.info.channel == *name, true),
        };
        if wanted && once {
            *which = Which::Nothing;
            self.on.store(false, Ordering::Release);
        }
        wanted
            && self.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1)).is_ok()
    }
}

impl Recorder for FileRecorder {
    fn open(&self, channel: &Opened<'_>) -> Option<Box<dyn Tape>> {
        if !self.0.wants(channel) {
            return None;
        }
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
        let name: String = channel.info.channel.chars().map(plain).collect();
        let path = self.0.folder.join(format!("{name}.jsonl"));
        let target = Target { path: Mutex::new(path), ..Target::default() };
        let queue = self.0.queue.clone();
        let recording = Recording::new(channel, &self.0.options);
        Some(Box::new(FileTape { recording, queue, target: Arc::new(target), over: false }))
    }
}

impl fmt::Debug for FileRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileRecorder")
            .field("folder", &self.0.folder)
            .field("which", &self.recorded())
            .finish_non_exhaustive()
    }
}

/// A recording on its way to its file.
struct FileTape {
    recording: Recording,
    queue: Queue,
    target: Arc<Target>,
    over: bool,
}

impl FileTape {
    fn pass_on(&mut self, at_least: usize) {
        if self.over || (self.recording.len() < at_least && !self.recording.is_over()) {
            return;
        }
        self.over = self.recording.is_over();
        let lines = self.recording.take();
        if lines.is_empty() {
            return;
        }
        if !self.queue.take(&self.target, lines) {
            self.over = true;
        }
    }
}

impl Queue {
    /// Whether there is room for the lines; if there is none, their recording is lost.
    fn take(&self, target: &Arc<Target>, lines: Vec<u8>) -> bool {
        let octets = lines.len();
        let queued = self.octets.fetch_add(octets, Ordering::AcqRel);
        target.waiting.fetch_add(1, Ordering::AcqRel);
        let fits = queued.saturating_add(octets) <= QUEUED
            && self.sender.try_send(Batch::Lines(Arc::clone(target), lines)).is_ok();
        if !fits {
            self.octets.fetch_sub(octets, Ordering::AcqRel);
            target.waiting.fetch_sub(1, Ordering::AcqRel);
            self.lost.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(target));
            // Where there is no room for this either, the writer has other batches to come by with.
            let _ = self.sender.try_send(Batch::Lost);
        }
        fits
    }
}

impl Tape for FileTape {
    fn read(&mut self, octets: &[u8]) {
        if !self.over {
            self.recording.read(octets);
        }
    }

    fn input(&mut self, now: &Now<'_>, input: &Input<'_>) {
        if !self.over {
            self.recording.input(now, input);
        }
    }

    fn taken(&mut self, taken: &Result<(), NotAccepted>, channel: &Channel) {
        if !self.over {
            self.recording.taken(taken, channel);
            self.pass_on(BATCH);
        }
    }

    fn output(&mut self, output: &Output<'_>) {
        if !self.over {
            self.recording.output(output);
        }
    }

    fn request(&mut self, request: Option<RequestRef<'_>>) {
        if !self.over {
            self.recording.request(request);
        }
    }

    fn forgotten(&mut self) {
        if !self.over {
            self.recording.forgotten();
        }
    }

    fn rest(&mut self) {
        self.pass_on(1);
    }
}

impl Drop for FileTape {
    fn drop(&mut self) {
        if !self.over {
            self.recording.finish();
            self.pass_on(0);
        }
    }
}

/// Writes until nobody records any more.
fn write(batches: &Receiver<Batch>, queued: &AtomicUsize, lost: &Lost) {
    for batch in batches {
        match batch {
            Batch::Written(done) => drop(done.try_send(())),
            Batch::Lines(target, lines) => {
                queued.fetch_sub(lines.len(), Ordering::AcqRel);
                target.write(&lines);
                target.waiting.fetch_sub(1, Ordering::AcqRel);
            }
            Batch::Lost => {}
        }
        tell_losses(lost);
    }
}

fn tell_losses(lost: &Lost) {
    let lock = || lost.lock().unwrap_or_else(PoisonError::into_inner);
    // Nothing is written under the lock: a channel that loses a batch takes it, and must not wait for the disk.
    let mut open = mem::take(&mut *lock());
    open.retain(|target| !target.tells_its_loss());
    lock().append(&mut open);
}

impl Target {
    fn write(&self, lines: &[u8]) {
        if !self.broken.load(Ordering::Relaxed) && self.append(lines).is_err() {
            // A full disk is no reason to stop serving; the file says how far it got.
            self.broken.store(true, Ordering::Relaxed);
        }
    }

    /// Once what came before the loss is written, says that there was one; whether that is done.
    fn tells_its_loss(&self) -> bool {
        if self.waiting.load(Ordering::Acquire) > 0 {
            return false;
        }
        // Without a first line there is no recording that could say anything.
        if self.begun.load(Ordering::Relaxed) {
            self.write(LOST);
        }
        true
    }

    fn append(&self, lines: &[u8]) -> io::Result<()> {
        let mut file = self.open()?;
        let length = file.metadata()?.len();
        file.write_all(lines).inspect_err(|_| {
            // Half a line goes, which may make room for the last one.
            let _ = file.set_len(length).and_then(|()| file.write_all(LOST));
        })
    }

    fn open(&self) -> io::Result<File> {
        let mut path = self.path.lock().unwrap_or_else(PoisonError::into_inner);
        let mut options = OpenOptions::new();
        options.append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        if self.begun.swap(true, Ordering::Relaxed) {
            return options.open(&*path);
        }
        // Channels of an earlier run have had the same names.
        options.create_new(true);
        let first = path.clone();
        for n in 2.. {
            match options.open(&*path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && n < 10_000 => {
                    *path = first.with_extension(format!("{n}.jsonl"));
                }
                opened => return opened,
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

#[cfg(test)]
mod tests {
    use httpfsm::channel::{Facts, Settings};
    use httpfsm::config::ChannelConfig;
    use httpfsm::handler::ConnectionInfo;
    use httpfsm::peer::Peer;
    use httpfsm::time::{Date, Moment};

    use super::*;

    #[test]
    fn where_the_writer_cannot_follow_the_recording_ends_and_nobody_waits() {
        let settings = Arc::new(Settings::new(&ChannelConfig::default()));
        let (peername, sockname) = (Peer::Unix(None), Peer::Unix(None));
        let info = ConnectionInfo { peername, sockname, scheme: "http".into(), channel: "a".to_owned() };
        let opened = Opened { info: &info, settings: &settings, facts: Facts::default() };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        // Nobody takes anything out of the queue.
        let (sender, receiver) = sync_channel(3);
        let queue = Queue { sender, octets: Arc::default(), lost: Arc::default() };
        let target = Target { path: Mutex::new(path.clone()), ..Target::default() };
        let recording = Recording::new(&opened, &Options::default());
        let mut tape = FileTape { recording, queue: queue.clone(), target: Arc::new(target), over: false };
        let mut channel = Channel::new(Arc::clone(&settings), Facts::default());
        for at in 0..9 {
            let now = Now::new(Moment::from_millis(at), &Date::EPOCH);
            tape.input(&now, &Input::Tick);
            tape.taken(&channel.handle(&now, Input::Tick), &channel);
            tape.rest();
        }
        assert!(tape.over);
        drop(tape);
        let Queue { sender, octets, lost } = queue;
        drop(sender);
        write(&receiver, &octets, &lost);
        assert_eq!(octets.load(Ordering::SeqCst), 0);
        let replayed = crate::replay(&fs::read(path).unwrap()[..]).unwrap();
        assert_eq!((replayed.inputs, &*replayed.end), (3, "lost"));
    }

    #[test]
    fn a_batch_that_is_too_large_for_an_empty_queue_is_told_as_lost_too() {
        let folder = tempfile::tempdir().unwrap();
        let recorder = FileRecorder::new(folder.path(), Options::default(), 1).unwrap();
        let path = folder.path().join("a.jsonl");
        let target = Arc::new(Target { path: Mutex::new(path.clone()), ..Target::default() });
        assert!(recorder.0.queue.take(&target, b"{}\n".to_vec()));
        assert!(!recorder.0.queue.take(&target, vec![b'\n'; QUEUED + 1]));
        recorder.flush();
        assert_eq!(fs::read(path).unwrap(), [b"{}\n", LOST].concat());
    }

    /// Fails if what tells the losses writes under their lock.
    #[test]
    #[cfg(unix)]
    fn a_channel_that_loses_a_batch_does_not_wait_for_a_disk_that_tells_of_another_loss() {
        let folder = tempfile::tempdir().unwrap();
        let slow = folder.path().join("slow");
        let Some(mkfifo) = httpfsm_testing::tool("mkfifo") else { return };
        assert!(std::process::Command::new(mkfifo).arg(&slow).status().unwrap().success());
        let target = |name: &str| Target { path: Mutex::new(folder.path().join(name)), ..Target::default() };
        let begun = target("slow");
        begun.begun.store(true, Ordering::Relaxed);
        let (sender, receiver) = sync_channel(3);
        let lost = Arc::new(Lost::new(vec![Arc::new(begun)]));
        let queue = Queue { sender, octets: Arc::default(), lost: Arc::clone(&lost) };
        let octets = Arc::clone(&queue.octets);
        let writer = thread::spawn(move || write(&receiver, &octets, &lost));
        queue.sender.send(Batch::Lost).unwrap();
        // The writer has the one that is lost in hand and waits, as nobody reads what it writes.
        while !queue.lost.try_lock().is_ok_and(|lost| lost.is_empty()) {
            assert!(!writer.is_finished());
            thread::yield_now();
        }
        assert!(!queue.take(&Arc::new(target("a")), vec![b'\n'; QUEUED + 1]));
        assert!(!writer.is_finished(), "it is to be waiting");
        let told = fs::read(slow).unwrap();
        drop(queue);
        writer.join().unwrap();
        assert_eq!(told, LOST);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_breaks_a_recording_and_nothing_else() {
        let target = Target { path: Mutex::new("/dev/full".into()), ..Target::default() };
        target.begun.store(true, Ordering::Relaxed);
        target.write(b"{}\n");
        assert!(target.broken.load(Ordering::Relaxed));
        assert!(target.tells_its_loss());
    }
}
