//! Symbolic links, and what is neither a file nor a folder.

use std::fs::File;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::site::TestSite;

#[test]
fn links_are_followed_inside_the_root_alone() {
    let site = TestSite::new(&[("a/file", "inside"), (".git/config", "hidden")]);
    let root = site.root();
    let absolute = root.join("a/file");
    for (name, to) in [
        ("in", Path::new("a/file")),
        ("in-folder", Path::new("a")),
        ("a/up-and-down", Path::new("../a/file")),
        ("chain", Path::new("in")),
        ("out", Path::new("../secret")),
        ("out-folder", Path::new("..")),
        ("out-and-in", Path::new("../web/a/file")),
        ("absolute-out", Path::new("/etc/passwd")),
        ("absolute-in", &absolute),
        ("chain-out", Path::new("out")),
        ("dangling", Path::new("missing")),
        ("loop", Path::new("loop")),
        ("proc", Path::new("/proc/self/root")),
        ("hidden-folder", Path::new(".git")),
        ("hidden-file", Path::new(".git/config")),
    ] {
        symlink(to, root.join(name)).unwrap();
    }
    for target in ["/in", "/in-folder/file", "/a/up-and-down", "/chain"] {
        assert!(site.get(target, "").ends_with("\r\n\r\ninside"), "{target}");
    }
    for target in [
        "/out",
        "/out-folder",
        "/out-folder/",
        "/out-folder/secret",
        "/out-folder/web/a/file",
        "/out-and-in",
        "/absolute-out",
        "/absolute-in",
        "/chain-out",
        "/dangling",
        "/loop",
        "/loop/x",
        "/proc/etc/passwd",
        "/hidden-folder/config",
        "/hidden-folder/",
        "/hidden-file",
    ] {
        site.assert_missing(target);
    }
}

#[test]
fn an_index_that_is_not_served_does_not_hide_its_folder() {
    for to in ["../secret", "/etc/passwd", "index.html", "missing", ".hidden", "file/x"] {
        let site = TestSite::new(&[(".hidden", ""), ("file", "")]);
        symlink(to, site.root().join("index.html")).unwrap();
        let response = site.get("/", "");
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{to}: {response}");
        assert!(response.contains("<p>1 file.</p>") && !response.contains("index.html"), "{to}: {response}");
    }
}

#[test]
fn what_is_no_file_is_missing_and_never_waited_for() {
    let site = TestSite::new(&[]);
    let root = site.root();
    mknodat(CWD, root.join("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let _socket = UnixListener::bind(root.join("socket")).unwrap();
    // A writer of a FIFO waits until the FIFO is opened for reading, which does not happen.
    let fifo = root.join("fifo");
    let writer = thread::spawn(move || File::options().write(true).open(fifo));
    for target in ["/fifo", "/socket", "/fifo", "/socket"] {
        site.assert_missing(target);
        thread::sleep(Duration::from_millis(10));
    }
    assert!(!writer.is_finished());
    drop(File::open(root.join("fifo")));
    assert!(writer.join().unwrap().is_ok());
    let page = site.get("/", "");
    assert!(page.contains("Nothing to see here."), "{page}");
}
