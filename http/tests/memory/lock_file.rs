//! What a program is built with that has this package and axum.

#[test]
fn no_other_server_is_in_the_lock_file() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock");
    // A package on its own has none.
    let Ok(lock) = std::fs::read_to_string(path) else { return };
    assert!(lock.contains("name = \"axum\""), "axum is a dependency of these tests");
    for name in ["hyper", "hyper-util", "h2"] {
        assert!(!lock.contains(&format!("name = \"{name}\"")), "{name} is in the lock file");
    }
}
