//! `--app files`, which is the default.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::curl::path;
use crate::{FEW_CONNECTIONS, ReceivedResponse, ServerProcess, complaint, program, run, serve, text};

on_each_transport! {
    a_file_that_may_not_be_read_is_404_and_reported,
    a_root_that_may_not_be_listed_serves_its_files,
    names_that_begin_with_a_dot_are_hidden_but_one,
    a_folder_is_listed_unless_that_is_switched_off,
    a_file_stands_in_for_what_is_missing,
    what_is_compressed_already_is_sent_to_who_accepts_it,
    files_have_the_fields_that_patterns_give_them,
    types_are_those_of_the_name_and_of_a_file,
    what_is_deployed_is_seen_at_once,
    a_root_that_is_removed_is_404_until_it_is_back,
    paths_are_read_in_their_normal_form,
    a_folder_without_its_slash_is_redirected,
    clients_that_go_away_leave_no_file_open,
    a_file_that_shrinks_while_it_is_sent_is_cut_and_reported,
}

mod downloads;

/// A folder with a file of 3 MiB and some bytes, last modified in 2001, in another folder.
struct TestSite {
    folder: TempDir,
    bytes: Vec<u8>,
}

impl TestSite {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let bytes: Vec<u8> = (0..(3_u32 << 20) + 5).map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8).collect();
        fs::create_dir(folder.path().join("sub")).expect("a folder");
        let site = Self { folder, bytes };
        fs::write(site.file(), &site.bytes).expect("a file");
        site.touch(UNIX_EPOCH + Duration::from_secs(1_000_000_000));
        site
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("sub/content.bin")
    }

    fn touch(&self, modified: SystemTime) {
        let file = File::options().write(true).open(self.file()).expect("a file");
        file.set_modified(modified).expect("a time");
    }

    fn serve(&self, transport: &str) -> ServerProcess {
        ServerProcess::on(transport, &[path(self.folder.path())])
    }

    fn serve_over_tls(&self, transport: &str) -> ServerProcess {
        ServerProcess::on(transport, &["--self-signed", path(self.folder.path())])
    }
}

fn get(server: &ServerProcess, target: &str) -> ReceivedResponse {
    server.exchange(format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes())
}

#[test]
fn the_current_folder_is_served_unless_another_is_named() {
    let site = TestSite::new();
    let folder = path(site.folder.path());
    let mut here = program();
    here.args(["serve", "--port", "0"]).current_dir(site.folder.path());
    let mut variable = program();
    variable.args(["serve", "--port", "0"]).env("HTTPFSM_ROOT", folder);
    let mut positional = program();
    positional.args(["serve", folder, "--port", "0"]);
    let mut with_app = program();
    with_app.args(["serve", "--port", "0", "--app", "files", folder]);
    for command in [&mut here, &mut variable, &mut positional, &mut with_app] {
        let server = ServerProcess::spawn(command.arg(FEW_CONNECTIONS));
        let page = get(&server, "/");
        assert_eq!(page.status, "HTTP/1.1 200 OK", "{page:?}");
        assert!(page.text().contains("<a href=\"sub/\">"), "{page:?}");
        assert_eq!(get(&server, "/sub/content.bin").content, site.bytes);
        server.signal(Signal::TERM);
        let (status, errors) = server.end();
        assert_eq!(status.code(), Some(0), "{errors}");
        assert!(errors.starts_with(&format!("httpfsm: serving the files of {folder}\n")), "{errors}");
    }
}

