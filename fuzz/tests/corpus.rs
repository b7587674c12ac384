//! Every committed seed passes its check.

use std::path::Path;

fn every_seed_passes(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut seeds = 0;
    for entry in std::fs::read_dir(&folder).expect("the corpus is committed") {
        let path = entry.expect("a readable folder").path();
        println!("{}", path.display());
        check(&std::fs::read(&path).expect("a readable seed"));
        seeds += 1;
    }
    assert!(seeds > 0, "{} is empty", folder.display());
}

#[test]
fn every_date_seed_passes() {
    every_seed_passes("date", httpfsm_fuzz::date::check);
}

#[test]
fn every_session_seed_passes() {
    every_seed_passes("session", httpfsm_fuzz::session::check);
}

#[test]
fn every_calls_seed_passes() {
    every_seed_passes("calls", httpfsm_fuzz::calls::check);
}
