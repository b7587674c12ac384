//! The application as a client sees it.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use httpfsm::config::ServerConfig;
use httpfsm::handler::{ConnectionInfo, Failure, Subscriber};
use httpfsm_transport::memory::MemoryServer;
use httpfsm_transport::{Inline, NoThread, Spawner};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use super::path::Target;
use super::{DotNames, Files, LISTS, Root, Types, listing};
use crate::app::testing::{content, exchange};

/// A folder `web` that is served, with neighbours that must never be seen. Each file was modified in 2001.
struct Site(TempDir);

impl Site {
    fn new(files: &[(&str, &str)]) -> Self {
        let site = Self(tempfile::tempdir().unwrap());
        fs::create_dir(site.root()).unwrap();
        fs::write(site.0.path().join("secret"), "SECRET").unwrap();
        for (name, content) in files {
            site.write(name, content);
        }
        site
    }

    fn root(&self) -> std::path::PathBuf {
        self.0.path().join("web")
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        let file = File::options().write(true).open(path).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
    }

    fn files(&self) -> Files {
        Files::new(
            Root::new(&self.root()).unwrap(),
            DotNames::WellKnown,
            Types::new(None).unwrap(),
            Arc::new(Inline),
        )
    }

    /// The answer to a request line and field lines.
    fn ask(&self, method: &str, target: &str, fields: &str) -> String {
        exchange(self.files(), &format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"))
    }

    fn get(&self, target: &str, fields: &str) -> String {
        self.ask("GET", target, fields)
    }

    #[track_caller]
    fn assert_missing(&self, target: &str) {
        let answer = self.get(target, "");
        assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{target}: {answer}");
        assert!(answer.ends_with("\r\n\r\nThere is nothing here.\n"), "{target}: {answer}");
    }
}

#[track_caller]
fn field<'a>(answer: &'a str, name: &str) -> &'a str {
    let line = answer.split("\r\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("no {name} in {answer}"))
}

#[test]
fn a_file_is_sent_with_what_a_cache_needs() {
    let site = Site::new(&[("a/b c.txt", "hello")]);
    let answer = site.get("/a/b%20c.txt?x", "");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");
    assert_eq!(field(&answer, "Content-Length"), "5");
    assert_eq!(field(&answer, "Content-Type"), "text/plain; charset=utf-8");
    assert_eq!(field(&answer, "X-Content-Type-Options"), "nosniff");
    assert_eq!(field(&answer, "Last-Modified"), "Sun, 09 Sep 2001 01:46:40 GMT");
    assert_eq!(field(&answer, "Accept-Ranges"), "bytes");
    assert_eq!(field(&answer, "Cache-Control"), "no-cache");
    assert_eq!(field(&answer, "ETag"), "\"5-3b9aca00.0\"");

    let head = site.ask("HEAD", "/a/b%20c.txt", "Range: bytes=1-2\r\n");
    let (expected, _) = answer.split_once("Server:").unwrap();
    assert!(head.starts_with(expected) && head.ends_with("Content-Length: 5\r\n\r\n"), "{head}");
}

#[test]
fn equal_files_have_equal_tags_and_a_file_that_changed_has_another() {
    let (site, replica) = (Site::new(&[("a", "one")]), Site::new(&[("other", ""), ("a", "one")]));
    let (one, same) = (site.get("/a", ""), replica.get("/a", ""));
    assert_eq!(field(&one, "ETag"), field(&same, "ETag"));
    let file = File::options().write(true).open(site.root().join("a")).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::new(1_000_000_000, 1)).unwrap();
    let two = site.get("/a", "");
    assert_ne!(field(&one, "ETag"), field(&two, "ETag"));
    assert_eq!(field(&one, "Last-Modified"), field(&two, "Last-Modified"));
}

