//! The programs of the pages.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::{blocks, is_rust, pages, root};

/// Long enough for a loaded machine; nothing here waits for it unless it fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the programs have that send the body of a request back.
const ECHOES: [&str; 2] = ["(\"POST\", \"/echo\")", ROUTED];

/// What the program has that has routes, and what it responds: status, a field, and content.
const ROUTED: &str = "(\"POST\", Page::Echo)";
const ROUTES: [(&str, [&str; 3]); 6] = [
    ("GET /hello/you", ["200 OK", "Content-Length: 11", "Hello, you!"]),
    ("HEAD /hello/you", ["200 OK", "Content-Length: 11", ""]),
    ("PUT /hello/you", ["405 Method Not Allowed", "Allow: GET, HEAD", ""]),
    ("GET /echo", ["405 Method Not Allowed", "Allow: POST", ""]),
    ("GET /hello/", ["404 Not Found", "Content-Length: 0", ""]),
    ("GET /hello/you/too", ["404 Not Found", "Content-Length: 0", ""]),
];

/// What the program has that keeps links.
const LINKS: &str = "links.insert(link.clone(), address)";

/// What the program has that expects the header of a proxy before HTTP, such a header, and the client that it names.
const PROXIED: (&str, &[u8], &str) = (
    "impl Preface for ProxyHeader",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x07\x7f\0\0\x01\x0f\xa0\0\x50",
    "203.0.113.7:4000",
);

/// How the block of a program on another server begins: it is built.
const BEFORE: &str = "rust,ignore";

/// How a block of dependencies begins.
const DEPENDENCIES: &str = "[dependencies]\n";
/// How a block with the place of a dependency begins.
const PATCH: &str = "[patch.crates-io]\n";

/// How the function of a page begins that serves on any transport.
const SERVE: &str = "fn serve(transport: &str, listener: TcpListener, config: ServerConfig)";

/// Calls it, and serves until its input ends.
const CALLER: &str = r#"
fn main() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let _inside = runtime.enter();
    let transport = std::env::args().nth(1).unwrap_or_default();
    let server = serve(&transport, TcpListener::bind("127.0.0.1:0")?, ServerConfig::default())?;
    println!("listening on {}", server.local_addrs()[0]);
    std::io::stdin().lines().for_each(drop);
    httpfsm_blocking::block_on(server.begin_drain(None).gone());
    Ok(())
}
"#;

/// A program, or a part of one, of a page.
struct PageProgram {
    page: PathBuf,
    code: String,
    /// The lines of the last block of `[dependencies]` above it on its page, unchanged, as a user pastes them.
    dependencies: String,
    /// It is not on another server.
    is_ours: bool,
}

impl PageProgram {
    fn has_main(&self) -> bool {
        self.code.contains("fn main()")
    }

    /// A package of its own.
    fn write(&self, name: &str, folder: &Path) {
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n{}",
            self.dependencies
        );
        let source = if self.has_main() { "main.rs" } else { "lib.rs" };
        fs::create_dir_all(folder.join("src")).expect("a folder");
        fs::write(folder.join("Cargo.toml"), manifest).expect("a file");
        // Another program may have the port.
        fs::write(folder.join("src").join(source), self.code.replace("127.0.0.1:8080", "127.0.0.1:0"))
            .expect("a file");
    }

    /// A package that calls the function that serves, with the code of the page as it stands.
    fn write_caller(&self, name: &str, folder: &Path) {
        let caller = Self {
            page: self.page.clone(),
            code: self.code.clone() + CALLER,
            dependencies: format!(
                "{}tokio = {{ version = \"1\", features = [\"rt-multi-thread\"] }}\n",
                self.dependencies
            ),
            is_ours: true,
        };
        caller.write(name, folder);
    }
}

fn programs() -> Vec<PageProgram> {
    let mut programs = Vec::new();
    for (page, text) in pages() {
        let mut dependencies = String::new();
        for (kind, code) in blocks(&text) {
            match kind {
                "toml" if code.starts_with(DEPENDENCIES) => {
                    code.trim_start_matches(DEPENDENCIES).clone_into(&mut dependencies);
                }
                _ if is_rust(kind) => {
                    programs.push(PageProgram {
                        page: page.clone(),
                        code,
                        dependencies: dependencies.clone(),
                        is_ours: kind != BEFORE,
                    });
                }
                _ => {}
            }
        }
    }
    programs
}

/// Where the first page says that the packages of this repository are: a program that depends on another one is not built.
fn patches() -> String {
    let page = fs::read_to_string(root().join("README.md")).expect("a page");
    let blocks = blocks(&page);
    let lines: String = blocks.iter().filter_map(|(_, code)| code.strip_prefix(PATCH)).collect();
    format!("{PATCH}{}", lines.replace("../httpfsm/", &format!("{}/", root().display())))
}

