//! What a function has written and the source has not taken: pieces in memory, and behind them those in a file.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::{io, mem};

use bytes::Bytes;
use httpfsm::fields::Fields;
use httpfsm::handler::BodyFailure;

use crate::lock::lock;
use crate::spooled::Spooled;
use crate::{panics, waiting};

/// Bytes in memory, at most.
const BYTES: usize = 256 << 10;
/// Pieces in memory, at most, however small they are.
const PIECES: usize = 64;

/// What is in files is so many at least, before they are longer than they begin with.
const PARTS: u64 = 8;

/// See the module's documentation.
#[derive(Default)]
pub(super) struct Window {
    state: Mutex<WindowState>,
    /// The source has taken something, or is gone.
    taken: Condvar,
    /// As `is_closed` or `is_cut`, to be looked at without the lock.
    is_gone: AtomicBool,
}

#[derive(Default)]
struct WindowState {
    pieces: VecDeque<Bytes>,
    /// Bytes in `pieces`.
    held: usize,
    overflow: Option<Overflow>,
    end: Option<WriteEnd>,
    /// Bytes that the source has taken.
    taken: u64,
    /// The function waits until something was taken.
    is_waited_for: bool,
    /// What it holds meanwhile, of which there is little.
    holds: Option<Held>,
    /// Nothing more is written, and the source finds its end at once.
    is_cut: bool,
    /// The source is gone.
    is_closed: bool,
    source: Option<Waker>,
}

/// How the function has ended, with the trailer section.
type WriteEnd = Result<Option<Fields>, BodyFailure>;

/// What a function holds while it waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Held {
    /// A permit.
    Permit,
    /// A thread in whose place there is another one.
    StandIn,
}

/// The file is made by the function, which holds the lock while it writes. The source's thread never does.
pub(super) type WindowFile = Arc<Mutex<Option<Spooled>>>;

/// What went into files. There are several, so that the room of what was read is given back while there is more.
#[derive(Default)]
struct Overflow {
    /// The function writes into the last one, and the source reads the first one.
    files: VecDeque<Part>,
    /// Bytes in all of them that were not read.
    unread: u64,
    /// The function is writing into the last one.
    is_written: bool,
    /// The source waits for bytes of the first one that are not there yet.
    is_being_read: bool,
}

/// A file, and how far it is.
#[derive(Default)]
struct Part {
    file: WindowFile,
    written: u64,
    read: u64,
}

/// What the source does next.
pub(super) enum Next {
    Piece {
        bytes: Bytes,
        /// The function, which waits, is to be woken.
        makes_room: bool,
    },
    /// So many bytes are there from a place in the file on.
    InFile {
        file: WindowFile,
        at: u64,
        length: u64,
    },
    /// All of a file was read.
    FileIsRead {
        file: WindowFile,
        /// As of a piece.
        makes_room: bool,
    },
    End(WriteEnd),
}

/// How far a reader is behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Lag {
    /// Bytes that the source has taken.
    pub(super) taken: u64,
    /// Bytes in the file that it has not taken.
    pub(super) in_file: u64,
    /// The function waits for it, and holds this meanwhile.
    pub(super) holds: Option<Held>,
    /// The source waits for the file.
    pub(super) is_being_read: bool,
}

/// Where the next piece may go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// There is nothing before it.
    Empty,
    /// There is room for it.
    Behind,
    /// The source is to take something first.
    Full,
    /// Into the file, where bytes before it are.
    File,
    /// The same, where there is so much that the source is rather to read it first.
    LongFile,
}

