//! The path of a request as a list of names.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::normalize::normalize;

/// Everything is encoded but the unreserved characters (RFC 3986 section 2.3) and the colon, which some programs
/// distinguish from `%3A` (section 6.2.2).
const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

/// The path that a request asks for. No name in it is empty, `.` or `..`, or holds NUL, a slash or a backslash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct TargetPath {
    names: Vec<Vec<u8>>,
    /// How many of the names lead to the root.
    above: usize,
    folder: bool,
}

impl TargetPath {
    /// Parses the path of a request; `None` where nothing can be at that path.
    pub(crate) fn decode(path: &str) -> Option<Self> {
        let (names, folder) = normalize(path)?;
        Some(Self { names, above: 0, folder })
    }

    /// The same path as seen from a root at `prefix`; `None` where it is no part of that.
    pub(crate) fn below(self, prefix: &Self) -> Option<Self> {
        let above = prefix.names.len();
        self.names.starts_with(&prefix.names).then_some(Self { above, ..self })
    }

    /// Whether a request can ask for this name: a name with a backslash, which some clients take for a slash, is always
    /// 404.
    pub(crate) fn can_hold(name: &OsStr) -> bool {
        !name.as_bytes().contains(&b'\\')
    }

    /// The last name, be it that of the root, unless the path is that of a folder.
    pub(crate) fn file_name(&self) -> Option<&OsStr> {
        self.names.last().map(|name| OsStr::from_bytes(name)).filter(|_| !self.folder)
    }

    /// The decoded names below the root.
    pub(crate) fn names(&self) -> impl ExactSizeIterator<Item = &OsStr> {
        self.names[self.above..].iter().map(|name| OsStr::from_bytes(name))
    }

    /// The path relative to the root.
    pub(crate) fn to_path(&self) -> PathBuf {
        Path::new(".").join(self.names().collect::<PathBuf>())
    }
}

/// A name as a relative reference from its folder. A name with a colon needs `./` before it, as the colon would end a
/// scheme, as in `javascript:` (RFC 3986 section 4.2).
pub(crate) fn reference(name: &OsStr) -> String {
    let encoded = percent_encode(name.as_bytes(), NAME).to_string();
    if encoded.contains(':') { format!("./{encoded}") } else { encoded }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Component;

    use proptest::prelude::*;

    use super::{TargetPath, reference};

    proptest! {
        #[test]
        fn whatever_is_asked_for_lies_below_the_root(path in "(/([ab.]|%2[eEfF5]|%5c|%00|%c0%ae){0,3}){1,5}/?") {
            let Some(target) = TargetPath::decode(&path) else { return Ok(()) };
            let joined = target.to_path();
            let mut components = joined.components();
            prop_assert_eq!(components.next(), Some(Component::CurDir));
            prop_assert!(components.all(|step| matches!(step, Component::Normal(_))), "{}: {:?}", path, joined);
            prop_assert_eq!(joined.components().count(), target.names().len() + 1);
        }

        #[test]
        fn a_reference_to_a_name_is_one_name(name in "[a.:%?#\"é -]{0,5}[a:%?#\"é -]") {
            let reference = reference(OsStr::new(&name));
            let path = reference.strip_prefix("./").unwrap_or(&reference);
            prop_assert!(!path.contains(['/', '?', '#', '"', ' ']), "{}", reference);
            prop_assert!(path != "." && !path.is_empty(), "{}", reference);
            prop_assert!(path.len() < reference.len() || !reference.contains(':'), "{}", reference);
        }
    }

    fn names(path: &str) -> Option<(Vec<String>, bool)> {
        let target = TargetPath::decode(path)?;
        let names = target.names().map(|name| name.to_string_lossy().into_owned()).collect();
        Some((names, target.file_name().is_none()))
    }

    #[test]
    fn names_are_decoded_once() {
        for (path, expected, folder) in [
            ("/", &[][..], true),
            ("/a", &["a"], false),
            ("/a/", &["a"], true),
            ("/a/b.txt", &["a", "b.txt"], false),
            ("/a%20b/%C3%A4", &["a b", "ä"], false),
            ("/a+b", &["a+b"], false),
            ("/%252e%252e/a", &["%2e%2e", "a"], false),
            ("/100%", &["100%"], false),
            ("/a..b/c...", &["a..b", "c..."], false),
            ("/%ff", &["\u{fffd}"], false),
            ("/c:/x", &["c:", "x"], false),
        ] {
            let expected = expected.iter().map(|&name| name.to_owned()).collect();
            assert_eq!(names(path), Some((expected, folder)), "{path}");
        }
    }

    #[test]
    fn what_leads_elsewhere_leads_nowhere() {
        for path in ["", "*", "a", "/..", "/../a", "/a/../../b", "/a%2fb", "/a\\b", "/a%00"] {
            assert_eq!(names(path), None, "{path}");
        }
    }

    #[test]
    fn what_is_left_of_a_path_is_served() {
        for (path, expected, folder) in [
            ("//evil.example", &["evil.example"][..], false),
            ("/a//b/./c/../d/", &["a", "b", "d"], true),
            ("/.git/../a", &["a"], false),
            ("/a/..", &[], true),
        ] {
            let expected = expected.iter().map(|&name| name.to_owned()).collect();
            assert_eq!(names(path), Some((expected, folder)), "{path}");
        }
    }

    #[test]
    fn a_reference_is_written_so_that_nothing_reads_it_in_another_way() {
        for (name, expected) in [
            (&b"~a-b_c.d"[..], "~a-b_c.d"),
            (b"a b&c+d", "a%20b%26c%2Bd"),
            (b"?#\"<\xff%25", "%3F%23%22%3C%FF%2525"),
            (b"c:d", "./c:d"),
            (b"javascript:alert(1)", "./javascript:alert%281%29"),
        ] {
            let name = OsStr::from_bytes(name);
            assert_eq!(reference(name), expected);
            let target = TargetPath::decode(&format!("/{expected}")).unwrap();
            assert_eq!(target.names().collect::<Vec<_>>(), [name]);
        }
    }
}
