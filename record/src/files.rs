//! Recordings in files: which channels are recorded, and how they reach the thread that writes.
//!
//! A channel only pushes to a bounded queue, and leaves a mark where it finds no room. Whatever is a file or a path
//! belongs to the thread that writes ([`Writer`](crate::writer)), and no lock is common to both.

use std::fmt;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use httpfsm::channel::{
    Action, Channel, ChannelTrace, Event, Input, InputPart, Internal, NotAccepted, Output, State, Step,
};
use httpfsm::fsm::Trace;
use httpfsm::handler::Subscriber;
use httpfsm::request::RequestRef;
use httpfsm::time::Now;
use httpfsm_transport::{Opened, Recorder, Tape};

use crate::options::Options;
use crate::recording::Recording;
use crate::writer::{Progress, Writer, open_regular};

/// Which of the channels that open from now on are recorded.
///
/// Somebody says that each of their requests fails, and is to try once more:
///
/// ```
/// use std::sync::Arc;
///
/// use httpfsm::{Peer, Request, ServerConfig};
/// use httpfsm_record::{FileRecorder, Options, Which};
/// use httpfsm_transport::memory::MemoryServer;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// let recorder = FileRecorder::new(folder.path(), Options::default(), 10)?;
/// let handler = |_: Request| async { "Hello, world!" };
/// let recorded = Some(Arc::new(recorder.clone()) as _);
/// let mut server = MemoryServer::recorded(ServerConfig::default(), 1024, None, recorded, handler);
///
/// recorder.record(Which::NextFrom("192.0.2.7".parse()?));
/// let _other = server.connect_from(Peer::Ip("192.0.2.8:50000".parse()?)).expect("there is room");
/// server.run();
/// assert_eq!(recorder.left(), 10);
/// let _they = server.connect_from(Peer::Ip("192.0.2.7:50000".parse()?)).expect("there is room");
/// server.run();
/// assert_eq!((recorder.left(), recorder.told()), (9, Which::Nothing));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Which {
    /// None.
    #[default]
    Nothing,
    /// All.
    All,
    /// The first, and then one in so many; 0 is none.
    OneIn(u64),
    /// The next one from this address; then none, also where no file could be made for it.
    NextFrom(IpAddr),
    /// The one of this name; then none, also where no file could be made for it.
    Named(String),
}

/// Bytes that wait to be written, of all recordings together.
const QUEUED: usize = 16 << 20;
/// Batches of lines that wait to be written.
const BATCHES: usize = 4096;
/// Bytes that a channel gathers before it passes them on.
const BATCH: usize = 8 << 10;

/// How long [`FileRecorder::flush`] waits at most.
const FLUSH: Duration = Duration::from_secs(10);

/// Records channels into `DIR/<channel>.jsonl`. Its clones are handles on the same recorder; what is set through one
/// holds at once, for channels that open from then on.
///
/// A thread of its own writes. No channel ever waits for this thread, nor takes a lock that it holds. How a recording
/// ends is in its last line:
///
/// - `lost`: the thread could not follow, and lines are missing from here on.
/// - `failed`: the file could not be written any further, because the disk is full, say; the line is missing where
///   there is no room for it. Where the process has no descriptor left, a recording that has begun ends. The line
///   follows when there are descriptors again and something is recorded, or at [`flush`](Self::flush); until then the
///   recording reads as `cut`.
/// - `full`: the recording has reached [`Options::max_bytes`].
///
/// A file of which nothing could be written is removed, and a recording that could not be given a file does not count
/// ([`left`](Self::left)). Files are open only while they are written to. Only the file that the recorder has made is
/// written to: another file, a named pipe or a link that has its name by then is left as it is.
///
/// The subscriber of a server that has this recorder hears of each recording that is lost or cannot be written (the
/// folder is gone, the disk is full), and, once, that no channel is left to be recorded. It is called on the thread
/// that writes, and must not hold it up: see [`Subscriber::failed`]. The recorder does not keep the subscriber alive,
/// so a subscriber that holds the recorder is dropped with its server; from then on nobody is told, but
/// [`lost`](Self::lost) counts on.
///
/// ```
/// use httpfsm_record::{FileRecorder, Options, Which};
///
/// let folder = tempfile::tempdir()?;
/// let recorder = FileRecorder::new(folder.path(), Options::default(), 100)?;
/// // Given to a server with `Server::recorder(recorder.clone())`, and told what to do while it serves:
/// recorder.record(Which::OneIn(1000));
/// recorder.record(Which::Nothing);
/// // When the server is gone, before the program ends: the last lines are with the thread that writes.
/// recorder.flush();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct FileRecorder(Arc<RecorderState>);

