//! What the system has in memory is responded to where the request is, without a job.
//!
//! Opening a file whose path is in memory takes a few microseconds, and a job costs more than that. The kernel says
//! whether it would have to wait for a disk: `RESOLVE_CACHED` of `openat2`, `RWF_NOWAIT` of `preadv2`. Whatever it cannot
//! say, and whatever is not a plain file at a path without links, is left to a job.

use std::fs::{File, Metadata};
use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

/// Devices whose file systems cannot say what they have in memory (overlayfs, tmpfs): found out once each.
#[derive(Clone, Default)]
pub(crate) struct SlowDevices(Arc<RwLock<Vec<u64>>>);

impl SlowDevices {
    pub(crate) fn has(&self, device: u64) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(&device)
    }

    pub(crate) fn note(&self, device: u64) {
        let mut devices = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if !devices.contains(&device) {
            devices.push(device);
        }
    }
}

/// How a file is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reads {
    /// For as long as it takes.
    Waiting,
    /// What is in memory: the error is `WouldBlock` where the disk would have to be waited for, and `Unsupported` where the
    /// file system cannot say.
    AtOnce,
}

/// Reads at a position into a buffer, which is not empty; 0 at the end of the file.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], at: u64, reads: Reads) -> io::Result<usize> {
    match reads {
        Reads::Waiting => Ok(rustix::io::pread(file, buffer, at)?),
        Reads::AtOnce => linux::read_at_once(file, buffer, at),
    }
}

/// Opens a plain file below a folder, by a path without links, where no disk has to be waited for, unless `may_wait`.
/// `None`: a job may find something.
pub(crate) fn open(root: &Path, path: &Path, may_wait: bool) -> Option<(File, Metadata)> {
    linux::open(root, path, may_wait)
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::{File, Metadata};
    use std::io::{self, IoSliceMut};
    use std::os::fd::OwnedFd;
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, Ordering};

    use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat2};
    use rustix::io::{Errno, ReadWriteFlags, preadv2};

    /// The system lacks `openat2` (Linux before 5.6) or what is asked of it (before 5.12), or a filter of system calls
    /// refuses it.
    static IS_REFUSED: AtomicBool = AtomicBool::new(false);

    pub(super) fn read_at_once(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        match preadv2(file, &mut [IoSliceMut::new(buffer)], at, ReadWriteFlags::NOWAIT) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::PERM) => Err(io::ErrorKind::Unsupported.into()),
            read => Ok(read?),
        }
    }

    pub(super) fn open(root: &Path, path: &Path, may_wait: bool) -> Option<(File, Metadata)> {
        if IS_REFUSED.load(Ordering::Relaxed) {
            return None;
        }
        let cached = if may_wait { ResolveFlags::empty() } else { ResolveFlags::CACHED };
        let root = noting(openat2(
            CWD,
            root,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
            cached,
        ))?;
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS | cached;
        let at = |flags| noting(openat2(&root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve));
        // A device is never opened, as opening it may have an effect: first it is found out what is there.
        let found = fstat(at(OFlags::PATH)?).ok()?;
        if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
            return None;
        }
        let file = File::from(at(OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?);
        let metadata = file.metadata().ok()?;
        metadata.is_file().then_some((file, metadata))
    }

    fn noting(opened: Result<OwnedFd, Errno>) -> Option<OwnedFd> {
        if let Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) = opened {
            IS_REFUSED.store(true, Ordering::Relaxed);
        }
        opened.ok()
    }
}

#[cfg(not(target_os = "linux"))]
mod linux {
    use std::fs::{File, Metadata};
    use std::io;
    use std::path::Path;

    pub(super) fn read_at_once(_: &File, _: &mut [u8], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn open(_: &Path, _: &Path, _: bool) -> Option<(File, Metadata)> {
        None
    }
}
