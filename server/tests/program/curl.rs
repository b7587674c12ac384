//! curl against the server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::tools::{BackgroundProgram, has_ipv6, tool};
use crate::{PATIENCE, ReceivedResponse, ServerProcess, serve, text};

on_each_transport! {
    curl_gets_a_response_and_its_head,
    curl_posts_three_megabytes_with_and_without_expectation,
    curl_is_spared_a_body_that_is_too_large,
    curl_uploads_in_chunks,
    curl_speaks_the_old_version,
    curl_reuses_its_connection,
    curl_reads_a_chunked_response_and_goes_on,
    curl_compares_statuses,
    curl_asks_for_an_upgrade,
    curl_over_a_unix_socket,
    curl_over_ipv6,
    curl_gets_its_whole_response_from_a_server_that_drains,
}

/// curl, and a folder for what it sends and receives.
pub(crate) struct Curl {
    program: PathBuf,
    folder: TempDir,
}

impl Curl {
    /// `None` if curl is not installed; the test says so.
    pub(crate) fn find() -> Option<Self> {
        Some(Self { program: tool("curl")?, folder: tempfile::tempdir().expect("a directory") })
    }

    /// Prints only errors, and ignores the user's configuration and proxies.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["--disable", "--silent", "--show-error", "--noproxy", "*", "--http1.1"]);
        command.args(["--max-time", &PATIENCE.as_secs().to_string()]);
        command
    }

    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let output = self.command().args(arguments).output().expect("curl starts");
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        output
    }

    /// Runs curl with `--include`; returns the response with its head.
    #[track_caller]
    pub(crate) fn include(&self, arguments: &[&str]) -> ReceivedResponse {
        ReceivedResponse::new(&self.run(&[&["--include"], arguments].concat()).stdout)
    }

    /// A file of 3 MB that differ from place to place.
    fn content(&self) -> (PathBuf, Vec<u8>) {
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8).collect();
        let path = self.folder.path().join("content");
        fs::write(&path, &bytes).expect("a file");
        (path, bytes)
    }

    /// Sends a file to `/echo` with these arguments and compares what comes back; returns the output of `--verbose`.
    #[track_caller]
    fn echo(&self, server: &ServerProcess, arguments: &[&str]) -> String {
        self.echo_of(&url(server, "/echo"), arguments)
    }

    /// The same through a proxy that listens at a Unix socket. curl sends `Expect`, and its body when it has a 100.
    #[track_caller]
    pub(crate) fn echo_through(&self, proxy: &Path) -> String {
        let patience = PATIENCE.as_secs().to_string();
        self.echo_of("http://a/echo", &["--unix-socket", path(proxy), "--expect100-timeout", &patience])
    }

    #[track_caller]
    fn echo_of(&self, url: &str, arguments: &[&str]) -> String {
        let (sent, bytes) = self.content();
        let back = self.folder.path().join("back");
        let data = format!("@{}", sent.display());
        let fixed = ["--verbose", "--data-binary", &data, "--output", path(&back), url];
        let output = self.run(&[arguments, &fixed].concat());
        assert!(fs::read(&back).expect("a file") == bytes, "{arguments:?}: another content came back");
        text(&output.stderr)
    }
}

pub(crate) fn url(server: &ServerProcess, target: &str) -> String {
    format!("{}{target}", server.listening)
}

pub(crate) fn path(path: &Path) -> &str {
    path.to_str().expect("text")
}

fn bench(transport: &str) -> ServerProcess {
    ServerProcess::on(transport, &["--app", "bench"])
}

fn curl_gets_a_response_and_its_head(transport: &str) {
    let Some(curl) = Curl::find() else { return };
    let server = bench(transport);
    let got = curl.include(&[&url(&server, "/plaintext")]);
    got.assert("HTTP/1.1 200 OK", "Hello, World!");
    let head = curl.include(&["--head", &url(&server, "/plaintext")]);
    head.assert("HTTP/1.1 200 OK", "");
    let no_date = |response: &ReceivedResponse| -> Vec<_> {
        response.fields.iter().filter(|(name, _)| name != "date").cloned().collect()
    };
    assert_eq!(no_date(&got), no_date(&head));
}

