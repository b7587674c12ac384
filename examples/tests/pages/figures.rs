//! The figures of a page that a script counts are those that it counts now, within a tenth.

use std::collections::BTreeMap;
use std::process::Command;

use crate::root;

/// The columns of the table of `docs/choose.md`.
const TRANSPORTS: [&str; 4] = ["tokio", "async-std", "smol", "blocking"];

/// What `benches/choose.sh` counts for each transport.
fn counted(figure: &str) -> BTreeMap<String, u64> {
    let output = Command::new(root().join("benches/choose.sh")).arg(figure).output().expect("a script");
    let (printed, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{printed}");
    let line = |line: &str| {
        let (transport, count) = line.split_once(' ').expect("two columns");
        (transport.to_owned(), count.trim().parse().expect("a number"))
    };
    printed.lines().map(line).collect()
}

/// A row of the table.
fn row(page: &str, name: &str) -> Vec<u64> {
    let row = page.lines().find_map(|line| line.strip_prefix(&format!("| {name} | "))).expect("a row");
    let cells = row.trim_end_matches(" |").split(" | ");
    cells.map(|cell| cell.replace(',', "").parse().expect("a number")).collect()
}

#[test]
fn the_crates_and_lines_of_each_transport_are_those_that_are_counted() {
    let page = std::fs::read_to_string(root().join("docs/choose.md")).expect("the page");
    for (name, figure) in [("crates", "crates"), ("lines of code", "lines")] {
        let mut counted = counted(figure);
        // The same package.
        let lines = counted.get("async-std").copied().expect("it is counted");
        counted.entry("smol".to_owned()).or_insert(lines);
        for (transport, told) in TRANSPORTS.into_iter().zip(row(&page, name)) {
            let is = counted[transport];
            assert!(
                told.abs_diff(is) * 10 <= is,
                "{name} of {transport}: {told} on the page, and {is} in truth"
            );
        }
    }
}
