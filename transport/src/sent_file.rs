//! Files that the system moves to a socket by itself.

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use httpfsm::channel::Elsewhere;
use httpfsm::handler::{Body, BodyFailure, Frame};

use crate::lock::lock;
use crate::sending::FRAMES;
use crate::wire::Wire;

/// Bytes of a file sent in one call, at most.
const WINDOW: u64 = 1 << 20;
/// Bytes that are read instead of sent where the disk has to be waited for.
const MISSED: u64 = 256 << 10;
/// A byte of each so many is looked at before they are sent: the system reads ahead by more.
const STRIDE: u64 = 64 << 10;

/// A body that is to have all bytes of a range has fewer.
const ENDED_EARLY: &str = "what reads the file has ended before its range";

/// Whether the thread that serves a socket may wait for a disk, for a file that is sent by the system: see
/// [`SentFile::new`], and [`SentFile`] for an example.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DiskWait {
    /// It never does. Before bytes are sent, the system is asked whether it has them in memory; those that it has not, or
    /// of which it cannot say so, are read elsewhere, as the function that reads them does.
    Never,
    /// It may, as in nginx by default: for files that are nearly always in memory, and for file systems that cannot say what
    /// they have there (overlayfs, tmpfs).
    May,
}

/// A file whose bytes the system moves to the socket of a response: a [`Source`](httpfsm::handler::Source) gives a
/// range of it as [content elsewhere](SentFile::range). No byte of it goes through the memory of the server, unless the
/// disk has to be waited for or the system refuses: then it is read, by the function that was given with it.
///
/// ```
/// use std::fs::File;
/// use std::ops::Range;
/// use std::pin::Pin;
/// use std::sync::Arc;
/// use std::task::{Context, Poll};
///
/// use httpfsm::channel::Elsewhere;
/// use httpfsm::handler::{Body, Frame, Source};
/// use httpfsm_transport::{DiskWait, SentFile};
///
/// /// The first 1,000 bytes of a file.
/// struct Beginning {
///     file: Arc<SentFile>,
///     left: Option<Body>,
/// }
///
/// impl Source for Beginning {
///     fn take_elsewhere(mut self: Pin<&mut Self>) -> Option<Elsewhere> {
///         self.left.take().map(|_| self.file.range(0..1000))
///     }
///
///     fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Frame> {
///         // Nobody could send it: it is read.
///         self.left.as_mut().map_or(Poll::Ready(Frame::End), |left| left.poll_frame(cx))
///     }
///
///     fn length(&self) -> Option<u64> {
///         self.left.as_ref().map_or(Some(0), |left| left.length())
///     }
/// }
///
/// # fn read(range: Range<u64>) -> Body { vec![0; (range.end - range.start) as usize].into() }
/// # fn main() -> std::io::Result<()> {
/// // `read` is a function from a range of the file to a body that reads it.
/// let file = Arc::new(SentFile::new(Arc::new(File::open("/dev/null")?), DiskWait::Never, read));
/// let body = Body::stream(Beginning { file, left: Some(read(0..1000)) });
/// assert_eq!(body.length(), Some(1000));
/// # Ok(())
/// # }
/// ```
pub struct SentFile {
    file: Arc<File>,
    disk: DiskWait,
    read: Box<dyn Fn(Range<u64>) -> Body + Send + Sync>,
}

/// A range of a file, as the content of one response.
pub(crate) struct SentRange {
    file: Arc<SentFile>,
    state: Mutex<State>,
}

/// How the next bytes are sent.
#[derive(Default)]
struct State {
    /// What is read instead.
    reading: Option<Reading>,
    /// The system does not send this file: all that is left is read.
    is_refused: bool,
    /// The system had these bytes in memory when it was asked, since the wire was last waited for.
    known: Range<u64>,
}

/// Bytes of the file, by a body that reads them.
struct Reading {
    body: Body,
    /// Those that have not been written.
    left: Range<u64>,
    /// The first of them, which the body has given.
    piece: Bytes,
}

/// Why the content of a response cannot be sent.
pub(crate) enum SendFailure {
    /// The connection is lost.
    Wire(io::Error),
    /// The file cannot be read.
    Source(BodyFailure),
}

impl SentFile {
    /// A file, and how its bytes are read where the system does not send them. The body that `read` gives has all bytes
    /// of the range, or fails; one that ends before cuts the response. Where the file has become shorter, it is asked
    /// for the rest, and its failure is told. With [`DiskWait::Never`] the system is told to read nothing ahead, for
    /// all who have the same open file. `read` is called, and its body polled, by the transport, outside of whatever
    /// the handler runs in.
    pub fn new(
        file: Arc<File>,
        disk: DiskWait,
        read: impl Fn(Range<u64>) -> Body + Send + Sync + 'static,
    ) -> Self {
        if disk == DiskWait::Never {
            read_nothing_ahead(&file);
        }
        Self { file, disk, read: Box::new(read) }
    }

