//! The file of a body: of a request's that is kept whole, or of a response's whose function is ahead of its reader.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::mem;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::accept::is_shortage;
use crate::call::{Call, CallFunction, CallKind};
use crate::job::{NoThread, Spawner};
use crate::ledger::{Charge, Ledger};
use crate::lock::lock;
use crate::may_block::may_block;
use crate::panics;

/// A temporary file without a name. To close it is to delete it, which takes as long as the system needs to free all of it:
/// so it is closed where a disk may be waited for, wherever this is dropped.
pub(crate) struct Spooled {
    /// `None` when it is being dropped.
    file: Option<File>,
    /// How much was appended. Behind that there may be a part of what could not be.
    length: u64,
    /// Of its bytes, until it is closed.
    charge: Option<Charge>,
    spawner: Arc<dyn Spawner>,
}

impl Spooled {
    /// Makes the file of a request.
    pub(crate) fn create(ledger: &Arc<Ledger>, spawner: Arc<dyn Spawner>) -> io::Result<Self> {
        Ok(Self::new(make(ledger.spool_dir())?, ledger.file(), spawner))
    }

    /// Makes the file of a response.
    pub(crate) fn create_written(ledger: &Arc<Ledger>, spawner: Arc<dyn Spawner>) -> io::Result<Self> {
        Ok(Self::new(make(ledger.spool_dir())?, ledger.written_file(), spawner))
    }

    fn new(file: File, charge: Charge, spawner: Arc<dyn Spawner>) -> Self {
        Self { file: Some(file), length: 0, charge: Some(charge), spawner }
    }

