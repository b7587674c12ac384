//! The pages are true: their programs are built with the dependency lines above them, as a user would paste both into a
//! new package, and run; no line of them is hidden; their links lead somewhere; what a script counts is what they say.

use std::fs;
use std::path::{Path, PathBuf};

mod figures;
mod names;
mod pipe;
mod programs;
mod transport;

/// The repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace")
}

/// The pages that people read, with their paths in the repository: those at its root and in the folders there.
fn pages() -> Vec<(PathBuf, String)> {
    let folders = entries(root()).into_iter().filter(|path| path.is_dir());
    let files = folders.flat_map(|folder| entries(&folder)).chain(entries(root()));
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let page = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a page");
        (path.strip_prefix(root()).expect("below the root").to_owned(), text)
    };
    let mut pages: Vec<_> = files.map(page).collect();
    pages.sort();
    assert!(pages.len() > 15, "{pages:?}");
    pages
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect()
}

/// The blocks of code of a page, in order, with the text after the three backticks.
fn blocks(page: &str) -> Vec<(&str, String)> {
    let mut blocks: Vec<(&str, String)> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match line.strip_prefix("```") {
            Some(_) if inside => inside = false,
            Some(kind) => {
                inside = true;
                blocks.push((kind, String::new()));
            }
            None if inside => {
                let (_, code) = blocks.last_mut().expect("a block has begun");
                code.push_str(line);
                code.push('\n');
            }
            None => {}
        }
    }
    assert!(!inside, "a block has no end");
    blocks
}

fn is_rust(kind: &str) -> bool {
    kind.split(',').next() == Some("rust")
}

#[test]
fn no_line_of_a_program_is_hidden_where_pages_are_read_as_they_are() {
    for (path, page) in pages() {
        for (_, code) in blocks(&page).iter().filter(|(kind, _)| is_rust(kind)) {
            let hidden = code.lines().find(|line| line.trim() == "#" || line.trim_start().starts_with("# "));
            assert_eq!(hidden, None, "{}", path.display());
        }
    }
}

#[test]
fn links_inside_the_repository_lead_somewhere() {
    let mut links = 0;
    for (path, page) in pages() {
        for link in page.split("](").skip(1).filter_map(|rest| rest.split([')', ' ', '#']).next()) {
            if link.is_empty() || link.contains(':') {
                continue;
            }
            links += 1;
            let target = root().join(&path).parent().expect("a folder").join(link);
            assert!(target.exists(), "{}: {link} leads nowhere", path.display());
        }
    }
    assert!(links > 10, "{links}");
}

/// Each folder that the first page names exists, and the page names each package that a program may depend on.
#[test]
fn the_layout_names_every_folder_of_a_package() {
    let page = fs::read_to_string(root().join("README.md")).expect("a page");
    let (_, layout) = page.split_once("## Layout").expect("a layout");
    let named: Vec<_> =
        layout.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("/`")).collect();
    for (folder, _) in &named {
        assert!(root().join(folder).join("Cargo.toml").exists(), "there is no package in {folder}/");
    }
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("a manifest");
    let quoted = |list: &str| -> Vec<String> {
        let (_, list) = manifest.split_once(&format!("{list} = [")).expect("a list");
        let (list, _) = list.split_once(']').expect("its end");
        list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
    };
    for folder in [quoted("members"), quoted("exclude")].concat() {
        assert!(named.iter().any(|(name, _)| *name == folder), "{folder}/ is not in the layout of README.md");
    }
}

/// Whatever stands between backticks in the right column of that table and is a path or a step.
#[test]
fn what_holds_a_promise_exists() {
    let page = fs::read_to_string(root().join("README.md")).expect("a page");
    let (_, table) = page.split_once("| what is promised | what holds it |\n|---|---|\n").expect("a table");
    let rows: Vec<_> = table.lines().map_while(|line| line.strip_prefix("| ")?.split_once(" | ")).collect();
    for (promise, holds) in &rows {
        let named = holds.split('`').skip(1).step_by(2);
        let held =
            named.filter(|name| name.starts_with(".ci/run ") || name.contains(['/', '.'])).inspect(|name| {
                let exists = match name.strip_prefix(".ci/run ") {
                    Some(step) => steps().iter().any(|known| known == step),
                    None => root().join(name).exists(),
                };
                assert!(exists, "{promise}: there is no {name}");
            });
        assert!(held.count() > 0, "{promise}: nothing holds it");
    }
    assert!(rows.len() > 10, "{rows:?}");
}

/// The steps of `.ci/run`.
fn steps() -> Vec<String> {
    let script = fs::read_to_string(root().join(".ci/run")).expect("a script");
    let steps = script.lines().find_map(|line| line.strip_prefix("steps=(")?.strip_suffix(')'));
    steps.expect("steps").split(' ').map(str::to_owned).collect()
}

#[test]
fn contributing_lists_the_steps_of_ci_in_their_order() {
    let page = fs::read_to_string(root().join("CONTRIBUTING.md")).expect("a page");
    let (_, table) = page.split_once("| step |").expect("a table");
    let rows = table.lines().skip(2).map_while(|line| line.strip_prefix("| `")?.split_once('`'));
    let rows: Vec<_> = rows.map(|(step, _)| step).collect();
    assert_eq!(rows, steps());
}