/// A workspace of the programs. They use the packages of this checkout, and other packages at the versions of the lock
/// file.
fn workspace(programs: &[PageProgram]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    // The build is kept for the next run.
    let mut manifest = "[workspace]\nresolver = \"3\"\nmembers = [\"program*\"]\n\n".to_owned();
    manifest.push_str("[profile.dev]\ndebug = false\n\n");
    manifest.push_str(&patches());
    for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("program") {
            fs::remove_dir_all(entry.path()).expect("a folder of ours");
        }
    }
    for (number, program) in programs.iter().enumerate() {
        let name = format!("program{number}");
        program.write(&name, &folder.join(&name));
        if program.code.contains(SERVE) {
            program.write_caller(&caller(number), &folder.join(caller(number)));
        }
    }
    fs::write(folder.join("Cargo.toml"), manifest).expect("a file");
    fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).expect("a file");
    folder
}

/// The name of the package that calls the function of a program.
fn caller(number: usize) -> String {
    format!("program{number}-caller")
}

/// Builds one program by itself, so that no other program enables a feature for it.
fn build(workspace: &Path, name: &str, page: &Path) {
    cargo("build", workspace, name, page);
}

/// Calls cargo for one program; what it has printed.
fn cargo(command: &str, workspace: &Path, name: &str, page: &Path) -> String {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([command, "--quiet", "--package", name]).current_dir(workspace);
    cargo.env("CARGO_TARGET_DIR", workspace.join("target"));
    let output = cargo.output().expect("cargo");
    let (printed, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command} of {name}, of {}: {said}{printed}", page.display());
    printed.into_owned()
}

#[test]
fn the_programs_are_built_from_the_lines_above_them_and_run() {
    let programs = programs();
    let workspace = workspace(&programs);
    let (mut served, mut called) = (0, 0);
    for (number, program) in programs.iter().enumerate() {
        let name = format!("program{number}");
        build(&workspace, &name, &program.page);
        let tests = program.code.matches("#[test]").count();
        if tests > 0 {
            let printed = cargo("test", &workspace, &name, &program.page);
            assert!(printed.contains(&format!("{tests} passed")), "{}: {printed}", program.page.display());
        }
        if program.code.contains(SERVE) {
            build(&workspace, &caller(number), &program.page);
            for transport in ["tokio", "async-std", "smol", "blocking"] {
                call(&workspace.join("target/debug").join(caller(number)), transport);
                called += 1;
            }
        }
        // That of the kit runs all of it.
        if program.has_main() && program.is_ours {
            served += usize::from(run(&workspace.join("target/debug").join(&name), program));
        }
    }
    assert!(programs.len() >= 10 && served >= 4, "{served} of {}", programs.len());
    assert_eq!(called, 4);
    for known in [ROUTED, LINKS, PROXIED.0].into_iter().chain(ECHOES) {
        assert!(programs.iter().any(|program| program.is_ours && program.code.contains(known)), "{known}");
    }
}

/// Runs the caller of the function that serves, on a transport.
fn call(path: &Path, transport: &str) {
    let mut command = Command::new(path);
    let child = command.arg(transport).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut running = RunningProgram(child.expect("the program starts"));
    let mut stdout = BufReader::new(running.0.stdout.take().expect("a pipe"));
    let address = address(&mut stdout).unwrap_or_else(|| panic!("{transport} does not listen"));
    for _ in 0..2 {
        let response = get(address, b"");
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{transport}: {response}");
        assert!(response.ends_with("\r\n\r\nYou asked for /.\n"), "{transport}: {response}");
    }
    drop(running.0.stdin.take());
    let status = wait_for("the end of the program", || running.0.try_wait().expect("a child"));
    assert!(status.success(), "{transport}: {status}");
}

