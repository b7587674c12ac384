//! What tests need besides Rust. If it is missing, a test says so, in one form, and does not run.
//!
//! With `CI=true` a program that is missing fails the test instead: `.ci/run` installs all of them, so none may be missing
//! unnoticed.
#![forbid(unsafe_code)]

#[cfg(feature = "tls")]
mod believing;
#[cfg(feature = "tls")]
mod tls_client;
#[cfg(feature = "tls")]
mod tls_stream;

use std::env;
use std::io::{self, Write};
use std::path::PathBuf;
use std::thread;

#[cfg(feature = "tls")]
pub use believing::believing;
#[cfg(feature = "tls")]
pub use tls_client::TlsClient;
#[cfg(feature = "tls")]
pub use tls_stream::TlsStream;

/// A folder of programs that the `PATH` of a user may lack.
const FOR_ADMINISTRATORS: &str = "/usr/sbin";

/// The path of a program. `None` where it is missing, after [`not_run`] has said so.
///
/// # Panics
///
/// If it is missing and `CI` is `true`.
#[must_use]
#[track_caller]
pub fn tool(name: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&folders).chain([FOR_ADMINISTRATORS.into()]);
    found(name, folders.map(|folder| folder.join(name)).find(|path| path.is_file()))
}

/// A file that is no program, such as `/etc/mime.types`; otherwise as [`tool`].
///
/// # Panics
///
/// If it is missing and `CI` is `true`.
#[must_use]
#[track_caller]
pub fn file(path: &str) -> Option<PathBuf> {
    found(path, Some(PathBuf::from(path)).filter(|path| path.is_file()))
}

#[track_caller]
fn found(needs: &str, path: Option<PathBuf>) -> Option<PathBuf> {
    if path.is_none() {
        assert!(
            !is_ci(),
            "This test needs {needs}, which is not installed. With CI=true each test has to run."
        );
        not_run(needs);
    }
    path
}

/// Says that this test, or a part of it, does not run, in the form that `.ci/run` collects. Call it directly only for
/// what cannot be installed, such as IPv6.
pub fn not_run(needs: &str) {
    // Written directly to the stream, as the output of tests that pass is captured.
    let test = thread::current();
    let _ = writeln!(io::stderr(), "{}: not run: needs {needs}", test.name().unwrap_or("a test"));
}

fn is_ci() -> bool {
    env::var_os("CI").is_some_and(|ci| ci == "true")
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Output};

    use super::*;

    /// The environment is that of the process, so each case runs in one of its own.
    const CASE: &str = "HTTPFSM_TESTING_CASE";

    /// Runs the test `case` of this file, with `CI` set to this.
    fn run(ci: &str) -> Output {
        let mut command = Command::new(env::current_exe().expect("the tests"));
        command.args(["--exact", "tests::case"]).env("CI", ci).env(CASE, "1");
        command.output().expect("it runs")
    }

    #[test]
    fn case() {
        if env::var_os(CASE).is_some() {
            assert_eq!(tool("httpfsm-no-such-program"), None);
        }
    }

    #[test]
    fn a_program_that_is_missing_is_told() {
        for ci in ["", "false"] {
            let output = run(ci);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(said, "tests::case: not run: needs httpfsm-no-such-program\n");
            assert!(output.status.success());
        }
    }

    #[test]
    fn a_program_that_is_missing_fails_the_test_where_each_has_to_run() {
        let output = run("true");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("This test needs httpfsm-no-such-program, which is not installed."), "{said}");
        assert!(!output.status.success());
    }

    #[test]
    fn a_program_and_a_file_that_are_there_are_found() {
        assert!(tool("sh").is_some_and(|path| path.ends_with("sh")));
        assert_eq!(file("/etc/passwd"), Some("/etc/passwd".into()));
    }
}