#[test]
fn a_root_that_is_no_folder_is_an_error_with_its_name() {
    let site = TestSite::new();
    for (root, why) in
        [(site.folder.path().join("missing"), "No such file or directory"), (site.file(), "Not a directory")]
    {
        let output = run(&["serve", "--port", "0", FEW_CONNECTIONS, path(&root)]);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        let sentence = format!("httpfsm: The folder {} cannot be served: {why}", root.display());
        assert!(errors.starts_with(&sentence) && errors.lines().count() == 1, "{errors}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn traversal_gets_404() {
    let site = TestSite::new();
    let server = ServerProcess::start(&[path(&site.folder.path().join("sub"))]);
    for target in ["/../sub/content.bin", "/%2e%2e/sub/content.bin", "/..%2fsub/content.bin", "//etc/passwd"]
    {
        assert_eq!(get(&server, target).status, "HTTP/1.1 404 Not Found", "{target}");
    }
}

/// Raw paths, as apt sends them for a flat repository.
fn paths_are_read_in_their_normal_form(transport: &str) {
    let site = TestSite::new();
    let server = site.serve(transport);
    for target in [
        "/./sub/content.bin",
        "//sub/content.bin",
        "/sub/./content.bin",
        "/missing/../sub/content.bin",
        "/sub/%2e/content.bin",
        "/sub//content.bin?/..",
    ] {
        let response = get(&server, target);
        assert_eq!(response.status, "HTTP/1.1 200 OK", "{target}");
        assert!(response.content == site.bytes, "{target}");
    }
    for target in
        ["/../sub/content.bin", "/sub/../../sub/content.bin", "/sub%2fcontent.bin", "/sub\\content.bin"]
    {
        assert_eq!(get(&server, target).status, "HTTP/1.1 404 Not Found", "{target}");
    }
}

/// Two releases, and a link that leads to the first.
fn releases() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for release in ["one", "two"] {
        fs::create_dir(folder.path().join(release)).expect("a folder");
        fs::write(folder.path().join(release).join("index.html"), release).expect("a file");
    }
    symlink("one", folder.path().join("current")).expect("a link");
    folder
}

/// Replaces the link by one to the second release, atomically.
fn switch(releases: &TempDir) {
    let new = releases.path().join("new");
    symlink("two", &new).expect("a link");
    fs::rename(new, releases.path().join("current")).expect("a link");
}

fn what_is_deployed_is_seen_at_once(transport: &str) {
    let folder = releases();
    let mut relative = serve(transport);
    relative.args(["--port", "0", "current"]).current_dir(folder.path());
    let (link, dist) = (
        ServerProcess::spawn(&mut relative),
        ServerProcess::on(transport, &[path(&folder.path().join("one"))]),
    );
    assert_eq!((get(&link, "/").text(), get(&dist, "/").text()), ("one".into(), "one".into()));
    switch(&folder);
    assert_eq!(get(&link, "/").text(), "two");
    fs::remove_dir_all(folder.path().join("one")).expect("removed");
    fs::create_dir(folder.path().join("one")).expect("a folder");
    fs::write(folder.path().join("one/index.html"), "built").expect("a file");
    assert_eq!(get(&dist, "/").text(), "built");
}

fn a_root_that_is_removed_is_404_until_it_is_back(transport: &str) {
    let folder = releases();
    let (root, aside) = (folder.path().join("one"), folder.path().join("aside"));
    let server = ServerProcess::on(transport, &[path(&root)]);
    for _ in 0..2 {
        fs::rename(&root, &aside).expect("renamed");
        for _ in 0..3 {
            get(&server, "/").assert("HTTP/1.1 404 Not Found", "There is nothing here.\n");
        }
        fs::rename(&aside, &root).expect("renamed");
        for _ in 0..3 {
            get(&server, "/").assert("HTTP/1.1 200 OK", "one");
        }
    }
    server.signal(Signal::TERM);
    let (_, errors) = server.end();
    let gone = format!(
        "httpfsm: The folder {root:?} cannot be opened: No such file or directory (os error 2). Each request gets 404.\n"
    );
    let back = format!("httpfsm: The folder {root:?} is back.\n");
    assert_eq!((errors.matches(&gone).count(), errors.matches(&back).count()), (2, 2), "{errors}");
}

#[test]
fn the_current_folder_is_what_its_name_leads_to() {
    let folder = releases();
    let current = folder.path().join("current");
    // A shell sets PWD to the name by which the folder was entered.
    let mut named = program();
    named.args(["serve", "--port", "0"]).current_dir(&current).env("PWD", &current);
    let server = ServerProcess::spawn(&mut named);
    assert_eq!(get(&server, "/").text(), "one");
    switch(&folder);
    assert_eq!(get(&server, "/").text(), "two");
    // A wrong PWD is ignored.
    named.current_dir(folder.path().join("one"));
    assert_eq!(get(&ServerProcess::spawn(&mut named), "/").text(), "one");
}

fn types_are_those_of_the_name_and_of_a_file(transport: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name);
    for (name, content) in [
        ("README", &b"to be read"[..]),
        ("program", b"\x7fELF\0"),
        ("latin.xml", b"<?xml version='1.0' encoding='iso-8859-1'?><a>\xe9</a>"),
        ("a.mjs", b""),
        ("a.log", b"line"),
        (".types", b"text/x-log;charset=utf-8 log\n"),
    ] {
        fs::write(file(name), content).expect("a file");
    }
    let server = ServerProcess::on(transport, &[path(folder.path()), "--types", path(&file(".types"))]);
    for (name, expected) in [
        ("/README", "text/plain; charset=utf-8"),
        ("/program", "application/octet-stream"),
        ("/latin.xml", "text/xml"),
        ("/a.mjs", "text/javascript"),
        ("/a.log", "text/x-log;charset=utf-8"),
    ] {
        for method in ["GET", "HEAD"] {
            let request = format!("{method} {name} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            let response = server.exchange(request.as_bytes());
            assert_eq!(response.field("content-type"), Some(expected), "{method} {name}");
            assert_eq!(response.field("x-content-type-options"), Some("nosniff"));
        }
    }
}

#[test]
fn a_file_of_types_that_is_malformed_is_named_with_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mime.types");
    fs::write(&file, "# nginx has another format\ntext/html html htm;\n").expect("a file");
    let output = run(&["serve", "--port", "0", "--types", path(&file)]);
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    let message = format!("Line 2 of --types {} holds \"htm;\", which is no extension.", file.display());
    assert!(errors.contains(&message), "{errors}");
    assert!(output.stdout.is_empty());
}

