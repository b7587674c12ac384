//! The file or folder at a path of the root.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, openat, openat2, statat};
use rustix::io::Errno;

use crate::hidden::DotNames;

/// A file or a folder that can be served.
pub(crate) enum Servable {
    /// Open for reading, with its metadata.
    File(File, Metadata),
    Folder,
}

/// Opens what is at a path, and never anything outside the root.
///
/// # Errors
///
/// Those of the system; `NotFound` for what is neither a file nor a folder, or is hidden.
pub(crate) fn at(root: &Dir, path: &Path, dot_names: DotNames) -> io::Result<Servable> {
    CheckedPath::new(root, path, dot_names)?.open()
}

/// The metadata of what a path leads to; links are followed.
///
/// # Errors
///
/// Those of the system; `NotFound` where a link leads to something hidden.
pub(crate) fn metadata(root: &Dir, path: &Path, dot_names: DotNames) -> io::Result<cap_std::fs::Metadata> {
    CheckedPath::new(root, path, dot_names)?.metadata()
}

/// The folder that a path leads to, to be listed.
///
/// # Errors
///
/// As those of [`metadata`].
pub(crate) fn folder(root: &Dir, path: &Path, dot_names: DotNames) -> io::Result<Dir> {
    CheckedPath::new(root, path, dot_names)?.folder()
}

/// A path without links, inside of the root and not hidden. It is opened without following links, so that a link or
/// folder that is replaced after the check cannot lead elsewhere.
struct CheckedPath<'a> {
    root: &'a Dir,
    /// Only names; empty for the root.
    path: PathBuf,
}

