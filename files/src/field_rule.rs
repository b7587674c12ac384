//! Fields that the operator adds to the responses of some files.

use std::error::Error;
use std::fmt;
use std::path::Path;

use glob::{MatchOptions, Pattern};
use httpfsm::fields::{Fields, InvalidField};

/// What says of the content what it is, or frames it, or is the server's. All else may be set.
const OWNED: [&str; 18] = [
    "Accept-Ranges",
    "Connection",
    "Content-Encoding",
    "Content-Length",
    "Content-Range",
    "Content-Type",
    "Date",
    "ETag",
    "Keep-Alive",
    "Last-Modified",
    "Location",
    "Proxy-Connection",
    "Server",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "Vary",
];

/// A field for the responses of the files that a pattern matches: see [`Files::field`](crate::Files::field).
///
/// In a pattern `*` stands for any characters but a slash, `?` for one, `[a-z]` and `[!a-z]` for one of a set, and `**` for
/// any number of folders. A pattern without a slash is that of a name in any folder; one with a slash is that of a path
/// from the root on, with or without a slash at its beginning. Upper and lower case differ.
///
/// ```
/// use httpfsm_files::FieldRule;
///
/// # fn main() -> Result<(), httpfsm_files::FieldRuleError> {
/// let immutable = FieldRule::new("/assets/**", "Cache-Control", "max-age=31536000, immutable")?;
/// let shared = FieldRule::new("*.woff2", "Access-Control-Allow-Origin", "*")?;
/// assert!(FieldRule::new("*", "Content-Length", "7").is_err());
/// # let _ = (immutable, shared);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct FieldRule {
    pattern: Pattern,
    /// Whether the pattern is that of a name.
    is_of_name: bool,
    name: String,
    value: String,
}

impl FieldRule {
    /// A rule.
    ///
    /// # Errors
    ///
    /// [`FieldRuleError`] when the pattern is malformed, the field cannot be sent, or the server itself determines it: what
    /// frames the message, and what says of the content what it is.
    pub fn new(pattern: &str, name: &str, value: &str) -> Result<Self, FieldRuleError> {
        if OWNED.iter().any(|owned| owned.eq_ignore_ascii_case(name)) {
            return Err(FieldRuleError::Owned(name.to_owned()));
        }
        Fields::new().push(name, value).map_err(FieldRuleError::Field)?;
        let is_of_name = !pattern.contains('/');
        let pattern = Pattern::new(pattern.strip_prefix('/').unwrap_or(pattern))
            .map_err(|error| FieldRuleError::Pattern(error.msg))?;
        Ok(Self { pattern, is_of_name, name: name.to_owned(), value: value.to_owned() })
    }

    /// Sets the field, if the path below the root is one of the rule.
    pub(crate) fn apply(&self, path: &Path, fields: &mut Fields) {
        const OPTIONS: MatchOptions = MatchOptions {
            case_sensitive: true,
            require_literal_separator: true,
            require_literal_leading_dot: false,
        };
        let matched = if self.is_of_name { path.file_name().unwrap_or_default() } else { path.as_os_str() };
        if self.pattern.matches_with(&matched.to_string_lossy(), OPTIONS) {
            // It was found to be valid.
            let _ = fields.set(&self.name, &self.value);
        }
    }
}

/// Why there is no [`FieldRule`]. Its text is a sentence.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum FieldRuleError {
    /// The pattern is malformed, and why.
    Pattern(&'static str),
    /// The field cannot be sent.
    Field(InvalidField),
    /// The server determines the field of this name.
    Owned(String),
}

impl fmt::Display for FieldRuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pattern(why) => write!(f, "The pattern is malformed: {why}."),
            Self::Field(invalid) => invalid.fmt(f),
            Self::Owned(name) => write!(f, "{name} is written by the server, which knows what it sends."),
        }
    }
}

impl Error for FieldRuleError {}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use httpfsm::fields::Fields;

    use super::{FieldRule, OWNED};

    fn matches(pattern: &str, path: &str) -> bool {
        let mut fields = Fields::new();
        FieldRule::new(pattern, "X-A", "b").unwrap().apply(Path::new(path), &mut fields);
        fields.get("X-A") == Some(&b"b"[..])
    }

    #[test]
    fn a_pattern_is_that_of_a_name_or_of_a_path() {
        for (pattern, paths, others) in [
            ("*.js", &["a.js", "a/b.js", ".js"][..], &["a.JS", "a.js.map", "a.js/b", ""][..]),
            ("*", &["a", "a/b", "a/b.c", ""], &[]),
            ("?.[a-c]", &["x.a", "y/x.c"], &["x.d", "xx.a", "x.ab"]),
            ("/*.js", &["a.js"], &["a/b.js"]),
            ("assets/*", &["assets/a"], &["assets/a/b", "x/assets/a", "assets"]),
            ("/assets/**", &["assets/a", "assets/a/b.c"], &["asset/a", "x/assets/a"]),
            ("**/*.css", &["a.css", "a/b.css", "a/b/c.css"], &["a/b.js"]),
            ("docs/**/index.html", &["docs/index.html", "docs/a/b/index.html"], &["index.html"]),
        ] {
            assert!(paths.iter().all(|path| matches(pattern, path)), "{pattern} {paths:?}");
            assert!(!others.iter().any(|path| matches(pattern, path)), "{pattern} {others:?}");
        }
    }

    #[test]
    fn what_cannot_be_sent_or_is_the_servers_is_refused() {
        let refusal = |pattern: &str, name: &str, value: &str| {
            FieldRule::new(pattern, name, value).err().map(|error| error.to_string()).unwrap_or_default()
        };
        for (pattern, name, value, expected) in [
            ("[a", "X", "1", "The pattern is malformed: invalid range pattern."),
            (
                "a**",
                "X",
                "1",
                "The pattern is malformed: recursive wildcards must form a single path component.",
            ),
            ("*", "", "1", "The field name \"\" is not a token."),
            ("*", "X Y", "1", "The field name \"X Y\" is not a token."),
            ("*", "X", "1\r\nY: 2", "The value of X holds the control character 0x0d at byte 1."),
            (
                "*",
                "content-length",
                "1",
                "content-length is written by the server, which knows what it sends.",
            ),
        ] {
            assert_eq!(refusal(pattern, name, value), expected, "{pattern} {name}");
        }
        assert!(OWNED.iter().all(|name| !refusal("*", name, "1").is_empty()));
        assert!(FieldRule::new("*", "Cache-Control", "").is_ok());
    }
}