/// Runs a program: one that listens responds and goes on until Ctrl-C, and each one ends without a failure. Returns
/// whether it listened.
fn run(path: &Path, program: &PageProgram) -> bool {
    let page = &program.page;
    let folder = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(path);
    let child = command.current_dir(&folder).stdout(Stdio::piped()).spawn().expect("the program starts");
    let mut running = RunningProgram(child);
    let mut stdout = BufReader::new(running.0.stdout.take().expect("a pipe"));
    let address = address(&mut stdout);
    if let Some(address) = address {
        let (proxied, header, client) = PROXIED;
        let is_proxied = program.code.contains(proxied);
        // Two requests: the program goes on after the first.
        for _ in 0..2 {
            let response = get(address, if is_proxied { header } else { b"" });
            assert!(!is_proxied || response.contains(client), "{}: {response}", page.display());
            assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{}: {response}", page.display());
            assert!(
                response.contains("\r\nDate: ") && !response.contains(" 1970 "),
                "{}: {response}",
                page.display()
            );
        }
        if program.code.contains(ROUTED) {
            for (request, [status, field, content]) in ROUTES {
                let response = ask(address, b"", request);
                assert!(response.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request}: {response}");
                assert!(response.contains(&format!("\r\n{field}\r\n")), "{request}: {response}");
                assert!(response.ends_with(&format!("\r\n\r\n{content}")), "{request}: {response}");
            }
        }
        if program.code.contains(LINKS) {
            follow_a_link(address, page);
        }
        if ECHOES.iter().any(|echo| program.code.contains(echo)) {
            // More than curl sends without an expectation.
            let content: Vec<u8> = (0..3_000_000_u32).map(|at| (at ^ (at >> 8)) as u8).collect();
            if let Some(response) = post_with_curl(address, folder.path(), &content) {
                assert!(response == content, "{}: {} bytes came back", page.display(), response.len());
            }
        }
        wait_for("the program to catch Ctrl-C", || catches_interrupts(&running.0).then_some(()));
        kill_process(Pid::from_child(&running.0), Signal::INT).expect("a running child");
    }
    let status = wait_for("the end of the program", || running.0.try_wait().expect("a child"));
    assert!(status.success(), "{}: {status}", page.display());
    address.is_some()
}

/// Has a link made, and goes where it leads.
fn follow_a_link(address: SocketAddr, page: &Path) {
    let elsewhere = "https://example.org/a?b=c";
    let made = send(address, b"", "POST /", elsewhere);
    let (head, link) = made.split_once("\r\n\r\n").expect("a whole head");
    assert!(head.starts_with("HTTP/1.1 201 Created\r\n"), "{}: {made}", page.display());
    let followed = ask(address, b"", &format!("GET {link}"));
    assert!(followed.starts_with("HTTP/1.1 302 Found\r\n"), "{}: {followed}", page.display());
    assert!(followed.contains(&format!("\r\nLocation: {elsewhere}\r\n")), "{}: {followed}", page.display());
    let large = send(address, b"", "POST /", &"x".repeat(4097));
    assert!(large.starts_with("HTTP/1.1 413 "), "{}: {large}", page.display());
    let nowhere = ask(address, b"", &format!("GET {link}0"));
    assert!(nowhere.starts_with("HTTP/1.1 404 "), "{}: {nowhere}", page.display());
}

/// Whether a handler for SIGINT is in place: tokio's is when the program begins to wait for it.
fn catches_interrupts(child: &Child) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).expect("a process");
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).expect("a mask");
    caught & (1 << (Signal::INT.as_raw() - 1)) != 0
}

#[track_caller]
fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// The address in the first line of the program.
fn address(stdout: &mut BufReader<ChildStdout>) -> Option<SocketAddr> {
    let mut first = String::new();
    stdout.read_line(&mut first).expect("text");
    first.strip_prefix("listening on ")?.trim_end().parse().ok()
}

fn get(address: SocketAddr, header: &[u8]) -> String {
    ask(address, header, "GET /")
}

/// The response to a request, of which this is the method and the target, behind what comes before HTTP.
fn ask(address: SocketAddr, header: &[u8], request: &str) -> String {
    send(address, header, request, "")
}

/// The same with content.
fn send(address: SocketAddr, header: &[u8], request: &str, content: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(header).expect("sent");
    let length = match content.len() {
        0 => String::new(),
        length => format!("Content-Length: {length}\r\n"),
    };
    let head = format!("{request} HTTP/1.1\r\nHost: example\r\nConnection: close\r\n{length}\r\n{content}");
    stream.write_all(head.as_bytes()).expect("sent");
    let mut response = String::new();
    stream.read_to_string(&mut response).expect("a response and its end");
    response
}

/// What a program responds to `POST /echo` from curl, which waits for a 100 first.
fn post_with_curl(address: SocketAddr, folder: &Path, content: &[u8]) -> Option<Vec<u8>> {
    let curl = httpfsm_testing::tool("curl")?;
    let path = folder.join("content");
    fs::write(&path, content).expect("a file");
    let mut command = Command::new(curl);
    command.args(["--silent", "--show-error", "--fail", "--expect100-timeout", "60", "--data-binary"]);
    command.arg(format!("@{}", path.display())).arg(format!("http://{address}/echo"));
    let output = command.output().expect("curl runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    Some(output.stdout)
}

/// Killed when dropped.
struct RunningProgram(Child);

impl Drop for RunningProgram {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
