//! nginx and HAProxy in front of the server keep connections to it, and pass large bodies both ways; so do the
//! configurations of `docs/proxy.md`.

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use httpfsm::config::{ChannelConfig, ServerConfig};
use tempfile::TempDir;

use crate::curl::Curl;
use crate::tools::{BackgroundProgram, tool};
use crate::{FEW_CONNECTIONS, ReceivedResponse, ServerProcess, serve};

on_each_transport! {
    nginx_keeps_its_connection_to_the_server,
    nginx_passes_large_bodies,
    nginx_passes_large_bodies_as_they_come,
    haproxy_keeps_its_connection_to_the_server,
    haproxy_passes_large_bodies,
    nginx_passes_what_waits_for_its_100,
    haproxy_passes_what_waits_for_its_100,
    curl_gets_three_megabytes_back_through_nginx,
    curl_gets_three_megabytes_back_through_haproxy,
    the_nginx_of_the_page_serves,
    the_haproxy_of_the_page_serves,
    what_the_page_does_without_is_refused,
}

/// A reverse proxy that listens on a Unix socket.
struct Proxy {
    program: BackgroundProgram,
    socket: PathBuf,
    _folder: TempDir,
}

impl Proxy {
    fn nginx(server: &ServerProcess, options: &str) -> Option<Self> {
        Self::nginx_of(|folder| nginx(folder, server.address(), options))
    }

    fn nginx_of(configuration: impl FnOnce(&Path) -> String) -> Option<Self> {
        let program = tool("nginx")?;
        Some(Self::start("nginx.conf", configuration, |file, folder| {
            let mut command = Command::new(program);
            command.arg("-p").arg(folder).arg("-c").arg(file).args(["-e", "stderr"]);
            command
        }))
    }

    fn haproxy(server: &ServerProcess) -> Option<Self> {
        Self::haproxy_of(|folder| haproxy(folder, server.address()))
    }

    fn haproxy_of(configuration: impl FnOnce(&Path) -> String) -> Option<Self> {
        let program = tool("haproxy")?;
        Some(Self::start("haproxy.cfg", configuration, |file, _| {
            let mut command = Command::new(program);
            command.arg("-db").arg("-f").arg(file);
            command
        }))
    }

    fn start(
        name: &str,
        configuration: impl FnOnce(&Path) -> String,
        command: impl FnOnce(&Path, &Path) -> Command,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let file = folder.path().join(name);
        fs::write(&file, configuration(folder.path())).expect("a file");
        let program = BackgroundProgram::start(&mut command(&file, folder.path()));
        Self { program, socket: folder.path().join("front.sock"), _folder: folder }
    }

    /// Sends one request that ends in `Connection: close`; returns the response. The request is written while the
    /// response is read, as a proxy may pass on both at once.
    #[track_caller]
    fn exchange(&mut self, request: &[&[u8]]) -> ReceivedResponse {
        let mut stream = self.program.connect(&self.socket);
        let mut bytes = Vec::new();
        std::thread::scope(|scope| {
            let mut writing = stream.try_clone().expect("a second handle");
            scope.spawn(move || {
                for part in request {
                    writing.write_all(part).expect("sent");
                }
            });
            stream.read_to_end(&mut bytes).expect("a response and its end");
        });
        ReceivedResponse::new(&bytes)
    }

    fn get(&mut self, target: &str) -> ReceivedResponse {
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        self.exchange(&[request.as_bytes()])
    }
}

fn nginx(folder: &Path, server: SocketAddr, options: &str) -> String {
    let folder = folder.display();
    nginx_around(
        &format!(
            "client_max_body_size 0;
        upstream back {{ server {server}; keepalive 4; }}
        server {{
            listen unix:{folder}/front.sock;
            location / {{
                proxy_pass http://back; proxy_http_version 1.1; proxy_set_header Connection '';
                {options}
            }}
        }}"
        ),
        folder,
    )
}

/// A configuration around this content of `http`. nginx runs as one process, so that its end is the end of all.
fn nginx_around(http: &str, folder: impl std::fmt::Display) -> String {
    format!(
        "daemon off; master_process off; pid {folder}/pid; error_log stderr;
        events {{ worker_connections 64; }}
        http {{
            access_log off;
            client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
            fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
            {http}
        }}"
    )
}

fn haproxy(folder: &Path, server: SocketAddr) -> String {
    let folder = folder.display();
    // Every server responds to this check with some status below 500.
    format!(
        "global
            maxconn 64
            nbthread 1
        defaults
            mode http
            timeout connect 30s
            timeout client 30s
            timeout server 30s
            timeout check 30s
            http-reuse always
        frontend front
            bind unix@{folder}/front.sock
            default_backend back
        backend back
            option httpchk
            http-check send meth OPTIONS uri * ver HTTP/1.1 hdr Host a
            http-check expect rstatus ^[234]
            server httpfsm {server} check inter 100ms
"
    )
}