    /// Bytes of the file, as content that is elsewhere: of any number of responses, each with a range of its own.
    #[must_use]
    pub fn range(self: &Arc<Self>, range: Range<u64>) -> Elsewhere {
        let file = Arc::<Self>::clone(self);
        Elsewhere::new(Arc::new(SentRange { file, state: Mutex::default() }), range)
    }

    fn read(&self, range: Range<u64>) -> Reading {
        Reading { body: (self.read)(range.clone()), left: range, piece: Bytes::new() }
    }

    /// How many bytes from `start` the system has in memory, as far as samples tell; `None` where it cannot say.
    fn in_memory(&self, start: u64, left: u64) -> Option<u64> {
        let length = left.min(WINDOW);
        match self.disk {
            DiskWait::May => Some(length),
            DiskWait::Never => known_length(start, length, |at| probe(&self.file, at)),
        }
    }
}

/// How many of `length` bytes from `start` are known by samples to be in memory; `None` where a sample cannot be had. At
/// the end of the file a sample is as good: sending or reading finds it.
fn known_length(start: u64, length: u64, mut probe: impl FnMut(u64) -> Option<bool>) -> Option<u64> {
    let last = start + length.saturating_sub(1);
    let mut at = start;
    loop {
        if !probe(at)? {
            // What is before it was read ahead with the sample before.
            return Some(at.saturating_sub(STRIDE).max(start) - start);
        }
        if at >= last {
            return Some(length);
        }
        at = (at + STRIDE).min(last);
    }
}

/// Has the system read no more than it is asked for. Reading ahead does not wait for what it reads, but for the place
/// of that on the disk, which of a file in many pieces is on the disk as well, and whoever looks whether a byte is
/// there begins it.
#[cfg(target_os = "linux")]
fn read_nothing_ahead(file: &File) {
    // Advice that is not taken changes nothing else.
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::Random);
}

#[cfg(not(target_os = "linux"))]
fn read_nothing_ahead(_: &File) {}

/// Whether the system has a byte of a file in memory; `None` where it cannot say.
#[cfg(target_os = "linux")]
fn probe(file: &File, at: u64) -> Option<bool> {
    use rustix::io::{Errno, ReadWriteFlags, preadv2};

    loop {
        match preadv2(file, &mut [io::IoSliceMut::new(&mut [0])], at, ReadWriteFlags::NOWAIT) {
            Ok(_) => return Some(true),
            Err(Errno::AGAIN) => return Some(false),
            Err(Errno::INTR) => {}
            Err(_) => return None,
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn probe(_: &File, _: u64) -> Option<bool> {
    None
}

impl SentRange {
    /// Sends some of the bytes of `content`, which are these.
    pub(crate) fn poll_send<W: Wire>(
        &self,
        wire: &mut W,
        content: &Elsewhere,
        cx: &mut Context<'_>,
    ) -> Poll<Result<usize, SendFailure>> {
        let (start, end) = (content.start(), content.start() + content.len());
        let mut state = lock(&self.state);
        loop {
            if let Some(reading) = state.reading.as_mut().filter(|reading| reading.has(start)) {
                let written = reading.poll_write(wire, cx);
                if reading.left.is_empty() {
                    state.reading = None;
                }
                return written;
            }
            if state.is_refused {
                state.reading = Some(self.file.read(start..end));
            } else if state.known.contains(&start) {
                match wire.poll_send_file(cx, &self.file.file, start, state.known.end.min(end) - start) {
                    Poll::Ready(Ok(sent)) if sent > 0 => return Poll::Ready(Ok(sent)),
                    Poll::Ready(Err(error)) if is_of_wire(&error) => {
                        return Poll::Ready(Err(SendFailure::Wire(error)));
                    }
                    // The file has become shorter, or the system does not send it: reading tells which.
                    Poll::Ready(_) => state.is_refused = true,
                    Poll::Pending => {
                        // The bytes may have to give way until the peer has read on.
                        state.known = 0..0;
                        return Poll::Pending;
                    }
                }
            } else {
                match self.file.in_memory(start, end - start) {
                    Some(0) => state.reading = Some(self.file.read(start..end.min(start + MISSED))),
                    Some(length) => state.known = start..start + length,
                    None => state.is_refused = true,
                }
            }
        }
    }
}

/// Whether an error of a call that sends a file is one of the connection.
fn is_of_wire(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, TimedOut};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | TimedOut)
}

impl Reading {
    /// Whether the byte at this position is the next.
    fn has(&self, at: u64) -> bool {
        self.left.start == at && !self.left.is_empty()
    }

    /// Writes some of the next bytes.
    fn poll_write<W: Wire>(
        &mut self,
        wire: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<Result<usize, SendFailure>> {
        // A body may give nothing for ever.
        for _ in 0..FRAMES {
            if !self.piece.is_empty() {
                break;
            }
            self.piece = match ready!(self.body.poll_frame(cx)) {
                Frame::Data(bytes) => bytes,
                Frame::Flush => continue,
                Frame::Error(failure) => return Poll::Ready(Err(SendFailure::Source(failure))),
                Frame::Trailers(_) | Frame::End => {
                    return Poll::Ready(Err(SendFailure::Source(BodyFailure::source(ENDED_EARLY))));
                }
            };
            self.piece.truncate(usize::try_from(self.left.end - self.left.start).unwrap_or(usize::MAX));
        }
        if self.piece.is_empty() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let written = ready!(wire.poll_write(cx, &self.piece)).map_err(SendFailure::Wire)?;
        self.piece.advance(written);
        if self.piece.is_empty() {
            // Lets its memory go.
            self.piece = Bytes::new();
        }
        self.left.start += written as u64;
        Poll::Ready(Ok(written))
    }
}

impl fmt::Debug for SentFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SentFile").field("file", &self.file).field("disk", &self.disk).finish_non_exhaustive()
    }
}

