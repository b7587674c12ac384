//! `--app files`: a folder, for reading.

use std::error::Error;
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use httpfsm_files::{DiskWait, Files, Trouble, Types, TypesError};

use crate::cli::FileFlags;
use crate::log::{note, note_often};
use crate::regular;

/// A larger file of types is refused: `/etc/mime.types` has 72 KiB.
const MOST: u64 = 1 << 20;

/// The files of a folder. What the operator is to know goes to the log.
///
/// # Errors
///
/// There is no folder, or a file of the flags cannot be used.
pub(crate) fn files(root: &Path, flags: &FileFlags) -> Result<Files, Box<dyn Error>> {
    let disk = if flags.files_may_block { DiskWait::May } else { DiskWait::Never };
    let mut files = Files::new(root)?
        .on_trouble(report)
        .types(types(flags.types.as_deref())?)
        .show_hidden(flags.hidden)
        .list_folders(!flags.no_listing)
        .precompressed(flags.precompressed)
        .disk(disk);
    files = flags.field.iter().cloned().fold(files, Files::field);
    if let Some(page) = &flags.spa {
        is_below(page, files.root(), "--spa")?;
        files = files.single_page(page);
    }
    if let Some(content) = &flags.not_found {
        is_below(content, files.root(), "--not-found")?;
        files = files.not_found(content);
    }
    Ok(files)
}

/// An error at the start is better than one with each request. Where links lead is judged with each, as they may change.
fn is_below(file: &Path, root: &Path, flag: &str) -> Result<(), String> {
    if file.is_relative() && root.join(file).is_file() {
        return Ok(());
    }
    let (file, root) = (file.display(), root.display());
    Err(format!("The file of {flag}, {file}, is to be a file in {root}, named as it is there."))
}

fn report(trouble: &Trouble) {
    match trouble {
        Trouble::Unreadable(_) => note_often("files", format_args!("{trouble}")),
        Trouble::NoThread => note_often("threads", format_args!("{trouble}")),
        _ => note(format_args!("{trouble}")),
    }
}

/// The built-in types, and the types of a file, which take precedence. The file has the format of `/etc/mime.types`.
///
/// # Errors
///
/// [`NoTypes`] when the file cannot be read, is larger than 1 MiB, or has a line that is not of that format.
fn types(file: Option<&Path>) -> Result<Types, NoTypes> {
    let mut types = Types::default();
    if let Some(file) = file {
        let no_types = |why| NoTypes { file: file.to_owned(), why };
        let text = read(file).map_err(|error| no_types(Why::Unreadable(error)))?;
        types.add(&text).map_err(|error| no_types(Why::Malformed(error)))?;
    }
    Ok(types)
}

fn read(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    regular::open(file)?.take(MOST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MOST {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    Ok(text)
}

/// A file of types cannot be used.
#[derive(Debug)]
struct NoTypes {
    file: PathBuf,
    why: Why,
}

#[derive(Debug)]
enum Why {
    Unreadable(io::Error),
    Malformed(TypesError),
}

impl fmt::Display for NoTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const EXAMPLE: &str = "A line is a type and its extensions, as in: text/html html htm";
        let file = self.file.display();
        match &self.why {
            Why::Unreadable(error) => write!(f, "The types of --types {file} cannot be read: {error}."),
            Why::Malformed(TypesError::NoType { line, word }) => {
                write!(f, "Line {line} of --types {file} begins with {word:?}, which is no type. {EXAMPLE}")
            }
            Why::Malformed(TypesError::NoExtension { line, word }) => {
                write!(f, "Line {line} of --types {file} holds {word:?}, which is no extension. {EXAMPLE}")
            }
            Why::Malformed(error) => write!(f, "The types of --types {file} cannot be used: {error}."),
        }
    }
}

impl Error for NoTypes {}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::{MOST, NoTypes, Types};

    /// The types of a file with this text, or what is wrong with it, without the path of the file.
    fn types(text: impl AsRef<[u8]>) -> Result<Types, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("my.types");
        fs::write(&file, text).unwrap();
        of_file(&file).map_err(|error| error.to_string().replace(file.to_str().unwrap(), "FILE"))
    }

    fn of_file(file: &Path) -> Result<Types, NoTypes> {
        super::types(Some(file))
    }

    #[test]
    fn a_line_that_is_malformed_is_named_with_its_file() {
        const EXAMPLE: &str = "A line is a type and its extensions, as in: text/html html htm";
        for (text, why) in [
            ("a/b c\n\nhtml text/html", "Line 3 of --types FILE begins with \"html\", which is no type."),
            ("a/b c\ntext/html html htm;", "Line 2 of --types FILE holds \"htm;\", which is no extension."),
        ] {
            assert_eq!(types(text).err(), Some(format!("{why} {EXAMPLE}")), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_a_file_of_types_is_refused() {
        for (text, why) in [
            (
                b"a/b \xff".to_vec(),
                "The types of --types FILE cannot be read: stream did not contain valid UTF-8.",
            ),
            (
                vec![b'#'; MOST as usize + 1],
                "The types of --types FILE cannot be read: it is larger than 1 MiB.",
            ),
        ] {
            assert_eq!(types(text).err().as_deref(), Some(why));
        }
        assert!(types(vec![b'#'; MOST as usize]).is_ok());
        let missing = of_file(Path::new("/missing/types")).err().map(|error| error.to_string());
        let why =
            "The types of --types /missing/types cannot be read: No such file or directory (os error 2).";
        assert_eq!(missing.as_deref(), Some(why));
    }

    #[test]
    fn what_is_no_regular_file_is_refused_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        for path in [&*fifo, folder.path(), Path::new("/dev/null")] {
            let (path, (ended, end)) = (path.to_owned(), mpsc::channel());
            thread::spawn(move || {
                let error = of_file(&path).err().map(|error| error.to_string());
                let expected =
                    format!("The types of --types {} cannot be read: it is no regular file.", path.display());
                assert_eq!(error, Some(expected));
                let _ = ended.send(());
            });
            // Opening a FIFO may wait for a writer, which never comes.
            end.recv_timeout(Duration::from_secs(60)).unwrap();
        }
    }

    #[test]
    fn the_file_of_debian_is_read() {
        let Some(path) = httpfsm_testing::file("/etc/mime.types") else { return };
        let types = of_file(&path).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(types.of(Path::new("a.html")).as_deref(), Some("text/html"));
    }
}
