//! The thread that writes recordings. Files and paths are its own: nobody else opens one, and no channel waits for it.

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use httpfsm::handler::{Failure, Subscriber};
use httpfsm_transport::catch_panic;
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::files::{Batch, INTACT, RecordingState};

/// The last line of a recording that has lost what came behind it.
pub(crate) const LOST: &[u8] = b"{\"end\":\"lost\"}\n";

/// The last line of a recording that could not be written any further.
pub(crate) const FAILED: &[u8] = b"{\"end\":\"failed\"}\n";

/// How many files of one name a folder may have: channels of each run have the same names.
const NAMESAKES: u32 = 10_000;

/// What the channels, the handles of a recorder and the thread that writes share. Channels use only the counters; the
/// locks are between the handles and the thread, and nothing is written to a file while one is held.
#[derive(Default)]
pub(crate) struct Progress {
    /// Bytes that wait to be written.
    pub(crate) bytes: AtomicUsize,
    /// Batches that were passed on.
    pub(crate) passed: AtomicU64,
    /// Channels that may still be recorded.
    pub(crate) left: AtomicUsize,
    /// The last of them was taken since the writer has looked.
    pub(crate) used_up: AtomicBool,
    /// A recording was lost since the writer has looked.
    pub(crate) news: AtomicBool,
    /// Recordings that are not whole.
    pub(crate) lost: AtomicU64,
    /// Recordings that were lost before their first line.
    pub(crate) unbegun: AtomicU64,
    written: Mutex<WriterProgress>,
    changed: Condvar,
    /// They hold the recorder where they like, so it does not hold them.
    subscribers: Mutex<Vec<Weak<dyn Subscriber>>>,
}

/// How far the writer is.
#[derive(Default)]
struct WriterProgress {
    batches: u64,
    /// It tells of losses.
    telling: bool,
}

impl Progress {
    /// The beginning of a recorder of at most so many channels.
    pub(crate) fn with_room_for(channels: usize) -> Self {
        Self { left: AtomicUsize::new(channels), ..Self::default() }
    }

    /// Waits until all that was passed on before is written, and what was lost is reported. Returns whether that came in
    /// time.
    pub(crate) fn wait(&self, at_most: Duration) -> bool {
        let target = self.passed.load(Ordering::Acquire);
        let waits = |written: &mut WriterProgress| {
            // A batch that is being passed on, and finds no room, is taken back.
            let target = target.min(self.passed.load(Ordering::Acquire));
            written.batches < target || written.telling || self.news.load(Ordering::Acquire)
        };
        let waited = self.changed.wait_timeout_while(guard(&self.written), at_most, waits);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    pub(crate) fn report_to(&self, subscriber: &Arc<dyn Subscriber>) {
        let mut subscribers = guard(&self.subscribers);
        let known = |known: &Weak<dyn Subscriber>| std::ptr::addr_eq(known.as_ptr(), Arc::as_ptr(subscriber));
        subscribers.retain(|known| known.strong_count() > 0);
        if !subscribers.iter().any(known) {
            subscribers.push(Arc::downgrade(subscriber));
        }
    }

    /// A path, or the system's error with one, may hold any character, and the text becomes a line of a log.
    fn tell(&self, text: &str) {
        let text = &*text.replace(char::is_control, " ");
        let subscribers: Vec<_> = guard(&self.subscribers).iter().filter_map(Weak::upgrade).collect();
        for subscriber in subscribers {
            // Whatever code it has, that of its drop included, is not ours.
            let _ = catch_panic(move || subscriber.failed(None, Failure::Recording, text));
        }
    }
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a file is opened: made anew, or to go on.
pub(crate) type OpenFile = fn(&Path, Begin) -> io::Result<File>;

/// Whether a file is to be there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Begin {
    /// It must not.
    Anew,
    /// It must.
    GoOn,
}

/// Opens a regular file, and nothing else: to open a named pipe would wait for its reader, for ever.
pub(crate) fn open_regular(path: &Path, begin: Begin) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY;
    let mut options = OpenOptions::new();
    options.append(true).create_new(begin == Begin::Anew).mode(0o600).custom_flags(flags.bits() as i32);
    let file = options.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file any more"));
    }
    Ok(file)
}

/// See the module's documentation.
pub(crate) struct Writer {
    folder: PathBuf,
    open: OpenFile,
    progress: Arc<Progress>,
    begun: HashMap<u64, Begun>,
    /// Of those that were lost before their first line, so many were reported.
    unbegun: u64,
    /// Recordings whose files could not be opened for want of descriptors, to say in them that they are lost.
    unmarked: Vec<Begun>,
    /// When that was tried.
    tried_at: Option<Instant>,
    /// It was reported that no more channels are recorded.
    reported_used_up: bool,
}