/// Several clients are served over one connection: the page names it. A proxy may open a second one if the first is not
/// idle yet.
#[track_caller]
fn keeps_its_connection(mut proxy: Proxy) {
    let mut channels = [(); 8].map(|()| {
        let page = proxy.get("/");
        assert_eq!(page.status, "HTTP/1.1 200 OK", "{page:?}");
        let page = page.text();
        let channel = page.split("<dt>your channel</dt><dd>").nth(1).and_then(|rest| rest.split('<').next());
        channel.unwrap_or_else(|| panic!("no channel in {page}")).to_owned()
    });
    channels.sort();
    assert!(channels.chunk_by(|one, next| one == next).count() <= 2, "{channels:?}");
}

/// Bodies of 5 MB come through whole, in each direction.
#[track_caller]
fn passes_large_bodies(proxy: &mut Proxy) {
    let content = content();

    let down = proxy.get(&format!("/bytes/{LENGTH}"));
    assert_eq!((down.status.as_str(), down.content.len()), ("HTTP/1.1 200 OK", LENGTH));
    assert!(down.content.iter().enumerate().all(|(at, &byte)| byte == pattern(at)));

    let up = proxy.exchange(&[post("/upload", &length()).as_bytes(), &content]);
    up.assert("HTTP/1.1 200 OK", &LENGTH.to_string());

    let size = format!("{LENGTH:x}\r\n");
    let chunked = post("/upload", "Transfer-Encoding: chunked");
    let up = proxy.exchange(&[chunked.as_bytes(), size.as_bytes(), &content, b"\r\n0\r\n\r\n"]);
    up.assert("HTTP/1.1 200 OK", &LENGTH.to_string());
}

/// A body of 5 MB comes back while it is on its way.
#[track_caller]
fn passes_both_ways_at_once(proxy: &mut Proxy) {
    let content = content();
    let both = proxy.exchange(&[post("/echo", &length()).as_bytes(), &content]);
    assert_eq!(both.status, "HTTP/1.1 200 OK");
    assert!(both.content == content, "{} bytes came back", both.content.len());
}

/// A client that waits for its 100 gets its body back. HAProxy passes the expectation on, and takes a 100 and a final head
/// in one read for a fault of the server.
#[track_caller]
fn passes_an_expectation(proxy: &mut Proxy, length: usize) {
    let content = &content()[..length];
    for _ in 0..5 {
        let mut stream = proxy.program.connect(&proxy.socket);
        let framing = format!("Expect: 100-continue\r\nContent-Length: {length}");
        stream.write_all(post("/echo", &framing).as_bytes()).expect("sent");
        let mut interim = [0; 25];
        stream.read_exact(&mut interim).expect("a 100");
        assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
        let mut bytes = Vec::new();
        std::thread::scope(|scope| {
            let mut writing = stream.try_clone().expect("a second handle");
            scope.spawn(move || writing.write_all(content).expect("sent"));
            stream.read_to_end(&mut bytes).expect("a response and its end");
        });
        let response = ReceivedResponse::new(&bytes);
        assert_eq!(response.status, "HTTP/1.1 200 OK");
        assert!(response.content == content, "{} of {length} bytes came back", response.content.len());
    }
}

const LENGTH: usize = 5_000_000;

fn content() -> Vec<u8> {
    (0..LENGTH as u32).map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8).collect()
}

fn length() -> String {
    format!("Content-Length: {LENGTH}")
}

fn post(target: &str, framing: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{framing}\r\n\r\n")
}

/// The byte at a place of the response to `/bytes/N`.
fn pattern(at: usize) -> u8 {
    if at % 64 == 63 { b'\n' } else { b'0' + (at % 64) as u8 }
}

fn nginx_keeps_its_connection_to_the_server(transport: &str) {
    let server = ServerProcess::on(transport, &["--app", "hello"]);
    if let Some(proxy) = Proxy::nginx(&server, "") {
        keeps_its_connection(proxy);
    }
}

fn nginx_passes_large_bodies(transport: &str) {
    let server = ServerProcess::on(transport, &["--app", "bench"]);
    if let Some(mut proxy) = Proxy::nginx(&server, "") {
        passes_large_bodies(&mut proxy);
        // Not both ways at once: nginx does not go on with a request whose response has begun.
    }
}