#[test]
fn a_file_of_this_second_has_a_weak_tag() {
    let site = Site::new(&[]);
    site.write("a", "new");
    let file = File::options().write(true).open(site.root().join("a")).unwrap();
    // A clock that runs on cannot catch up with this within the test.
    file.set_modified(SystemTime::now() + Duration::from_secs(3600)).unwrap();
    let answer = site.get("/a", "");
    assert!(field(&answer, "ETag").starts_with("W/\"3-"), "{answer}");
    assert!(!answer.contains("Last-Modified"), "{answer}");
    let etag = field(&answer, "ETag");
    assert!(site.get("/a", &format!("If-None-Match: {etag}\r\n")).starts_with("HTTP/1.1 304 "));
    let part = site.get("/a", &format!("Range: bytes=0-0\r\nIf-Range: {etag}\r\n"));
    assert!(part.starts_with("HTTP/1.1 200 "), "{part}");
}

#[test]
fn an_empty_file_is_a_file() {
    let site = Site::new(&[("empty", "")]);
    for fields in ["", "Range: bytes=0-\r\n", "Range: bytes=-1\r\n"] {
        let answer = site.get("/empty", fields);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with("Content-Length: 0\r\n\r\n"), "{answer}");
    }
}

#[test]
fn files_are_only_read() {
    let site = Site::new(&[("a", "x")]);
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "get"] {
        let answer = site.ask(method, "/a", "");
        assert!(answer.starts_with("HTTP/1.1 405 "), "{method}: {answer}");
        assert_eq!(field(&answer, "Allow"), "GET, HEAD, OPTIONS");
    }
    for target in ["/a", "*"] {
        let answer = site.ask("OPTIONS", target, "");
        assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
        assert_eq!(field(&answer, "Allow"), "GET, HEAD, OPTIONS");
    }
    assert_eq!(fs::read(site.root().join("a")).unwrap(), b"x");
}

#[test]
fn no_spelling_leads_out_of_the_root() {
    let site = Site::new(&[("a/b.txt", "b"), ("secret.txt", "")]);
    for target in [
        "/../secret",
        "/a/../../secret",
        "/%2e%2e/secret",
        "/%2E%2e/secret",
        "/.%2e/secret",
        "/%2e./secret",
        "/..%2fsecret",
        "/..%2Fsecret",
        "/..%5csecret",
        "/..\\secret",
        "/a/..%2f..%2fsecret",
        "/%2e%2e%2fsecret",
        "/%252e%252e/secret",
        "/%252e%252e%252fsecret",
        "/%c0%ae%c0%ae/secret",
        "/%c0%ae%c0%ae%c0%afsecret",
        "/..;/secret",
        "/..%00/secret",
        "/a/b.txt%00",
        "/a/b.txt%00.html",
        "/%uff0e%uff0e/secret",
        "//etc/passwd",
        "//../secret",
        "/%2fetc/passwd",
        "/%2f%2fetc/passwd",
        "/a/b.txt/",
        "/a/b.txt/.",
        "/a/b.txt//",
        "/a/b.txt/x",
        "/proc/self/environ",
        "/file:///etc/passwd",
        "/~root",
    ] {
        site.assert_missing(target);
    }
    let absolute = site.get("http://a/../secret", "");
    assert!(absolute.starts_with("HTTP/1.1 404 "), "{absolute}");
}

#[test]
fn a_path_is_read_in_its_normal_form() {
    let site = Site::new(&[("a/b.txt", "b"), ("a/index.html", "index"), ("index.html", "root")]);
    for (target, content) in [
        ("/a//b.txt", "b"),
        ("//a/b.txt", "b"),
        ("/a/./b.txt", "b"),
        ("/./a/b.txt", "b"),
        ("/a/%2e/b.txt", "b"),
        ("/missing/../a/b.txt", "b"),
        ("/a/b.txt/../b.txt?/../q=%2e", "b"),
        ("/.git/%2E%2e/a/b.txt", "b"),
        ("/a/.", "index"),
        ("/a//", "index"),
        ("/a/b.txt/..", "index"),
        ("/a/..", "root"),
        ("//", "root"),
        ("http://a/./a/b.txt", "b"),
    ] {
        let answer = site.get(target, "");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{target}: {answer}");
        assert!(answer.ends_with(&format!("\r\n\r\n{content}")), "{target}: {answer}");
    }
}

