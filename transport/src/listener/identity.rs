//! Which file stands at a path, and whether it is a socket that nobody listens on.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::time::SystemTime;

use socket2::{Domain, SockAddr, Socket, Type};

/// What tells a file from another at the same path. The number of one that was removed is soon given to the next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Identity {
    number: (u64, u64),
    /// Where the file system tells.
    created: Option<SystemTime>,
}

impl Identity {
    fn of(file: &Metadata) -> Self {
        Self { number: (file.dev(), file.ino()), created: file.created().ok() }
    }
}

/// What stands there, also where it is a link.
pub(super) fn identity(path: &Path) -> Option<Identity> {
    fs::symlink_metadata(path).ok().map(|file| Identity::of(&file))
}

/// The socket that nobody listens on, if that is what is there. To connect to any other file is refused as well. It does
/// not wait for an owner whose backlog is full: that one listens.
pub(super) fn stale(path: &Path) -> Option<Identity> {
    let file = fs::symlink_metadata(path).ok().filter(|file| file.file_type().is_socket())?;
    let file = Identity::of(&file);
    let connect = || {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.connect(&SockAddr::unix(path)?)
    };
    let is_refused =
        connect().is_err_and(|error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused);
    is_refused.then_some(file)
}