#[test]
fn a_start_that_fails_does_not_say_that_files_are_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
    let port = taken.local_addr().expect("an address").port().to_string();
    let missing = folder.path().join("missing");
    for (arguments, why) in [
        (["--port", &port, "--max-connections", "9"], "Address already in use"),
        (["--port", "0", "--types", path(&missing)], "cannot be read"),
    ] {
        let output = run(&[&["serve", path(folder.path())], &arguments[..]].concat());
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.contains(why) && !errors.contains("serving"), "{errors}");
    }
}

fn names_that_begin_with_a_dot_are_hidden_but_one(transport: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    for name in [".well-known", "sub", "sub/.well-known"] {
        fs::create_dir(folder.path().join(name)).expect("a folder");
        fs::write(folder.path().join(name).join("file"), "").expect("a file");
    }
    fs::write(folder.path().join(".env"), "").expect("a file");
    let files = [("/.well-known/file", true), ("/.env", false), ("/sub/.well-known/file", false)];
    for arguments in [&[path(folder.path())][..], &[path(folder.path()), "--hidden"]] {
        let server = ServerProcess::on(transport, arguments);
        for (target, is_served) in files {
            let is_served = is_served || arguments.contains(&"--hidden");
            let status = if is_served { "HTTP/1.1 200 OK" } else { "HTTP/1.1 404 Not Found" };
            assert_eq!(get(&server, target).status, status, "{target} {arguments:?}");
        }
    }
}

fn a_folder_is_listed_unless_that_is_switched_off(transport: &str) {
    let site = TestSite::new();
    let folder = path(site.folder.path());
    let server = ServerProcess::on(transport, &[folder, "--no-listing=off"]);
    assert_eq!(get(&server, "/sub/").status, "HTTP/1.1 200 OK");
    let server = ServerProcess::on(transport, &[folder, "--no-listing"]);
    get(&server, "/sub/").assert("HTTP/1.1 404 Not Found", "There is nothing here.\n");
    assert_eq!(get(&server, "/sub/content.bin").status, "HTTP/1.1 200 OK");
}

