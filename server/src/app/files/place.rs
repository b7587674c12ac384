//! What stands at a path of the root.

use std::fs::{File, Metadata};
use std::io;
use std::path::{Component, Path};

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::hidden::DotNames;

/// What can be served.
pub(super) enum Place {
    /// Open for reading, with what it was when it was opened.
    File(File, Metadata),
    Folder,
}

/// Looks there, and nowhere outside the root: every step of the path and every link is held to it, by the kernel where
/// that has `openat2`.
///
/// # Errors
///
/// Those of the system; `NotFound` for what is neither a file nor a folder.
pub(super) fn at(root: &Dir, path: &Path, dot_names: DotNames) -> io::Result<Place> {
    let found = metadata(root, path, dot_names)?;
    if found.is_dir() {
        return Ok(Place::Folder);
    }
    // A device is not even opened: that alone can do something.
    if !found.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    // Something else may stand there by now. Opening a FIFO would wait for a writer.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(flags.bits() as i32);
    let file = root.open_with(path, &options)?.into_std();
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok(Place::File(file, metadata)) } else { Err(io::ErrorKind::NotFound.into()) }
}

/// What is known of what a path leads to, links followed.
///
/// # Errors
///
/// Those of the system; `NotFound` where a link leads to something hidden.
pub(super) fn metadata(root: &Dir, path: &Path, dot_names: DotNames) -> io::Result<cap_std::fs::Metadata> {
    let real = root.canonicalize(path)?;
    let names = real.components().filter_map(|step| match step {
        Component::Normal(name) => Some(name),
        _ => None,
    });
    if dot_names.show(names) { root.metadata(path) } else { Err(io::ErrorKind::NotFound.into()) }
}

/// Whether the error says that nothing is to be seen there: it is missing, forbidden, outside, or cannot exist.
pub(super) fn is_hidden(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, NotADirectory, NotFound, PermissionDenied};
    matches!(error.kind(), NotFound | PermissionDenied | NotADirectory | InvalidInput)
        || matches!(
            Errno::from_io_error(error),
            Some(Errno::LOOP | Errno::NAMETOOLONG | Errno::XDEV | Errno::NXIO | Errno::ILSEQ)
        )
}

/// Whether the same may succeed a little later.
pub(super) fn is_passing(error: &io::Error) -> bool {
    let of_the_process = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::AGAIN];
    Errno::from_io_error(error).is_some_and(|errno| of_the_process.contains(&errno))
}