/// How long the files of `unmarked` are left alone while other recordings are written.
const PAUSE: Duration = Duration::from_millis(100);

/// A recording that has a file. That is open only while a batch is written: descriptors are the server's.
struct Begun {
    source: Arc<RecordingState>,
    path: PathBuf,
    identity: Identity,
    /// Batches that are written.
    batches: usize,
}

impl Begun {
    /// Opens the file that was made, and no other that has its name by now.
    fn open(&self, open: OpenFile) -> io::Result<File> {
        let file = open(&self.path, Begin::GoOn)?;
        if Identity::of(&file)? == self.identity {
            Ok(file)
        } else {
            Err(io::Error::other("another file has its name"))
        }
    }

    /// Removes a file of which nothing could be written, if it is the one that was made.
    fn remove_empty(&self, open: OpenFile) {
        let is_empty = |file: File| file.metadata().is_ok_and(|metadata| metadata.len() == 0);
        if self.open(open).is_ok_and(is_empty) {
            // It was reported why; an empty file does no harm.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Identifies a file. The system reuses the number of a file that was removed, so the time when the file was made
/// counts, too, where the file system tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Identity {
    device: u64,
    inode: u64,
    created: Option<SystemTime>,
}

impl Identity {
    fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self { device: metadata.dev(), inode: metadata.ino(), created: metadata.created().ok() })
    }
}

/// Whether the process or the system has no descriptor left, which passes.
fn is_want_of_descriptors(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM))
}

/// What failed, and where.
struct Failed {
    path: PathBuf,
    what: &'static str,
    error: io::Error,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "The recording {} cannot be {}: {}.", self.path.display(), self.what, self.error)
    }
}

impl Writer {
    pub(crate) fn new(folder: PathBuf, open: OpenFile, progress: Arc<Progress>) -> Self {
        Self {
            folder,
            open,
            progress,
            begun: HashMap::new(),
            unbegun: 0,
            unmarked: Vec::new(),
            tried_at: None,
            reported_used_up: false,
        }
    }

    /// Writes until nobody records any more.
    pub(crate) fn run(mut self, messages: &Receiver<Option<Batch>>) {
        for message in messages {
            let batches = u64::from(message.is_some());
            // Without a batch somebody asks for it.
            let is_asked = message.is_none();
            if let Some(batch) = message {
                self.progress.bytes.fetch_sub(batch.lines.len(), Ordering::AcqRel);
                self.write(batch);
            }
            let mut written = guard(&self.progress.written);
            written.telling = self.progress.news.swap(false, Ordering::AcqRel);
            let is_news = written.telling;
            drop(written);
            if is_news {
                self.tell_losses();
            }
            self.mark(is_asked || is_news);
            let mut written = guard(&self.progress.written);
            written.telling = false;
            written.batches += batches;
            drop(written);
            self.progress.changed.notify_all();
        }
    }

    fn write(&mut self, batch: Batch) {
        let source = &batch.source;
        // What cannot be written is reported once.
        if source.is_broken.load(Ordering::Relaxed) {
            return;
        }
        if let Err(failed) = self.try_write(&batch) {
            // A full disk is no reason to stop serving; the file says how far it got.
            let begun = self.begun.remove(&source.number);
            source.is_broken.store(true, Ordering::Relaxed);
            source.count_as_lost(&self.progress);
            self.progress.tell(&failed.to_string());
            match begun {
                Some(begun) if begun.batches > 0 => self.mark_later(Some(begun), &failed.error),
                // Nothing of it is on the disk: it counts for nothing.
                unbegun => {
                    unbegun.inspect(|begun| begun.remove_empty(self.open));
                    self.progress.left.fetch_add(1, Ordering::AcqRel);
                }
            }
            return;
        }
        if batch.last {
            self.begun.remove(&source.number);
        } else {
            self.tell_if_lost(source.number);
        }
    }

    fn try_write(&mut self, batch: &Batch) -> Result<(), Failed> {
        let number = batch.source.number;
        let (path, mut file) = match self.begun.get(&number) {
            Some(begun) => {
                let failed = |error| Failed { path: begun.path.clone(), what: "written to", error };
                (begun.path.clone(), begun.open(self.open).map_err(failed)?)
            }
            None => {
                let (path, file) = self.begin(&batch.source)?;
                let identity = Identity::of(&file);
                let failed = |error| Failed { path: path.clone(), what: "written to", error };
                let identity = identity.map_err(failed)?;
                let source = Arc::clone(&batch.source);
                self.begun.insert(number, Begun { source, path: path.clone(), identity, batches: 0 });
                (path, file)
            }
        };
        append(&mut file, &batch.lines).map_err(|error| Failed { path, what: "written to", error })?;
        if let Some(begun) = self.begun.get_mut(&number) {
            begun.batches += 1;
            if begun.batches == 1 {
                // A recording without a file frees its place. If all places are taken again, that is reported again.
                self.reported_used_up = false;
                self.progress.news.store(true, Ordering::Release);
            }
        }
        Ok(())
    }

