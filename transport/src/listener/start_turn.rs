//! Several starts at one path of a Unix socket: each has its turn.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use super::identity::{Identity, stale};

/// The turn of one start among those in one folder: a lock of the folder. A socket that is bound and does not listen yet
/// refuses connections as a stale one does, so nobody else may look at it then.
///
/// The other way, to bind under another name and to link the socket to its path once it listens, needs no lock. But then
/// the system shows that name as the socket's address, to `ss` and to its peers, a path of full length leaves no room for
/// it, and two that find a stale socket still race for its removal.
pub(super) enum StartTurn {
    /// It is ours while the folder is open.
    Ours { _folder: File },
    /// The folder cannot be locked: it may not be read, or its file system has no locks.
    Unknown,
    /// Somebody holds the lock for longer than any start takes: it is no start that does.
    Theirs {
        /// The socket that refused connections when the wait began. If it does still, it is no server's that starts.
        refused: Option<Identity>,
    },
}

impl StartTurn {
    /// Waits for the turn, but no longer than `patience`.
    pub(super) fn wait(path: &Path, patience: Duration) -> Self {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        // Nothing else: to open a FIFO would wait for its writer.
        let flags = OFlags::DIRECTORY | OFlags::NONBLOCK;
        let folder = File::options().read(true).custom_flags(flags.bits() as i32).open(folder);
        let Ok(folder) = folder else { return Self::Unknown };
        let mut waits = None;
        loop {
            match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Self::Ours { _folder: folder },
                Err(Errno::WOULDBLOCK | Errno::INTR) => {}
                Err(_) => return Self::Unknown,
            }
            let (refused, since) = *waits.get_or_insert_with(|| (stale(path), Instant::now()));
            if since.elapsed() >= patience {
                return Self::Theirs { refused };
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}