#[test]
fn a_name_that_cannot_exist_is_missing() {
    let site = Site::new(&[]);
    site.assert_missing(&format!("/{}", "a".repeat(300)));
    site.assert_missing(&format!("/{}", "a/".repeat(2500)));
}

#[test]
fn hidden_files_are_missing() {
    let site = Site::new(&[(".env", "K"), (".git/config", "c"), ("a/.b/c", "d")]);
    for target in ["/.env", "/%2eenv", "/.git/config", "/.git/", "/.git", "/a/.b/c", "/a/%2Eb/c"] {
        site.assert_missing(target);
    }
}

#[test]
fn what_is_well_known_is_served_at_the_root() {
    let site =
        Site::new(&[(".well-known/security.txt", "s"), (".well-known/.x", ""), ("a/.well-known/x", "")]);
    symlink(".well-known/security.txt", site.root().join("security.txt")).unwrap();
    for target in ["/.well-known/security.txt", "/%2ewell-known/security.txt", "/security.txt"] {
        assert!(site.get(target, "").ends_with("\r\n\r\ns"), "{target}");
    }
    assert_eq!(field(&site.get("/.well-known", ""), "Location"), ".well-known/");
    for target in ["/.well-known/.x", "/a/.well-known/x", "/a/.well-known/", "/a/.well-known"] {
        site.assert_missing(target);
    }
}

#[test]
fn all_names_are_served_if_that_is_wanted() {
    let site = Site::new(&[(".env", "K"), ("a/.b/c", "K"), (".../x", "K")]);
    symlink(".env", site.root().join("link")).unwrap();
    for target in ["/.env", "/a/.b/c", "/.../x", "/link"] {
        let root = Root::new(&site.root()).unwrap();
        let files = Files::new(root, DotNames::All, Types::new(None).unwrap(), Arc::new(Inline));
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(content(files, &request), "K", "{target}");
    }
}

#[test]
fn links_are_followed_inside_the_root_alone() {
    let site = Site::new(&[("a/file", "inside"), (".git/config", "hidden")]);
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
        let site = Site::new(&[(".hidden", ""), ("file", "")]);
        symlink(to, site.root().join("index.html")).unwrap();
        let answer = site.get("/", "");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{to}: {answer}");
        assert!(answer.contains("<p>1 file.</p>") && !answer.contains("index.html"), "{to}: {answer}");
    }
}