struct RecorderState {
    /// What it was told to record, also while no more recordings may be made.
    which: Mutex<Which>,
    /// Whether `which` is anything at all.
    on: AtomicBool,
    opened: AtomicU64,
    numbers: AtomicU64,
    options: Options,
    folder: PathBuf,
    queue: BatchQueue,
}

/// Lines of a recording on their way to its file.
pub(crate) struct Batch {
    pub(crate) source: Arc<RecordingState>,
    pub(crate) lines: Vec<u8>,
    /// Nothing follows.
    pub(crate) last: bool,
}

/// The state of a recording that its channel and the thread that writes share: no lock, and nothing of a file.
pub(crate) struct RecordingState {
    pub(crate) number: u64,
    /// What its file is called, without an extension.
    pub(crate) name: String,
    /// How many batches were passed on before the one that found no room; [`INTACT`] while none was lost.
    pub(crate) lost_after: AtomicUsize,
    /// It cannot be written: what else comes of it is discarded.
    pub(crate) is_broken: AtomicBool,
    /// It counts among those that are lost.
    is_counted: AtomicBool,
}

/// No batch was lost.
pub(crate) const INTACT: usize = usize::MAX;

impl RecordingState {
    fn new(number: u64, name: String) -> Self {
        let (lost_after, is_broken) = (AtomicUsize::new(INTACT), AtomicBool::new(false));
        Self { number, name, lost_after, is_broken, is_counted: AtomicBool::new(false) }
    }

    /// The recording will not be whole.
    pub(crate) fn count_as_lost(&self, progress: &Progress) {
        if !self.is_counted.swap(true, Ordering::AcqRel) {
            progress.lost.fetch_add(1, Ordering::AcqRel);
        }
    }
}

/// The queue to the thread that writes. `None` only wakes it.
#[derive(Clone)]
struct BatchQueue {
    sender: SyncSender<Option<Batch>>,
    progress: Arc<Progress>,
}

impl FileRecorder {
    /// A recorder that records nothing yet, and never more than `max_recordings` channels. The folder is made if it
    /// is not there; only the user can read the files.
    ///
    /// # Errors
    ///
    /// The folder, which the error names, cannot be made or written to, or there is no thread to be had.
    pub fn new(folder: impl AsRef<Path>, options: Options, max_recordings: usize) -> io::Result<Self> {
        let folder = folder.as_ref().to_owned();
        let failed = |what: &str, error: io::Error| {
            let text = format!("The folder {} for recordings {what}: {error}", folder.display());
            io::Error::new(error.kind(), text)
        };
        fs::create_dir_all(&folder).map_err(|error| failed("cannot be made", error))?;
        // Better told now than by recordings that are missing: a folder that exists may take no files.
        tempfile::tempfile_in(&folder).map_err(|error| failed("cannot be written to", error))?;
        let (sender, receiver) = sync_channel(BATCHES);
        let progress = Arc::new(Progress::with_room_for(max_recordings));
        let writer = Writer::new(folder.clone(), open_regular, Arc::clone(&progress));
        let thread = thread::Builder::new().name("httpfsm-record".to_owned());
        let started = thread.spawn(move || writer.run(&receiver));
        started.map_err(|error| failed("has no thread that writes to it", error))?;
        Ok(Self(Arc::new(RecorderState {
            which: Mutex::default(),
            on: AtomicBool::new(false),
            opened: AtomicU64::new(0),
            numbers: AtomicU64::new(0),
            options,
            folder,
            queue: BatchQueue { sender, progress },
        })))
    }