/// Moves bytes of a file to a socket: what [`Wire::poll_send_file`] of a wire over a socket calls.
///
/// ```
/// use std::fs::File;
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
///
/// use httpfsm_transport::{send_file, send_more};
///
/// # fn main() -> std::io::Result<()> {
/// # if !cfg!(target_os = "linux") { return Ok(()); }
/// let (near, mut far) = UnixStream::pair()?;
/// let written = send_more(&near, b"the rest of a file: ")?;
/// let sent = send_file(&near, &File::open("Cargo.toml")?, 3, 1000)?;
/// let mut received = vec![0; written + sent];
/// far.read_exact(&mut received)?;
/// assert!(received.ends_with(&std::fs::read("Cargo.toml")?[3..3 + sent]));
/// # Ok(())
/// # }
/// ```
///
/// To a peer that is gone the system answers with `SIGPIPE` as well, which Rust programs ignore unless they say otherwise.
///
/// # Errors
///
/// Those of the system, [`Unsupported`](io::ErrorKind::Unsupported) where it has no such call.
#[cfg(target_os = "linux")]
pub fn send_file(socket: impl std::os::fd::AsFd, file: &File, at: u64, length: u64) -> io::Result<usize> {
    let mut at = at;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    Ok(rustix::fs::sendfile(socket, file, Some(&mut at), length)?)
}

/// As on Linux, where there is such a call.
///
/// # Errors
///
/// [`Unsupported`](io::ErrorKind::Unsupported).
#[cfg(not(target_os = "linux"))]
pub fn send_file(_socket: impl std::os::fd::AsFd, _file: &File, _at: u64, _length: u64) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Writes to a socket what more bytes follow at once, so that the system may wait for them to fill a packet: what
/// [`Wire::poll_write_more`] of a wire over a socket calls.
///
/// [`Wire`] shows both calls in use.
///
/// # Errors
///
/// Those of the system.
pub fn send_more(socket: impl std::os::fd::AsFd, bytes: &[u8]) -> io::Result<usize> {
    #[cfg(target_os = "linux")]
    let flags = rustix::net::SendFlags::MORE | rustix::net::SendFlags::NOSIGNAL;
    #[cfg(not(target_os = "linux"))]
    let flags = rustix::net::SendFlags::empty();
    Ok(rustix::net::send(socket, bytes, flags)?)
}

#[cfg(test)]
mod tests {
    use super::{STRIDE, known_length};

    #[test]
    fn what_is_sent_ends_where_a_sample_misses_and_nothing_is_sent_where_the_first_does() {
        for (start, length, missing_from, expected, samples) in [
            (0, 1, u64::MAX, 1, 1),
            (0, 10 * STRIDE, u64::MAX, 10 * STRIDE, 11),
            (7, 3 * STRIDE, u64::MAX, 3 * STRIDE, 4),
            (0, 10 * STRIDE, 0, 0, 1),
            (5 * STRIDE, 10 * STRIDE, 0, 0, 1),
            // The sample before is no sign of what is between the two.
            (0, 10 * STRIDE, STRIDE, 0, 2),
            (0, 10 * STRIDE, 4 * STRIDE, 3 * STRIDE, 5),
            (9, 10 * STRIDE, 4 * STRIDE, 3 * STRIDE, 5),
        ] {
            let mut asked = 0;
            let known = known_length(start, length, |at| {
                asked += 1;
                Some(at < missing_from)
            });
            assert_eq!((known, asked), (Some(expected), samples), "{start}, {length}, {missing_from}");
        }
        assert_eq!(known_length(0, 100, |_| None), None);
    }
}
