//! The table in `README.md` of this folder agrees with the entries and with the tests that are elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::check::{entries, folder};

/// Rows that need sockets, or what drives them, and the tests that hold them.
const TESTS_ELSEWHERE: [(&str, &str, &str); 20] = [
    ("D1", "server/tests/program/faults/drips.rs", "every_drip_ends_at_its_deadline_while_others_are_served"),
    ("D3", "server/tests/program/faults/memory.rs", "slow_peers_cost_no_more_memory_than_the_limits_say"),
    (
        "D4",
        "transport/tests/driver/handlers.rs",
        "of_a_million_requests_whose_responses_nobody_reads_few_get_one",
    ),
    ("D8", "transport/tests/cost.rs", "twice_the_bytes_cost_twice_as_much_however_small_the_pieces"),
    ("D9", "core/src/channel/cost.rs", "the_cost_is_linear"),
    ("D10", "server/tests/program/faults/cost.rs", "twice_the_flood_costs_twice_the_time"),
    (
        "D14",
        "transport-tokio/tests/few_descriptors.rs",
        "an_acceptor_without_descriptors_waits_serves_on_and_recovers",
    ),
    (
        "D14",
        "server/tests/program/faults/descriptors.rs",
        "an_acceptor_without_descriptors_does_not_spin_and_recovers",
    ),
    ("D14", "transport/src/accept.rs", "out_of_descriptors_backs_off_up_to_a_second"),
    ("D15", "transport/src/accept.rs", "a_connection_that_was_reset_costs_no_pause"),
    ("D15", "server/tests/program/faults/resets.rs", "connections_that_are_reset_leave_nothing"),
    ("D16", "server/tests/program/hostile.rs", "a_crowd_of_slow_peers_does_not_keep_a_healthy_one_waiting"),
    ("D17", "transport-tokio/tests/panics.rs", "panics_cost_no_place_and_leave_nothing_behind"),
    ("D17", "transport-kit/src/scripts/applications.rs", "scripts"),
    ("D17", "transport/tests/driver/handlers.rs", "a_panic_is_a_500_and_its_text_is_told_only_if_allowed"),
    ("D18", "transport-tokio/tests/level1.rs", "a_connection_keeps_what_is_owed_over_tcp"),
    ("D18", "transport-kit/src/scripts/endings.rs", "cancellations"),
    ("D18", "transport/src/driver/gives_back.rs", "of_requests_that_get_late_responses"),
    (
        "D21",
        "transport/src/alarms.rs",
        "a_hundred_thousand_alarms_that_are_moved_are_as_many_entries_and_none_when_they_are_disarmed",
    ),
    (
        "D21",
        "transport/src/alarms.rs",
        "a_busy_connection_moves_its_alarm_once_in_a_deadline_and_not_once_in_a_request",
    ),
];

/// The rows of the table, in its order.
fn rows() -> Vec<String> {
    let number = |(letter, last)| (1..=last).map(move |number| format!("{letter}{number}"));
    [("S", 35), ("D", 21), ("H", 2)].into_iter().flat_map(number).collect()
}

#[test]
fn every_row_has_an_entry_or_a_test_elsewhere() {
    let entries = entries();
    let here: BTreeSet<_> = entries.iter().map(|entry| entry.row.clone()).collect();
    let elsewhere: BTreeSet<_> = TESTS_ELSEWHERE.iter().map(|row| row.0.to_owned()).collect();
    for row in rows() {
        assert!(here.contains(&row) || elsewhere.contains(&row), "nothing of row {row}");
    }
    let unknown: Vec<_> = here.iter().filter(|row| !rows().contains(row)).collect();
    assert!(unknown.is_empty(), "rows that are none: {unknown:?}");
    for (row, file, test) in TESTS_ELSEWHERE {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
        let source = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{row}, {file}: {error}"));
        assert!(source.contains(&format!("fn {test}(")), "{row}: {file} has no {test}");
    }
}

#[test]
fn the_table_tells_of_every_row_how_many_entries_it_has() {
    let table = fs::read_to_string(folder().join("README.md")).expect("the table");
    let mut counts = BTreeMap::new();
    for entry in entries() {
        *counts.entry(entry.row).or_insert(0) += 1;
    }
    for row in rows() {
        let line = table.lines().find(|line| line.starts_with(&format!("| {row} |")));
        let line = line.unwrap_or_else(|| panic!("{row} is not in the table"));
        let count = counts.get(&row).copied().unwrap_or(0);
        assert!(line.ends_with(&format!("| {count} |")), "{row} has {count} entries: {line}");
        for (_, file, _) in TESTS_ELSEWHERE.iter().filter(|elsewhere| elsewhere.0 == row) {
            assert!(line.contains(file), "{row} is tested in {file}: {line}");
        }
    }
}

#[test]
fn there_are_enough_entries_and_each_has_a_name_of_its_own() {
    let entries = entries();
    assert!(entries.len() >= 900, "{} entries", entries.len());
    let mut names = BTreeSet::new();
    for entry in &entries {
        assert!(names.insert(&entry.id), "{} is there twice: {}", entry.id, entry.place);
    }
}