    /// Says which of the channels that open from now on are recorded. Recordings that run go on to their end.
    pub fn record(&self, which: Which) {
        let mut current = self.0.which.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.opened.store(0, Ordering::Relaxed);
        self.0.on.store(which != Which::Nothing, Ordering::Release);
        *current = which;
    }

    /// How many channels may still be recorded. A recording counts from its beginning; one of which nothing could be
    /// written, or which found no room on its way to the disk, ceases to count then. At 0 the recorder records
    /// [`Nothing`](Which::Nothing), whatever it is told; what it was told last holds again when a recording ceases to count.
    #[must_use]
    pub fn left(&self) -> usize {
        self.0.queue.progress.left.load(Ordering::Acquire)
    }

    /// What it was told last ([`record`](Self::record)), also while none are [`left`](Self::left).
    #[must_use]
    pub fn told(&self) -> Which {
        self.0.which.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Which channels are recorded: [`Nothing`](Which::Nothing) while none are [`left`](Self::left).
    #[must_use]
    pub fn recorded(&self) -> Which {
        if self.left() == 0 { Which::Nothing } else { self.told() }
    }

    /// How many recordings are not whole so far, because the disk could not keep up or they could not be written.
    ///
    /// ```
    /// use httpfsm_record::FileRecorder;
    ///
    /// fn gauges(recorder: &FileRecorder) -> String {
    ///     format!("{} recordings are left, {} were lost\n", recorder.left(), recorder.lost())
    /// }
    /// # let _ = gauges;
    /// ```
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.0.queue.progress.lost.load(Ordering::Acquire)
    }

    /// Waits until everything that was passed on so far is written, or cannot be, but for ten seconds at most. Returns
    /// whether it is.
    pub fn flush(&self) -> bool {
        let queue = &self.0.queue;
        queue.progress.news.store(true, Ordering::Release);
        // Where there is no room for it, the writer has something to do anyway, and sees the news.
        let _ = queue.sender.try_send(None);
        queue.progress.wait(FLUSH)
    }
}

impl RecorderState {
    fn wants(&self, channel: &Opened<'_>) -> bool {
        let progress = &self.queue.progress;
        if !self.on.load(Ordering::Acquire) || progress.left.load(Ordering::Acquire) == 0 {
            return false;
        }
        let mut which = self.which.lock().unwrap_or_else(PoisonError::into_inner);
        let (wanted, once) = match &*which {
            Which::Nothing => (false, false),
            Which::All => (true, false),
            Which::OneIn(n) => (*n > 0 && self.opened.fetch_add(1, Ordering::Relaxed) % n == 0, false),
            Which::NextFrom(ip) => (channel.info.peername.ip() == Some(ip.to_canonical()), true),
            Which::Named(name) => (channel.info.channel == name.as_str(), true),
        };
        if !wanted {
            return false;
        }
        let taken =
            progress.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1));
        if taken == Ok(1) {
            progress.used_up.store(true, Ordering::Release);
            progress.news.store(true, Ordering::Release);
        }
        if once && taken.is_ok() {
            *which = Which::Nothing;
            self.on.store(false, Ordering::Release);
        }
        taken.is_ok()
    }
}

impl Recorder for FileRecorder {
    fn open(&self, channel: &Opened<'_>) -> Option<Box<dyn Tape>> {
        if !self.0.wants(channel) {
            return None;
        }
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
        let name = channel.info.channel.chars().map(plain).collect();
        let source = RecordingState::new(self.0.numbers.fetch_add(1, Ordering::Relaxed), name);
        let recording = Recording::new(channel, &self.0.options);
        Some(Box::new(FileTape::new(recording, self.0.queue.clone(), source)))
    }

