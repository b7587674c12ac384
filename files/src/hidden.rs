//! Names that begin with a dot.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Which of these names are served. Names that are not served are not listed either.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum DotNames {
    /// `.well-known`, at the root, where RFC 8615 section 3 defines it.
    WellKnown,
    /// All.
    All,
}

impl DotNames {
    /// Whether a path of these names below the root is served.
    pub(crate) fn show<'a>(self, names: impl IntoIterator<Item = &'a OsStr>) -> bool {
        let is_shown = |(depth, name): (usize, &OsStr)| {
            !name.as_bytes().starts_with(b".") || (depth == 0 && name == ".well-known")
        };
        self == Self::All || names.into_iter().enumerate().all(is_shown)
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::DotNames::{self, All, WellKnown};

    fn show(dot_names: DotNames, path: &str) -> bool {
        dot_names.show(path.split('/').map(OsStr::new))
    }

    #[test]
    fn of_the_names_with_a_dot_one_is_served_at_the_root() {
        for path in ["a", "a/b.c", "a./b..", ".well-known", ".well-known/acme-challenge/x"] {
            assert!(show(WellKnown, path) && show(All, path), "{path}");
        }
        for path in [
            ".git",
            ".git/config",
            "a/.b/c",
            "...",
            "a/.well-known",
            ".well-known/.git",
            ".well-known/.well-known",
            ".well-known2",
            ".Well-Known",
        ] {
            assert!(!show(WellKnown, path) && show(All, path), "{path}");
        }
    }
}