fn nginx_passes_large_bodies_as_they_come(transport: &str) {
    let server = ServerProcess::on(transport, &["--app", "bench"]);
    if let Some(mut proxy) = Proxy::nginx(&server, "proxy_request_buffering off; proxy_buffering off;") {
        passes_large_bodies(&mut proxy);
        // Here it sometimes stops reading from its client, with nothing on its way to the server or from it.
    }
}

fn haproxy_keeps_its_connection_to_the_server(transport: &str) {
    let server = ServerProcess::on(transport, &["--app", "hello"]);
    if let Some(proxy) = Proxy::haproxy(&server) {
        keeps_its_connection(proxy);
    }
}

fn haproxy_passes_large_bodies(transport: &str) {
    let server = ServerProcess::on(transport, &["--app", "bench"]);
    if let Some(mut proxy) = Proxy::haproxy(&server) {
        passes_large_bodies(&mut proxy);
        passes_both_ways_at_once(&mut proxy);
    }
}

fn nginx_passes_what_waits_for_its_100(transport: &str) {
    let server = ServerProcess::on(transport, &["--app", "bench"]);
    if let Some(mut proxy) = Proxy::nginx(&server, "") {
        // It does not go on with a request whose response has begun, so what it sends at once is all.
        passes_an_expectation(&mut proxy, 1000);
    }
}

fn haproxy_passes_what_waits_for_its_100(transport: &str) {
    let server = ServerProcess::on(transport, &["--app", "bench"]);
    if let Some(mut proxy) = Proxy::haproxy(&server) {
        passes_an_expectation(&mut proxy, LENGTH);
        passes_an_expectation(&mut proxy, 10);
    }
}

#[track_caller]
fn passes_what_curl_sends(proxy: &mut Proxy) {
    let Some(curl) = Curl::find() else { return };
    // It listens.
    drop(proxy.program.connect(&proxy.socket));
    for _ in 0..5 {
        let printed = curl.echo_through(&proxy.socket);
        assert!(printed.contains("> Expect: 100-continue\r\n"), "{printed}");
        assert!(printed.contains("< HTTP/1.1 100 Continue\r\n"), "{printed}");
        assert!(printed.contains("< HTTP/1.1 200 OK\r\n"), "{printed}");
    }
}

fn curl_gets_three_megabytes_back_through_nginx(transport: &str) {
    // The response begins behind the body: nginx does not go on with a request whose response has begun.
    let server = ServerProcess::on(transport, &["--app", "bench", "--bodies", "whole"]);
    for options in ["", "proxy_request_buffering off; proxy_buffering off;"] {
        if let Some(mut proxy) = Proxy::nginx(&server, options) {
            passes_what_curl_sends(&mut proxy);
        }
    }
}

fn curl_gets_three_megabytes_back_through_haproxy(transport: &str) {
    for bodies in ["streamed", "whole"] {
        let server = ServerProcess::on(transport, &["--app", "bench", "--bodies", bodies]);
        if let Some(mut proxy) = Proxy::haproxy(&server) {
            passes_what_curl_sends(&mut proxy);
        }
    }
}

/// The page `docs/proxy.md`.
struct Page(String);

impl Page {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/proxy.md");
        Self(fs::read_to_string(path).expect("the page"))
    }

    /// The first block of code of this kind.
    fn block(&self, kind: &str) -> &str {
        let block = self.0.split_once(&format!("```{kind}\n")).and_then(|(_, rest)| rest.split_once("```"));
        block.unwrap_or_else(|| panic!("the page has no block of {kind}")).0
    }

    /// Starts the server of the page, with `serves` instead of the folder.
    fn server(&self, transport: &str, socket: &Path, serves: &[&str]) -> ServerProcess {
        let command = self.block("sh").trim().strip_prefix("httpfsm serve DIR ").expect("a command");
        let mut server = serve(transport);
        server.args(serves).arg(FEW_CONNECTIONS);
        for argument in command.split(' ') {
            server.arg(if argument == SOCKET { socket.as_os_str() } else { argument.as_ref() });
        }
        ServerProcess::spawn(&mut server)
    }

    /// A configuration of the page, with the sockets of the test.
    fn configuration(&self, kind: &str, socket: &Path, bind: (&str, String)) -> String {
        let block = self.block(kind);
        assert!(block.contains(SOCKET) && block.contains(bind.0), "{block}");
        block.replace(SOCKET, socket.to_str().expect("text")).replace(bind.0, &bind.1)
    }
}

/// The socket on the page.
const SOCKET: &str = "/run/httpfsm/httpfsm.sock";