#[test]
fn what_is_no_file_is_missing_and_never_waited_for() {
    let site = Site::new(&[]);
    let root = site.root();
    mknodat(CWD, root.join("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let _socket = UnixListener::bind(root.join("socket")).unwrap();
    // Whoever wants to write into a FIFO waits until it is opened for reading, which does not happen.
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

#[test]
fn a_folder_without_its_slash_is_redirected() {
    let site = Site::new(&[("a/b/x", ""), ("evil.example/x", ""), ("c:d/x", ""), ("é ?#/x", "")]);
    for (target, location) in [
        ("/a", "a/"),
        ("/a/b?q=1&r=//x", "b/?q=1&r=//x"),
        ("/a?", "a/?"),
        ("/%61", "a/"),
        ("/evil.example", "evil.example/"),
        ("/c:d", "./c:d/"),
        ("/c%3Ad?x:y", "./c:d/?x:y"),
        ("/%C3%A9%20%3F%23", "%C3%A9%20%3F%23/"),
        ("http://other.example/a", "a/"),
        ("//evil.example", "evil.example/"),
        ("/./a/x/../b", "b/"),
        ("/a//b", "b/"),
        ("/a/%2e%2e/a", "a/"),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = site.ask(method, target, "");
            assert!(answer.starts_with("HTTP/1.1 301 Moved Permanently\r\n"), "{target}: {answer}");
            assert_eq!(field(&answer, "Location"), location, "{target}");
        }
    }
    for target in ["/\\evil.example", "/%2fevil.example", "/%5cevil.example"] {
        site.assert_missing(target);
    }
}

#[test]
fn a_folder_is_its_index_or_a_list() {
    let site = Site::new(&[("with/index.html", "<p>mine"), ("without/a.txt", "")]);
    let answer = site.get("/with/", "");
    assert!(answer.ends_with("\r\n\r\n<p>mine"), "{answer}");
    assert_eq!(field(&answer, "Content-Type"), "text/html");
    let answer = site.get("/without/", "");
    // The list is ours, and always UTF-8.
    assert_eq!(field(&answer, "Content-Type"), "text/html; charset=utf-8");
    assert!(answer.contains("<a href=\"a.txt\">"), "{answer}");
    assert!(field(&answer, "Content-Security-Policy").starts_with("default-src 'none';"));
    assert_eq!(field(&answer, "X-Content-Type-Options"), "nosniff");
    let again = site.get("/without/", &format!("If-None-Match: {}\r\n", field(&answer, "ETag")));
    assert!(again.starts_with("HTTP/1.1 304 "), "{again}");
}

#[test]
fn a_copy_that_is_still_right_is_not_sent_again() {
    let site = Site::new(&[("a.txt", "hello")]);
    let etag = field(&site.get("/a.txt", ""), "ETag").to_owned();
    for (method, fields) in [
        ("GET", format!("If-None-Match: {etag}\r\n")),
        ("HEAD", format!("If-None-Match: {etag}\r\n")),
        ("GET", format!("If-None-Match: {etag}\r\nRange: bytes=0-0\r\n")),
        ("GET", "If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT\r\n".to_owned()),
    ] {
        let answer = site.ask(method, "/a.txt", &fields);
        assert!(answer.starts_with("HTTP/1.1 304 Not Modified\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n") && !answer.contains("Content-"), "{answer}");
        assert_eq!(field(&answer, "ETag"), etag);
        assert_eq!(field(&answer, "Cache-Control"), "no-cache");
    }
    let answer = site.get("/a.txt", "If-Match: \"x\"\r\n");
    assert!(answer.starts_with("HTTP/1.1 412 Precondition Failed\r\n"), "{answer}");
    // RFC 9110 section 13.2.1: what is not there has no state to be compared.
    assert!(site.get("/b.txt", "If-None-Match: *\r\n").starts_with("HTTP/1.1 404 "));
}

#[test]
fn a_range_is_sent_alone() {
    let site = Site::new(&[("a.txt", "0123456789")]);
    let answer = site.get("/a.txt", "Range: bytes=2-4\r\n");
    assert!(answer.starts_with("HTTP/1.1 206 Partial Content\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n234"), "{answer}");
    assert_eq!(field(&answer, "Content-Range"), "bytes 2-4/10");
    assert_eq!(field(&answer, "Content-Length"), "3");
    assert_eq!(field(&answer, "Content-Type"), "text/plain; charset=utf-8");
    let etag = field(&answer, "ETag");
    for (fields, status, content) in [
        (format!("If-Range: {etag}\r\n"), 206, "34"),
        ("If-Range: \"another\"\r\n".to_owned(), 200, "0123456789"),
        (format!("If-Match: {etag}\r\n"), 206, "34"),
        ("If-Match: \"another\"\r\n".to_owned(), 412, "This is not what the request supposes.\n"),
    ] {
        let answer = site.get("/a.txt", &format!("Range: bytes=3-4\r\n{fields}"));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{fields}: {answer}");
        assert!(answer.ends_with(&format!("\r\n\r\n{content}")), "{fields}: {answer}");
    }
}

#[test]
fn a_range_behind_the_end_is_told_the_length() {
    let site = Site::new(&[("a.txt", "0123456789")]);
    let answer = site.get("/a.txt", "Range: bytes=10-\r\n");
    assert!(answer.starts_with("HTTP/1.1 416 Range Not Satisfiable\r\n"), "{answer}");
    assert_eq!(field(&answer, "Content-Range"), "bytes */10");
}

#[test]
fn several_ranges_come_as_parts() {
    let site = Site::new(&[("a.txt", "0123456789")]);
    let answer = site.get("/a.txt", "Range: bytes=0-1,-2\r\n");
    assert!(answer.starts_with("HTTP/1.1 206 Partial Content\r\n"), "{answer}");
    let boundary = field(&answer, "Content-Type").strip_prefix("multipart/byteranges; boundary=").unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(!head.contains("Content-Range"), "{head}");
    assert_eq!(field(head, "Content-Length"), body.len().to_string());
    let expected = format!(
        "\r\n--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 0-1/10\r\n\r\n01\
         \r\n--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 8-9/10\r\n\r\n89\
         \r\n--{boundary}--\r\n"
    );
    assert_eq!(body, expected);
    let flood = site.get("/a.txt", &format!("Range: bytes={}\r\n", "0-,".repeat(500)));
    assert!(flood.starts_with("HTTP/1.1 200 OK\r\n") && flood.ends_with("\r\n\r\n0123456789"), "{flood}");
}

/// Counts the jobs.
struct Counting(Arc<AtomicUsize>);

impl Spawner for Counting {
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) -> Result<(), NoThread> {
        self.0.fetch_add(1, Ordering::SeqCst);
        work();
        Ok(())
    }
}

#[test]
fn a_small_file_costs_one_job_and_a_large_one_one_more_for_each_piece() {
    let site = Site::new(&[]);
    site.write("small", "s".repeat(64 << 10));
    site.write("large", "l".repeat(600 << 10));
    for (method, target, expected, length) in
        [("GET", "/small", 1, 64 << 10), ("GET", "/large", 4, 600 << 10), ("HEAD", "/large", 1, 0)]
    {
        let jobs = Arc::new(AtomicUsize::new(0));
        let files = Files::new(
            Root::new(&site.root()).unwrap(),
            DotNames::WellKnown,
            Types::new(None).unwrap(),
            Arc::new(Counting(Arc::clone(&jobs))),
        );
        let bytes = content(files, &format!("{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!((jobs.load(Ordering::SeqCst), bytes.len()), (expected, length), "{target}");
    }
}

/// Keeps what it hears of failures.
#[derive(Default)]
struct Failures(Mutex<Vec<String>>);

impl Subscriber for Failures {
    fn failed(&self, connection: Option<&ConnectionInfo>, failure: Failure, text: &str) {
        assert!(connection.is_some());
        self.0.lock().unwrap().push(format!("{failure:?}: {text}"));
    }
}

#[test]
fn a_file_that_becomes_shorter_while_it_is_sent_is_named_to_the_operator() {
    let site = Site::new(&[]);
    site.write("sub/large", "l".repeat(2 << 20));
    let failures = Arc::new(Failures::default());
    let heard = Arc::clone(&failures) as Arc<dyn Subscriber>;
    let mut server = MemoryServer::with(ServerConfig::default(), 4096, Some(heard), site.files());
    let client = server.connect().unwrap_or_else(|refusal| panic!("{refusal:?}"));
    client.send("GET /sub/large HTTP/1.1\r\nHost: a\r\n\r\n");
    server.run();
    let path = site.root().join("sub/large");
    File::options().write(true).open(&path).unwrap().set_len(1000).unwrap();
    while !client.take().is_empty() {
        server.run();
    }
    let expected =
        format!("Response: The source of the body failed: {path:?} became shorter while it was sent.");
    assert_eq!(*failures.0.lock().unwrap(), [expected]);
}

#[test]
fn a_root_that_is_no_folder_is_named() {
    let site = Site::new(&[("file", "")]);
    assert!(Root::new(Path::new("")).is_err());
    for name in ["missing", "file"] {
        let path = site.root().join(name);
        let error = Root::new(&path).err().map(|error| error.to_string()).unwrap();
        assert!(error.starts_with(&format!("The folder {} cannot be served: ", path.display())), "{error}");
    }
}

#[test]
fn a_folder_that_is_removed_while_it_is_listed_is_missing_and_not_empty() {
    let site = Site::new(&[]);
    let root = Root::new(&site.root()).unwrap().open().unwrap();
    fs::remove_dir(site.root()).unwrap();
    let error = listing::page(&root, &Target::decode("/").unwrap(), DotNames::WellKnown).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

/// Keeps the work, which nobody has a thread for.
#[derive(Default)]
struct Later(Mutex<Vec<Box<dyn FnOnce() + Send>>>);

impl Spawner for Later {
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) -> Result<(), NoThread> {
        self.0.lock().unwrap().push(work);
        Ok(())
    }
}

impl Later {
    /// Does the work that is there, and tells how much it was.
    fn run(&self, most: usize) -> usize {
        let mut there = self.0.lock().unwrap();
        let most = most.min(there.len());
        let work: Vec<_> = there.drain(..most).collect();
        drop(there);
        work.into_iter().map(|work| work()).count()
    }

    fn waiting(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// Has a thread for so many jobs.
struct Threads(AtomicUsize);

impl Spawner for Threads {
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) -> Result<(), NoThread> {
        let left = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.map_err(|_| NoThread)?;
        work();
        Ok(())
    }
}

#[test]
fn without_a_thread_to_read_on_the_response_is_503_or_breaks_off() {
    let site = Site::new(&[]);
    site.write("small", "s");
    site.write("large", "l".repeat(600 << 10));
    let busy = "HTTP/1.1 503 Service Unavailable\r\n";
    for (target, threads, expected) in [
        ("/small", 0, busy),
        ("/small", 1, "HTTP/1.1 200 OK\r\n"),
        // The second job makes the list.
        ("/", 1, busy),
        ("/", 2, "HTTP/1.1 200 OK\r\n"),
        ("/large", 2, "HTTP/1.1 200 OK\r\n"),
    ] {
        let files = Files { spawner: Arc::new(Threads(threads.into())), ..site.files() };
        let response = exchange(files, &format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(response.starts_with(expected), "{target}, {threads}: {response:.200}");
        let (_, content) = response.split_once("\r\n\r\n").unwrap();
        // A head, and the first piece of three.
        assert!(target != "/large" || content.len() == 256 << 10, "{}", content.len());
    }
}

#[test]
fn few_lists_are_made_at_once_and_the_others_wait_without_a_thread() {
    let site = Site::new(&[("a", "one")]);
    let later = Arc::new(Later::default());
    let files = Files { spawner: Arc::clone(&later) as Arc<dyn Spawner>, ..site.files() };
    let mut server = MemoryServer::new(ServerConfig::default(), files);
    let mut clients: Vec<_> = (0..LISTS + 3).map(|_| server.connect().unwrap()).collect();
    for client in &clients {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    server.run();
    assert_eq!(later.run(usize::MAX), LISTS + 3);
    server.run();
    assert_eq!(later.waiting(), LISTS);
    // A file does not wait.
    let file = server.connect().unwrap();
    file.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    server.run();
    assert_eq!(later.waiting(), LISTS + 1);
    // Who goes while it waits, or while its list is made, takes no place.
    clients.pop().unwrap().reset();
    clients.remove(0).reset();
    server.run();
    assert_eq!(later.waiting(), LISTS + 2, "{LISTS} lists, a file, and the job of one that has gone");
    while later.run(1) > 0 {
        server.run();
    }
    for client in clients {
        assert!(client.take().starts_with(b"HTTP/1.1 200 OK\r\n"));
    }
}

#[test]
fn file_work_for_a_client_that_has_gone_is_dropped() {
    let site = Site::new(&[("a", "one")]);
    let files = Files { spawner: Arc::new(Later::default()), ..site.files() };
    let held = Arc::clone(&files.site);
    let mut server = MemoryServer::new(ServerConfig::default(), files);
    let client = server.connect().unwrap();
    client.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    server.run();
    assert_eq!(Arc::strong_count(&held), 3, "a job waits");
    client.reset();
    server.run();
    assert_eq!(Arc::strong_count(&held), 2);
}
