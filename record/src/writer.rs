//! The thread that writes recordings. Files and paths are its own: nobody else opens one, and no channel waits for it.

use std::collections::HashMap;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use httpfsm::handler::{Failure, Subscriber};
use httpfsm_transport::catch_panic;
use rustix::fs::OFlags;

use crate::files::{Batch, INTACT, Source};

/// The last line of a recording that has lost what came behind it.
pub(crate) const LOST: &[u8] = b"{\"end\":\"lost\"}\n";

/// How many files of one name a folder may have: channels of each run have the same names.
const NAMESAKES: u32 = 10_000;

/// What the channels, the handles of a recorder and the thread that writes know of each other. Channels touch its
/// counters alone; its locks are between the others, and nothing is written under them.
#[derive(Default)]
pub(crate) struct Progress {
    /// Octets that wait to be written.
    pub(crate) octets: AtomicUsize,
    /// Batches that were passed on.
    pub(crate) passed: AtomicU64,
    /// A recording was lost since the writer has looked.
    pub(crate) news: AtomicBool,
    /// Recordings that are not whole.
    pub(crate) lost: AtomicU64,
    /// Recordings that were lost before their first line.
    pub(crate) unbegun: AtomicU64,
    written: Mutex<Written>,
    changed: Condvar,
    /// They hold the recorder where they like, so it does not hold them.
    subscribers: Mutex<Vec<Weak<dyn Subscriber>>>,
}

/// How far the writer is.
#[derive(Default)]
struct Written {
    batches: u64,
    /// It tells of losses.
    telling: bool,
}

impl Progress {
    /// Waits until all that was passed on before is written, and what was lost is told; whether that came in time.
    pub(crate) fn wait(&self, at_most: Duration) -> bool {
        let target = self.passed.load(Ordering::Acquire);
        let waits = |written: &mut Written| {
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

    fn tell(&self, text: &str) {
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
pub(crate) type Open = fn(&Path, Begin) -> io::Result<File>;

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
    open: Open,
    progress: Arc<Progress>,
    begun: HashMap<u64, Begun>,
    /// Of those that were lost before their first line, so many were told.
    unbegun: u64,
}

/// A recording that has a file. That is open only while a batch is written: descriptors are the server's.
struct Begun {
    source: Arc<Source>,
    path: PathBuf,
    /// Batches that are written.
    batches: usize,
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
    pub(crate) fn new(folder: PathBuf, open: Open, progress: Arc<Progress>) -> Self {
        Self { folder, open, progress, begun: HashMap::new(), unbegun: 0 }
    }

    /// Writes until nobody records any more.
    pub(crate) fn run(mut self, messages: &Receiver<Option<Batch>>) {
        for message in messages {
            let batches = u64::from(message.is_some());
            if let Some(batch) = message {
                self.progress.octets.fetch_sub(batch.lines.len(), Ordering::AcqRel);
                self.write(batch);
            }
            let mut written = guard(&self.progress.written);
            written.telling = self.progress.news.swap(false, Ordering::AcqRel);
            let is_news = written.telling;
            drop(written);
            if is_news {
                self.tell_losses();
            }
            let mut written = guard(&self.progress.written);
            written.telling = false;
            written.batches += batches;
            drop(written);
            self.progress.changed.notify_all();
        }
    }

    fn write(&mut self, batch: Batch) {
        let source = &batch.source;
        // What cannot be written is told once.
        if source.is_broken.load(Ordering::Relaxed) {
            return;
        }
        if let Err(failed) = self.try_write(&batch) {
            // A full disk is no reason to stop serving; the file says how far it got.
            self.begun.remove(&source.number);
            source.is_broken.store(true, Ordering::Relaxed);
            source.count_as_lost(&self.progress);
            return self.progress.tell(&failed.to_string());
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
                let path = begun.path.clone();
                let opened = (self.open)(&path, Begin::GoOn);
                let failed = |error| Failed { path: path.clone(), what: "written to", error };
                let file = opened.map_err(failed)?;
                (path, file)
            }
            None => {
                let (path, file) = self.begin(&batch.source)?;
                let begun = Begun { source: Arc::clone(&batch.source), path: path.clone(), batches: 0 };
                self.begun.insert(number, begun);
                (path, file)
            }
        };
        append(&mut file, &batch.lines).map_err(|error| Failed { path, what: "written to", error })?;
        if let Some(begun) = self.begun.get_mut(&number) {
            begun.batches += 1;
        }
        Ok(())
    }

    /// Makes a file that is not there yet: channels of an earlier run have had the same names.
    fn begin(&self, source: &Source) -> Result<(PathBuf, File), Failed> {
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
        let Some(Begun { path, .. }) = self.begun.remove(&number) else { return };
        let told = (self.open)(&path, Begin::GoOn).and_then(|mut file| append(&mut file, LOST));
        let path = path.display();
        self.progress.tell(&match told {
            Ok(()) => {
                format!(
                    "The recording {path} ends before its connection: it came faster than the disk takes it."
                )
            }
            Err(error) => format!("The recording {path} cannot be written to: {error}."),
        });
    }
}

/// Adds lines to a file, or else the one that says that they are lost.
fn append(file: &mut File, lines: &[u8]) -> io::Result<()> {
    let length = file.metadata()?.len();
    file.write_all(lines).inspect_err(|_| {
        // Half a line goes, which may make room for the last one.
        let _ = file.set_len(length).and_then(|()| file.write_all(LOST));
    })
}
