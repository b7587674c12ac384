//! What the operator is to know.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::failure::Unreadable;

/// What keeps files from being served, and concerns the operator and no client: see
/// [`Files::on_trouble`](crate::Files::on_trouble). Its text is a sentence or two.
#[derive(Debug)]
#[non_exhaustive]
pub enum Trouble {
    /// A file or a folder is there and cannot be read: the response is 404 where access is denied, and 500 or 503
    /// otherwise. Or a file is missing that is to [stand in](crate::Files::not_found) for others. This may come with each
    /// request.
    Unreadable(Unreadable),
    /// The spawner has no thread to read files on. The response is 503, or is cut. This may come with each request.
    NoThread,
    /// The folder that is served cannot be listed, and its files can be read.
    Unlistable {
        /// Its path.
        root: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// There is no folder any more at the path that is served. Each response is 404 until there is one.
    RootMissing {
        /// The path.
        root: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// There is a folder again at the path that is served.
    RootBack {
        /// The path.
        root: PathBuf,
    },
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(unreadable) => unreadable.fmt(f),
            Self::NoThread => {
                f.write_str("No thread can be had to read files on, under the limits of the system.")
            }
            Self::Unlistable { root, error } => write!(
                f,
                "The folder {root:?} cannot be listed: {error}. Its files are served; a list of it is 404."
            ),
            Self::RootMissing { root, error } => {
                write!(f, "The folder {root:?} cannot be opened: {error}. Each request gets 404.")
            }
            Self::RootBack { root } => write!(f, "The folder {root:?} is back."),
        }
    }
}

type Report = dyn Fn(&Trouble) + Send + Sync;

/// Who hears of trouble; nobody by default.
#[derive(Clone, Default)]
pub(crate) struct Reporter(Option<Arc<Report>>);

impl Reporter {
    pub(crate) fn new(report: impl Fn(&Trouble) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(report)))
    }

    pub(crate) fn report(&self, trouble: &Trouble) {
        if let Some(report) = &self.0 {
            report(trouble);
        }
    }
}