fn curl_posts_three_megabytes_with_and_without_expectation(transport: &str) {
    let Some(curl) = Curl::find() else { return };
    let server = bench(transport);
    let printed = curl.echo(&server, &["--header", "Expect:"]);
    assert!(!printed.contains("100 Continue"), "{printed}");
    // curl expects a 100 by itself where there is so much to send. By default it sends the body after a second; with this
    // timeout only a 100 can make it send the body.
    let patience = PATIENCE.as_secs().to_string();
    let printed = curl.echo(&server, &["--expect100-timeout", &patience]);
    assert!(printed.contains("> Expect: 100-continue\r\n"), "{printed}");
    assert!(printed.contains("< HTTP/1.1 100 Continue\r\n"), "{printed}");
    assert!(printed.contains("> Content-Length: 3000000\r\n"), "{printed}");
}

fn curl_is_spared_a_body_that_is_too_large(transport: &str) {
    let Some(curl) = Curl::find() else { return };
    let server = ServerProcess::on(transport, &["--app", "bench", "--max-request-body-size", "1MiB"]);
    let (content, _) = curl.content();
    let patience = PATIENCE.as_secs().to_string();
    let output = curl.run(&[
        "--expect100-timeout",
        &patience,
        "--header",
        "Expect: 100-continue",
        "--upload-file",
        path(&content),
        "--request",
        "POST",
        "--write-out",
        "%{http_code} %{size_upload}",
        "--output",
        "/dev/null",
        &url(&server, "/upload"),
    ]);
    assert_eq!(text(&output.stdout), "413 0");
}

fn curl_uploads_in_chunks(transport: &str) {
    let Some(curl) = Curl::find() else { return };
    let server = bench(transport);
    let printed = curl.echo(&server, &["--header", "Transfer-Encoding: chunked"]);
    assert!(printed.contains("> Transfer-Encoding: chunked\r\n"), "{printed}");
    assert!(!printed.contains("> Content-Length"), "{printed}");
}

fn curl_speaks_the_old_version(transport: &str) {
    let Some(curl) = Curl::find() else { return };
    let server = ServerProcess::on(transport, &["--app", "echo"]);
    let response = curl.include(&["--http1.0", "--user-agent", "c", &url(&server, "/_rig/stream")]);
    assert_eq!(response.status, "HTTP/1.0 200 OK");
    assert_eq!((response.field("transfer-encoding"), response.field("content-length")), (None, None));
    let address = server.address();
    assert_eq!(
        response.text(),
        format!("GET /_rig/stream HTTP/1.0\nhost: {address}\nuser-agent: c\naccept: */*\n\n0 \n")
    );
    let printed = curl.echo(&bench(transport), &["--http1.0"]);
    assert!(printed.contains("> POST /echo HTTP/1.0\r\n"), "{printed}");
}

fn curl_reuses_its_connection(transport: &str) {
    let Some(curl) = Curl::find() else { return };
    let server = bench(transport);
    let connects = |arguments: &[&str]| {
        let [first, second, third] = ["/plaintext", "/bytes/100000", "/plaintext"].map(|t| url(&server, t));
        let fixed = ["--write-out", "%{num_connects} ", "--remove-on-error"];
        let urls = ["-o", "/dev/null", &first, "-o", "/dev/null", &second, "-o", "/dev/null", &third];
        text(&curl.run(&[arguments, &fixed[..], &urls].concat()).stdout)
    };
    assert_eq!(connects(&[]), "1 0 0 ");
    assert_eq!(connects(&["--head"]), "1 0 0 ");
    assert_eq!(connects(&["--data", "a=b"]), "1 0 0 ");
    assert_eq!(connects(&["--header", "Connection: close"]), "1 1 1 ");
    assert_eq!(connects(&["--http1.0"]), "1 1 1 ");
    assert_eq!(connects(&["--http1.0", "--header", "Connection: keep-alive"]), "1 0 0 ");
}

