//! Bodies that a blocking function writes, on a thread of a spawner.
//!
//! The function and the source of the body share a window. A function that is ahead of its reader waits, unless it holds
//! one of few threads and too many wait already: then it writes into a file, from which the source reads when the window is
//! empty. So slow readers hold no more of those threads than there are permits. Where the file is long, or the disk is
//! full, the function has another thread take its place, and waits on its own until the file is read. The bytes keep their
//! order: while the file has some that were not read, all go there. A long one is several, of which each goes when it was
//! read.

use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::thread;

use bytes::Bytes;
use httpfsm::fields::Fields;
use httpfsm::handler::{Body, BodyFailure, Frame, MemoryHandle, ReservedMemory, Source};

use crate::job::{Job, Spawner};
use crate::ledger::GRANTED;
use crate::lock::lock;
use crate::may_block::may_block;
use crate::panics;
use crate::spooled::Spooled;
use crate::worker;
use output::Output;
pub(crate) use slow_readers::SlowReaders;
use window::{Next, Window};

mod in_place;
mod output;
mod slow_readers;
mod window;

/// Bytes that are joined before they go to the source.
const PIECE: usize = 64 << 10;
/// Bytes read from the file at once, at most.
const READ: usize = 256 << 10;

/// A body that is what the function `write` writes, on a thread of the spawner. It begins when the body is first asked for.
/// What it returns as an error, and a panic, cut the response off. When the peer is gone, its writes fail with
/// [`BrokenPipe`](io::ErrorKind::BrokenPipe), and so they do when the response was cut off for want of room.
///
/// The bytes are joined to pieces of 64 KiB; [`flush`](Write::flush) has those leave that were written so far. The
/// function may be 256 KiB ahead of its peer, or less where the server has little room (`max_buffered_bytes`). Then it
/// waits as long as its peer takes bytes at `min_write_rate`, or for `write_timeout` where it takes none. Where the
/// threads are [few](Spawner::is_scarce), so many functions may wait as the transport
/// [permits](crate::Service::permit_waiting); the others go on, and what they write waits in a temporary file. Before
/// that is longer than a 512th part of `max_spooled_bytes`, within 64 KiB and 8 MiB, or where it finds no room, another
/// thread [takes the place](Spawner::give_place_up) of the function, which then waits; not where the function writes from
/// another thread than its own. Where no thread can, the function goes on into the file, and of the functions that wait
/// that one is cut off whose reader has taken nothing for longest, if for two seconds, so that there is a place the next
/// time. Files of responses take half of `max_spooled_bytes` at most: where that is full, the response is cut off whose
/// reader is furthest behind of those that take less than 4 MiB a second, or, where none has taken anything for two
/// seconds, of all. Where that is its own, its writes fail.
///
/// A function whose peer has left runs on until it writes next, and its request no longer counts towards
/// `maximum_simultaneous_requests` as one of [`sync`](crate::sync) does: what takes long before the first byte is done in
/// the handler.
///
/// A function that reads the body of its request as it writes waits for its peer on its thread. Of an async handler it is
/// given a body that is [gathered](httpfsm::handler::Body::gathered) where threads are few; a `sync` handler sees to that.
///
/// It is sent chunked, unless the response declares its length: `with_field("Content-Length", length.to_string())`. Then a
/// body that is shorter has its response cut off, and what is written beyond the length is not sent.
///
/// The crate of each transport has this function with its own threads, as `httpfsm_blocking::written_sync`. An async
/// function writes with [`written`](crate::written).
///
/// ```
/// use std::io::{self, Write};
///
/// use httpfsm::handler::{Request, Response};
/// use httpfsm::status::Status;
/// use httpfsm_transport::{SyncBodyWriter, Threads, written_sync};
///
/// fn count(body: &mut SyncBodyWriter) -> io::Result<()> {
///     for number in 1..=1_000_000 {
///         writeln!(body, "{number}")?;
///     }
///     Ok(())
/// }
///
/// fn handler(_: Request) -> Response {
///     Response::new(Status::OK).with_body(written_sync(Threads, count))
/// }
/// # let _ = handler;
/// ```
pub fn written_sync<S, F, E>(spawner: S, write: F) -> Body
where
    S: Spawner,
    F: FnOnce(&mut SyncBodyWriter) -> Result<(), E> + Send + 'static,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let write = Box::new(|body: &mut SyncBodyWriter| write(body).map_err(Into::into));
    Body::stream(SyncWritten { begin: Some(Begin { spawner: Arc::new(spawner), write }), running: None })
}

/// What the function that is given to [`written_sync`] writes with.
pub struct SyncBodyWriter {
    piece: Vec<u8>,
    trailers: Option<Fields>,
    /// Why a piece was lost: nothing is written behind it, and the body does not end well, whatever the function makes
    /// of it.
    failure: Option<(io::ErrorKind, String)>,
    window: Arc<Window>,
    output: Output,
}

impl SyncBodyWriter {
    /// The trailer section that is to follow the content, where it is chunked: [`Frame::Trailers`].
    pub fn trailers(&mut self, fields: Fields) {
        self.trailers = Some(fields);
    }

