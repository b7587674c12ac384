//! A socket that listens at a path, in place of one that nobody listens on any more.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use rustix::fs::Mode;
use rustix::process::umask;
use socket2::{Domain, SockAddr, Socket, Type};

use super::identity::{identity, stale};
use super::socket_path::{OwnPath, SocketPath};
use super::start_turn::StartTurn;
use super::{Listener, SocketOptions, naming};
use crate::lock::lock;

#[cfg(test)]
mod tests;

/// How long a start waits for others that start in the same folder. Each of them takes a moment.
const OTHERS: Duration = Duration::from_secs(2);

/// The umask is the process's: it is changed by one thread at a time, or it could stay changed.
static UMASK: Mutex<()> = Mutex::new(());

impl Listener {
    /// Listens on a Unix socket. A socket at `path` that nobody listens on any more is replaced; ours is removed when
    /// the listener is dropped. Of several that start at one path one listens; they take turns by a lock of its folder,
    /// for which this waits two seconds at most. No start takes so long: a socket that has refused connections since then
    /// is replaced also where somebody else keeps the lock, which everybody can who may read the folder. The wait blocks
    /// the thread.
    ///
    /// With [`unix_mode`](SocketOptions::unix_mode) the path has these permissions from the moment it exists. For that the
    /// umask of the whole process is changed while the socket is bound.
    ///
    /// ```
    /// use std::fs;
    /// use std::os::unix::fs::PermissionsExt;
    ///
    /// use httpfsm_transport::{Listener, SocketOptions};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("web.sock");
    /// let options = SocketOptions { unix_mode: Some(0o600), ..SocketOptions::default() };
    /// let listener = Listener::unix(&path, &options)?;
    /// assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);
    /// drop(listener);
    /// assert!(!path.exists());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Somebody listens there or is about to, as a lock of the folder that somebody keeps may mean, or the path cannot
    /// be made. The error names it.
    pub fn unix(path: impl AsRef<Path>, options: &SocketOptions) -> io::Result<Self> {
        Self::unix_seen(path.as_ref(), options, || ())
    }

    /// `bound` is called between the bind and the listen, where the socket looks stale to others.
    fn unix_seen(path: &Path, options: &SocketOptions, bound: impl FnOnce()) -> io::Result<Self> {
        let listen = || {
            // Until it listens.
            let turn = StartTurn::wait(path, OTHERS);
            let socket = bind_or_replace(path, options.unix_mode, &turn, || ())?;
            let own = SocketPath::new(path).map(OwnPath);
            bound();
            socket.listen(options.backlog)?;
            if own.as_ref().is_some_and(|own| !own.0.is_there()) {
                let text = "another server has taken the path before this one could listen";
                return Err(io::Error::new(io::ErrorKind::AddrInUse, text));
            }
            Ok(Self { path: own, ..Self::from_socket(socket)? })
        };
        listen().map_err(|error: io::Error| naming(&error, &path.display().to_string()))
    }
}

/// Binds a socket at the path, in place of a stale one if there is one. `looked` is called between the look and the
/// removal, where a server that knows nothing of turns may do the same.
fn bind_or_replace(
    path: &Path,
    mode: Option<u32>,
    turn: &StartTurn,
    looked: impl FnOnce(),
) -> io::Result<Socket> {
    match bind_unix(path, mode) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let is_socket = fs::symlink_metadata(path).map(|file| file.file_type().is_socket());
            if is_socket.is_ok_and(|is_socket| !is_socket) {
                return Err(io::Error::new(error.kind(), "it is there, and is no socket"));
            }
            let Some(found) = stale(path) else { return Err(error) };
            if matches!(turn, StartTurn::Theirs { refused } if *refused != Some(found)) {
                let text =
                    "nobody listens there yet, and its folder is locked by somebody who may be about to";
                return Err(io::Error::new(error.kind(), text));
            }
            looked();
            if identity(path) == Some(found) {
                fs::remove_file(path)?;
            }
            bind_unix(path, mode)
        }
        bound => bound,
    }
}

fn bind_unix(path: &Path, mode: Option<u32>) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    let address = SockAddr::unix(path)?;
    let Some(mode) = mode else {
        socket.bind(&address)?;
        return Ok(socket);
    };
    // A chmod would need the path, which somebody may have given to another file since the bind; one of the descriptor
    // does not reach the file.
    let _alone = lock(&UMASK);
    let before = umask(Mode::from_raw_mode(!mode & 0o777));
    let bound = socket.bind(&address);
    umask(before);
    bound.map(|()| socket)
}