fn curl_reads_a_chunked_response_and_goes_on(transport: &str) {
    let Some(curl) = Curl::find() else { return };
    let server = ServerProcess::on(transport, &["--app", "echo"]);
    let stream = url(&server, "/_rig/stream");
    let output = curl.run(&["--write-out", "%{num_connects}\n", &stream, &stream]);
    let printed = text(&output.stdout);
    let counts: Vec<_> = printed.lines().filter(|line| ["0", "1"].contains(line)).collect();
    assert_eq!(counts, ["1", "0"], "{printed}");
    assert_eq!(printed.matches("GET /_rig/stream HTTP/1.1\n").count(), 2, "{printed}");
}

fn curl_compares_statuses(transport: &str) {
    let Some(curl) = Curl::find() else { return };
    let server = ServerProcess::on(transport, &["--app", "echo"]);
    for status in ["204", "205", "304", "404", "599"] {
        let url = url(&server, &format!("/_rig/status/{status}"));
        let output = curl.run(&["--write-out", "%{http_code}", &url]);
        assert_eq!(text(&output.stdout), status);
    }
}

fn curl_asks_for_an_upgrade(transport: &str) {
    let Some(curl) = Curl::find() else { return };
    let server = ServerProcess::on(transport, &["--app", "echo"]);
    // curl knows no end of an upgraded connection: it fails at the first byte of the other protocol, which it takes for
    // HTTP/0.9, or at `--max-time`.
    let url = url(&server, "/_rig/upgrade");
    let (headers, arguments) =
        (["--header", "Connection: Upgrade", "--header", "Upgrade: rig-echo"], ["--verbose", url.as_str()]);
    let mut command = curl.command();
    command.args(headers).args(arguments).args(["--max-time", "1"]);
    let printed = text(&BackgroundProgram::start(&mut command).output(PATIENCE).stderr);
    assert!(printed.contains("< HTTP/1.1 101 Switching Protocols\r\n"), "{printed}");
    assert!(printed.contains("< Upgrade: rig-echo\r\n"), "{printed}");
    drop(server);
}

fn curl_over_a_unix_socket(transport: &str) {
    let Some(curl) = Curl::find() else { return };
    let socket = curl.folder.path().join("web.sock");
    let server = ServerProcess::spawn(serve(transport).args(["--app", "bench", "--unix", path(&socket)]));
    let unix = ["--unix-socket", path(&socket)];
    let response = curl.include(&[&unix[..], &["http://localhost/plaintext"]].concat());
    response.assert("HTTP/1.1 200 OK", "Hello, World!");
    let (content, bytes) = curl.content();
    let data = format!("@{}", content.display());
    let output = curl.run(&[&unix[..], &["--data-binary", &data, "http://localhost/echo"]].concat());
    assert!(output.stdout == bytes, "another content came back");
    server.signal(Signal::TERM);
    assert_eq!(server.end().0.code(), Some(0));
    assert!(!socket.exists(), "the socket is left behind");
}

fn curl_over_ipv6(transport: &str) {
    let Some(curl) = Curl::find() else { return };
    if !has_ipv6() {
        return;
    }
    let server = ServerProcess::on(transport, &["--app", "echo", "--host", "::1"]);
    assert!(server.listening.starts_with("http://[::1]:"), "{}", server.listening);
    let response = curl.include(&["--globoff", &url(&server, "/six")]);
    assert_eq!(response.status, "HTTP/1.1 200 OK");
    let field = format!("\nhost: {}\n", server.address());
    assert!(response.text().contains(&field), "{response:?}");
}

fn curl_gets_its_whole_response_from_a_server_that_drains(transport: &str) {
    let Some(curl) = Curl::find() else { return };
    let server = bench(transport);
    let received = curl.folder.path().join("received");
    let mut command = curl.command();
    // Slow enough that the download still runs when the signal comes.
    command.args(["--limit-rate", "40M", "--write-out", "%{size_download} %{num_connects}", "--output"]);
    command.arg(&received).arg(url(&server, "/bytes/40000000"));
    let download = BackgroundProgram::start(&mut command);
    let started = std::time::Instant::now();
    while fs::metadata(&received).map_or(0, |file| file.len()) == 0 {
        assert!(started.elapsed() < PATIENCE, "curl receives nothing");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    server.signal(Signal::TERM);
    let output = download.output(PATIENCE);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "40000000 1");
    assert_eq!(fs::metadata(&received).expect("a file").len(), 40_000_000);
    assert_eq!(server.end().0.code(), Some(0));
}