    fn pass_on(&mut self) -> io::Result<()> {
        if let Some((kind, text)) = &self.failure {
            return Err(io::Error::new(*kind, text.clone()));
        }
        let mut piece = std::mem::take(&mut self.piece);
        if piece.is_empty() {
            return self.window.check();
        }
        piece.shrink_to_fit();
        let put = self.output.put(&self.window, piece.into());
        put.inspect_err(|error| self.failure = Some((error.kind(), error.to_string())))
    }
}

impl Write for SyncBodyWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Not only when a piece is full: a function may write little, and for ever.
        self.window.check()?;
        let taken = bytes.len().min(PIECE - self.piece.len());
        let length = self.piece.len() + taken;
        if self.piece.capacity() < length {
            // No more than a whole piece, which is charged as it is long.
            let capacity = (2 * self.piece.capacity()).clamp(length, PIECE);
            self.piece.reserve_exact(capacity - self.piece.len());
        }
        self.piece.extend_from_slice(bytes.get(..taken).unwrap_or_default());
        if self.piece.len() == PIECE {
            self.pass_on()?;
        }
        Ok(taken)
    }

    /// Has the bytes leave that were written so far, as fast as the peer takes them. It does not wait for that.
    fn flush(&mut self) -> io::Result<()> {
        self.pass_on()
    }
}

impl fmt::Debug for SyncBodyWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SyncBodyWriter(..)")
    }
}

type Failure = Box<dyn Error + Send + Sync>;
type WriteFn = dyn FnOnce(&mut SyncBodyWriter) -> Result<(), Failure> + Send;

/// The function, before it begins.
struct Begin {
    spawner: Arc<dyn Spawner>,
    write: Box<WriteFn>,
}

impl Begin {
    fn begin(self) -> Running {
        let Self { spawner, write } = self;
        let (window, output) = (Arc::<Window>::default(), Output::new(spawner));
        let (memory, files) = (output.memory(), Arc::clone(&output.files));
        let ends = EndOnDrop(Arc::clone(&window));
        let spawner = Arc::clone(&output.functions);
        let mut writer = SyncBodyWriter {
            piece: Vec::new(),
            trailers: None,
            failure: None,
            window: Arc::clone(&window),
            output,
        };
        let run = move || {
            // Known on this thread alone, and the function may write from others.
            writer.output.runs_in_place = in_place::is_so() || worker::drives();
            writer.output.thread = Some(thread::current().id());
            let written = panics::attempt(|| -> Result<_, Failure> {
                write(&mut writer)?;
                writer.flush()?;
                Ok(writer.trailers.take())
            });
            let written =
                written.unwrap_or_else(|panic| Err(format!("The function panicked: {panic}").into()));
            ends.0.end(written.map_err(BodyFailure::source));
        };
        let job = in_place::begin(|| Job::spawn(&*spawner, run));
        let job = job.inspect_err(|none| window.cut(BodyFailure::source(*none))).ok();
        Running { job, window, reading: None, memory, files }
    }
}

/// The spawner may drop the function before it runs, as a runtime does that shuts down.
struct EndOnDrop(Arc<Window>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end(Err(BodyFailure::source("The function that writes the body was dropped before its end.")));
    }
}

/// The source of the body.
struct SyncWritten {
    begin: Option<Begin>,
    running: Option<Running>,
}

struct Running {
    /// Dropped with the source, so that a function that has not begun is not called.
    #[expect(dead_code, reason = "it is to be dropped")]
    job: Option<Job<()>>,
    window: Arc<Window>,
    /// Bytes on their way from the file.
    reading: Option<Job<io::Result<Bytes>>>,
    memory: MemoryHandle,
    /// Where the file is read.
    files: Arc<dyn Spawner>,
}

impl Source for SyncWritten {
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Frame> {
        let this = self.get_mut();
        if let Some(begin) = this.begin.take() {
            this.running = Some(begin.begin());
        }
        this.running.as_mut().map_or(Poll::Ready(Frame::End), |running| running.poll_frame(cx))
    }
}

impl Running {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Frame> {
        loop {
            if let Some(job) = &mut self.reading {
                if may_block() {
                    job.run_here();
                }
                let read = ready!(Pin::new(job).poll(cx));
                self.reading = None;
                if self.window.check().is_err() {
                    // Its end says why, and perhaps the read does not.
                    continue;
                }
                return Poll::Ready(match read {
                    Ok(bytes) => {
                        self.window.was_read(bytes.len() as u64);
                        Frame::Data(bytes)
                    }
                    Err(error) => Frame::Error(BodyFailure::source(error)),
                });
            }
            match ready!(self.window.poll_next(cx)) {
                Next::Piece { bytes, .. } => return Poll::Ready(Frame::Data(bytes)),
                Next::InFile { file, at, length } => self.reading = Some(self.read(file, at, length)),
                // It is dropped here, outside of the lock.
                Next::FileIsRead { file, .. } => drop(file),
                Next::End(Ok(trailers)) => return Poll::Ready(trailers.map_or(Frame::End, Frame::Trailers)),
                Next::End(Err(failure)) => return Poll::Ready(Frame::Error(failure)),
            }
        }
    }

