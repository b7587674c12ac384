//! Which type of content an extension stands for.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::regular;

/// A larger file of types is refused: `/etc/mime.types` has 72 KiB.
const MOST: u64 = 1 << 20;

/// A table from extensions to media types. An extension that is not in it is looked up in `mime_guess`.
pub(crate) struct Types(HashMap<String, String>);

impl Types {
    /// The built-in types, and the types of a file, which take precedence. The file has the format of
    /// `/etc/mime.types`: each line is a type and its extensions; the last line of an extension counts.
    ///
    /// # Errors
    ///
    /// [`NoTypes`] when the file cannot be read, is larger than 1 MiB, or has a line that is not of that format.
    pub(crate) fn new(file: Option<&Path>) -> Result<Self, NoTypes> {
        let mut types = Self(HashMap::new());
        types.add(include_str!("mime.types")).map_err(|why| NoTypes { file: "mime.types".into(), why })?;
        if let Some(file) = file {
            let no_types = |why| NoTypes { file: file.to_owned(), why };
            let text = read(file).map_err(|error| no_types(Why::Unreadable(error)))?;
            types.add(&text).map_err(no_types)?;
        }
        Ok(types)
    }

    fn add(&mut self, text: &str) -> Result<(), Why> {
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_ascii_whitespace();
            let Some(kind) = words.next() else { continue };
            if !is_media_type(kind) {
                return Err(Why::NoType { line: number, word: kind.to_owned() });
            }
            for extension in words {
                if !is_extension(extension) {
                    return Err(Why::NoExtension { line: number, word: extension.to_owned() });
                }
                self.0.insert(extension.to_ascii_lowercase(), kind.to_owned());
            }
        }
        Ok(())
    }

    /// The type of a name, by its longest known extension: `.cwl.json` takes precedence over `.json`.
    pub(super) fn of(&self, path: &Path) -> Option<Cow<'_, str>> {
        let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
        // A dot at the beginning of a name begins no extension.
        let mut dots = name.match_indices('.').map(|(at, _)| at).filter(|&at| at > 0);
        match dots.find_map(|at| self.0.get(&name[at + 1..])) {
            Some(kind) => Some(kind.into()),
            None => mime_guess::from_path(path).first_raw().map(Into::into),
        }
    }
}