fn a_file_stands_in_for_what_is_missing(transport: &str) {
    let site = TestSite::new();
    fs::write(site.folder.path().join("app.html"), "<p>app").expect("a file");
    fs::write(site.folder.path().join("sub/404.txt"), "Lost?").expect("a file");
    let folder = path(site.folder.path());
    let server = ServerProcess::on(transport, &[folder, "--spa", "app.html", "--not-found=sub/404.txt"]);
    let page = "GET /users/7 HTTP/1.1\r\nHost: a\r\nSec-Fetch-Mode: navigate\r\nConnection: close\r\n\r\n";
    server.exchange(page.as_bytes()).assert("HTTP/1.1 200 OK", "<p>app");
    get(&server, "/users/7").assert("HTTP/1.1 404 Not Found", "Lost?");
}

fn what_is_compressed_already_is_sent_to_who_accepts_it(transport: &str) {
    let site = TestSite::new();
    fs::write(site.folder.path().join("sub/content.bin.zst"), "compressed").expect("a file");
    let folder = path(site.folder.path());
    let request = "GET /sub/content.bin HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip, zstd\r\nConnection: close\r\n\r\n";
    for (flag, is_coded) in [("--precompressed", true), ("--precompressed=off", false)] {
        let response = ServerProcess::on(transport, &[folder, flag]).exchange(request.as_bytes());
        assert_eq!(response.status, "HTTP/1.1 200 OK");
        assert_eq!(response.content == b"compressed", is_coded, "{flag}");
        assert_eq!(response.field("content-encoding"), is_coded.then_some("zstd"), "{flag}");
    }
}

fn files_have_the_fields_that_patterns_give_them(transport: &str) {
    let site = TestSite::new();
    let folder = path(site.folder.path());
    let fields = ["--field", "*.bin: Cache-Control: max-age=60", "--field=/sub/*:X-Frame-Options:DENY"];
    let server = ServerProcess::on(transport, &[&[folder][..], &fields].concat());
    let file = get(&server, "/sub/content.bin");
    assert_eq!(file.field("cache-control"), Some("max-age=60"));
    assert_eq!(file.field("x-frame-options"), Some("DENY"));
    let list = get(&server, "/");
    assert_eq!((list.field("cache-control"), list.field("x-frame-options")), (Some("no-cache"), None));
}

#[test]
fn a_file_that_is_to_stand_in_is_in_the_folder() {
    let site = TestSite::new();
    let folder = path(site.folder.path());
    let absolute = site.file();
    for (flag, file) in [("--spa", "missing.html"), ("--not-found", "sub"), ("--spa", path(&absolute))] {
        let output = run(&["serve", folder, "--port", "0", flag, file]);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        let message =
            format!("The file of {flag}, {file}, is to be a file in {folder}, named as it is there.");
        assert!(errors.contains(&message), "{errors}");
    }
}

fn a_file_that_may_not_be_read_is_404_and_reported(transport: &str) {
    let site = TestSite::new();
    let secret = site.file();
    let mut command = serve(transport);
    command.args(["--port", "0", path(site.folder.path())]);
    fs::set_permissions(site.folder.path(), fs::Permissions::from_mode(0o755)).expect("permissions");
    fs::create_dir(site.folder.path().join("closed")).expect("a folder");
    let index = site.folder.path().join("closed/index.html");
    fs::write(&index, "").expect("a file");
    for path in [&secret, &index] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o000)).expect("permissions");
    }
    if rustix::process::geteuid().is_root() {
        // Nothing is forbidden to root.
        command.uid(65534).gid(65534);
    }
    let server = ServerProcess::spawn(&mut command);
    get(&server, "/sub/content.bin").assert("HTTP/1.1 404 Not Found", "There is nothing here.\n");
    get(&server, "/sub/missing").assert("HTTP/1.1 404 Not Found", "There is nothing here.\n");
    // A folder whose index may not be read is not listed.
    get(&server, "/closed/").assert("HTTP/1.1 404 Not Found", "There is nothing here.\n");
    server.signal(Signal::TERM);
    let (_, errors) = server.end();
    let message = format!("httpfsm: {secret:?} cannot be read: Permission denied (os error 13).\n");
    assert!(errors.contains(&message) && !errors.contains("missing"), "{errors}");
}

