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

/// Bytes of a file sent in one call, at most: others have their turn after it.
const WINDOW: u64 = 1 << 20;
/// Bytes that are read instead of sent where the disk has to be waited for.
const MISSED: u64 = 256 << 10;
/// A byte of each so many is looked at before they are sent: the system reads ahead by more.
#[cfg(target_os = "linux")]
const STRIDE: u64 = 64 << 10;

/// A body that is to have all bytes of a range has fewer.
const ENDED_EARLY: &str = "what reads the file has ended before its range";

/// Whether the thread that serves a socket may wait for a disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DiskWait {
    /// It never does. Before bytes are sent, the system is asked whether it has them in memory; those that it has not, or
    /// of which it cannot say so, are read elsewhere, as the function that reads them does.
    Never,
    /// It may, as in nginx by default: for files that are nearly always in memory, and for file systems that cannot say what
    /// they have there (overlayfs, tmpfs).
    May,
}

/// A file whose bytes the system moves to the socket of a response: a [`Source`](httpfsm::handler::Source) gives a range of
/// it as [content elsewhere](SentFile::range). No byte of it goes through the memory of the server, unless the disk has to be
/// waited for or the system refuses: then it is read, by the function that was given with it.
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
    state: Mutex<State>,
}

/// How the next bytes are sent.
#[derive(Default)]
struct State {
    /// What is read instead.
    reading: Option<Reading>,
    /// The system does not send this file: all that is left is read.
    is_refused: bool,
    /// Up to here the system had the bytes in memory when it was asked, since the wire was last waited for.
    known_until: u64,
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
    /// A file, and how its bytes are read where the system does not send them. The body that `read` gives has all bytes of
    /// the range, or fails; one that ends before cuts the response. Where the file has become shorter, it is asked for the rest, and its failure is told.
    pub fn new(
        file: Arc<File>,
        disk: DiskWait,
        read: impl Fn(Range<u64>) -> Body + Send + Sync + 'static,
    ) -> Self {
        Self { file, disk, read: Box::new(read), state: Mutex::default() }
    }

    /// Bytes of the file, as content that is elsewhere. One range of a file is sent at a time.
    #[must_use]
    pub fn range(self: &Arc<Self>, range: Range<u64>) -> Elsewhere {
        let file = Arc::<Self>::clone(self);
        Elsewhere::new(file, range)
    }

    /// Sends some of the bytes of `content`, which are this file's.
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
                return reading.poll_write(wire, cx);
            }
            if state.is_refused {
                state.reading = Some(self.read(start..end));
            } else if state.known_until > start {
                match wire.poll_send_file(cx, &self.file, start, state.known_until.min(end) - start) {
                    Poll::Ready(Ok(sent)) if sent > 0 => return Poll::Ready(Ok(sent)),
                    // The file has become shorter, the system does not send it, or the connection is lost: reading and
                    // writing tells which.
                    Poll::Ready(_) => state.is_refused = true,
                    Poll::Pending => {
                        // The bytes may have to give way until the peer has read on.
                        state.known_until = 0;
                        return Poll::Pending;
                    }
                }
            } else {
                match self.in_memory(start, end - start) {
                    Some(0) => state.reading = Some(self.read(start..end.min(start + MISSED))),
                    Some(length) => state.known_until = start + length,
                    None => state.is_refused = true,
                }
            }
        }
    }

    fn read(&self, range: Range<u64>) -> Reading {
        Reading { body: (self.read)(range.clone()), left: range, piece: Bytes::new() }
    }

    /// How many bytes from `start` the system has in memory, as far as samples tell; `None` where it cannot say.
    #[cfg(target_os = "linux")]
    fn in_memory(&self, start: u64, left: u64) -> Option<u64> {
        use rustix::io::{Errno, ReadWriteFlags, preadv2};

        let length = left.min(WINDOW);
        if self.disk == DiskWait::May {
            return Some(length);
        }
        let (mut at, last) = (start, start + length - 1);
        let mut byte = [0];
        loop {
            match preadv2(&self.file, &mut [io::IoSliceMut::new(&mut byte)], at, ReadWriteFlags::NOWAIT) {
                Ok(_) if at == last => return Some(length),
                // At the end of the file, which sending or reading will find.
                Ok(0) => return Some(length),
                Ok(_) => at = (at + STRIDE).min(last),
                Err(Errno::AGAIN) => return Some((at.saturating_sub(STRIDE) + 1).saturating_sub(start)),
                Err(Errno::INTR) => {}
                Err(_) => return None,
            }
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn in_memory(&self, _start: u64, left: u64) -> Option<u64> {
        (self.disk == DiskWait::May).then_some(left.min(WINDOW))
    }
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