    /// Nobody waits for room here, as nobody does who reads a body from its file.
    fn read(&self, file: Arc<Mutex<Option<Spooled>>>, at: u64, length: u64) -> Job<io::Result<Bytes>> {
        let length = usize::try_from(length).unwrap_or(READ).min(READ);
        let room = usize::try_from(self.memory.room()).unwrap_or(READ);
        let most = if may_block() { READ } else { room.max(GRANTED as usize) };
        let reserved = self.memory.reserve_now(length.min(most));
        let window = Arc::clone(&self.window);
        let read = move || {
            let read = read_at(&file, at, reserved);
            window.is_read();
            read
        };
        Job::spawn_own(&*self.files, read).unwrap_or_else(|none| Job::done(Err(none.into())))
    }
}

fn read_at(file: &Mutex<Option<Spooled>>, at: u64, reserved: ReservedMemory) -> io::Result<Bytes> {
    let mut file = lock(file);
    let file = file.as_mut().ok_or(io::ErrorKind::NotFound)?;
    let bytes = file.read_at(at, reserved.bytes())?;
    Ok(reserved.attach(bytes))
}

/// The function writes for nobody from now on.
impl Drop for Running {
    fn drop(&mut self) {
        self.window.close();
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;
    use crate::job::Inline;
    use crate::job::tests::ManualSpawner;
    use crate::ledger::Ledger;
    use crate::spooled::tests::ledger;

    #[test]
    fn a_piece_takes_no_more_memory_than_it_is_charged_for() {
        let window = Arc::<Window>::default();
        let output = Output::new(Arc::new(Inline));
        let mut writer = SyncBodyWriter {
            piece: Vec::new(),
            trailers: None,
            failure: None,
            window: Arc::clone(&window),
            output,
        };
        let mut most = 0;
        for _ in 0..=PIECE / 1000 {
            assert!(writer.write_all(&[b'x'; 1000]).is_ok());
            most = most.max(writer.piece.capacity());
        }
        assert_eq!(most, PIECE);
    }

    /// The source of a window, its file work, and the ledger of its files.
    fn source(spooled: u64) -> (Running, Arc<ManualSpawner>, Arc<Ledger>) {
        let manual = Arc::<ManualSpawner>::default();
        let (window, ledger) = (Arc::<Window>::default(), ledger(spooled));
        let memory = MemoryHandle::default();
        (
            Running { job: None, window, reading: None, memory, files: Arc::clone(&manual) as _ },
            manual,
            ledger,
        )
    }

    fn spool(window: &Window, ledger: &Arc<Ledger>, bytes: &[u8]) -> io::Result<()> {
        window.spool(bytes.len(), 64 << 10, |file| {
            let file = match file {
                Some(file) => file,
                none => none.insert(Spooled::create_written(ledger, Arc::new(Inline))?),
            };
            file.append(bytes)
        })
    }

    #[test]
    fn a_response_that_is_cut_while_a_read_of_it_is_queued_says_why() {
        let (mut source, manual, ledger) = source(1000);
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(spool(&source.window, &ledger, b"some bytes").is_ok());
        assert!(source.poll_frame(cx).is_pending(), "a job is to read it");
        source.window.cut(BodyFailure::source("there is a reason"));
        assert_eq!(ledger.memory().spooled, 0);
        manual.run();
        let Poll::Ready(Frame::Error(failure)) = source.poll_frame(cx) else { panic!("it goes on") };
        assert!(failure.to_string().contains("there is a reason"), "{failure}");
    }

    /// The read that is queued would find it in the place of what was there.
    #[test]
    fn nothing_is_written_behind_a_cut_however_far_the_function_has_come() {
        let (mut source, manual, ledger) = source(1000);
        let cx = &mut Context::from_waker(Waker::noop());
        let window = Arc::clone(&source.window);
        assert!(spool(&window, &ledger, b"some bytes").is_ok());
        assert!(source.poll_frame(cx).is_pending(), "a job is to read it");
        let Poll::Ready(Next::InFile { file, .. }) = window.poll_next(cx) else {
            panic!("it is not in a file")
        };
        thread::scope(|scope| {
            let held = lock(&file);
            let written = scope.spawn(|| window.spool(10, 64 << 10, |_| panic!("it is written")));
            while !window.is_written() {
                thread::yield_now();
            }
            let cut = scope.spawn(|| window.cut(BodyFailure::source("there is a reason")));
            while window.check().is_ok() {
                thread::yield_now();
            }
            drop(held);
            assert!(written.join().is_ok_and(|written| written.is_err()));
            assert!(cut.join().is_ok());
        });
        assert_eq!((lock(&file).is_none(), ledger.memory().spooled), (true, 0));
        manual.run();
        assert!(matches!(source.poll_frame(cx), Poll::Ready(Frame::Error(_))));
    }
}
