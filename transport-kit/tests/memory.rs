//! The scripts on the reference itself.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;

use httpfsm_transport_kit::{OBLIGATIONS, in_memory};

#[test]
fn each_script_runs_to_its_end_in_memory_and_twice_the_same() {
    let mut failed = String::new();
    for script in OBLIGATIONS.iter().flat_map(|obligation| obligation.scripts()) {
        let (trace, again) = (in_memory(&script), in_memory(&script));
        if trace.is_stuck().is_some() || trace != again {
            failed += &format!("\n{}\n{trace}{}", script.name, again.difference(&trace));
        }
    }
    assert!(failed.is_empty(), "{failed}");
}

#[test]
fn there_are_more_than_130_scripts_and_each_has_a_name_of_its_own() {
    let scripts: Vec<_> = OBLIGATIONS.iter().flat_map(|obligation| obligation.scripts()).collect();
    let names: HashSet<_> = scripts.iter().map(|script| &script.name).collect();
    assert_eq!(names.len(), scripts.len());
    assert!(scripts.len() > 130, "{}", scripts.len());
}
