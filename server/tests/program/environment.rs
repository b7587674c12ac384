//! The variables of the program, and others with the same prefix.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use rustix::process::Signal;

use crate::{ServerProcess, complaint, program};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

#[test]
fn variables_that_platforms_set_beside_a_service_are_ignored() {
    let mut command = program();
    command.args(["serve", "--app", "hello", "--host", "127.0.0.1"]).env("HTTPFSM_PORT", "tcp://10.0.0.1:80");
    command.env("HTTPFSM_SERVICE_HOST", "10.0.0.1").env("HTTPFSM_PORT_80_TCP_ADDR", "10.0.0.1");
    // Another program may use the default port, but not this socket.
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    command.args(["--port", "0", "--unix"]).arg(&path);
    command.env("HTTPFSM_RECORD_SAMPLE", "10").env("HTTPFSM_RECORD_MASK_BODIES", "1");
    command.env("HTTPFSM_LOG", "").env("HTTPFSM_HARDENED", "yes").env("HTTPFSM_HEDA_TIMEOUT", "3s");
    // Names need not be text.
    command.env("HTTPFSM_DIR", "/srv").env(OsStr::from_bytes(b"HTTPFSM_\xff"), "1");
    let server = ServerProcess::spawn(&mut command);
    assert_eq!(server.exchange(GET).status, "HTTP/1.1 200 OK");
    server.signal(Signal::TERM);
    let (status, errors) = server.end();
    assert_eq!(status.code(), Some(0), "{errors}");
    let message = "httpfsm: The variable HTTPFSM_DIR is unknown and ignored. Did you mean HTTPFSM_ROOT?\n\
                httpfsm: The variable HTTPFSM_HEDA_TIMEOUT is unknown and ignored. Did you mean HTTPFSM_HEAD_TIMEOUT?\n\
                httpfsm: The variable HTTPFSM_\\xFF is unknown and ignored.\n";
    assert!(errors.starts_with(message) && errors.lines().count() == 4, "{errors}");
}

#[test]
fn a_bad_value_of_the_environment_is_reported_with_its_variable() {
    for (name, value) in [
        ("HTTPFSM_PORT", "eighty"),
        ("HTTPFSM_LOG", "perhaps"),
        ("HTTPFSM_HEAD_TIMEOUT", "soon"),
        ("HTTPFSM_TRANSPORT", "pigeon"),
        ("HTTPFSM_ORIGINS", ""),
        ("HTTPFSM_UNIX_MODE", "999"),
        ("HTTPFSM_UNIX_MODE", "2770"),
        ("HTTPFSM_HOST", "localhost:80"),
        ("HTTPFSM_RECORD_SAMPLE", "-1"),
    ] {
        let errors = complaint(program().arg("serve").env(name, value), 2);
        assert!(errors.contains(name), "{name}: {errors}");
        let flag = format!("--{}", name["HTTPFSM_".len()..].to_lowercase().replace('_', "-"));
        let given = format!("{flag}={value}");
        let errors = complaint(program().args(["serve", &given]).env(name, value), 2);
        assert!(errors.contains(&flag) && !errors.contains(name), "{given}: {errors}");
    }
}

#[test]
fn a_useless_variable_is_reported_with_its_name() {
    for (name, value) in [("HTTPFSM_ROOT", "/srv"), ("HTTPFSM_HIDDEN", "true"), ("HTTPFSM_TYPES", "/x")] {
        let errors = complaint(program().args(["serve", "--app", "hello"]).env(name, value), 2);
        assert!(errors.contains(&format!("of the variable {name} is for --app files")), "{errors}");
    }
    for name in ["HTTPFSM_IDENTITY", "HTTPFSM_HOST", "HTTPFSM_PORT", "HTTPFSM_UNIX_MODE"] {
        let errors = complaint(program().arg("serve").env(name, OsStr::from_bytes(b"\xff")), 2);
        assert!(errors.contains(name) && !errors.contains("panicked"), "{errors}");
    }
}
