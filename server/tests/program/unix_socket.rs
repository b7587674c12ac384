//! The path of a Unix socket: which process owns it, and who may connect.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;

use crate::tools::tool;
use crate::{ServerProcess, complaint, program, run, serve, text};

#[test]
fn a_unix_socket_with_an_owner_is_left_to_it_also_while_its_backlog_is_full() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let owner = UnixListener::bind(&path).expect("a socket");
    rustix::net::listen(&owner, 0).expect("a listener");
    let _waiting = UnixStream::connect(&path).expect("a connection");
    let errors = complaint(program().args(["serve", "--unix"]).arg(&path), 1);
    assert!(errors.contains(path.to_str().expect("text")), "{errors}");
}

#[test]
fn a_unix_socket_is_made_with_its_permissions() {
    let folder = tempfile::tempdir().expect("a folder");
    for mode in ["600", "660", "666"] {
        let path = folder.path().join(mode);
        let mut command = serve("tokio");
        let _server = ServerProcess::spawn(command.args(["--unix-mode", mode, "--unix"]).arg(&path));
        let permissions = fs::metadata(&path).expect("a socket").permissions();
        assert_eq!(format!("{:o}", permissions.mode() & 0o777), mode);
    }
    let output = run(&["serve", "--unix-mode", "660"]);
    assert_eq!(output.status.code(), Some(2), "it needs a socket");
    assert!(text(&output.stderr).contains("--unix-mode") && text(&output.stderr).contains("needs --unix\n"));
}

/// No other user can connect before the permissions are set: the socket is created with them, and no later call changes
/// them.
#[test]
fn a_unix_socket_has_its_permissions_from_its_beginning() {
    let Some(strace) = tool("strace") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    for mode in ["600", "666"] {
        let path = folder.path().join(mode);
        let mut command = Command::new(&strace);
        command.args([
            "-D",
            "-f",
            "-o",
            "/dev/null",
            "-e",
            "trace=?chmod,?fchmod,?fchmodat,?fchmodat2",
            "-e",
        ]);
        command
            .arg("inject=?chmod,?fchmod,?fchmodat,?fchmodat2:error=EPERM")
            .arg(env!("CARGO_BIN_EXE_httpfsm"));
        command.args(["serve", "--app", "hello", "--unix-mode", mode, "--unix"]).arg(&path);
        let _server = ServerProcess::spawn(&mut command);
        let permissions = fs::metadata(&path).expect("a socket").permissions();
        assert_eq!(format!("{:o}", permissions.mode() & 0o777), mode);
    }
}
