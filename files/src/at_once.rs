//! What the system has in memory is responded to where the request is, without a job.
//!
//! Opening a file whose path is in memory takes a few microseconds, and a job costs more than that. The kernel says
//! whether it would have to wait for a disk: `RESOLVE_CACHED` of `openat2`, `RWF_NOWAIT` of `preadv2`. Whatever it cannot
//! say, and whatever is not a plain file of a local file system at a path without links, is left to a job.

use std::fs::{File, Metadata};
use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

/// What is known of the devices that files are on: whether their file systems are local and can say what they have in
/// memory, which those of networks, overlayfs and tmpfs cannot.
#[derive(Clone, Default)]
pub(crate) struct Devices(Arc<RwLock<Vec<(u64, bool)>>>);

impl Devices {
    /// Whether a file system can say what it has in memory, as far as is known.
    fn can_say(&self, device: u64) -> Option<bool> {
        let devices = self.0.read().unwrap_or_else(PoisonError::into_inner);
        devices.iter().find(|known| known.0 == device).map(|known| known.1)
    }

    pub(crate) fn note(&self, device: u64, can_say: bool) {
        let mut devices = self.0.write().unwrap_or_else(PoisonError::into_inner);
        devices.retain(|known| known.0 != device);
        devices.push((device, can_say));
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
        Reads::AtOnce => system::read_at_once(file, buffer, at),
    }
}

/// Opens a plain file below a folder, by a path without links; `whole` is both. With what is known of devices no disk
/// and no network is waited for. `None`: a job may find something.
pub(crate) fn open(
    root: &Path,
    path: &Path,
    whole: &Path,
    devices: Option<&Devices>,
) -> Option<(File, Metadata)> {
    system::open(root, path, whole, devices)
}

#[cfg(target_os = "linux")]
mod system {
    use std::fs::{File, Metadata};
    use std::io::{self, IoSliceMut};
    use std::os::fd::AsFd;
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, Ordering};

    use rustix::fs::{
        AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, StatxFlags, fstatfs, makedev, openat2, statx,
    };
    use rustix::io::{Errno, ReadWriteFlags, preadv2};

    use super::Devices;

    /// The system lacks `openat2` (Linux before 5.6). Where it lacks `RESOLVE_CACHED` (before 5.12), or a filter of system
    /// calls refuses it, each request asks in vain, as the error is one that a file may have, too.
    static HAS_NO_OPENAT2: AtomicBool = AtomicBool::new(false);

    /// Local file systems that know `RWF_NOWAIT`, by their numbers in `statfs(2)`: ext2 to ext4, XFS, Btrfs, F2FS.
    const LOCAL: [u32; 4] = [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010];

    pub(super) fn read_at_once(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        match preadv2(file, &mut [IoSliceMut::new(buffer)], at, ReadWriteFlags::NOWAIT) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::PERM) => Err(io::ErrorKind::Unsupported.into()),
            read => Ok(read?),
        }
    }

    pub(super) fn open(
        root: &Path,
        path: &Path,
        whole: &Path,
        devices: Option<&Devices>,
    ) -> Option<(File, Metadata)> {
        if HAS_NO_OPENAT2.load(Ordering::Relaxed) {
            return None;
        }
        let cached = if devices.is_some() { ResolveFlags::CACHED } else { ResolveFlags::empty() };
        // One look-up is enough where the way to the folder has no links either.
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let without_links = ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS | cached;
        let folder;
        let (place, below, path, resolve) = match openat2(CWD, whole, flags, Mode::empty(), without_links) {
            Ok(place) => (place, CWD, whole, without_links),
            Err(Errno::LOOP) => {
                folder = openat2(CWD, root, flags | OFlags::DIRECTORY, Mode::empty(), cached).ok()?;
                let resolve = without_links | ResolveFlags::BENEATH;
                (openat2(&folder, path, flags, Mode::empty(), resolve).ok()?, folder.as_fd(), path, resolve)
            }
            Err(error) => {
                HAS_NO_OPENAT2.fetch_or(error == Errno::NOSYS, Ordering::Relaxed);
                return None;
            }
        };
        // A device is never opened, as opening it may have an effect, and what is on a network may have to be waited for.
        // So first it is found out what is there.
        let asked = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
        let found = statx(&place, "", asked, StatxFlags::TYPE).ok()?;
        if FileType::from_raw_mode(found.stx_mode.into()) != FileType::RegularFile {
            return None;
        }
        if let Some(devices) = devices {
            let device = makedev(found.stx_dev_major, found.stx_dev_minor);
            let can_say = devices.can_say(device).unwrap_or_else(|| {
                let is_local = is_local(&place);
                devices.note(device, is_local);
                is_local
            });
            if !can_say {
                return None;
            }
        }
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = File::from(openat2(below, path, flags, Mode::empty(), resolve).ok()?);
        let metadata = file.metadata().ok()?;
        metadata.is_file().then_some((file, metadata))
    }

    fn is_local(place: impl AsFd) -> bool {
        let kind = fstatfs(place).ok().and_then(|system| u32::try_from(system.f_type).ok());
        kind.is_some_and(|kind| LOCAL.contains(&kind))
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::fs::{File, Metadata};
    use std::io;
    use std::path::Path;

    use super::Devices;

    pub(super) fn read_at_once(_: &File, _: &mut [u8], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn open(_: &Path, _: &Path, _: &Path, _: Option<&Devices>) -> Option<(File, Metadata)> {
        None
    }
}