    /// Makes a file that is not there yet: channels of an earlier run have had the same names.
    fn begin(&self, source: &RecordingState) -> Result<(PathBuf, File), Failed> {
        let mut path = self.folder.join(format!("{}.jsonl", source.name));
        for n in 2.. {
            match (self.open)(&path, Begin::Anew) {
                Ok(file) => return Ok((path, file)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && n < NAMESAKES => {
                    path = self.folder.join(format!("{}.{n}.jsonl", source.name));
                }
                Err(error) => return Err(Failed { path, what: "made", error }),
            }
        }
        let error = io::ErrorKind::AlreadyExists.into();
        Err(Failed { path, what: "made", error })
    }

    fn tell_losses(&mut self) {
        // Those that got no file have ceased to count meanwhile.
        let is_used_up = !self.reported_used_up
            && self.progress.left.load(Ordering::Acquire) == 0
            && self.progress.used_up.swap(false, Ordering::AcqRel);
        if is_used_up {
            self.reported_used_up = true;
            let folder = self.folder.display();
            self.progress.tell(&format!(
                "As many connections are recorded in {folder} as may be: those that follow are not."
            ));
        }
        let lost = |begun: &&Begun| begun.source.lost_after.load(Ordering::Acquire) != INTACT;
        let lost: Vec<u64> = self.begun.values().filter(lost).map(|begun| begun.source.number).collect();
        lost.into_iter().for_each(|number| self.tell_if_lost(number));
        let unbegun = self.progress.unbegun.load(Ordering::Acquire);
        if unbegun > self.unbegun {
            let more = unbegun - self.unbegun;
            self.unbegun = unbegun;
            let folder = self.folder.display();
            self.progress.tell(&format!(
                "The disk does not keep up with the recordings in {folder}: {more} of them got no first line."
            ));
        }
    }

    /// Once what came before the loss is written, says that there was one.
    fn tell_if_lost(&mut self, number: u64) {
        let Some(begun) = self.begun.get(&number) else { return };
        if begun.batches != begun.source.lost_after.load(Ordering::Acquire) {
            return;
        }
        let Some(begun) = self.begun.remove(&number) else { return };
        let noted = begun.open(self.open).and_then(|mut file| append(&mut file, LOST));
        let path = begun.path.display();
        match noted {
            Ok(()) => self.progress.tell(&format!(
                "The recording {path} ends before its connection: it came faster than the disk takes it."
            )),
            Err(error) => {
                self.progress.tell(&format!("The recording {path} cannot be written to: {error}."));
                self.mark_later(Some(begun), &error);
            }
        }
    }

    /// Has a recording say that it is lost when there are descriptors again. There are no more of them than recordings.
    fn mark_later(&mut self, begun: Option<Begun>, error: &io::Error) {
        if is_want_of_descriptors(error) {
            self.unmarked.extend(begun);
            self.tried_at = Some(Instant::now());
        }
    }

    /// Says in the recordings that could not be opened that they are lost, if it is `urgent` or was not tried just now.
    fn mark(&mut self, urgent: bool) {
        let is_due = urgent || self.tried_at.is_none_or(|at| at.elapsed() >= PAUSE);
        if self.unmarked.is_empty() || !is_due {
            return;
        }
        while let Some(begun) = self.unmarked.pop() {
            // That it cannot be written to was reported.
            let marked = begun.open(self.open).and_then(|mut file| append(&mut file, FAILED));
            if let Err(error) = marked {
                if is_want_of_descriptors(&error) {
                    return self.mark_later(Some(begun), &error);
                }
            }
        }
    }
}

/// Adds lines to a file, or, where that fails, the line that says so; not to an empty file, where that line would end
/// nothing.
fn append(file: &mut File, lines: &[u8]) -> io::Result<()> {
    let length = file.metadata()?.len();
    file.write_all(lines).inspect_err(|_| {
        // Half a line goes, which may make room for the last one.
        let _ = file.set_len(length).and_then(|()| if length > 0 { file.write_all(FAILED) } else { Ok(()) });
    })
}
