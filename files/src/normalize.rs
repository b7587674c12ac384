//! The normal form of the path of a request: equivalent paths have the same form.

use percent_encoding::percent_decode_str;

/// The names in a path, and whether the path is that of a folder.
///
/// Each segment is decoded once (RFC 3986 section 6.2.2.2), so that `%2e` is a dot and `%252e` a name with a percent
/// sign in it. Empty segments are left out, as nginx does with `merge_slashes`, and then the dot segments are removed
/// (section 5.2.4). So a path is a folder's if it ends in `/`, `/.` or `/..`.
///
/// `None` for a path that is not absolute or leads above its root, and for one that holds NUL, or a slash or a
/// backslash that was encoded: what these separate depends on who reads them.
pub(crate) fn normalize(path: &str) -> Option<(Vec<Vec<u8>>, bool)> {
    let mut names: Vec<Vec<u8>> = Vec::new();
    let mut is_folder = true;
    for segment in path.strip_prefix('/')?.split('/') {
        let name: Vec<u8> = percent_decode_str(segment).collect();
        if name.iter().any(|byte| matches!(byte, 0 | b'/' | b'\\')) {
            return None;
        }
        is_folder = matches!(&name[..], b"" | b"." | b"..");
        match &name[..] {
            b"" | b"." => {}
            b".." => drop(names.pop()?),
            _ => names.push(name),
        }
    }
    Some((names, is_folder))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::normalize;

    /// A path in its normal form, as text.
    fn normal(path: &str) -> Option<String> {
        let (names, is_folder) = normalize(path)?;
        let names: Vec<_> = names.iter().map(|name| String::from_utf8_lossy(name)).collect();
        let slash = if is_folder && !names.is_empty() { "/" } else { "" };
        Some(format!("/{}{slash}", names.join("/")))
    }

    /// A second implementation that rewrites the text step by step, as RFC 3986 section 5.2.4 does.
    fn naive(path: &str) -> Option<String> {
        let mut input = path.to_owned();
        for (from, to) in [("%2e", "."), ("%2E", "."), ("%61", "a")] {
            input = input.replace(from, to);
        }
        if !input.starts_with('/')
            || ["%2f", "%2F", "%5c", "%5C", "\\", "%00"].iter().any(|odd| input.contains(odd))
        {
            return None;
        }
        while input.contains("//") {
            input = input.replace("//", "/");
        }
        let mut output = String::new();
        while !input.is_empty() {
            if input == "/." || input.starts_with("/./") {
                input = format!("/{}", input.get(3..).unwrap_or_default());
            } else if input == "/.." || input.starts_with("/../") {
                input = format!("/{}", input.get(4..).unwrap_or_default());
                // The RFC stays at the root; the server refuses a path above the root.
                output.truncate(output.rfind('/')?);
            } else {
                let end = input[1..].find('/').map_or(input.len(), |end| end + 1);
                output += &input[..end];
                input = input[end..].to_owned();
            }
        }
        Some(output)
    }

    /// Each path of at most so many of these pieces.
    fn each(pieces: &[&str], most: usize, check: &mut impl FnMut(&str)) {
        fn go(path: &mut String, pieces: &[&str], most: usize, check: &mut impl FnMut(&str)) {
            check(path);
            for piece in if most > 0 { pieces } else { &[] } {
                let length = path.len();
                *path += piece;
                go(path, pieces, most - 1, check);
                path.truncate(length);
            }
        }
        go(&mut String::new(), pieces, most, check);
    }

    #[test]
    fn each_short_path_is_read_as_by_hand() {
        let mut paths = 0;
        each(&["/", ".", "a", "%2e"], 8, &mut |path| {
            assert_eq!(normal(path), naive(path), "{path}");
            paths += 1;
        });
        assert_eq!(paths, (4_u32.pow(9) - 1) / 3);
        each(&["/", "..", "a", "%2F", "\\", "%00", "%5c"], 5, &mut |path| {
            assert_eq!(normal(path), naive(path), "{path}");
        });
    }

    proptest! {
        #[test]
        fn a_long_path_is_read_as_by_hand(path in "(/([ab.]|%2[eE]|%61|%5c|%2f|\\.\\.){0,3}){0,12}") {
            prop_assert_eq!(normal(&path), naive(&path));
        }

        #[test]
        fn a_normal_form_is_its_own(path in "(/([ab.]|%2[eE]|\\.\\.){0,3}){1,12}") {
            if let Some(form) = normal(&path) {
                prop_assert_eq!(normal(&form), Some(form));
            }
        }
    }

    #[test]
    fn paths_have_a_normal_form() {
        for (path, expected) in [
            ("/", Some("/")),
            ("/a", Some("/a")),
            ("/a/", Some("/a/")),
            // empty segments
            ("//", Some("/")),
            ("///a//b///", Some("/a/b/")),
            // dot segments
            ("/a/./b", Some("/a/b")),
            ("/x/../b", Some("/b")),
            ("/a/b/../c/../d", Some("/a/d")),
            ("/a/.", Some("/a/")),
            ("/a/..", Some("/")),
            ("/a/b/..", Some("/a/")),
            ("/.", Some("/")),
            // An empty segment is left out before `..` removes what stands before it.
            ("/a//../b", Some("/b")),
            // encoded
            ("/a/%2e/b", Some("/a/b")),
            ("/a/%2E%2e/b", Some("/b")),
            ("/a/.%2e/b", Some("/b")),
            ("/%61%20b", Some("/a b")),
            ("/%252e%252e/a", Some("/%2e%2e/a")),
            ("/100%/%zz/%", Some("/100%/%zz/%")),
            // names with dots
            ("/.../a../..a/.a", Some("/.../a../..a/.a")),
            // above the root
            ("/..", None),
            ("/../a", None),
            ("/a/../../a", None),
            ("/a/../..", None),
            ("/%2e%2e/a", None),
            ("//../a", None),
            // what other programs take for a separator, or for the end
            ("/a%2fb", None),
            ("/a/..%2Fb", None),
            ("/a%2f../b", None),
            ("/a%5cb", None),
            ("/a%5Cb", None),
            ("/a\\b", None),
            ("/a%00", None),
            ("/a%00/../b", None),
            // not absolute
            ("", None),
            ("*", None),
            ("a", None),
            ("../a", None),
        ] {
            assert_eq!(normal(path).as_deref(), expected, "{path}");
        }
    }
}
