//! The page that lists a folder.

use std::cmp::Ordering;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cap_std::fs::{Dir, DirEntry, Metadata, MetadataExt};
use html_escape::{encode_quoted_attribute, encode_text};
use httpfsm::handler::Response;
use humansize::{BINARY, format_size};
use humantime::format_rfc3339_seconds;

use crate::conditional::Validators;
use crate::hidden::DotNames;
use crate::order::{Column, Order};
use crate::path::{self, TargetPath};
use crate::place;
use crate::representation::CACHING;

/// The page has a style and links; markup that a name might inject has no effect.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Entries that are listed at most; the page has only the number of the others, which bounds its memory.
const MOST: usize = 10_000;

/// The page that lists a folder.
pub(crate) struct Page {
    html: String,
    pub(crate) validators: Validators,
}

impl Page {
    pub(crate) fn into_response(self) -> Response {
        self.validators
            .apply(Response::html(self.html))
            .with_field("Cache-Control", CACHING)
            .with_field("Content-Security-Policy", POLICY)
            .with_field("X-Content-Type-Options", "nosniff")
    }
}

/// The page for a folder of the root; blocks.
pub(crate) fn page(root: &Dir, target: &TargetPath, dot_names: DotNames, order: Order) -> io::Result<Page> {
    let html = page_of_at_most(MOST, root, target, dot_names, order)?;
    Ok(Page { validators: Validators::of_text(&html), html })
}

fn page_of_at_most(
    most: usize,
    root: &Dir,
    target: &TargetPath,
    dot_names: DotNames,
    order: Order,
) -> io::Result<String> {
    let folder = target.to_path();
    let dir = place::folder(root, &folder, dot_names)?;
    let mut entries = Vec::new();
    let mut left_out: u64 = 0;
    for entry in dir.entries()? {
        let entry = entry?;
        let name = entry.file_name();
        // A name that would be 404 is not listed.
        if !dot_names.show(target.names().chain([&*name])) || !TargetPath::can_hold(&name) {
            continue;
        }
        if entries.len() == most {
            left_out += 1;
        } else {
            entries.extend(ListEntry::read(root, &folder, &entry, dot_names)?);
        }
    }
    // A folder that was removed after it was opened looks empty.
    if entries.is_empty() && dir.dir_metadata()?.nlink() == 0 {
        return Err(io::ErrorKind::NotFound.into());
    }
    entries.sort_by(|one, other| one.compare(other, order));
    let folders = entries.iter().filter(|entry| entry.is_folder()).count();
    let parent = if target.names().len() > 0 { PARENT } else { "" };
    Ok(format!(
        include_str!("listing.html"),
        style = include_str!("listing.css"),
        title = encode_text(&title(target)),
        crumbs = crumbs(target),
        header = order.header(),
        parent = parent,
        rows = entries.iter().map(ListEntry::row).collect::<String>(),
        summary = summary(folders, entries.len() - folders, left_out),
    ))
}

const PARENT: &str = "<tr class=\"folder\"><td><a href=\"../\">..</a></td><td></td><td></td></tr>\n";

struct ListEntry {
    name: OsString,
    /// The sort key: the name in lower case.
    key: String,
    /// `None`: a folder.
    size: Option<u64>,
    modified: Option<SystemTime>,
}

impl ListEntry {
    /// `None` for what is not listed: links that lead outside or to hidden names, and what is neither a file nor a folder.
    ///
    /// # Errors
    ///
    /// The entry cannot be examined, for lack of descriptors, say. A list without it would look complete.
    fn read(root: &Dir, folder: &Path, entry: &DirEntry, dot_names: DotNames) -> io::Result<Option<Self>> {
        let name = entry.file_name();
        let look = || {
            let metadata = entry.metadata()?;
            // A link shows what it leads to, unless that is outside or hidden.
            if metadata.is_symlink() {
                place::metadata(root, &folder.join(&name), dot_names)
            } else {
                Ok(metadata)
            }
        };
        let metadata = match look() {
            Err(error) if place::is_passing(&error) => return Err(error),
            // The link leads to nothing that is served, or the entry was removed in the meantime.
            Err(_) => return Ok(None),
            Ok(metadata) => metadata,
        };
        let size = match (metadata.is_dir(), metadata.is_file()) {
            (true, _) => None,
            (_, true) => Some(metadata.len()),
            _ => return Ok(None),
        };
        let key = name.to_string_lossy().to_lowercase();
        Ok(Some(Self { name, key, size, modified: modified(&metadata) }))
    }

