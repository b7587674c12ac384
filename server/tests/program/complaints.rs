//! What the program says of flags, paths and addresses that are of no use.

use std::fs;
use std::os::unix::fs::symlink;

use crate::{ServerProcess, complaint, program};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

#[test]
fn a_flag_without_its_value_does_not_swallow_the_next() {
    for arguments in [["--identity", "--hardened"], ["--host", "--log"], ["--origins", "--port"]] {
        let errors = complaint(program().arg("serve").args(arguments), 2);
        assert!(errors.contains(arguments[0]), "{errors}");
    }
    let errors = complaint(program().args(["serve", "--head-timeout", "-1"]), 2);
    assert!(errors.contains("--head-timeout"), "{errors}");
}

#[test]
fn every_complaint_names_what_it_is_about() {
    let folder = tempfile::tempdir().expect("a folder");
    let inside = |name: &str| folder.path().join(name).to_str().expect("text").to_owned();
    let missing = inside("none/none");
    let file = inside("file");
    fs::write(&file, "").expect("written");
    for (arguments, named) in [
        (vec!["serve", &missing], &*missing),
        (vec!["serve", &file], &file),
        (vec!["serve", "--record", "/proc/x"], "/proc/x"),
        (vec!["serve", "--record", "/proc"], "/proc"),
        (vec!["serve", "--record", &file], &file),
        (vec!["serve", "--port", "0", "--unix", &missing], &missing),
        (vec!["serve", "--port", "0", "--unix", &file], &file),
        (vec!["serve", "--port", "0", "--spool-dir", &missing], &missing),
        (vec!["serve", "--port", "0", "--spool-dir", &file], &file),
        (vec!["serve", "--host", "192.0.2.1", "--port", "0"], "192.0.2.1"),
        (vec!["serve", "--host", "nobody.invalid"], "nobody.invalid"),
        (vec!["serve", "--host", "127.0.1"], "127.0.1"),
        (vec!["replay", &missing], &missing),
        (vec!["replay", &file], &file),
    ] {
        let errors = complaint(program().args(&arguments), 1);
        assert!(errors.starts_with("httpfsm: ") && errors.contains(named), "{arguments:?}: {errors}");
        assert!(!errors.contains("panicked"), "{arguments:?}: {errors}");
    }
}

#[test]
fn recordings_are_not_kept_where_they_would_be_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("root");
    fs::create_dir(&root).expect("a folder");
    symlink(&root, folder.path().join("link")).expect("a link");
    for place in ["root", "root/records", "link/records", "root/.records"] {
        let place = folder.path().join(place);
        let errors = complaint(program().arg("serve").arg(&root).arg("--record").arg(&place), 1);
        for named in [&root, &place] {
            assert!(errors.contains(named.to_str().expect("text")), "{errors}");
        }
    }
    let mut command = program();
    command.args(["serve", "--port", "0"]).arg(&root).arg("--record").arg(folder.path().join("records"));
    assert_eq!(ServerProcess::spawn(&mut command).exchange(GET).status, "HTTP/1.1 200 OK");
}
