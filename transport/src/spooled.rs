//! The file of a request body that is kept whole.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::Arc;

use bytes::Bytes;

use crate::job::Spawner;
use crate::may_block::may_block;
use crate::panics;

/// A temporary file without a name. To close it is to delete it, which takes as long as the system needs to free all of it:
/// so it is closed where a disk may be waited for, wherever this is dropped.
pub(crate) struct Spooled {
    /// `None` when it is being dropped.
    file: Option<File>,
    spawner: Arc<dyn Spawner>,
}

impl Spooled {
    /// Makes the file.
    pub(crate) fn create(spawner: Arc<dyn Spawner>) -> io::Result<Self> {
        tempfile::tempfile().map(|file| Self::new(file, spawner))
    }

    fn new(file: File, spawner: Arc<dyn Spawner>) -> Self {
        Self { file: Some(file), spawner }
    }

    /// Appends to it.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file()?.write_all(bytes)
    }

    /// Has it read from its beginning.
    pub(crate) fn rewind(&mut self) -> io::Result<()> {
        self.file()?.seek(SeekFrom::Start(0)).map(drop)
    }

    /// Reads so many bytes.
    pub(crate) fn read(&mut self, length: usize) -> io::Result<Bytes> {
        let mut bytes = vec![0; length];
        self.file()?.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }

    fn file(&mut self) -> io::Result<&mut File> {
        self.file.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Drop for Spooled {
    fn drop(&mut self) {
        let file = self.file.take();
        if may_block() {
            return drop(file);
        }
        // Where no thread is to be had, the work is dropped, which closes it here after all.
        let _ = panics::catch(|| {
            let _ = self.spawner.spawn_blocking(Box::new(move || drop(file)));
        });
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    /// A file, and whether it is closed.
    pub(crate) fn watched(spawner: Arc<dyn Spawner>) -> (Spooled, impl Fn() -> bool) {
        let (near, far) = UnixStream::pair().unwrap_or_else(|error| panic!("{error}"));
        near.set_nonblocking(true).unwrap_or_else(|error| panic!("{error}"));
        let is_closed = move || matches!((&near).read(&mut [0]), Ok(0));
        (Spooled::new(OwnedFd::from(far).into(), spawner), is_closed)
    }
}
