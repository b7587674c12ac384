//! Every committed seed passes its check.

use std::collections::BTreeSet;
use std::path::Path;

use httpfsm_fuzz::differential;

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let entries = std::fs::read_dir(&folder).expect("the corpus is committed");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} is empty", folder.display());
    let read = |path: &std::path::PathBuf| {
        println!("{}", path.display());
        std::fs::read(path).expect("a readable seed")
    };
    paths.iter().map(read).collect()
}

fn every_seed_passes(target: &str, check: fn(&[u8])) {
    for seed in seeds(target) {
        check(&seed);
    }
}

#[test]
fn every_date_seed_passes() {
    every_seed_passes("date", httpfsm_fuzz::date::check);
}

#[test]
fn every_head_seed_passes() {
    every_seed_passes("head", httpfsm_fuzz::head::check);
}

#[test]
fn every_chunked_seed_passes() {
    every_seed_passes("chunked", httpfsm_fuzz::chunked::check);
}

#[test]
fn every_split_seed_passes() {
    every_seed_passes("split", httpfsm_fuzz::split::check);
}

#[test]
fn every_session_seed_passes() {
    every_seed_passes("session", httpfsm_fuzz::session::check);
}

#[test]
fn every_layered_seed_passes() {
    every_seed_passes("layered", httpfsm_fuzz::layered::check);
}

#[test]
fn every_tls_seed_passes() {
    every_seed_passes("tls", httpfsm_fuzz::tls::check);
}

#[test]
fn every_encode_seed_passes() {
    every_seed_passes("encode", httpfsm_fuzz::encode::check);
}

#[test]
fn every_calls_seed_passes() {
    every_seed_passes("calls", httpfsm_fuzz::calls::check);
}

#[test]
fn every_differential_seed_passes_and_needs_every_difference_that_is_allowed() {
    let mut needed = BTreeSet::new();
    for seed in seeds("differential") {
        needed.extend(differential::compare(&seed));
    }
    for (who, allowed) in differential::TABLES {
        if who == "llhttp" && !differential::has_llhttp() {
            httpfsm_testing::not_run("LLHTTP_SOURCE");
            continue;
        }
        for difference in allowed.iter().copied().flatten() {
            assert!(
                needed.contains(&(who, difference.name)),
                "no seed needs this: {who}: {}",
                difference.name
            );
            assert!(!difference.reason.is_empty());
        }
    }
}
