//! `docs/compatibility.md` is complete, and what it says is tested.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn document() -> String {
    read("docs/compatibility.md")
}

/// Where the tests of a prefix are: a file, or a folder of files.
fn place_of(prefix: &str) -> Option<&'static str> {
    Some(match prefix {
        "channel" => "core/tests/channel.rs",
        "deadlines" => "core/tests/deadlines",
        "kit" => "transport-kit/src/obligation.rs",
        "fields" => "core/src/fields/tests",
        "limits" => "core/tests/limits",
        "positions" => "core/tests/positions.rs",
        "responses" => "core/tests/responses",
        "server" => "core/tests/server",
        "tls" => "tls/tests/serving/serves.rs",
        "tokio" => "transport-tokio/tests/compatibility.rs",
        _ => return None,
    })
}

/// The source of a file, or of all files of a folder.
fn source_of(place: &str) -> String {
    if !root().join(place).is_dir() {
        return read(place);
    }
    let entries = fs::read_dir(root().join(place)).unwrap_or_else(|error| panic!("{place}: {error}"));
    entries.map(|entry| read(entry.expect("an entry of the folder").path())).collect()
}

/// What stands between backquotes and names a test: prefix and function.
fn tests_of(text: &str) -> Vec<(&str, &str)> {
    let spans = text.split('`').skip(1).step_by(2);
    spans.filter_map(|span| span.split_once("::")).filter(|(prefix, _)| place_of(prefix).is_some()).collect()
}

/// The names of the test functions in a source file, and of the obligations of a transport.
fn functions(source: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut is_test = false;
    let mut is_obligation = false;
    for line in source.lines().map(str::trim) {
        if is_obligation {
            names.extend(line.split('"').nth(1).map(str::to_owned));
        }
        is_obligation = line == "owes(";
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some(start) = line.find("fn ").filter(|_| is_test) {
            let name = line[start + 3..].split(['(', '<']).next().unwrap_or_default();
            names.insert(name.to_owned());
            is_test = false;
        }
    }
    names
}

/// The rows of all tables, without their heads.
fn rows(document: &str) -> Vec<&str> {
    let lines: Vec<_> = document.lines().collect();
    let mut rows = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let is_head = lines.get(at + 1).is_some_and(|next| next.starts_with("|---"));
        if line.starts_with('|') && !line.starts_with("|---") && !is_head {
            rows.push(*line);
        }
    }
    rows
}

#[test]
fn every_test_that_the_document_names_exists() {
    let document = document();
    let tests = tests_of(&document);
    assert!(tests.len() > 150, "only {} tests were found in the document", tests.len());
    for (prefix, name) in tests {
        let place = place_of(prefix).expect("only known prefixes are found");
        assert!(functions(&source_of(place)).contains(name), "{place} has no test {name}");
    }
}

#[test]
fn every_row_names_a_test_unless_it_is_open() {
    let document = document();
    let rows = rows(&document);
    assert!(rows.len() > 90, "only {} rows were found", rows.len());
    for row in rows {
        assert_eq!(tests_of(row).is_empty(), row.contains("*open*"), "{row}");
    }
}

#[test]
fn every_name_of_the_specification_has_a_row() {
    const NAMES: [&str; 32] = [
        "url_scheme",
        "max_request_body_size",
        "host",
        "expose_tracebacks",
        "n_channels",
        "inactivity_timeout",
        "port",
        "identity",
        "max_request_header_size",
        "origins",
        "inbuf_overflow",
        "subscriber",
        "responseless_timeout",
        "maximum_simultaneous_requests",
        "gsock",
        "EV_CONNECTED",
        "peername",
        "sockname",
        "EV_HTTP_CHANNEL_OPENED",
        "EV_HTTP_CHANNEL_CLOSED",
        "channel",
        "EV_HTTP_REQUEST",
        "request",
        "EV_HTTP_RESPONSE",
        "response",
        "EV_DISCONNECTED",
        "EV_TRANSMIT_READY",
        "EV_RX_DATA",
        "EV_SEND_DATA",
        "EV_WRITE_OUTPUT_DATA",
        "EV_FLUSH_OUTPUT_DATA",
        "go_out()",
    ];
    let document = document();
    let first_cells: String = rows(&document).iter().filter_map(|row| row.split('|').nth(1)).collect();
    for name in NAMES.into_iter().chain(["write(data)", "flush(callback)", "finish(response)"]) {
        assert!(first_cells.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn every_change_has_its_row() {
    let document = document();
    for number in 10..=30 {
        let rows =
            rows(&document).into_iter().filter(|row| row.starts_with(&format!("| A{number} |"))).count();
        assert_eq!(rows, 1, "A{number}");
    }
}

#[test]
fn every_test_on_a_socket_is_of_a_row() {
    let document = document();
    let named: BTreeSet<_> =
        tests_of(&document).into_iter().filter(|test| test.0 == "tokio").map(|test| test.1).collect();
    for name in functions(&source_of("transport-tokio/tests/compatibility.rs")) {
        assert!(named.contains(name.as_str()), "{name} is in no row");
    }
}