/// Shows with three applications that the proxy serves, that it keeps connections and which fields it adds.
#[track_caller]
fn the_page_serves(transport: &str, added: &[&str], start: impl Fn(&Page, &Path) -> Option<Proxy>) {
    let page = Page::read();
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("index.html"), "the index").expect("a file");
    let root = folder.path().to_str().expect("text");
    for (number, serves) in [&[root][..], &["--app", "hello"], &["--app", "echo"]].into_iter().enumerate() {
        let socket = folder.path().join(format!("socket{number}"));
        let _server = page.server(transport, &socket, serves);
        let Some(mut proxy) = start(&page, &socket) else { return };
        match number {
            0 => proxy.get("/").assert("HTTP/1.1 200 OK", "the index"),
            1 => keeps_its_connection(proxy),
            _ => {
                let forged =
                    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Forwarded-For: 192.0.2.9\r\n\
                    X-Forwarded-Proto: gopher\r\nForwarded: for=192.0.2.9\r\n\r\n";
                let request = proxy.exchange(&[forged]).text().to_lowercase();
                assert!(added.iter().all(|field| request.contains(field)), "{request}");
                assert!(!request.contains("192.0.2.9") && !request.contains("gopher"), "{request}");
            }
        }
    }
}

fn the_nginx_of_the_page_serves(transport: &str) {
    the_page_serves(transport, &["x-forwarded-for: unix:", "x-forwarded-proto: http"], |page, socket| {
        Proxy::nginx_of(|folder| {
            let listen = ("listen 80;", format!("listen unix:{}/front.sock;", folder.display()));
            nginx_around(&page.configuration("nginx", socket, listen), folder.display())
        })
    });
}

fn the_haproxy_of_the_page_serves(transport: &str) {
    // Clients of a Unix socket, as here, have no address.
    the_page_serves(transport, &["x-forwarded-for: \n", "x-forwarded-proto: http"], |page, socket| {
        Proxy::haproxy_of(|folder| {
            let bind = ("bind :80", format!("bind unix@{}/front.sock", folder.display()));
            let configuration = page.configuration("haproxy", socket, bind);
            format!("global\n    maxconn 64\n    nbthread 1\n{configuration}")
        })
    });
}

/// The PROXY protocol, TLS and HTTP/2.
fn what_the_page_does_without_is_refused(transport: &str) {
    let server = ServerProcess::on(transport, &["--app", "hello", FEW_CONNECTIONS]);
    for (bytes, status) in [
        (&b"PROXY TCP4 192.0.2.1 192.0.2.2 5000 80\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], "400"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\x13\x88\0\x50", "400"),
        (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", "400"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"),
    ] {
        let response = server.exchange(bytes);
        assert!(response.status.starts_with(&format!("HTTP/1.1 {status} ")), "{bytes:?}: {response:?}");
    }
}

#[test]
fn the_times_on_the_page_are_those_of_the_server() {
    let Page(page) = Page::read();
    let (plain, hardened) = (ChannelConfig::default(), ServerConfig::hardened().channel);
    let seconds = |time: Option<Duration>| time.expect("a deadline").as_secs();
    // The server keeps a connection longer than nginx, which keeps it for 60 s.
    assert!(page.contains("keepalive_timeout 60s;") && seconds(hardened.inactivity_timeout) > 60);
    assert!(page.contains("proxy_read_timeout 75s;") && page.contains("timeout server 75s"));
    assert!(seconds(hardened.responseless_timeout) < 75);
    let words = page.split_whitespace().collect::<Vec<_>>().join(" ");
    for sentence in [
        format!(
            "`--inactivity-timeout`: {} hours, with `--hardened` {} s.",
            seconds(plain.inactivity_timeout) / 3600,
            seconds(hardened.inactivity_timeout)
        ),
        format!(
            "`--first-byte-timeout`: {} s, with `--hardened` {} s.",
            seconds(plain.first_byte_timeout),
            seconds(hardened.first_byte_timeout)
        ),
        format!(
            "`--responseless-timeout` ({} hours, with `--hardened` {} s)",
            seconds(plain.responseless_timeout) / 3600,
            seconds(hardened.responseless_timeout)
        ),
        format!(
            "`--max-request-body-size` is {} GiB, with `--hardened` {} MiB",
            plain.max_request_body_size >> 30,
            hardened.max_request_body_size >> 20
        ),
    ] {
        assert!(words.contains(&sentence), "{sentence} is not on the page");
    }
    assert_eq!((seconds(hardened.connection_age), hardened.requests_per_connection), (3600, 10_000));
    assert_eq!(ServerConfig::hardened().max_connections_per_peer, 256);
}
