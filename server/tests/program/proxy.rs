//! nginx and HAProxy in front of the server: they keep connections to it, and pass large bodies both ways.

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::tools::{Beside, tool};
use crate::{Answer, Server};

on_each_transport! {
    nginx_keeps_its_connection_to_the_server,
    nginx_passes_large_bodies,
    nginx_passes_large_bodies_as_they_come,
    haproxy_keeps_its_connection_to_the_server,
    haproxy_passes_large_bodies,
}

/// A reverse proxy that listens on a Unix socket.
struct Proxy {
    beside: Beside,
    socket: PathBuf,
    _folder: TempDir,
}

impl Proxy {
    fn nginx(server: &Server, options: &str) -> Option<Self> {
        let program = tool("nginx")?;
        Some(Self::start(
            "nginx.conf",
            |folder| nginx(folder, server.address(), options),
            |file, folder| {
                let mut command = Command::new(program);
                command.arg("-p").arg(folder).arg("-c").arg(file).args(["-e", "stderr"]);
                command
            },
        ))
    }

    fn haproxy(server: &Server) -> Option<Self> {
        let program = tool("haproxy")?;
        Some(Self::start(
            "haproxy.cfg",
            |folder| haproxy(folder, server.address()),
            |file, _| {
                let mut command = Command::new(program);
                command.arg("-db").arg("-f").arg(file);
                command
            },
        ))
    }

    fn start(
        name: &str,
        configuration: impl FnOnce(&Path) -> String,
        command: impl FnOnce(&Path, &Path) -> Command,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        let file = folder.path().join(name);
        fs::write(&file, configuration(folder.path())).expect("a file");
        let beside = Beside::start(&mut command(&file, folder.path()));
        Self { beside, socket: folder.path().join("front.sock"), _folder: folder }
    }

    /// Sends one request that ends in `Connection: close`; the answer. The bytes are written while the answer is
    /// read, as a proxy may pass both on at once.
    #[track_caller]
    fn exchange(&mut self, request: &[&[u8]]) -> Answer {
        let mut stream = self.beside.connect(&self.socket);
        let mut bytes = Vec::new();
        std::thread::scope(|scope| {
            let mut writing = stream.try_clone().expect("a second handle");
            scope.spawn(move || {
                for part in request {
                    writing.write_all(part).expect("sent");
                }
            });
            stream.read_to_end(&mut bytes).expect("an answer and its end");
        });
        Answer::new(&bytes)
    }

    fn get(&mut self, target: &str) -> Answer {
        let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        self.exchange(&[request.as_bytes()])
    }
}

fn nginx(folder: &Path, server: SocketAddr, options: &str) -> String {
    let folder = folder.display();
    // One process, so that the end of it is the end of all.
    format!(
        "daemon off; master_process off; pid {folder}/pid; error_log stderr;
        events {{ worker_connections 64; }}
        http {{
            access_log off; client_max_body_size 0;
            client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
            fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
            upstream back {{ server {server}; keepalive 4; }}
            server {{
                listen unix:{folder}/front.sock;
                location / {{
                    proxy_pass http://back; proxy_http_version 1.1; proxy_set_header Connection '';
                    {options}
                }}
            }}
        }}"
    )
}

fn haproxy(folder: &Path, server: SocketAddr) -> String {
    let folder = folder.display();
    // Every server answers this check with some status below 500.
    format!(
        "global
            maxconn 64
            nbthread 1
        defaults
            mode http
            timeout connect 30s
            timeout client 30s
            timeout server 30s
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

/// Several visitors are served over one connection: the page tells on which. A proxy may open a second one where it
/// has not put the first aside yet.
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

/// The byte at a place of the answer to `/bytes/N`.
fn pattern(at: usize) -> u8 {
    if at % 64 == 63 { b'\n' } else { b'0' + (at % 64) as u8 }
}

fn nginx_keeps_its_connection_to_the_server(transport: &str) {
    let server = Server::on(transport, &["--app", "hello"]);
    if let Some(proxy) = Proxy::nginx(&server, "") {
        keeps_its_connection(proxy);
    }
}

fn nginx_passes_large_bodies(transport: &str) {
    let server = Server::on(transport, &["--app", "bench"]);
    if let Some(mut proxy) = Proxy::nginx(&server, "") {
        passes_large_bodies(&mut proxy);
        // Not both ways at once: nginx does not go on with a request whose answer has begun.
    }
}

fn nginx_passes_large_bodies_as_they_come(transport: &str) {
    let server = Server::on(transport, &["--app", "bench"]);
    if let Some(mut proxy) = Proxy::nginx(&server, "proxy_request_buffering off; proxy_buffering off;") {
        passes_large_bodies(&mut proxy);
        // Here it sometimes stops reading from its client, with nothing on its way to the server or from it.
    }
}

fn haproxy_keeps_its_connection_to_the_server(transport: &str) {
    let server = Server::on(transport, &["--app", "hello"]);
    if let Some(proxy) = Proxy::haproxy(&server) {
        keeps_its_connection(proxy);
    }
}

fn haproxy_passes_large_bodies(transport: &str) {
    let server = Server::on(transport, &["--app", "bench"]);
    if let Some(mut proxy) = Proxy::haproxy(&server) {
        passes_large_bodies(&mut proxy);
        passes_both_ways_at_once(&mut proxy);
    }
}
