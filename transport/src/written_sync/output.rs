//! Where the pieces of a function go: into memory, or into a file where it may not wait for room in memory.

use std::io;
use std::sync::Arc;
use std::thread::{self, ThreadId};

use bytes::Bytes;
use httpfsm::config::ServerConfig;
use httpfsm::handler::{BodyFailure, MemoryHandle, NoRoom};

use super::slow_readers::SlowReaders;
use super::window::{Held, Place, Window};
use crate::clock::Clock;
use crate::job::Spawner;
use crate::ledger::Ledger;
use crate::permits::Permits;
use crate::serving;
use crate::spooled::{Spooled, is_soon_over};

/// Work with files that a function does for each piece that it has written into one.
const HELPS: usize = 4;

/// See the module's documentation.
pub(super) struct Output {
    /// Runs the function.
    pub(super) functions: Arc<dyn Spawner>,
    /// Does the file work of the server.
    pub(super) files: Arc<dyn Spawner>,
    pub(super) ledger: Arc<Ledger>,
    permits: Arc<Permits>,
    slow_readers: Arc<SlowReaders>,
    is_watched: bool,
    /// Another thread has taken the place of the function's own, which waits as long as it has to.
    has_given_place_up: bool,
    /// Files of so many bytes are long.
    long: u64,
    /// The function's own thread, where it runs.
    pub(super) thread: Option<ThreadId>,
    /// The function runs within a poll, that which has begun it or which waits for it.
    pub(super) runs_in_place: bool,
}

impl Output {
    /// For a function that begins in a poll on behalf of a server. Elsewhere, as in a test that reads the body itself,
    /// it has the limits of a server with the default configuration for itself.
    pub(super) fn new(functions: Arc<dyn Spawner>) -> Self {
        let (files, ledger, permits, slow_readers) = if let Some(server) = serving::served() {
            let (files, ledger) = (Arc::clone(&server.spawner), Arc::clone(&server.ledger));
            (files, ledger, Arc::clone(&server.permits), Arc::clone(&server.slow_readers))
        } else {
            let ledger = Ledger::new(&ServerConfig::default(), Arc::default(), Clock::system(), None);
            (Arc::clone(&functions), ledger, Permits::new(0), Arc::default())
        };
        Self {
            functions,
            files,
            permits,
            slow_readers,
            is_watched: false,
            has_given_place_up: false,
            long: ledger.file_share(),
            ledger,
            thread: None,
            runs_in_place: false,
        }
    }

    pub(super) fn memory(&self) -> MemoryHandle {
        MemoryHandle::new(Arc::<Ledger>::clone(&self.ledger))
    }

    /// Passes a piece on, in order.
    pub(super) fn put(&mut self, window: &Arc<Window>, mut piece: Bytes) -> io::Result<()> {
        while !piece.is_empty() {
            let place = window.place(piece.len(), self.long)?;
            let reserved = match place {
                // One piece at a time waits for no room.
                Place::Empty => Some(self.memory().reserve_now(piece.len())),
                Place::Behind => self.memory().try_reserve(piece.len()),
                Place::Full | Place::File | Place::LongFile => None,
            };
            if let Some(reserved) = reserved {
                let part = split(&mut piece, reserved.bytes());
                window.push(reserved.attach(part))?;
                continue;
            }
            // While the file is short there is no need to.
            if place != Place::File && self.waits(window, place == Place::LongFile)? {
                continue;
            }
            if place == Place::LongFile {
                // Not before each piece.
                self.long = self.long.saturating_add(self.ledger.file_share());
                if !self.runs_in_place {
                    // For the next time. No thread takes the place of one that is not the function's own.
                    let is_own = self.thread == Some(thread::current().id());
                    self.slow_readers.cut_stillest(self.ledger.now(), |held| is_own || held == Held::Permit);
                }
            }
            self.watch(window);
            let Err(error) = self.spool(window, &piece) else {
                self.help();
                return Ok(());
            };
            window.check()?;
            // The disk is full, say. What is in the file is read before the function goes on.
            if self.waits(window, true)? {
                continue;
            }
            let made_room = match self.runs_in_place {
                true => Err(error),
                false => self.slow_readers.write_with_room(
                    window,
                    || self.spool(window, &piece),
                    is_for_want_of_room,
                    || self.files.help(),
                    || self.ledger.now(),
                ),
            };
            return made_room.inspect_err(|error| window.cut(BodyFailure::source(error.to_string())));
        }
        Ok(())
    }

    /// Waits until the source has taken some, or all that is in the file, if the function may. `gives_up`: also if it has to
    /// give its place up for that.
    fn waits(&mut self, window: &Arc<Window>, gives_up: bool) -> io::Result<bool> {
        if self.runs_in_place {
            return Ok(false);
        }
        let mut may_wait = !self.functions.is_scarce() || self.has_given_place_up;
        if gives_up && !may_wait {
            // First: a function that waits in its place for a file could wait for a thread that reads it.
            self.has_given_place_up = self.functions.give_place_up();
            may_wait = self.has_given_place_up;
        }
        let permit = if may_wait { None } else { self.permits.try_take() };
        let waits = may_wait || permit.is_some();
        if waits {
            self.watch(window);
            let stand_in = self.has_given_place_up.then_some(Held::StandIn);
            window.wait(permit.as_ref().map(|_| Held::Permit).or(stand_in))?;
            self.long = self.ledger.file_share();
        }
        Ok(waits)
    }

    /// Does what readers wait for, its own perhaps, as all threads may be functions that write ahead of theirs: more than it
    /// has written itself.
    fn help(&self) {
        if !self.runs_in_place {
            let _ = (0..HELPS).take_while(|_| self.files.help()).count();
        }
    }

    /// It has others cut for it, and is cut for others.
    fn watch(&mut self, window: &Arc<Window>) {
        if !std::mem::replace(&mut self.is_watched, true) {
            self.slow_readers.add(window);
        }
    }

    fn spool(&self, window: &Window, piece: &Bytes) -> io::Result<()> {
        window.spool(piece.len(), self.ledger.file_share(), |file| {
            let file = match file {
                Some(file) => file,
                none => {
                    // Not made to find that out: it is tried again and again.
                    self.ledger.has_written_room(piece.len() as u64).map_err(io::Error::other)?;
                    none.insert(Spooled::create_written(&self.ledger, Arc::clone(&self.files))?)
                }
            };
            file.append(piece)
        })
    }
}

/// Whether there would be room if another response had none.
fn is_for_want_of_room(error: &io::Error) -> bool {
    is_soon_over(error) || error.get_ref().is_some_and(|error| error.is::<NoRoom>())
}

/// Its first bytes, in memory of their own where they are not all: the rest may go to the disk long before these are read.
fn split(piece: &mut Bytes, bytes: usize) -> Bytes {
    if bytes >= piece.len() {
        return std::mem::take(piece);
    }
    Bytes::copy_from_slice(&piece.split_to(bytes))
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn a_part_of_a_piece_does_not_keep_the_whole_in_memory() {
        let piece: Vec<u8> = (0..100).collect();
        let at = piece.as_ptr();
        let mut piece = piece.into();
        let part = split(&mut piece, 10);
        assert!(part[..] == (0..10).collect::<Vec<u8>>() && part.as_ptr() != at);
        let rest = split(&mut piece, 90);
        assert!(rest[..] == (10..100).collect::<Vec<u8>>() && piece.is_empty());
        assert_eq!(rest.as_ptr(), at.wrapping_add(10));
    }
}
