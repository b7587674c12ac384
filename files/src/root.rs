//! The folder that is served. It may be replaced while it is served.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf, absolute};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{env, fmt, fs, io};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::fs::{AtFlags, statat};

use crate::failure::is_forbidden;
use crate::place;
use crate::trouble::{Reporter, Trouble};

/// A path whose folder is opened for each request.
#[derive(Clone)]
pub(crate) struct Root {
    path: PathBuf,
    /// Why it could not be listed at the start.
    unlistable: Option<Arc<Trouble>>,
    /// Whether the operator has been told that the folder is missing.
    is_gone: Arc<AtomicBool>,
}

impl Root {
    /// The root at a path. A relative path becomes absolute now; its links are kept, as their targets may change.
    ///
    /// # Errors
    ///
    /// [`NoFolder`] when there is no folder at the path, or none that may be passed through.
    pub(crate) fn new(path: &Path) -> Result<Self, NoFolder> {
        let no_folder = |error| NoFolder { path: path.to_owned(), error };
        let mut root =
            Self { path: resolve(path).map_err(no_folder)?, unlistable: None, is_gone: Arc::default() };
        // An error at the start is better than a 404 for each request.
        let dir = root.dir().and_then(|dir| may_be_passed(&dir).map(|()| dir)).map_err(no_folder)?;
        match dir.entries() {
            Err(error) if is_forbidden(&error) => {
                root.unlistable = Some(Arc::new(Trouble::Unlistable { root: root.path.clone(), error }));
            }
            entries => drop(entries.map_err(no_folder)?),
        }
        Ok(root)
    }

    /// Reports what was found at the start.
    pub(crate) fn report(&self, reporter: &Reporter) {
        if let Some(trouble) = &self.unlistable {
            reporter.report(trouble);
        }
    }

    /// Whether the folder was missing when it was last opened.
    pub(crate) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Relaxed)
    }

    /// The absolute path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the folder at the path, and reports once that it is missing and once that it is back. Each request does
    /// so, and all its look-ups see one folder: two system calls, which take about 2 µs of 30 to 60.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub(crate) fn open(&self, reporter: &Reporter) -> io::Result<Dir> {
        // Read before the folder is opened, so that a folder that was opened before its removal does not count as back.
        let was_gone = self.is_gone.load(Ordering::SeqCst);
        let opened = self.dir();
        match &opened {
            Ok(_) if was_gone && self.is_gone.swap(false, Ordering::SeqCst) => {
                reporter.report(&Trouble::RootBack { root: self.path.clone() });
            }
            Err(error) if place::is_hidden(error) && !self.is_gone.swap(true, Ordering::SeqCst) => {
                let error = io::Error::new(error.kind(), error.to_string());
                reporter.report(&Trouble::RootMissing { root: self.path.clone(), error });
            }
            _ => {}
        }
        opened
    }

    fn dir(&self) -> io::Result<Dir> {
        Dir::open_ambient_dir(&self.path, ambient_authority())
    }
}

/// Checks that names may be looked up in a folder, by looking one up.
fn may_be_passed(dir: &Dir) -> io::Result<()> {
    Ok(statat(dir, ".", AtFlags::empty()).map(drop)?)
}

/// The absolute form of a path, with its links as they are.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    let resolved = absolute(path)?;
    if path.is_absolute() {
        return Ok(resolved);
    }
    logical_folder().map_or(Ok(resolved), |folder| absolute(folder.join(path)))
}

/// The current folder by its name in the shell (`PWD`), as `pwd -L` prints it, so that a link in this name is followed
/// again for each request. `None` where `PWD` is missing or wrong.
fn logical_folder() -> Option<PathBuf> {
    let named = PathBuf::from(env::var_os("PWD")?);
    let there = fs::metadata(&named).ok()?;
    let here = fs::metadata(".").ok()?;
    let is_here = (there.dev(), there.ino()) == (here.dev(), here.ino());
    (named.is_absolute() && is_here).then_some(named)
}

/// The folder of [`Files::new`](crate::Files::new) cannot be served.
#[derive(Debug)]
pub struct NoFolder {
    path: PathBuf,
    error: io::Error,
}

impl fmt::Display for NoFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "The folder {} cannot be served: {}.", self.path.display(), self.error)
    }
}

impl std::error::Error for NoFolder {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::{Reporter, Root, resolve};

    fn file(root: &Root) -> Option<String> {
        root.open(&Reporter::default()).ok()?.read_to_string("file").ok()
    }

    #[test]
    fn what_stands_at_the_path_is_opened_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name| folder.path().join(name);
        for name in ["one", "two"] {
            fs::create_dir(path(name)).unwrap();
            fs::write(path(name).join("file"), name).unwrap();
        }
        symlink("one", path("link")).unwrap();
        let (link, one) = (Root::new(&path("link")).unwrap(), Root::new(&path("one")).unwrap());
        assert_eq!((file(&link).as_deref(), file(&one).as_deref()), (Some("one"), Some("one")));
        symlink("two", path("new")).unwrap();
        fs::rename(path("new"), path("link")).unwrap();
        assert_eq!(file(&link).as_deref(), Some("two"));
        fs::remove_dir_all(path("one")).unwrap();
        assert_eq!(file(&one), None);
        fs::create_dir(path("one")).unwrap();
        fs::write(path("one/file"), "again").unwrap();
        assert_eq!(file(&one).as_deref(), Some("again"));
    }

    #[test]
    fn a_relative_path_becomes_absolute_with_its_links() {
        // The tests run in the folder of the package.
        for path in [".", "src", "./src/../src"] {
            let resolved = resolve(Path::new(path)).unwrap();
            assert!(
                resolved.is_absolute()
                    && resolved.ends_with(path.trim_start_matches('.').trim_start_matches('/')),
                "{resolved:?}"
            );
            assert_eq!(fs::canonicalize(&resolved).unwrap(), fs::canonicalize(path).unwrap());
        }
        assert_eq!(resolve(Path::new("/x/link")).unwrap(), Path::new("/x/link"));
        assert!(resolve(Path::new("")).is_err());
    }
}