fn read(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    regular::open(file)?.take(MOST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MOST {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    Ok(text)
}

/// `type/subtype`, and whatever parameters follow without a space (RFC 9110 section 8.3.1).
fn is_media_type(word: &str) -> bool {
    let is_token = |token: &str| {
        let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        !token.is_empty() && token.bytes().all(is_tchar)
    };
    let (essence, parameters) = word.split_once(';').unwrap_or((word, "charset=x"));
    essence.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
        && parameters.contains('=')
        && parameters.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Refuses `.html`, which would never be found, and `html;`, as in nginx's files.
fn is_extension(word: &str) -> bool {
    !word.starts_with('.') && !word.contains(['/', ';'])
}

/// A file of types cannot be used.
#[derive(Debug)]
pub(crate) struct NoTypes {
    file: PathBuf,
    why: Why,
}

#[derive(Debug)]
enum Why {
    Unreadable(io::Error),
    NoType { line: usize, word: String },
    NoExtension { line: usize, word: String },
}

impl fmt::Display for NoTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (file, example) =
            (self.file.display(), "A line is a type and its extensions, as in: text/html html htm");
        match &self.why {
            Why::Unreadable(error) => write!(f, "The types of --types {file} cannot be read: {error}."),
            Why::NoType { line, word } => {
                write!(f, "Line {line} of --types {file} begins with {word:?}, which is no type. {example}")
            }
            Why::NoExtension { line, word } => {
                write!(f, "Line {line} of --types {file} holds {word:?}, which is no extension. {example}")
            }
        }
    }
}

impl std::error::Error for NoTypes {}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::{MOST, Types};

    /// The types of a file with this text, or what is wrong with it, without the path of the file.
    fn types(text: impl AsRef<[u8]>) -> Result<Types, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("my.types");
        fs::write(&file, text).unwrap();
        Types::new(Some(&file)).map_err(|error| error.to_string().replace(file.to_str().unwrap(), "FILE"))
    }

    fn of(types: &Types, name: &str) -> Option<String> {
        types.of(Path::new(name)).map(Into::into)
    }

    #[test]
    fn browsers_and_players_get_what_they_look_for() {
        let types = Types::new(None).unwrap();
        for (name, expected) in [
            ("a.mjs", "text/javascript"),
            ("a.cjs", "text/javascript"),
            ("a.js", "text/javascript"),
            ("a.ts", "video/mp2t"),
            ("a.m3u8", "application/vnd.apple.mpegurl"),
            ("a.m4s", "video/iso.segment"),
            ("a.mpd", "application/dash+xml"),
            ("a.m4a", "audio/mp4"),
            ("a.mp4", "video/mp4"),
            ("a.otf", "font/otf"),
            ("a.ttf", "font/ttf"),
            ("a.woff", "font/woff"),
            ("a.woff2", "font/woff2"),
            ("a.rpm", "application/x-rpm"),
            ("a.deb", "application/vnd.debian.binary-package"),
            ("a.wasm", "application/wasm"),
            ("a.avif", "image/avif"),
            ("a.webp", "image/webp"),
            ("a.svg", "image/svg+xml"),
            ("a.yaml", "application/yaml"),
            ("a.YML", "application/yaml"),
            ("a.json", "application/json"),
            ("a.js.map", "application/json"),
            ("a.webmanifest", "application/manifest+json"),
            ("a.md", "text/markdown"),
            ("a.HTML", "text/html"),
            ("a.xhtml", "application/xhtml+xml"),
            ("a.vtt", "text/vtt"),
            ("a.tar.gz", "application/gzip"),
            ("a.tgz", "application/gzip"),
            ("a.bin", "application/octet-stream"),
        ] {
            assert_eq!(of(&types, name).as_deref(), Some(expected), "{name}");
        }
        for name in ["README", "a.unheard-of", ".html", "html", "a.", "\u{e9}"] {
            assert_eq!(of(&types, name), None, "{name}");
        }
    }

    #[test]
    fn a_name_that_is_no_text_has_the_type_of_its_extension() {
        let name = Path::new(OsStr::from_bytes(b"caf\xe9.html"));
        assert_eq!(Types::new(None).unwrap().of(name).as_deref(), Some("text/html"));
    }

    #[test]
    fn the_types_of_a_file_come_first() {
        let text = "# mine\n\ntext/x-log;charset=utf-8\tlog LOG2 \r\ntext/a html\ntext/b HTML # not text/a\nimage/nothing\na/b cwl.json\n";
        let types = types(text).unwrap();
        assert_eq!(of(&types, "a.log").as_deref(), Some("text/x-log;charset=utf-8"));
        assert_eq!(of(&types, "a.Log2").as_deref(), Some("text/x-log;charset=utf-8"));
        assert_eq!(of(&types, "a.html").as_deref(), Some("text/b"));
        assert_eq!(of(&types, "a.mjs").as_deref(), Some("text/javascript"));
        assert_eq!(of(&types, "a.b.CWL.json").as_deref(), Some("a/b"));
        for name in ["a.json", "cwl.json", ".cwl.json"] {
            assert_eq!(of(&types, name).as_deref(), Some("application/json"), "{name}");
        }
        assert_eq!(of(&types, ".log"), None);
    }

    #[test]
    fn a_line_that_is_malformed_is_named() {
        const EXAMPLE: &str = "A line is a type and its extensions, as in: text/html html htm";
        for (text, why) in [
            ("types {", "Line 1 of --types FILE begins with \"types\", which is no type."),
            ("a/b c\n\nhtml text/html", "Line 3 of --types FILE begins with \"html\", which is no type."),
            ("text/ html", "Line 1 of --types FILE begins with \"text/\", which is no type."),
            ("a/b/c html", "Line 1 of --types FILE begins with \"a/b/c\", which is no type."),
            ("text/\u{e9} x", "Line 1 of --types FILE begins with \"text/\u{e9}\", which is no type."),
            ("a/b;c x", "Line 1 of --types FILE begins with \"a/b;c\", which is no type."),
            ("a/b;c=\u{1} x", "Line 1 of --types FILE begins with \"a/b;c=\\u{1}\", which is no type."),
            ("a/b c\ntext/html html htm;", "Line 2 of --types FILE holds \"htm;\", which is no extension."),
            ("text/html .html", "Line 1 of --types FILE holds \".html\", which is no extension."),
            ("text/html text/css", "Line 1 of --types FILE holds \"text/css\", which is no extension."),
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
        let missing = Types::new(Some(Path::new("/missing/types"))).err().map(|error| error.to_string());
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
                let error = Types::new(Some(&path)).err().map(|error| error.to_string());
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
        let types = Types::new(Some(&path)).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(of(&types, "a.html").as_deref(), Some("text/html"));
    }
}