/// The function's side.
impl Window {
    /// Whether anybody reads.
    #[inline]
    pub(super) fn check(&self) -> io::Result<()> {
        if self.is_gone.load(Ordering::Acquire) { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }

    /// Where a piece of so many bytes may go; files of `long` bytes are long.
    pub(super) fn place(&self, bytes: usize, long: u64) -> io::Result<Place> {
        let state = lock(&self.state);
        state.check()?;
        Ok(state.place(bytes, long))
    }

    /// Waits until the source has taken all but half of what may be in memory, and one piece at least; where there is a
    /// file, all of it.
    pub(super) fn wait(&self, holds: Option<Held>) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.holds = holds;
        let pieces = state.pieces.len();
        let has_taken =
            |state: &WindowState| state.pieces.is_empty() || state.pieces.len() < pieces && state.has_room();
        while !(state.is_over() || state.overflow.is_none() && has_taken(&state)) {
            state.is_waited_for = true;
            state = self.taken.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.check()
    }

    /// A piece that has a place in memory.
    pub(super) fn push(&self, piece: Bytes) -> io::Result<()> {
        // Dropped behind the lock, if nobody is there.
        let mut piece = Some(piece);
        let mut state = lock(&self.state);
        state.check()?;
        let Some(piece) = piece.take() else { return Ok(()) };
        state.held += piece.len();
        state.pieces.push_back(piece);
        wake(state);
        Ok(())
    }

    /// Has `write` write so many bytes into the last file, or into the next one where that is `full` bytes long.
    pub(super) fn spool(
        &self,
        bytes: usize,
        full: u64,
        write: impl FnOnce(&mut Option<Spooled>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.check()?;
        let overflow = state.overflow.get_or_insert_default();
        overflow.is_written = true;
        let file = overflow.last(full);
        drop(state);
        let mut place = lock(&file);
        // Whoever has cut the body since then has looked here for what is to go, or does so next.
        let written = self.check().and_then(|()| write(&mut place));
        drop(place);
        let mut state = lock(&self.state);
        if let Some(overflow) = &mut state.overflow {
            overflow.is_written = false;
            if written.is_ok() {
                overflow.grow(bytes as u64);
            }
        }
        let is_closed = state.check();
        wake(state);
        drop(file);
        written.and(is_closed)
    }

    /// The body is cut: what was not read goes, to leave its room to others, and the function's writes fail.
    pub(super) fn cut(&self, failure: BodyFailure) {
        self.cut_as(failure, |state| !state.is_over());
    }

    /// The same, where its reader is behind and has taken nothing since it was [looked](Self::lag) at.
    pub(super) fn cut_if_still(&self, seen: Lag, failure: BodyFailure) -> bool {
        let stands = |lag: Lag| (lag.taken, lag.is_being_read) == (seen.taken, seen.is_being_read);
        self.cut_as(failure, |state| state.lag().is_some_and(stands))
    }

    fn cut_as(&self, failure: BodyFailure, is_so: impl FnOnce(&WindowState) -> bool) -> bool {
        let mut state = lock(&self.state);
        if !is_so(&state) {
            return false;
        }
        state.is_cut = true;
        self.is_gone.store(true, Ordering::Release);
        let (pieces, overflow) = (mem::take(&mut state.pieces), state.overflow.take());
        (state.held, state.is_waited_for) = (0, false);
        let before = state.end.replace(Err(failure));
        wake(state);
        self.taken.notify_all();
        // A read of them may be queued behind whoever cuts.
        let files = overflow.into_iter().flat_map(|overflow| overflow.files);
        files.for_each(|part| drop(lock(&part.file).take()));
        drop(pieces);
        panics::discard(before);
        true
    }

    /// How far its reader is behind, where it is.
    pub(super) fn lag(&self) -> Option<Lag> {
        lock(&self.state).lag()
    }

    /// Whether the function writes into a file, or is about to.
    #[cfg(test)]
    pub(super) fn is_written(&self) -> bool {
        lock(&self.state).overflow.as_ref().is_some_and(|overflow| overflow.is_written)
    }

    /// The function has ended, if it has not before.
    pub(super) fn end(&self, end: WriteEnd) {
        let mut state = lock(&self.state);
        let mut unused = Some(end);
        if state.end.is_none() && !state.is_closed {
            state.end = unused.take();
        }
        wake(state);
        panics::discard(unused);
    }
}

/// The source's side.
impl Window {
    pub(super) fn poll_next(&self, cx: &Context<'_>) -> Poll<Next> {
        let next = waiting::poll(&self.state, cx, WindowState::next);
        if let Poll::Ready(Next::Piece { makes_room: true, .. } | Next::FileIsRead { makes_room: true, .. }) =
            next
        {
            self.taken.notify_all();
        }
        next
    }

    /// What was to be read of the file is there, or is not to be had, whenever the source takes it.
    pub(super) fn is_read(&self) {
        if let Some(overflow) = &mut lock(&self.state).overflow {
            overflow.is_being_read = false;
        }
    }

    /// So many bytes of the file were read.
    pub(super) fn was_read(&self, bytes: u64) {
        let mut state = lock(&self.state);
        state.taken += bytes;
        if let Some(overflow) = &mut state.overflow {
            overflow.unread -= bytes;
            overflow.files.front_mut().into_iter().for_each(|part| part.read += bytes);
        }
    }

    /// Nobody reads any more.
    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        state.is_closed = true;
        self.is_gone.store(true, Ordering::Release);
        let unread = (mem::take(&mut state.pieces), state.overflow.take());
        let (end, source) = (state.end.take(), state.source.take());
        drop(state);
        self.taken.notify_all();
        drop(unread);
        panics::discard((end, source));
    }
}

/// Wakes the source, outside of the lock.
fn wake(mut state: std::sync::MutexGuard<'_, WindowState>) {
    let source = state.source.take();
    drop(state);
    source.into_iter().for_each(panics::wake);
}

impl WindowState {
    fn lag(&self) -> Option<Lag> {
        let of_files = |overflow: &Overflow| (overflow.unread, overflow.is_being_read);
        let (in_file, is_being_read) = self.overflow.as_ref().map(of_files).unwrap_or_default();
        let is_behind = self.is_waited_for || self.overflow.is_some();
        (is_behind && !self.is_over()).then_some(Lag {
            taken: self.taken,
            in_file,
            holds: self.holds.filter(|_| self.is_waited_for),
            is_being_read,
        })
    }