impl<'a> CheckedPath<'a> {
    /// Resolves the links of a path, each step inside of the root.
    fn new(root: &'a Dir, path: &Path, dot_names: DotNames) -> io::Result<Self> {
        let real = root.canonicalize(path)?;
        let path: PathBuf = real.components().filter(|step| matches!(step, Component::Normal(_))).collect();
        if dot_names.show(&path) { Ok(Self { root, path }) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn open(&self) -> io::Result<Servable> {
        let Some((parent, name)) = self.parent()? else { return Ok(Servable::Folder) };
        let found = statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(found.st_mode) {
            FileType::Directory => return Ok(Servable::Folder),
            FileType::RegularFile => {}
            // A device is never opened, as opening it may have an effect.
            _ => return Err(io::ErrorKind::NotFound.into()),
        }
        // The file may have been replaced since. Opening a FIFO would wait for a writer.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = File::from(openat(&parent, name, flags, Mode::empty())?);
        let metadata = file.metadata()?;
        if metadata.is_file() {
            Ok(Servable::File(file, metadata))
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    fn metadata(&self) -> io::Result<cap_std::fs::Metadata> {
        match self.parent()? {
            None => self.root.dir_metadata(),
            Some((Parent::Root(root), name)) => root.symlink_metadata(name),
            Some((Parent::Below(folder), name)) => Dir::from_std_file(folder.into()).symlink_metadata(name),
        }
    }

    fn folder(&self) -> io::Result<Dir> {
        let folder = open_folder(self.root, &self.path, OFlags::RDONLY)?;
        Ok(Dir::from_std_file(folder.into()))
    }

    /// The folder that it is in, and its name there; `None` for the root.
    fn parent(&self) -> io::Result<Option<(Parent<'a>, &OsStr)>> {
        let (Some(parent), Some(name)) = (self.path.parent(), self.path.file_name()) else { return Ok(None) };
        let parent = if parent.as_os_str().is_empty() {
            Parent::Root(self.root)
        } else {
            Parent::Below(open_folder(self.root, parent, OFlags::PATH)?)
        };
        Ok(Some((parent, name)))
    }
}

enum Parent<'a> {
    Root(&'a Dir),
    Below(OwnedFd),
}

impl AsFd for Parent<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Root(root) => root.as_fd(),
            Self::Below(folder) => folder.as_fd(),
        }
    }
}

/// Opens a folder of the root by a path without links; a path that now holds a link is refused.
fn open_folder(root: &Dir, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let flags = flags | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match openat2(root, path, flags, Mode::empty(), resolve) {
        // Linux before 5.6 lacks `openat2`, and filters of system calls may refuse it.
        Err(Errno::NOSYS | Errno::PERM) => open_folder_by_steps(root, path, flags),
        opened => Ok(opened?),
    }
}

/// The same without `openat2`: opens one name after the other.
fn open_folder_by_steps(root: &Dir, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let mut steps = path.components().peekable();
    let mut folder: Option<OwnedFd> = None;
    while let Some(step) = steps.next() {
        let above = folder.as_ref().map_or(root.as_fd(), AsFd::as_fd);
        // A folder on the way needs only the permission to pass through.
        let flags = if steps.peek().is_some() { OFlags::PATH } else { flags };
        let flags = flags | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        folder = Some(openat(above, step.as_os_str(), flags, Mode::empty())?);
    }
    folder.ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Whether the response is 404: the file is missing, forbidden, outside of the root, or cannot exist.
pub(crate) fn is_hidden(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, NotADirectory, NotFound, PermissionDenied};
    matches!(error.kind(), NotFound | PermissionDenied | NotADirectory | InvalidInput)
        || matches!(
            Errno::from_io_error(error),
            Some(Errno::LOOP | Errno::NAMETOOLONG | Errno::XDEV | Errno::NXIO | Errno::ILSEQ)
        )
}

/// Whether a retry may succeed a little later.
pub(crate) fn is_passing(error: &io::Error) -> bool {
    let of_the_process = [Errno::MFILE, Errno::NFILE, Errno::NOMEM];
    error.kind() == io::ErrorKind::WouldBlock
        || Errno::from_io_error(error).is_some_and(|errno| of_the_process.contains(&errno))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use cap_std::ambient_authority;
    use cap_std::fs::Dir;
    use rustix::fs::OFlags;
    use tempfile::TempDir;

    use super::{CheckedPath, DotNames, Servable, is_hidden, open_folder, open_folder_by_steps};

    /// A public folder, a hidden one with the same names, and a link to the public one.
    fn site() -> (TempDir, Dir) {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in [("pub", "public"), (".sec", "hidden secret")] {
            fs::create_dir_all(folder.path().join(name).join("sub")).unwrap();
            fs::write(folder.path().join(name).join("file"), content).unwrap();
        }
        fs::write(folder.path().join(".sec/key"), "").unwrap();
        symlink("pub", folder.path().join("link")).unwrap();
        let root = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        (folder, root)
    }

    /// Replaces something by a link to the hidden folder, or to something in it.
    fn exchange(site: &TempDir, name: &str, to: &str) {
        let new = site.path().join("new");
        symlink(to, &new).unwrap();
        let _ = fs::rename(site.path().join(name), site.path().join("old"));
        fs::rename(new, site.path().join(name)).unwrap();
    }

    fn check<'a>(root: &'a Dir, path: &str) -> CheckedPath<'a> {
        CheckedPath::new(root, Path::new(path), DotNames::WellKnown).unwrap()
    }

    fn names(dir: &Dir) -> Vec<String> {
        let mut names: Vec<_> =
            dir.entries().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn a_link_that_is_exchanged_after_the_look_is_not_followed_again() {
        let (site, root) = site();
        let (file, folder) = (check(&root, "link/file"), check(&root, "link"));
        exchange(&site, "link", ".sec");
        let Servable::File(mut opened, metadata) = file.open().unwrap() else { panic!("no file") };
        let mut content = String::new();
        opened.read_to_string(&mut content).unwrap();
        assert_eq!((content.as_str(), metadata.len(), file.metadata().unwrap().len()), ("public", 6, 6));
        assert_eq!(names(&folder.folder().unwrap()), ["file", "sub"]);
        assert!(folder.metadata().unwrap().is_dir());
    }

    #[test]
    fn what_becomes_a_link_after_the_look_is_missing() {
        let (site, root) = site();
        let (file, folder) = (check(&root, "pub/file"), check(&root, "pub"));
        let below = check(&root, "pub/sub");
        exchange(&site, "pub", ".sec");
        assert!(is_hidden(&file.open().err().unwrap()));
        assert!(is_hidden(&file.metadata().err().unwrap()));
        assert!(is_hidden(&folder.folder().err().unwrap()));
        assert!(is_hidden(&folder.open().err().unwrap()));
        assert!(is_hidden(&below.folder().err().unwrap()));
        // The last name alone.
        let (site, root) = self::site();
        let file = check(&root, "pub/file");
        exchange(&site, "pub/file", "../.sec/file");
        assert!(is_hidden(&file.open().err().unwrap()));
        assert!(!file.metadata().unwrap().is_file());
    }

    #[test]
    fn a_folder_is_opened_without_links_with_and_without_openat2() {
        let (site, root) = site();
        symlink("sub", site.path().join("pub/to-sub")).unwrap();
        for open in [open_folder, open_folder_by_steps] {
            let open = |path: &str| open(&root, Path::new(path), OFlags::RDONLY);
            for path in [".", "pub", "pub/sub"] {
                let dir = Dir::from_std_file(open(path).unwrap().into());
                assert_eq!(names(&dir).len(), fs::read_dir(site.path().join(path)).unwrap().count());
            }
            for path in ["link", "link/sub", "pub/to-sub", "pub/file", "pub/missing"] {
                assert!(is_hidden(&open(path).err().unwrap()), "{path}");
            }
        }
    }
}
