//! Where the pieces of a function go: into memory, or into a file where it may not wait for room in memory.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use httpfsm::config::ServerConfig;
use httpfsm::handler::MemoryHandle;

use super::in_place;
use super::window::{Place, Window};
use crate::clock::Clock;
use crate::job::Spawner;
use crate::ledger::Ledger;
use crate::permits::Permits;
use crate::serving;
use crate::spooled::Spooled;

/// See the module's documentation.
pub(super) struct Output {
    /// Runs the function.
    pub(super) functions: Arc<dyn Spawner>,
    /// Does the file work of the server.
    pub(super) files: Arc<dyn Spawner>,
    pub(super) ledger: Arc<Ledger>,
    permits: Arc<Permits>,
    /// Another thread has taken the place of the function's own, which waits as long as it has to.
    has_given_place_up: bool,
}

impl Output {
    /// For a function that begins in a poll on behalf of a server. Elsewhere, as in a test that reads the body itself,
    /// it has the limits of a server with the default configuration for itself.
    pub(super) fn new(functions: Arc<dyn Spawner>) -> Self {
        if let Some(server) = serving::served() {
            let (ledger, permits) = (Arc::clone(&server.ledger), Arc::clone(&server.permits));
            let files = Arc::clone(&server.spawner);
            return Self { functions, files, ledger, permits, has_given_place_up: false };
        }
        let ledger = Ledger::new(&ServerConfig::default(), Arc::default(), Clock::system(), None);
        let (files, permits) = (Arc::clone(&functions), Permits::new(0));
        Self { functions, files, ledger, permits, has_given_place_up: false }
    }

    pub(super) fn memory(&self) -> MemoryHandle {
        MemoryHandle::new(Arc::<Ledger>::clone(&self.ledger))
    }

    /// Passes a piece on, in order.
    pub(super) fn put(&mut self, window: &Window, mut piece: Bytes) -> io::Result<()> {
        while !piece.is_empty() {
            let place = window.place(piece.len(), self.ledger.file_share())?;
            let reserved = match place {
                // One piece at a time waits for no room.
                Place::Empty => Some(self.memory().reserve_now(piece.len())),
                Place::Behind => self.memory().try_reserve(piece.len()),
                Place::Full | Place::File | Place::LongFile => None,
            };
            if let Some(reserved) = reserved {
                let part = piece.split_to(reserved.bytes());
                window.push(reserved.attach(part))?;
            } else if !self.waits(window, place)? {
                match self.spool(window, &piece) {
                    Ok(()) => return Ok(()),
                    // The disk is full, say. What is in the file is read before the function goes on.
                    Err(error) => self.waits_after(window, error)?,
                }
            }
        }
        Ok(())
    }

    /// Waits until the file is read, in which a piece has found no place.
    fn waits_after(&mut self, window: &Window, error: io::Error) -> io::Result<()> {
        window.check()?;
        if in_place::is_so() || !self.gives_place_up() {
            return Err(error);
        }
        window.wait()
    }

    /// Waits until the source has taken some, if the function may. `false`: it goes on into the file.
    fn waits(&mut self, window: &Window, place: Place) -> io::Result<bool> {
        if in_place::is_so() {
            return Ok(false);
        }
        let may_wait = !self.functions.is_scarce() || self.has_given_place_up;
        let permit = match place {
            // It may have written there before it could wait.
            Place::File | Place::LongFile => None,
            _ if may_wait => None,
            _ => self.permits.try_take(),
        };
        let waits = may_wait || permit.is_some() || place == Place::LongFile && self.gives_place_up();
        if waits {
            window.wait()?;
        }
        Ok(waits)
    }

    fn gives_place_up(&mut self) -> bool {
        self.has_given_place_up = self.has_given_place_up || self.functions.give_place_up();
        self.has_given_place_up
    }

    fn spool(&self, window: &Window, piece: &Bytes) -> io::Result<()> {
        window.spool(piece.len(), |file| {
            let file = match file {
                Some(file) => file,
                none => none.insert(Spooled::create_written(&self.ledger, Arc::clone(&self.files))?),
            };
            file.append(piece)
        })
    }
}
