//! Where the work on files runs.

use std::io;
use std::sync::Arc;

use httpfsm_transport::{Job, Spawner, Threads, server_spawner};

use crate::trouble::{Reporter, Trouble};

/// Runs work on files, which blocks: with the spawner that was chosen, or else that of the server on whose behalf this
/// thread polls. Where there is neither, each piece of work has a thread of its own.
#[derive(Clone, Default)]
pub(crate) struct Jobs {
    pub(crate) spawner: Option<Arc<dyn Spawner>>,
    pub(crate) reporter: Reporter,
}

impl Jobs {
    /// The same for where no server is known, now that one is.
    pub(crate) fn of_server(&self) -> Self {
        let spawner = self.spawner.clone().or_else(server_spawner);
        Self { spawner, reporter: self.reporter.clone() }
    }

    /// # Errors
    ///
    /// The spawner has no thread, for the moment; that is reported.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<Job<T>> {
        let spawned = match &self.spawner {
            Some(chosen) => Job::spawn_short(&**chosen, work),
            None => match server_spawner() {
                Some(server) => Job::spawn_short(&*server, work),
                None => Job::spawn_short(&Threads, work),
            },
        };
        spawned.map_err(|none| {
            self.reporter.report(&Trouble::NoThread);
            none.into()
        })
    }
}