    fn report_to(&self, subscriber: Arc<dyn Subscriber>) {
        self.0.queue.progress.report_to(&subscriber);
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
    /// `None` when it is over, also where the connection goes on: it holds memory.
    recording: Option<Recording>,
    queue: BatchQueue,
    source: Arc<RecordingState>,
    /// Batches that were passed on.
    passed: usize,
}

impl FileTape {
    fn new(recording: Recording, queue: BatchQueue, source: RecordingState) -> Self {
        Self { recording: Some(recording), queue, source: Arc::new(source), passed: 0 }
    }

    fn pass_on(&mut self, at_least: usize) {
        let Some(recording) = &mut self.recording else { return };
        if recording.len() < at_least && !recording.is_over() {
            return;
        }
        let (lines, last) = (recording.take(), recording.is_over());
        let is_broken = self.source.is_broken.load(Ordering::Relaxed);
        if last || is_broken {
            self.recording = None;
        }
        if lines.is_empty() || (is_broken && !last) {
            return;
        }
        let batch = Batch { source: Arc::clone(&self.source), lines, last };
        if self.queue.take(batch, self.passed) {
            self.passed += 1;
        } else {
            self.recording = None;
        }
    }
}

impl BatchQueue {
    /// Whether there is room for the batch, before which so many of its recording were passed on; if there is none, the
    /// recording is lost.
    fn take(&self, batch: Batch, passed: usize) -> bool {
        let (progress, bytes, source) = (&self.progress, batch.lines.len(), Arc::clone(&batch.source));
        let queued = progress.bytes.fetch_add(bytes, Ordering::AcqRel);
        progress.passed.fetch_add(1, Ordering::AcqRel);
        let fits = queued.saturating_add(bytes) <= QUEUED && self.sender.try_send(Some(batch)).is_ok();
        if !fits {
            progress.bytes.fetch_sub(bytes, Ordering::AcqRel);
            progress.passed.fetch_sub(1, Ordering::AcqRel);
            source.lost_after.store(passed, Ordering::Release);
            source.count_as_lost(progress);
            if passed == 0 {
                progress.unbegun.fetch_add(1, Ordering::AcqRel);
                // It will have no file.
                progress.left.fetch_add(1, Ordering::AcqRel);
            }
            progress.news.store(true, Ordering::Release);
            // Where there is no room for this either, there is something that the writer comes by with.
            let _ = self.sender.try_send(None);
        }
        fits
    }
}

impl Trace<State, Event, Internal, Action> for FileTape {
    fn step(&mut self, step: &Step) {
        if let Some(recording) = &mut self.recording {
            recording.step(step);
        }
    }
}

impl ChannelTrace for FileTape {
    fn part(&mut self, part: InputPart, bytes: usize) {
        if let Some(recording) = &mut self.recording {
            recording.part(part, bytes);
        }
    }
}

impl Tape for FileTape {
    fn read(&mut self, bytes: &[u8]) {
        if let Some(recording) = &mut self.recording {
            recording.read(bytes);
        }
    }

    fn input(&mut self, now: &Now<'_>, input: &Input<'_>) {
        if let Some(recording) = &mut self.recording {
            recording.input(now, input);
        }
    }

    fn taken(&mut self, taken: &Result<(), NotAccepted>, channel: &Channel) {
        if let Some(recording) = &mut self.recording {
            recording.taken(taken, channel);
            self.pass_on(BATCH);
        }
    }

    fn output(&mut self, output: &Output<'_>) {
        if let Some(recording) = &mut self.recording {
            recording.output(output);
        }
    }

    fn request(&mut self, request: Option<RequestRef<'_>>) {
        if let Some(recording) = &mut self.recording {
            recording.request(request);
        }
    }

    fn forgotten(&mut self) {
        if let Some(recording) = &mut self.recording {
            recording.forgotten();
        }
    }

    fn rest(&mut self) {
        self.pass_on(1);
    }
}

impl Drop for FileTape {
    fn drop(&mut self) {
        if let Some(recording) = &mut self.recording {
            recording.finish();
            self.pass_on(0);
        }
    }
}

#[cfg(test)]
mod tests;