    /// Appends all of it, or nothing. Above `max_spooled_bytes`, or its half for responses, the error is
    /// [`NoRoom`](httpfsm::handler::NoRoom).
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let more = bytes.len() as u64;
        if let Some(charge) = &mut self.charge {
            charge.spool(more).map_err(io::Error::other)?;
        }
        let at = self.length;
        let written = self.file()?.write_all_at(bytes, at);
        match (&written, &mut self.charge) {
            (Ok(()), _) => self.length += more,
            (Err(_), Some(charge)) => charge.unspool(more),
            (Err(_), None) => {}
        }
        written
    }

    /// Has it read from its beginning.
    pub(crate) fn rewind(&mut self) -> io::Result<()> {
        self.file()?.seek(SeekFrom::Start(0)).map(drop)
    }

    /// Reads so many bytes.
    pub(crate) fn read(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.file()?.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads so many bytes from a place in it, wherever it is appended to.
    pub(crate) fn read_at(&mut self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.file()?.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    fn file(&mut self) -> io::Result<&mut File> {
        self.file.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// Checks that files can be made in a folder.
///
/// # Errors
///
/// They cannot; the text names the folder.
pub(crate) fn probe(folder: &Path) -> io::Result<()> {
    let made = make(Some(folder));
    made.map(drop).map_err(|error| {
        let text =
            format!("No file can be made in the folder of `spool_dir`, {}: {error}.", folder.display());
        io::Error::new(error.kind(), text)
    })
}

fn make(folder: Option<&Path>) -> io::Result<File> {
    folder.map_or_else(tempfile::tempfile, tempfile::tempfile_in)
}

/// Whether a body could not be kept for want of something that may soon be there: a thread, room on the disk, or a
/// descriptor. A request gets a 503 then.
pub(crate) fn is_soon_over(error: &io::Error) -> bool {
    let is_full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    is_full || is_shortage(error) || error.get_ref().is_some_and(|error| error.is::<NoThread>())
}

impl Drop for Spooled {
    fn drop(&mut self) {
        let file = (self.file.take(), self.charge.take());
        if may_block() {
            return drop(file);
        }
        // Where no thread is to be had, the work is dropped, which closes it here after all.
        let _ = panics::catch(|| {
            let _ =
                self.spawner.spawn_call(Call::new(Arc::new(Closing(Mutex::new(file))), CallKind::Closing));
        });
    }
}

/// A file that is to be closed, and its charge.
struct Closing(Mutex<(Option<File>, Option<Charge>)>);

impl CallFunction for Closing {
    fn call(self: Arc<Self>) {
        self.abandon();
    }

    fn abandon(&self) {
        drop(mem::take(&mut *lock(&self.0)));
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Write;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    use httpfsm::config::ServerConfig;
    use httpfsm::handler::NoRoom;

    use super::*;
    use crate::clock::Clock;
    use crate::job::tests::ManualSpawner;

    /// A ledger for files of so many bytes in all.
    pub(crate) fn ledger(max_spooled_bytes: u64) -> Arc<Ledger> {
        let config = ServerConfig { max_spooled_bytes, ..ServerConfig::default() };
        Ledger::new(&config, Arc::default(), Clock::manual(), None)
    }

    /// A file, and whether it is closed.
    pub(crate) fn watched(spawner: Arc<dyn Spawner>) -> (Spooled, impl Fn() -> bool) {
        let (near, far) = UnixStream::pair().unwrap_or_else(|error| panic!("{error}"));
        near.set_nonblocking(true).unwrap_or_else(|error| panic!("{error}"));
        let is_closed = move || matches!((&near).read(&mut [0]), Ok(0));
        (Spooled::new(OwnedFd::from(far).into(), ledger(0).file(), spawner), is_closed)
    }

    #[test]
    fn a_file_is_charged_until_it_is_closed_and_grows_no_further_than_the_limit() {
        let manual = Arc::<ManualSpawner>::default();
        let spawner: Arc<dyn Spawner> = Arc::clone(&manual) as _;
        let ledger = ledger(10);
        let create =
            || Spooled::create(&ledger, Arc::clone(&spawner)).unwrap_or_else(|error| panic!("{error}"));
        let (mut first, mut second) = (create(), create());
        assert!(first.append(b"123456").is_ok() && second.append(b"1234").is_ok());
        let refused = first.append(b"7").err().and_then(|error| error.downcast::<NoRoom>().ok());
        assert_eq!((refused, ledger.memory().spooled), (Some(NoRoom), 10));
        drop(second);
        assert_eq!(ledger.memory().spooled, 10, "it is not closed yet");
        manual.run();
        assert_eq!(ledger.memory().spooled, 6);
        assert!(first.append(b"7890").is_ok());
        drop(first);
        manual.run();
        assert_eq!(ledger.memory().spooled, 0);
    }

    #[test]
    fn what_could_not_be_appended_leaves_nothing_behind() {
        let (manual, ledger) = (Arc::<ManualSpawner>::default() as Arc<dyn Spawner>, ledger(100));
        let mut spooled =
            Spooled::create(&ledger, Arc::clone(&manual)).unwrap_or_else(|error| panic!("{error}"));
        assert!(spooled.append(b"123").is_ok());
        // As of a write that fails half-way.
        assert!(spooled.file().is_ok_and(|file| file.write_all(b"12345678").is_ok()));
        assert!(spooled.append(b"456").is_ok());
        assert_eq!(spooled.read_at(0, 6).ok().as_deref(), Some(&b"123456"[..]));
        let read_only = File::open("/dev/null").unwrap_or_else(|error| panic!("{error}"));
        let mut refusing = Spooled::new(read_only, ledger.file(), manual);
        assert!(refusing.append(b"12345").is_err());
        assert_eq!(ledger.memory().spooled, 6);
    }

    #[test]
    fn a_full_disk_and_a_lack_of_descriptors_are_as_soon_over_as_one_of_threads_and_a_missing_folder_is_not()
    {
        // ENOSPC, EDQUOT, EMFILE, ENFILE, ENOMEM, ENOENT and EIO.
        let codes = [28, 122, 24, 23, 12, 2, 5];
        let verdicts = codes.map(|code| is_soon_over(&io::Error::from_raw_os_error(code)));
        assert_eq!(verdicts, [true, true, true, true, true, false, false]);
        assert!(is_soon_over(&NoThread.into()) && !is_soon_over(&io::Error::other("NoThread")));
    }

    #[test]
    fn a_folder_in_which_no_file_can_be_made_is_named() {
        let error = probe(Path::new("/nonexistent/spool")).expect_err("there is none");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains("/nonexistent/spool"), "{error}");
        assert!(probe(&std::env::temp_dir()).is_ok());
    }
}