/// The folder has mode 711 and belongs to another user.
fn a_root_that_may_not_be_listed_serves_its_files(transport: &str) {
    let site = TestSite::new();
    let root = site.folder.path();
    let set = |mode| fs::set_permissions(root, fs::Permissions::from_mode(mode)).expect("permissions");
    let start = || {
        let mut command = serve(transport);
        command.args(["--port", "0", path(root)]);
        if rustix::process::geteuid().is_root() {
            // Nothing is forbidden to root.
            command.uid(65534).gid(65534);
        }
        command
    };
    set(0o311);
    let server = ServerProcess::spawn(&mut start());
    assert_eq!(get(&server, "/sub/content.bin").content.len(), site.bytes.len());
    assert_eq!(get(&server, "/sub/").status, "HTTP/1.1 200 OK");
    get(&server, "/").assert("HTTP/1.1 404 Not Found", "There is nothing here.\n");
    fs::write(root.join("index.html"), "index").expect("a file");
    get(&server, "/").assert("HTTP/1.1 200 OK", "index");
    server.signal(Signal::TERM);
    let (_, errors) = server.end();
    let denied = "Permission denied (os error 13)";
    for message in [
        format!(
            "httpfsm: The folder {root:?} cannot be listed: {denied}. Its files are served; a list of it is 404.\n"
        ),
        format!("httpfsm: {:?} cannot be read: {denied}.\n", root.join("")),
    ] {
        assert!(errors.contains(&message), "{message}: {errors}");
    }
    // A folder that may not be passed through is an error.
    set(0o444);
    let errors = complaint(&mut start(), 1);
    set(0o755);
    assert!(errors.contains("cannot be served: Permission denied"), "{errors}");
}

fn a_folder_without_its_slash_is_redirected(transport: &str) {
    let site = TestSite::new();
    fs::create_dir(site.folder.path().join("c:d")).expect("a folder");
    let server = site.serve(transport);
    for (target, location) in [("/sub", "sub/"), ("/./c:d?q=/", "./c:d/?q=/")] {
        for method in ["GET", "HEAD"] {
            let request = format!("{method} {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            let response = server.exchange(request.as_bytes());
            assert_eq!(response.status, "HTTP/1.1 301 Moved Permanently", "{target}");
            assert_eq!(response.field("location"), Some(location), "{target}");
        }
    }
}

fn clients_that_go_away_leave_no_file_open(transport: &str) {
    let site = TestSite::new();
    let server = ServerProcess::on(transport, &[path(site.folder.path()), "--threads", "1"]);
    let open = || fs::read_dir(format!("/proc/{}/fd", server.child.id())).expect("a process").count();
    assert_eq!(get(&server, "/sub/content.bin").content.len(), site.bytes.len());
    let before = open();
    for _ in 0..100 {
        let mut stream = server.connect();
        let request = b"GET /sub/content.bin HTTP/1.1\r\nHost: a\r\n\r\n";
        std::io::Write::write_all(&mut stream, request).expect("sent");
        std::io::Read::read_exact(&mut stream, &mut [0; 100]).expect("a head");
    }
    let patience = std::time::Instant::now();
    while open() > before {
        assert!(patience.elapsed() < crate::PATIENCE, "{} files are open, {before} were", open());
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn a_file_that_shrinks_while_it_is_sent_is_cut_and_reported(transport: &str) {
    let site = TestSite::new();
    let large = site.folder.path().join("large");
    File::create(&large).and_then(|file| file.set_len(64 << 20)).expect("a file");
    let server = site.serve(transport);
    let mut stream = server.connect();
    std::io::Write::write_all(&mut stream, b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    let mut bytes = vec![0; 1000];
    std::io::Read::read_exact(&mut stream, &mut bytes).expect("a head");
    File::options().write(true).open(&large).and_then(|file| file.set_len(1000)).expect("a file");
    // The end comes, by FIN or by reset, long before the length that was promised.
    let _ = std::io::Read::read_to_end(&mut stream, &mut bytes);
    assert_eq!(ReceivedResponse::new(&bytes[..1000]).field("content-length"), Some("67108864"));
    assert!(bytes.len() < 64 << 20, "{} bytes", bytes.len());
    server.signal(Signal::TERM);
    let (_, errors) = server.end();
    let reports = errors.lines().filter(|line| line.contains("/large\" became shorter"));
    assert_eq!(reports.count(), 1, "{errors}");
}
