//! The path of a Unix socket, which is removed once, and only while it is ours.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::identity::{Identity, identity};

/// The path of a Unix socket that a [`Listener`](crate::Listener) has made, and the file that it is.
///
/// A program that exits without dropping its server removes the path before:
///
/// ```
/// use httpfsm_transport::{Listener, SocketOptions};
///
/// # fn main() -> std::io::Result<()> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("web.sock");
/// let listener = Listener::unix(&path, &SocketOptions::default())?;
/// let made = listener.path().expect("it has made the path");
/// assert!(path.exists());
/// made.remove();
/// assert!(!path.exists());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SocketPath(Arc<MadePath>);

#[derive(Debug)]
struct MadePath {
    path: PathBuf,
    file: Identity,
    is_removed: AtomicBool,
}

impl SocketPath {
    pub(super) fn new(path: &Path) -> Option<Self> {
        // A relative path may mean another file by then.
        let path = std::path::absolute(path).ok()?;
        let file = identity(&path)?;
        Some(Self(Arc::new(MadePath { path, file, is_removed: AtomicBool::new(false) })))
    }

    /// Whether the path leads to the file that was made.
    pub(super) fn is_there(&self) -> bool {
        identity(&self.0.path) == Some(self.0.file)
    }

    /// Removes the file, unless that was done, or another one has its name by now. The listener does so when it is dropped.
    pub fn remove(&self) {
        // Once: where the file system does not tell when a file was made, the next one may look like ours.
        if !self.0.is_removed.swap(true, Ordering::SeqCst) && self.is_there() {
            let _ = fs::remove_file(&self.0.path);
        }
    }
}

/// Removes the path when it is dropped.
#[derive(Debug)]
pub(super) struct OwnPath(pub(super) SocketPath);

impl Drop for OwnPath {
    fn drop(&mut self) {
        self.0.remove();
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::{Listener, SocketOptions};

    #[test]
    fn a_path_is_removed_once_by_whoever_comes_first() -> io::Result<()> {
        let place = tempfile::tempdir()?;
        let (path, options) = (place.path().join("socket"), SocketOptions::default());
        let listener = Listener::unix(&path, &options)?;
        drop(listener.path());
        assert!(path.exists());
        listener.path().iter().for_each(SocketPath::remove);
        assert!(!path.exists());
        let next = Listener::unix(&path, &options)?;
        drop(listener);
        assert!(UnixStream::connect(&path).is_ok());
        drop(next);
        assert!(!path.exists());
        Ok(())
    }
}
