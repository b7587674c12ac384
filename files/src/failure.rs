//! Files that cannot be read: the report to the operator, and the response to the client.

use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::{error, fmt};

use httpfsm::handler::Response;
use httpfsm::status::Status;
use rustix::io::Errno;

use crate::place;
use crate::trouble::{Reporter, Trouble};

/// A file or a folder that could not be read, and why.
///
/// ```
/// use httpfsm_files::{Files, Trouble};
///
/// # fn main() -> Result<(), httpfsm_files::NoFolder> {
/// let files = Files::new("/usr/share/doc")?.on_trouble(|trouble| {
///     if let Trouble::Unreadable(unreadable) = trouble {
///         eprintln!("{}: {}", unreadable.path.display(), unreadable.error);
///     }
/// });
/// # drop(files);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Unreadable {
    /// Its path.
    pub path: PathBuf,
    /// What the system says; `UnexpectedEof`: it became shorter while it was sent.
    pub error: io::Error,
}

impl Unreadable {
    /// The response; reports the failure to the operator, unless the file does not exist. A client does not learn which
    /// unreadable files exist.
    pub(crate) fn respond(self, reporter: &Reporter) -> Response {
        let response = response(&self.error);
        if self.concerns_operator() {
            reporter.report(&Trouble::Unreadable(self));
        }
        response
    }

    /// Whether the operator may have meant to serve it: the file exists, or nobody knows.
    pub(crate) fn concerns_operator(&self) -> bool {
        !place::is_hidden(&self.error) || is_forbidden(&self.error)
    }
}

/// The response to a request for a file that cannot be read.
pub(crate) fn response(error: &io::Error) -> Response {
    let (status, text) = status(error);
    Response::text(text).with_status(status)
}

/// The response to a request for a file that the server has no room for in its memory. Its ledger reports it.
pub(crate) fn no_room() -> Response {
    let (status, text) = NO_RESOURCES;
    Response::text(text).with_status(status)
}

const NO_RESOURCES: (Status, &str) =
    (Status::SERVICE_UNAVAILABLE, "The server has no resources left for the moment.\n");

fn status(error: &io::Error) -> (Status, &'static str) {
    if place::is_hidden(error) {
        (Status::NOT_FOUND, "There is nothing here.\n")
    } else if place::is_passing(error) {
        NO_RESOURCES
    } else {
        (Status::INTERNAL_SERVER_ERROR, "The file cannot be read.\n")
    }
}

/// Whether the system denies access: the operator may have meant to serve the file. The error for a link that leads out
/// of the root has no number from the system.
pub(crate) fn is_forbidden(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::ACCESS | Errno::PERM))
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.error.kind() {
            ErrorKind::UnexpectedEof => write!(f, "{:?} became shorter while it was sent.", self.path),
            _ => write!(f, "{:?} cannot be read: {}.", self.path, self.error),
        }
    }
}

impl error::Error for Unreadable {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.error)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use rustix::io::Errno;

    use super::{Unreadable, is_forbidden, status};

    #[test]
    fn a_client_learns_that_something_failed_and_not_what_is_there() {
        for (errno, expected) in [
            (Errno::NOENT, 404),
            (Errno::NOTDIR, 404),
            (Errno::ACCESS, 404),
            (Errno::PERM, 404),
            (Errno::LOOP, 404),
            (Errno::MFILE, 503),
            (Errno::NFILE, 503),
            (Errno::NOMEM, 503),
            (Errno::IO, 500),
            (Errno::STALE, 500),
        ] {
            assert_eq!(status(&errno.into()).0.code(), expected, "{errno:?}");
        }
    }

    #[test]
    fn what_is_forbidden_differs_from_what_leads_out() {
        assert!(is_forbidden(&Errno::ACCESS.into()) && is_forbidden(&Errno::PERM.into()));
        assert!(!is_forbidden(&Errno::NOENT.into()));
        assert!(!is_forbidden(&Error::new(
            ErrorKind::PermissionDenied,
            "a path led outside of the filesystem"
        )));
    }

    #[test]
    fn a_failure_names_the_file() {
        let text = |error| Unreadable { path: "/srv/www/a\n.iso".into(), error }.to_string();
        let shorter = text(ErrorKind::UnexpectedEof.into());
        assert_eq!(shorter, "\"/srv/www/a\\n.iso\" became shorter while it was sent.");
        let unreadable = text(Errno::IO.into());
        assert_eq!(unreadable, "\"/srv/www/a\\n.iso\" cannot be read: Input/output error (os error 5).");
    }
}