    fn is_over(&self) -> bool {
        self.is_closed || self.is_cut
    }

    fn check(&self) -> io::Result<()> {
        if self.is_over() { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }

    fn place(&self, bytes: usize, long: u64) -> Place {
        if let Some(overflow) = &self.overflow {
            if overflow.length() < long { Place::File } else { Place::LongFile }
        } else if self.pieces.is_empty() {
            Place::Empty
        } else if self.pieces.len() < PIECES && self.held + bytes <= BYTES {
            Place::Behind
        } else {
            Place::Full
        }
    }

    /// Whether so much was taken that it is worth a wake-up.
    fn has_room(&self) -> bool {
        self.pieces.len() <= PIECES / 2 && self.held <= BYTES / 2
    }

    fn next(&mut self) -> Result<Next, &mut Option<Waker>> {
        if let Some(bytes) = self.pieces.pop_front() {
            self.held -= bytes.len();
            self.taken += bytes.len() as u64;
            // Not for each piece: it is a system call, and a switch between threads.
            let makes_room =
                self.is_waited_for && self.overflow.is_none() && (self.pieces.is_empty() || self.has_room());
            self.is_waited_for &= !makes_room;
            return Ok(Next::Piece { bytes, makes_room });
        }
        if let Some(overflow) = &mut self.overflow {
            let is_last = overflow.files.len() <= 1;
            if let Some(part) = overflow.files.front().filter(|part| part.read < part.written) {
                overflow.is_being_read = true;
                let (file, at, length) = (Arc::clone(&part.file), part.read, part.written - part.read);
                return Ok(Next::InFile { file, at, length });
            }
            if is_last && overflow.is_written {
                return Err(&mut self.source);
            }
            let file = overflow.files.pop_front().unwrap_or_default().file;
            if is_last {
                self.overflow = None;
            }
            let makes_room = is_last && mem::take(&mut self.is_waited_for);
            return Ok(Next::FileIsRead { file, makes_room });
        }
        match self.end.take() {
            Some(end) => Ok(Next::End(end)),
            None => Err(&mut self.source),
        }
    }
}

impl Overflow {
    /// The file that is written next.
    fn last(&mut self, full: u64) -> WindowFile {
        // Each takes a descriptor, so they are longer where there are some.
        let full = full.max(self.length() / PARTS);
        if self.files.back().is_none_or(|part| part.written >= full) {
            self.files.push_back(Part::default());
        }
        self.files.back().map(|part| Arc::clone(&part.file)).unwrap_or_default()
    }

    /// So many bytes more are in it.
    fn grow(&mut self, bytes: u64) {
        self.unread += bytes;
        self.files.back_mut().into_iter().for_each(|part| part.written += bytes);
    }

    /// Bytes in all files, those of the first one that were read included.
    fn length(&self) -> u64 {
        self.unread + self.files.front().map_or(0, |part| part.read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the function, which waits for room, is woken at each piece that the source takes of so many.
    fn wake_ups(pieces: usize, bytes: usize) -> Vec<bool> {
        let window = Window::default();
        for _ in 0..pieces {
            assert!(window.push(vec![b'x'; bytes].into()).is_ok());
        }
        lock(&window.state).is_waited_for = true;
        let take = || match window.poll_next(&Context::from_waker(Waker::noop())) {
            Poll::Ready(Next::Piece { makes_room, .. }) => Some(makes_room),
            _ => None,
        };
        std::iter::from_fn(take).collect()
    }

    #[test]
    fn a_function_that_waits_is_woken_once_half_of_the_window_is_free_and_not_for_each_piece() {
        let once = |at: usize, of: usize| (1..=of).map(|taken| taken == at).collect::<Vec<_>>();
        assert_eq!(wake_ups(PIECES, 1), once(PIECES / 2, PIECES));
        assert_eq!(wake_ups(4, BYTES / 4), once(2, 4));
        // One that is alone may be larger than the window.
        assert_eq!(wake_ups(1, BYTES + 1), once(1, 1));
    }

    #[test]
    fn a_reader_that_has_begun_to_read_since_it_was_looked_at_is_not_cut() {
        let cx = Context::from_waker(Waker::noop());
        for moves in [
            |window: &Window| window.was_read(1),
            |window: &Window| {
                assert!(matches!(
                    window.poll_next(&Context::from_waker(Waker::noop())),
                    Poll::Ready(Next::InFile { .. })
                ));
            },
        ] {
            let window = Window::default();
            assert!(window.spool(9, 9, |_| Ok(())).is_ok());
            let Some(seen) = window.lag() else { panic!("it is not behind") };
            moves(&window);
            assert!(!window.cut_if_still(seen, BodyFailure::source("")));
            let Some(seen) = window.lag() else { panic!("it is not behind") };
            assert!(window.cut_if_still(seen, BodyFailure::source("")));
            assert!(matches!(window.poll_next(&cx), Poll::Ready(Next::End(Err(_)))));
        }
    }
}