    fn is_folder(&self) -> bool {
        self.size.is_none()
    }

    /// Folders come first in each order, and of equal entries the one with the first name.
    fn compare(&self, other: &Self, order: Order) -> Ordering {
        let by_name =
            || alphanumeric_sort::compare_str(&self.key, &other.key).then_with(|| self.name.cmp(&other.name));
        let by_column = match order.by {
            Column::Name => by_name(),
            Column::Size => self.size.cmp(&other.size),
            Column::Modified => self.modified.cmp(&other.modified),
        };
        let by_column = if order.descending { by_column.reverse() } else { by_column };
        other.is_folder().cmp(&self.is_folder()).then(by_column).then_with(by_name)
    }

    fn row(&self) -> String {
        let (class, slash) = if self.is_folder() { ("folder", "/") } else { ("file", "") };
        let href = path::reference(&self.name);
        let name = shown(&self.name);
        let size = self.size.map(|size| format_size(size, BINARY)).unwrap_or_default();
        format!(
            "<tr class=\"{class}\"><td><a href=\"{href}{slash}\"><bdi>{name}</bdi>{slash}</a></td>\
             <td>{size}</td><td>{time}</td></tr>\n",
            name = encode_text(&name),
            time = self.modified.map(time).unwrap_or_default(),
        )
    }
}

/// `None` for a time that has no four digits for its year.
fn modified(metadata: &Metadata) -> Option<SystemTime> {
    const YEAR_9999: Duration = Duration::from_secs(253_370_764_800);
    let modified = metadata.modified().ok()?.into_std();
    modified.duration_since(UNIX_EPOCH).is_ok_and(|since| since < YEAR_9999).then_some(modified)
}

fn time(time: SystemTime) -> String {
    let exact = format_rfc3339_seconds(time).to_string();
    let short = exact.get(..16).unwrap_or(&exact).replace('T', " ");
    format!("<time datetime=\"{}\">{short}</time>", encode_quoted_attribute(&exact))
}

fn title(target: &TargetPath) -> String {
    target.names().map(|name| format!("/{}", shown(name))).collect::<String>() + "/"
}

/// A name as it is displayed. Bytes that are no text, and characters that change the text direction, are replaced.
fn shown(name: &OsStr) -> String {
    let is_odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    name.to_string_lossy().replace(is_odd, "\u{fffd}")
}

/// The folders above, as links. They are relative, so that they are right behind a proxy that adds a prefix.
fn crumbs(target: &TargetPath) -> String {
    let depth = target.names().len();
    let root = if depth == 0 { "./".to_owned() } else { "../".repeat(depth) };
    let mut crumbs = format!("<a href=\"{root}\">/</a>");
    for (at, name) in target.names().enumerate() {
        let above = depth - 1 - at;
        let href = if above == 0 { "./".to_owned() } else { "../".repeat(above) };
        let name = shown(name);
        crumbs += &format!("<a href=\"{href}\"><bdi>{}</bdi>/</a>", encode_text(&name));
    }
    crumbs
}

