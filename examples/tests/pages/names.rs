//! Each name of code on a page exists in the code.

use std::collections::BTreeSet;
use std::path::Path;

use crate::{entries, pages, root};

/// Pages about the past, or about code outside of this repository.
const OF_THE_PAST: [&str; 2] = ["CHANGELOG.md", "docs/quality.md"];

/// The sources of the repository, and the paths of all their files.
struct Sources {
    /// The code of each, without comments.
    codes: Vec<String>,
    paths: Vec<String>,
}

impl Sources {
    fn read() -> Self {
        let mut sources = Self { codes: Vec::new(), paths: Vec::new() };
        sources.add(root());
        sources
    }

    fn add(&mut self, folder: &Path) {
        for path in entries(folder) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && !name.starts_with('.') && !["target", "corpus", "found"].contains(&&*name) {
                self.add(&path);
            } else if name.ends_with(".rs") {
                let source = std::fs::read_to_string(&path).expect("a source");
                let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
                self.codes.push(code.collect::<Vec<_>>().join("\n"));
                let path = path.strip_prefix(root()).expect("below the root");
                self.paths.push(path.to_string_lossy().into_owned());
            }
        }
    }

    /// Whether some file has this path, or ends with it.
    fn has_file(&self, path: &str) -> bool {
        let below = format!("/{path}");
        self.paths.iter().any(|known| known == path || known.ends_with(&below))
    }
}

/// The texts between backticks on a page.
fn spans(page: &str) -> impl Iterator<Item = &str> {
    let lines = page.split("\n```").step_by(2).flat_map(str::lines);
    lines.flat_map(|line| line.split('`').skip(1).step_by(2))
}

fn words_of(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
}

fn is_path_of_names(span: &str) -> bool {
    let is_name = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    span.contains("::") && span.split("::").all(is_name)
}

#[test]
fn files_and_items_that_a_page_names_exist() {
    let sources = Sources::read();
    let words: BTreeSet<&str> = sources.codes.iter().flat_map(|code| words_of(code)).collect();
    // An item of a type that is no variant must be a function or a field in a file that names the type.
    let is_declared = |of: &str, name: &str| {
        let forms = [format!("fn {name}("), format!("fn {name}<"), format!("{name}: ")];
        let declares = |code: &&String| forms.iter().any(|form| code.contains(form));
        sources.codes.iter().filter(declares).any(|code| words_of(code).any(|word| word == of))
    };
    let is_known = |span: &str| {
        let (of, name) = span.rsplit_once("::").unwrap_or_default();
        let is_of_type = of.starts_with(char::is_uppercase) && name.starts_with(char::is_lowercase);
        let is_place = |part: &str| {
            words.contains(part) || part.starts_with("httpfsm_") || sources.has_file(&format!("{part}.rs"))
        };
        (words.contains(name) || sources.has_file(&format!("{name}.rs")))
            && (!is_of_type || is_declared(of, name))
            && of.split("::").all(is_place)
    };
    let (mut items, mut files, mut wrong) = (0, 0, Vec::new());
    for (path, page) in pages() {
        if OF_THE_PAST.iter().any(|past| path == Path::new(past)) {
            continue;
        }
        for span in spans(&page) {
            let is_there =
                if span.ends_with(".rs") && span != "mod.rs" && !span.contains([' ', '*', '{', '<']) {
                    files += 1;
                    sources.has_file(span)
                } else if is_path_of_names(span) {
                    items += 1;
                    is_known(span)
                } else {
                    true
                };
            if !is_there {
                wrong.push(format!("{}: {span}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(items > 50 && files > 50, "{items} items and {files} files");
}
