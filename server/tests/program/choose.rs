//! The facts in `docs/choose.md` are true.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{run, text};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The cells of a row of its table, by the row's name.
fn row(page: &str, name: &str) -> Vec<String> {
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let found = page.lines().filter(|line| line.starts_with('|')).map(cells).find(|cells| cells[1] == name);
    let mut cells = found.unwrap_or_else(|| panic!("docs/choose.md has no row {name:?}"));
    cells.drain(..2);
    cells.pop();
    cells
}

fn page() -> String {
    fs::read_to_string(workspace().join("docs/choose.md")).expect("docs/choose.md")
}

/// Lines that are neither blank nor comments, in front of the tests.
fn code_lines(path: &Path) -> usize {
    let source = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let code = source.lines().take_while(|line| *line != "#[cfg(test)]").map(str::trim);
    code.filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

fn of_package(package: &str) -> usize {
    of_folder(&workspace().join(package).join("src"))
}

fn of_folder(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.map(|path| if path.is_dir() { of_folder(&path) } else { code_lines(&path) }).sum()
}

fn of_files(package: &str, files: &[&str]) -> usize {
    let folder = workspace().join(package).join("src");
    files.iter().map(|file| code_lines(&folder.join(file))).sum()
}

#[test]
fn the_page_on_choosing_has_a_column_for_each_transport_of_the_help() {
    let output = run(&["serve", "--help"]);
    let help = text(&output.stdout);
    let after = help.split("--transport").nth(1).expect("the flag");
    let offered: Vec<_> = after
        .lines()
        .map(str::trim)
        .skip_while(|line| !line.starts_with("- "))
        .take_while(|line| !line.starts_with("--"))
        .filter_map(|line| line.strip_prefix("- ")?.split(':').next())
        .collect();
    assert!(offered.len() > 1, "{help}");
    assert_eq!(row(&page(), ""), offered);
}

#[test]
fn the_page_on_choosing_counts_the_lines_that_there_are() {
    let stated = row(&page(), "lines of code");
    for (stated, package) in stated.iter().zip(["tokio", "async-std", "async-std", "blocking"]) {
        let counted = of_package(&format!("transport-{package}")) as f64;
        let stated: f64 = stated.replace(',', "").parse().unwrap_or_else(|_| panic!("no number: {stated:?}"));
        assert!(
            (stated / counted - 1.0).abs() < 0.1,
            "{package} has {counted} lines; the page says {stated}"
        );
    }
}

#[test]
fn the_connection_and_accept_loops_of_a_transport_are_small() {
    let files = ["connection.rs", "listener.rs", "server.rs", "stream.rs"];
    assert!(of_files("transport-tokio", &files) <= 300);
    assert!(of_files("transport-async-std", &files) + of_files("transport-async-std", &["socket.rs"]) <= 300);
    // What waits for sockets does what the runtime does elsewhere. The workers, their tasks and level 1 are not counted.
    let files = [
        "listener.rs",
        "poller.rs",
        "poller/shared.rs",
        "readiness.rs",
        "server.rs",
        "socket.rs",
        "stream.rs",
    ];
    assert!(of_files("transport-blocking", &files) <= 500);
}
