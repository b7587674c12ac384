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
}

impl Output {
    /// For a function that begins in a poll on behalf of a server. Elsewhere, as in a test that reads the body itself,
    /// it has the limits of a server with the default configuration for itself.
    pub(super) fn new(functions: Arc<dyn Spawner>) -> Self {
        if let Some(server) = serving::served() {
            let (ledger, permits) = (Arc::clone(&server.ledger), Arc::clone(&server.permits));
            return Self { functions, files: Arc::clone(&server.spawner), ledger, permits };
        }
        let ledger = Ledger::new(&ServerConfig::default(), Arc::default(), Clock::system(), None);
        Self { files: Arc::clone(&functions), functions, ledger, permits: Permits::new(0) }
    }

    pub(super) fn memory(&self) -> MemoryHandle {
        MemoryHandle::new(Arc::<Ledger>::clone(&self.ledger))
    }

    /// Passes a piece on, in order.
    pub(super) fn put(&self, window: &Window, mut piece: Bytes) -> io::Result<()> {
        while !piece.is_empty() {
            let reserved = match window.place(piece.len())? {
                Place::File => return self.spool(window, &piece),
                // One piece at a time waits for no room.
                Place::Empty => Some(self.memory().reserve_now(piece.len())),
                Place::Behind => self.memory().try_reserve(piece.len()),
                Place::Full => None,
            };
            match reserved {
                Some(reserved) => {
                    let part = piece.split_to(reserved.bytes());
                    window.push(reserved.attach(part))?;
                }
                None if self.waits(window)? => {}
                None => return self.spool(window, &piece),
            }
        }
        Ok(())
    }

    /// Waits until the source has taken some, if the function may.
    fn waits(&self, window: &Window) -> io::Result<bool> {
        if in_place::is_so() {
            return Ok(false);
        }
        let is_scarce = self.functions.is_scarce();
        let permit = if is_scarce { self.permits.try_take() } else { None };
        let may_wait = permit.is_some() || !is_scarce;
        if may_wait {
            window.wait()?;
        }
        Ok(may_wait)
    }

    fn spool(&self, window: &Window, piece: &Bytes) -> io::Result<()> {
        window.spool(piece.len(), |file| {
            let file = match file {
                Some(file) => file,
                none => none.insert(Spooled::create(&self.ledger, Arc::clone(&self.files))?),
            };
            file.append(piece)
        })
    }
}