fn summary(folders: usize, files: usize, left_out: u64) -> String {
    let count = |n: usize, one: &str, many: &str| match n {
        0 => None,
        1 => Some(format!("1 {one}")),
        n => Some(format!("{n} {many}")),
    };
    let counted = [count(folders, "folder", "folders"), count(files, "file", "files")];
    let counted: Vec<_> = counted.into_iter().flatten().collect();
    let counted = if counted.is_empty() { "Nothing to see here".to_owned() } else { counted.join(", ") };
    match left_out {
        0 => format!("{counted}."),
        1 => format!("{counted}. One more entry is not listed."),
        n => format!("{counted}. {n} more entries are not listed."),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs::{self, File};
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use std::time::{Duration, SystemTime};

    use cap_std::ambient_authority;
    use cap_std::fs::Dir;
    use tempfile::TempDir;

    use super::{Order, page_of_at_most, time};
    use crate::hidden::DotNames;
    use crate::path::TargetPath;

    fn folder(names: &[&str]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            match name.strip_suffix('/') {
                Some(name) => fs::create_dir(folder.path().join(name)).unwrap(),
                None => fs::write(folder.path().join(name), name).unwrap(),
            }
        }
        folder
    }

    fn page_at(most: usize, folder: &TempDir, path: &str) -> String {
        page_in_order(most, folder, path, None)
    }

    fn page_in_order(most: usize, folder: &TempDir, path: &str, query: Option<&str>) -> String {
        let root = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        let target = TargetPath::decode(path).unwrap();
        page_of_at_most(most, &root, &target, DotNames::WellKnown, Order::of(query)).unwrap()
    }

    fn page(folder: &TempDir) -> String {
        page_at(super::MOST, folder, "/")
    }

    /// Where the rows lead.
    fn rows(page: &str) -> Vec<&str> {
        let (_, table) = page.split_once("<tbody>").unwrap();
        table.split("<a href=\"").skip(1).map(|row| row.split('"').next().unwrap()).collect()
    }

    #[test]
    fn folders_come_first_and_numbers_in_their_order() {
        let folder = folder(&["b10", "b9", "B8", "a", "z/", "y2/", "y10/", ".hidden", ".git/"]);
        let page = page(&folder);
        assert_eq!(rows(&page), ["y2/", "y10/", "z/", "a", "B8", "b9", "b10"], "{page}");
        assert!(page.contains("<p>3 folders, 4 files.</p>"), "{page}");
    }

    #[test]
    fn a_list_has_the_order_that_is_asked_for() {
        let folder = folder(&["z/", "y/"]);
        for (name, length, seconds) in
            [("b", 3, 20), ("a", 1, 30), ("C", 2, 10), ("d10", 2, 10), ("d9", 2, 10)]
        {
            let file = File::create(folder.path().join(name)).unwrap();
            file.set_len(length).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        }
        for (name, seconds) in [("y", 50), ("z", 40)] {
            let opened = File::open(folder.path().join(name)).unwrap();
            opened.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        }
        for (query, expected) in [
            ("sort=name", ["y/", "z/", "a", "b", "C", "d9", "d10"]),
            ("sort=name&order=desc", ["z/", "y/", "d10", "d9", "C", "b", "a"]),
            ("sort=size", ["y/", "z/", "b", "C", "d9", "d10", "a"]),
            ("sort=size&order=asc", ["y/", "z/", "a", "C", "d9", "d10", "b"]),
            ("sort=modified", ["y/", "z/", "a", "b", "C", "d9", "d10"]),
            ("sort=modified&order=asc", ["z/", "y/", "C", "d9", "d10", "b", "a"]),
        ] {
            let page = page_in_order(super::MOST, &folder, "/", Some(query));
            assert_eq!(rows(&page), expected, "{query}");
        }
        let page = page(&folder);
        assert!(page.contains(
            "<tr><th scope=\"col\" aria-sort=\"ascending\"><a href=\"?sort=name&amp;order=desc\">"
        ));
    }

    #[test]
    fn what_is_served_is_listed() {
        let folder = folder(&["a", ".b", ".well-known/"]);
        fs::create_dir(folder.path().join(".well-known/.well-known")).unwrap();
        symlink(".b", folder.path().join("to-hidden")).unwrap();
        assert_eq!(rows(&page(&folder)), [".well-known/", "a"]);
        assert_eq!(rows(&page_at(9, &folder, "/.well-known/")), ["../"]);
        let root = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        let page = super::page(&root, &TargetPath::decode("/").unwrap(), DotNames::All, Order::of(None))
            .unwrap()
            .html;
        assert_eq!(rows(&page), [".well-known/", ".b", "a", "to-hidden"]);
    }

    #[test]
    fn a_name_is_neither_markup_nor_a_scheme() {
        let folder = folder(&["<script>alert(1)<", "javascript:alert(1)", "a\"b&c#d?e f%20", "\u{202e}txt"]);
        let name = OsStr::from_bytes(b"\xff\xfe");
        fs::write(folder.path().join(name), "").unwrap();
        let page = page(&folder);
        let mut rows = rows(&page);
        rows.sort_unstable();
        let expected = [
            "%3Cscript%3Ealert%281%29%3C",
            "%E2%80%AEtxt",
            "%FF%FE",
            "./javascript:alert%281%29",
            "a%22b%26c%23d%3Fe%20f%2520",
        ];
        assert_eq!(rows, expected, "{page}");
        assert!(page.contains("<bdi>&lt;script&gt;alert(1)&lt;</bdi>"), "{page}");
        assert!(!page.contains("<script"), "{page}");
        assert!(page.contains("<bdi>\u{fffd}txt</bdi>") && !page.contains('\u{202e}'), "{page}");
        let decoded: Vec<_> =
            rows.iter().map(|row| TargetPath::decode(&format!("/{row}")).unwrap()).collect();
        assert!(decoded.iter().all(|target| target.names().all(|name| folder.path().join(name).exists())));
    }

    #[test]
    fn a_name_that_no_request_can_say_is_not_listed() {
        let folder = folder(&["a\\b/", "\\", "c\\", "d"]);
        symlink("c\\", folder.path().join("e")).unwrap();
        let page = page_at(2, &folder, "/");
        assert_eq!(rows(&page), ["d", "e"], "{page}");
        assert!(page.contains("<p>2 files.</p>"), "{page}");
    }

    #[test]
    fn links_show_what_they_lead_to_and_nothing_outside() {
        let folder = folder(&["in/", "file"]);
        symlink("in", folder.path().join("to-folder")).unwrap();
        symlink("file", folder.path().join("to-file")).unwrap();
        symlink("/etc/passwd", folder.path().join("out")).unwrap();
        symlink("../..", folder.path().join("up")).unwrap();
        symlink("missing", folder.path().join("dangling")).unwrap();
        symlink("itself", folder.path().join("itself")).unwrap();
        fs::write(folder.path().join(".hidden"), "").unwrap();
        symlink(".hidden", folder.path().join("to-hidden")).unwrap();
        let page = page(&folder);
        assert_eq!(rows(&page), ["in/", "to-folder/", "file", "to-file"], "{page}");
    }

    #[test]
    fn the_folders_above_are_links() {
        let folder = folder(&["a<b/"]);
        fs::create_dir(folder.path().join("a<b/c")).unwrap();
        let page = page_at(9, &folder, "/a%3cb/c/");
        let crumbs = "<h1><a href=\"../../\">/</a><a href=\"../\"><bdi>a&lt;b</bdi>/</a><a href=\"./\"><bdi>c</bdi>/</a></h1>";
        assert!(page.contains(crumbs), "{page}");
        assert!(page.contains("<title>/a&lt;b/c/</title>"), "{page}");
        assert_eq!(rows(&page), ["../"]);
        assert!(page.contains("<p>Nothing to see here.</p>"), "{page}");
        assert_eq!(rows(&page_at(9, &folder, "/")), ["a%3Cb/"]);
    }

    #[test]
    fn sizes_and_times_are_for_people() {
        let folder = folder(&["old"]);
        let file = File::options().write(true).open(folder.path().join("old")).unwrap();
        file.set_len(1536).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
        let page = page(&folder);
        let time =
            "<td>1.50 KiB</td><td><time datetime=\"2001-09-09T01:46:40Z\">2001-09-09 01:46</time></td>";
        assert!(page.contains(time), "{page}");
    }

    #[test]
    fn a_time_that_no_calendar_has_is_left_out() {
        let folder = folder(&["early"]);
        let file = File::options().write(true).open(folder.path().join("early")).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH - Duration::from_secs(1)).unwrap();
        assert!(page(&folder).contains("<td>5 B</td><td></td>"));
        assert!(time(SystemTime::UNIX_EPOCH).contains(">1970-01-01 00:00<"));
    }

    #[test]
    fn of_too_many_entries_the_rest_is_counted() {
        let folder = folder(&["a", "b", "c", "d/", ".hidden"]);
        assert!(page_at(4, &folder, "/").contains("<p>1 folder, 3 files.</p>"));
        assert_eq!(rows(&page_at(3, &folder, "/")).len(), 3);
        assert!(page_at(3, &folder, "/").contains(". One more entry is not listed.</p>"));
        assert!(page_at(2, &folder, "/").contains(". 2 more entries are not listed.</p>"));
    }
}
