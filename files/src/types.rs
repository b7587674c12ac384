//! Which type of content an extension stands for.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::OnceLock;

/// A table from extensions to media types.
///
/// [`Types::default`] has the types that browsers and players look for, and those of the crate `mime_guess`. What is
/// [added](Self::add) takes precedence.
///
/// ```
/// use std::path::Path;
///
/// use httpfsm_files::Types;
///
/// # fn main() -> Result<(), httpfsm_files::TypesError> {
/// let mut types = Types::default();
/// types.add("# as in /etc/mime.types\ntext/x-log;charset=utf-8  log  syslog\n")?;
/// assert_eq!(types.of(Path::new("a.log")).as_deref(), Some("text/x-log;charset=utf-8"));
/// assert_eq!(types.of(Path::new("a.mjs")).as_deref(), Some("text/javascript"));
/// assert_eq!(types.of(Path::new("README")), None);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Types(HashMap<String, String>);

/// What goes before the types of `mime_guess`.
fn built_in() -> &'static HashMap<String, String> {
    static TYPES: OnceLock<HashMap<String, String>> = OnceLock::new();
    TYPES.get_or_init(|| {
        let mut types = HashMap::new();
        let added = add(&mut types, include_str!("mime.types"));
        debug_assert_eq!(added, Ok(()));
        types
    })
}

impl Types {
    /// Adds the lines of a text in the format of `/etc/mime.types`: each is a type and its extensions, and `#` begins a
    /// comment. The last line of an extension counts.
    ///
    /// # Errors
    ///
    /// [`TypesError`] when a line is not of that format. The lines before it are added.
    pub fn add(&mut self, text: &str) -> Result<(), TypesError> {
        add(&mut self.0, text)
    }

    /// The type of a name, by its longest known extension: `.cwl.json` takes precedence over `.json`. The name is the last
    /// one of a path.
    #[must_use]
    pub fn of(&self, path: &Path) -> Option<Cow<'_, str>> {
        let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
        // A dot at the beginning of a name begins no extension.
        let mut dots = name.match_indices('.').map(|(at, _)| at).filter(|&at| at > 0);
        let known = |extension: &str| self.0.get(extension).or_else(|| built_in().get(extension));
        match dots.find_map(|at| known(&name[at + 1..])) {
            Some(kind) => Some(kind.into()),
            None => mime_guess::from_path(path).first_raw().map(Into::into),
        }
    }
}

fn add(types: &mut HashMap<String, String>, text: &str) -> Result<(), TypesError> {
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_ascii_whitespace();
        let Some(kind) = words.next() else { continue };
        if !is_media_type(kind) {
            return Err(TypesError::NoType { line: number, word: kind.to_owned() });
        }
        for extension in words {
            if !is_extension(extension) {
                return Err(TypesError::NoExtension { line: number, word: extension.to_owned() });
            }
            types.insert(extension.to_ascii_lowercase(), kind.to_owned());
        }
    }
    Ok(())
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

/// A line of types is not of the format. Its text says which, and what one looks like.
///
/// ```
/// let error = httpfsm_files::Types::default().add("x-log log").expect_err("that is no type");
/// println!("mime.types: {error}");
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TypesError {
    /// The line begins with what is no type.
    NoType {
        /// The number of the line, from 1 on.
        line: usize,
        /// What it begins with.
        word: String,
    },
    /// The line has a word that is no extension.
    NoExtension {
        /// The number of the line, from 1 on.
        line: usize,
        /// The word.
        word: String,
    },
}

impl fmt::Display for TypesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoType { line, word } => write!(f, "Line {line} begins with {word:?}, which is no type.")?,
            Self::NoExtension { line, word } => {
                write!(f, "Line {line} holds {word:?}, which is no extension.")?;
            }
        }
        f.write_str(" A line is a type and its extensions, as in: text/html html htm")
    }
}

impl std::error::Error for TypesError {}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    use super::Types;

    fn types(text: &str) -> Result<Types, String> {
        let mut types = Types::default();
        types.add(text).map(|()| types).map_err(|error| error.to_string())
    }

    fn of(types: &Types, name: &str) -> Option<String> {
        types.of(Path::new(name)).map(Into::into)
    }

    #[test]
    fn browsers_and_players_get_what_they_look_for() {
        let types = Types::default();
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
        assert_eq!(Types::default().of(name).as_deref(), Some("text/html"));
    }

    #[test]
    fn types_that_are_added_come_first() {
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
            ("types {", "Line 1 begins with \"types\", which is no type."),
            ("a/b c\n\nhtml text/html", "Line 3 begins with \"html\", which is no type."),
            ("text/ html", "Line 1 begins with \"text/\", which is no type."),
            ("a/b/c html", "Line 1 begins with \"a/b/c\", which is no type."),
            ("text/\u{e9} x", "Line 1 begins with \"text/\u{e9}\", which is no type."),
            ("a/b;c x", "Line 1 begins with \"a/b;c\", which is no type."),
            ("a/b;c=\u{1} x", "Line 1 begins with \"a/b;c=\\u{1}\", which is no type."),
            ("a/b c\ntext/html html htm;", "Line 2 holds \"htm;\", which is no extension."),
            ("text/html .html", "Line 1 holds \".html\", which is no extension."),
            ("text/html text/css", "Line 1 holds \"text/css\", which is no extension."),
        ] {
            assert_eq!(types(text).err(), Some(format!("{why} {EXAMPLE}")), "{text}");
        }
    }
}
