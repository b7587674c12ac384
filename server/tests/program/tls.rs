//! TLS by the flags of the program: certificates, ports, redirections, what is logged.

use std::fs;
use std::io::{BufRead, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::Receiver;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::curl::{Curl, path, url};
use crate::signals::said;
use crate::tools::{has_ipv6, tool};
use crate::{FEW_CONNECTIONS, PATIENCE, ServerProcess, complaint, program, serve};

on_each_transport! {
    every_application_is_served_over_tls,
    a_client_shows_a_certificate_or_is_not_served,
    plain_http_is_redirected_and_only_responses_over_tls_say_that_it_is_to_stay_so,
    sighup_reads_the_certificates_again_and_a_broken_pair_changes_nothing,
    sighup_reads_the_authorities_of_clients_again,
    each_address_that_is_given_speaks_tls,
    what_is_not_what_the_port_speaks_is_named_in_the_log,
}

/// A certificate and its key, in files.
pub(crate) struct Pair {
    certificate: PathBuf,
    key: PathBuf,
}

impl Pair {
    pub(crate) fn arguments(&self) -> [&str; 4] {
        ["--tls-cert", path(&self.certificate), "--tls-key", path(&self.key)]
    }

    /// The same files with the content of another pair.
    fn replace_by(&self, other: &Self) {
        fs::copy(&other.certificate, &self.certificate).expect("a copy");
        fs::copy(&other.key, &self.key).expect("a copy");
    }
}

/// An authority, and the folder of what it has signed.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: TempDir,
    pub(crate) certificate: PathBuf,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut params = CertificateParams::default();
        // Two authorities of one name would be told apart by their keys alone, and what they sign is named otherwise.
        let name = folder.path().display().to_string();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = folder.path().join("authority.pem");
        let signed = params.self_signed(&key).expect("a certificate");
        fs::write(&certificate, signed.pem()).expect("a file");
        Self { issuer: Issuer::new(params, key), folder, certificate }
    }

    /// A pair for clients and servers at 127.0.0.1.
    pub(crate) fn pair(&self, name: &str) -> Pair {
        let params = CertificateParams::new(["127.0.0.1".to_owned(), name.to_owned()]).expect("names");
        let key = KeyPair::generate().expect("a key");
        let signed = params.signed_by(&key, &self.issuer).expect("a certificate");
        let file = |ending| self.folder.path().join(format!("{name}.{ending}"));
        let pair = Pair { certificate: file("pem"), key: file("key") };
        fs::write(&pair.certificate, signed.pem()).expect("a file");
        fs::write(&pair.key, key.serialize_pem()).expect("a file");
        pair
    }

    /// What curl needs to trust it.
    fn trusted(&self) -> [&str; 2] {
        ["--cacert", path(&self.certificate)]
    }
}

/// Waits for a line of the standard error stream that has all these parts.
#[track_caller]
fn wait_for(said: &Receiver<String>, parts: &[&str]) {
    let mut lines = Vec::new();
    loop {
        match said.recv_timeout(PATIENCE) {
            Ok(line) if parts.iter().all(|part| line.contains(part)) => return,
            Ok(line) => lines.push(line),
            Err(_) => panic!("no line with {parts:?} in {lines:#?}"),
        }
    }
}

/// The addresses of `--port` and of `--tls-listen`.
fn both_addresses(server: &mut ServerProcess) -> (SocketAddr, SocketAddr) {
    let mut second = String::new();
    server.stdout.read_line(&mut second).expect("a line");
    let tls = second.trim_end().strip_prefix("listening on https://").expect("a second address");
    assert!(server.listening.starts_with("http://"), "{}", server.listening);
    (server.address(), tls.parse().expect("an address"))
}

fn every_application_is_served_over_tls(transport: &str) {
    let Some(curl) = Curl::find() else { return };
    let authority = Authority::new();
    let pair = authority.pair("server");
    let folder = authority.folder.path().join("root");
    fs::create_dir(&folder).expect("a folder");
    fs::write(folder.join("index.html"), "the index").expect("a file");
    for (app, target, content) in [
        (&[path(&folder)][..], "/", "the index"),
        (&["--app", "hello"], "/", "<dt>opened</dt><dd>1</dd>"),
        (&["--app", "echo"], "/x", "GET /x HTTP/1.1\n"),
        (&["--app", "bench"], "/plaintext", "Hello, World!"),
        (&["--app", "bench-function"], "/plaintext", "Hello, World!"),
    ] {
        for hsts in [&[][..], &["--hsts", "1h"]] {
            let server = ServerProcess::on(transport, &[app, &pair.arguments(), hsts].concat());
            assert!(server.listening.starts_with("https://127.0.0.1:"), "{}", server.listening);
            let response = curl.include(&[&authority.trusted()[..], &[&url(&server, target)]].concat());
            assert_eq!(response.status, "HTTP/1.1 200 OK");
            assert!(response.text().contains(content), "{app:?}: {response:?}");
            let expected = (!hsts.is_empty()).then_some("max-age=3600");
            assert_eq!(response.field("strict-transport-security"), expected, "{app:?}");
        }
    }
}

#[test]
fn a_self_signed_certificate_is_told_by_its_fingerprint() {
    let (Some(curl), Some(openssl)) = (Curl::find(), tool("openssl")) else { return };
    for transport in ["tokio", "blocking"] {
        let mut server = ServerProcess::on(transport, &["--self-signed", "--app", "hello"]);
        let told = said(&mut server);
        let address = server.address().to_string();
        let mut shown = Command::new(&openssl);
        let shown = shown.args(["s_client", "-connect", &address]).stdin(std::process::Stdio::null());
        let shown = String::from_utf8(shown.output().expect("openssl starts").stdout).expect("text");
        let (_, rest) = shown.split_once("-----BEGIN").unwrap_or_else(|| panic!("no certificate: {shown}"));
        let (certificate, _) = rest.split_once("-----END CERTIFICATE-----").expect("its end");
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("certificate.pem");
        fs::write(&file, format!("-----BEGIN{certificate}-----END CERTIFICATE-----\n")).expect("a file");
        let mut fingerprint = Command::new(&openssl);
        let fingerprint = fingerprint.args(["x509", "-noout", "-fingerprint", "-sha256", "-in"]).arg(&file);
        let fingerprint =
            String::from_utf8(fingerprint.output().expect("openssl starts").stdout).expect("text");
        let (_, fingerprint) = fingerprint.trim_end().split_once('=').expect("a fingerprint");
        wait_for(&told, &["made a self-signed certificate for localhost, 127.0.0.1, ::1"]);
        wait_for(&told, &[&format!("its SHA-256 fingerprint is {fingerprint}")]);
        for host in ["127.0.0.1", "localhost"] {
            let url = format!("https://{host}:{}/", server.address().port());
            let response = curl.include(&["--ipv4", "--cacert", path(&file), &url]);
            assert_eq!(response.status, "HTTP/1.1 200 OK");
        }
    }
}

fn a_client_shows_a_certificate_or_is_not_served(transport: &str) {
    let Some(curl) = Curl::find() else { return };
    let (authority, strangers) = (Authority::new(), Authority::new());
    let (pair, client) = (authority.pair("server"), authority.pair("client"));
    let stranger = strangers.pair("stranger");
    for optional in [false, true] {
        let clients = ["--app", "hello", "--log", "--tls-client-ca", path(&authority.certificate)];
        let whether = ["--tls-client-certificates", "optional"];
        let whether = if optional { &whether[..] } else { &[] };
        let mut server = ServerProcess::on(transport, &[&clients, &pair.arguments()[..], whether].concat());
        let told = said(&mut server);
        let url = url(&server, "/");
        let ask = |shown: Option<&Pair>| {
            let shown = shown.map(|pair| ["--cert", path(&pair.certificate), "--key", path(&pair.key)]);
            let shown = shown.as_ref().map_or(&[][..], |shown| &shown[..]);
            let arguments = [&authority.trusted()[..], shown, &["--include", &url]].concat();
            curl.command().args(arguments).output().expect("curl starts")
        };
        assert!(ask(Some(&client)).stdout.starts_with(b"HTTP/1.1 200 "), "optional: {optional}");
        let without = ask(None);
        assert_eq!(without.stdout.starts_with(b"HTTP/1.1 200 "), optional, "{without:?}");
        if !optional {
            assert!(!without.status.success(), "{without:?}");
            let failed = "not opened at 127.0.0.1:";
            wait_for(
                &told,
                &[" 127.0.0.1:", failed, ": The handshake before HTTP failed. ", "peer sent no certificates"],
            );
        }
        let wrong = ask(Some(&stranger));
        assert!(!wrong.status.success() && wrong.stdout.is_empty(), "{wrong:?}");
        wait_for(&told, &[" 127.0.0.1:", "not opened at 127.0.0.1:", "UnknownIssuer"]);
        // Here the client does not know who has signed the certificate of the server.
        assert!(!curl.command().arg(&url).output().expect("curl starts").status.success());
        wait_for(&told, &[" 127.0.0.1:", "not opened at 127.0.0.1:", "received fatal alert: UnknownCA"]);
    }
}

fn plain_http_is_redirected_and_only_responses_over_tls_say_that_it_is_to_stay_so(transport: &str) {
    let Some(curl) = Curl::find() else { return };
    let authority = Authority::new();
    let pair = authority.pair("server");
    let socket = authority.folder.path().join("socket");
    let flags = ["--app", "bench", "--tls-listen", "0", "--redirect-to-https", "--hsts", "365d"];
    let mut command = serve(transport);
    command.args(["--port", "0"]).args(flags).args(pair.arguments());
    let mut server = ServerProcess::spawn(&mut command);
    let (plain, tls) = both_addresses(&mut server);

    let response = curl.include(&[&format!("http://{plain}/plaintext?a=b")]);
    assert_eq!(response.status, "HTTP/1.1 308 Permanent Redirect");
    assert_eq!(response.field("location"), Some(&*format!("https://{tls}/plaintext?a=b")));
    assert_eq!(response.field("strict-transport-security"), None);
    let stays = [
        "-o",
        "/dev/null",
        "--write-out",
        "%{http_code} %{url_effective} %header{strict-transport-security}",
    ];
    let followed = [&authority.trusted()[..], &stays, &["--location", "--data", "a"]].concat();
    let output = curl.run(&[&followed[..], &[&format!("http://{plain}/upload")]].concat());
    let expected = format!("200 https://{tls}/upload max-age=31536000");
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    let response = server.exchange(b"GET / HTTP/1.0\r\n\r\n");
    assert_eq!(response.status, "HTTP/1.0 400 Bad Request");
    drop(server);

    // A proxy that speaks TLS itself would be redirected for ever.
    let mut command = serve(transport);
    command.args(["--port", "0", "--unix", path(&socket)]).args(flags).args(pair.arguments());
    let _server = ServerProcess::spawn(&mut command);
    let response = curl.include(&["--unix-socket", path(&socket), "http://a/plaintext"]);
    response.assert("HTTP/1.1 200 OK", "Hello, World!");
    assert_eq!(response.field("strict-transport-security"), None);
}

fn sighup_reads_the_certificates_again_and_a_broken_pair_changes_nothing(transport: &str) {
    let Some(curl) = Curl::find() else { return };
    let (first, second) = (Authority::new(), Authority::new());
    let served = first.pair("server");
    let mut server = ServerProcess::on(transport, &[&["--app", "hello"], &served.arguments()[..]].concat());
    let told = said(&mut server);
    let url = url(&server, "/");
    let is_signed_by = |authority: &Authority| {
        let arguments = [&authority.trusted()[..], &["--output", "/dev/null", &url]].concat();
        curl.command().args(arguments).status().expect("curl starts").success()
    };
    assert!(is_signed_by(&first) && !is_signed_by(&second));

    served.replace_by(&second.pair("server"));
    server.signal(Signal::HUP);
    wait_for(&told, &["httpfsm: SIGHUP: new connections get the certificate of ", path(&served.certificate)]);
    assert!(is_signed_by(&second) && !is_signed_by(&first));

    fs::write(&served.key, "no key").expect("a file");
    server.signal(Signal::HUP);
    wait_for(&told, &["httpfsm: SIGHUP: the certificates stay as they were: ", path(&served.key)]);
    fs::remove_file(&served.certificate).expect("a file");
    server.signal(Signal::HUP);
    wait_for(&told, &["stay as they were: cannot read ", path(&served.certificate), "No such file"]);
    assert!(is_signed_by(&second));
}

fn sighup_reads_the_authorities_of_clients_again(transport: &str) {
    let Some(curl) = Curl::find() else { return };
    let (authority, first, second) = (Authority::new(), Authority::new(), Authority::new());
    let (pair, of_first, of_second) = (authority.pair("server"), first.pair("client"), second.pair("client"));
    let clients = authority.folder.path().join("clients.pem");
    fs::copy(&first.certificate, &clients).expect("a copy");
    let arguments = [&["--app", "hello", "--tls-client-ca", path(&clients)][..], &pair.arguments()].concat();
    let mut server = ServerProcess::on(transport, &arguments);
    let told = said(&mut server);
    let url = url(&server, "/");
    let is_served = |client: &Pair| {
        let shown = ["--cert", path(&client.certificate), "--key", path(&client.key), "--include", &url];
        let output = curl.command().args(authority.trusted()).args(shown).output().expect("curl starts");
        output.stdout.starts_with(b"HTTP/1.1 200 ")
    };
    assert!(is_served(&of_first) && !is_served(&of_second));

    fs::copy(&second.certificate, &clients).expect("a copy");
    server.signal(Signal::HUP);
    wait_for(&told, &["httpfsm: SIGHUP: new connections get the certificate of "]);
    assert!(is_served(&of_second) && !is_served(&of_first));

    fs::write(&clients, "no certificate").expect("a file");
    server.signal(Signal::HUP);
    wait_for(&told, &["httpfsm: SIGHUP: the certificates stay as they were: ", path(&clients)]);
    assert!(is_served(&of_second) && !is_served(&of_first));
}

fn each_address_that_is_given_speaks_tls(transport: &str) {
    let Some(curl) = Curl::find() else { return };
    let mut asked = vec!["127.0.0.1:0", "127.0.0.1:0"];
    asked.extend(has_ipv6().then_some("[::1]:0"));
    let flags = asked.iter().flat_map(|address| ["--tls-listen", address]);
    let mut command = serve(transport);
    command.args(["--app", "hello", "--self-signed"]).args(flags);
    let mut server = ServerProcess::spawn(&mut command);
    let mut lines = server.listening.clone() + "\n";
    for _ in 1..asked.len() {
        server.stdout.read_line(&mut lines).expect("a line");
    }
    let mut found: Vec<_> = lines.lines().collect();
    for (line, asked) in found.iter().zip(&asked) {
        let address = line.strip_prefix("listening on ").unwrap_or(line);
        let host = asked.strip_suffix('0').expect("its port");
        assert!(address.starts_with(&format!("https://{host}")), "{address} for {asked}");
        let response = curl.include(&["--insecure", "--globoff", address]);
        assert_eq!(response.status, "HTTP/1.1 200 OK", "{address}");
    }
    found.dedup();
    assert_eq!(found.len(), asked.len(), "{found:?}");
}

#[test]
fn a_certificate_of_its_own_is_not_read_again() {
    let mut server = ServerProcess::start(&["--app", "hello", "--self-signed"]);
    let told = said(&mut server);
    server.signal(Signal::HUP);
    wait_for(&told, &["httpfsm: SIGHUP is ignored."]);
}

fn what_is_not_what_the_port_speaks_is_named_in_the_log(transport: &str) {
    let Some(curl) = Curl::find() else { return };
    let flags =
        ["--app", "hello", "--log", "--self-signed", "--tls-listen", "0", "--handshake-timeout", "100ms"];
    let mut server = ServerProcess::on(transport, &flags);
    let (plain, tls) = both_addresses(&mut server);
    let told = said(&mut server);
    let response = curl.include(&[&format!("http://{tls}/")]);
    assert_eq!(response.status, "HTTP/1.1 400 Bad Request");
    let sentence = "What was sent is not TLS, which this port expects: use https.";
    assert!(response.text().contains(sentence), "{response:?}");
    wait_for(&told, &[" 127.0.0.1:", &format!("refused 400: {sentence}")]);

    let output =
        curl.command().args(["--insecure", &format!("https://{plain}/")]).output().expect("curl starts");
    assert!(!output.status.success());
    wait_for(&told, &["refused 400: A TLS handshake was sent to a port that expects plain HTTP."]);

    // A handshake of garbage, and one that does not come.
    let mut stream = std::net::TcpStream::connect(tls).expect("a connection");
    stream.write_all(b"\x16\x03\x01\0\x05\xff\0\0\x01\0").expect("sent");
    // The alert, and the end.
    let _ = stream.read_to_end(&mut Vec::new());
    wait_for(&told, &[&stream.local_addr().expect("an address").to_string(), "not opened at ", "handshake"]);
    let mut stream = std::net::TcpStream::connect(tls).expect("a connection");
    let _ = stream.read_to_end(&mut Vec::new());
    wait_for(&told, &[&stream.local_addr().expect("an address").to_string(), "not opened at ", "handshake"]);
}

#[test]
fn the_oldest_version_can_be_chosen() {
    let Some(curl) = Curl::find() else { return };
    for (oldest, succeeds) in [("1.2", true), ("1.3", false)] {
        let server = ServerProcess::start(&["--app", "hello", "--self-signed", "--tls-min", oldest]);
        let mut command = curl.command();
        command.args(["--insecure", "--output", "/dev/null", "--tls-max", "1.2", &url(&server, "/")]);
        assert_eq!(command.status().expect("curl starts").success(), succeeds, "{oldest}");
    }
}

#[test]
fn tls_has_ports_of_its_own_beside_plain_http_only_where_that_is_wanted() {
    let mut server =
        ServerProcess::start(&["--app", "hello", "--self-signed", "--tls-listen", "localhost:0"]);
    let (plain, tls) = both_addresses(&mut server);
    assert!(tls.ip().is_loopback() && tls != plain);
    assert_eq!(server.exchange(b"GET / HTTP/1.0\r\n\r\n").status, "HTTP/1.0 200 OK");
    drop(server);
    let mut command = program();
    command.args(["serve", "--app", "hello", "--self-signed"]).env("HTTPFSM_TLS_LISTEN", "0");
    let mut server = ServerProcess::spawn(&mut command);
    assert!(server.listening.starts_with("https://127.0.0.1:"), "{}", server.listening);
    server.signal(Signal::TERM);
    let mut rest = String::new();
    server.stdout.read_to_string(&mut rest).expect("text");
    assert_eq!(rest, "", "another address");
}

#[test]
fn a_file_that_cannot_be_used_is_named_at_the_start() {
    let authority = Authority::new();
    let (one, other) = (authority.pair("one"), authority.pair("other"));
    let missing = authority.folder.path().join("missing.pem");
    let no_key = authority.folder.path().join("no.key");
    fs::write(&no_key, "-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----\n").expect("a file");
    let say = |certificate: &Path, key: &Path, clients: &[&str]| {
        let mut command = program();
        command.args(["serve", "--port", "0", "--app", "hello", FEW_CONNECTIONS]).args(clients);
        command.arg("--tls-cert").arg(certificate).arg("--tls-key").arg(key);
        complaint(&mut command, 1)
    };
    let clients = ["--tls-client-ca", path(&one.key)];
    for (said, file, what) in [
        (say(&missing, &one.key, &[]), &missing, "cannot read "),
        (say(&one.certificate, &missing, &[]), &missing, "cannot read "),
        (say(&one.certificate, &no_key, &[]), &no_key, " is not valid PEM: "),
        (
            say(&one.key, &one.key, &[]),
            &one.key,
            " has no PEM section that begins with -----BEGIN CERTIFICATE-----",
        ),
        (say(&one.certificate, &other.key, &[]), &other.key, " does not belong to the first certificate in "),
        (say(&one.certificate, &one.key, &clients), &one.key, " has no PEM section "),
    ] {
        assert!(said.starts_with("httpfsm: ") && said.contains(path(file)) && said.contains(what), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

/// As in `httpfsm serve --tls-cert certificate.pem --tls-key key.pem`.
#[test]
fn a_key_that_would_be_served_is_refused() {
    let authority = Authority::new();
    let pair = authority.pair("server");
    let mut command = program();
    command.args(["serve", "--port", "0"]).args(pair.arguments()).current_dir(authority.folder.path());
    let said = complaint(&mut command, 1);
    let key = path(&pair.key);
    let message = format!(
        "The file of --tls-key {key} is inside of ., whose files are served: everybody could read the private key."
    );
    assert!(said.contains(&message), "{said}");

    // A link out of the folder is never followed, and one into it hides nothing.
    let outside = tempfile::tempdir().expect("a folder");
    let (inward, outward) = (outside.path().join("inward"), authority.folder.path().join("outward"));
    let kept = outside.path().join("server.key");
    fs::copy(&pair.key, &kept).expect("a copy");
    symlink(&pair.key, &inward).expect("a link");
    symlink(&kept, &outward).expect("a link");
    let linked = |key: &Path| {
        let mut command = program();
        command.args(["serve", "--port", "0", "--tls-cert", path(&pair.certificate), "--tls-key", path(key)]);
        command.arg(authority.folder.path());
        command
    };
    let said = complaint(&mut linked(&inward), 1);
    let folder = authority.folder.path().display();
    assert!(said.contains(&format!("{} is inside of {folder}, ", inward.display())), "{said}");
    if let Some(curl) = Curl::find() {
        let server = ServerProcess::spawn(&mut linked(&outward));
        let response = curl.include(&[&authority.trusted()[..], &[&url(&server, "/outward")]].concat());
        assert_eq!(response.status, "HTTP/1.1 404 Not Found");
    }

    let mut mistyped = program();
    mistyped.args([
        "serve",
        "--port",
        "0",
        "--tls-cert",
        path(&pair.certificate),
        "--tls-key",
        "missing.pem",
    ]);
    let said = complaint(mistyped.current_dir(authority.folder.path()), 1);
    assert!(said.starts_with("httpfsm: cannot read missing.pem"), "{said}");
    assert_eq!(
        ServerProcess::spawn(command.args(["--app", "hello"])).listening.split(':').next(),
        Some("https")
    );
}

#[test]
fn flags_that_do_not_go_together_are_refused() {
    let wrong = |arguments: &[&str], variables: &[(&str, &str)], message: &str| {
        let mut command = program();
        command.arg("serve").args(arguments).envs(variables.iter().copied());
        let said = complaint(&mut command, 2);
        assert!(said.starts_with(&format!("error: {message}\n")), "{message}\n{said}");
        assert!(said.contains("Usage: httpfsm serve [OPTIONS] [DIR]"), "{said}");
    };
    wrong(&["--tls-cert", "c"], &[], "--tls-cert needs --tls-key");
    wrong(&["--tls-key", "k"], &[], "--tls-key needs --tls-cert");
    for (flag, value) in
        [("--tls-listen", "1"), ("--tls-client-ca", "c"), ("--tls-min", "1.2"), ("--hsts", "0")]
    {
        wrong(&[flag, value], &[], &format!("{flag} needs --tls-cert or --self-signed"));
    }
    let message = "--tls-client-certificates needs --tls-client-ca";
    wrong(&["--self-signed", "--tls-client-certificates", "optional"], &[], message);
    wrong(&["--redirect-to-https"], &[], "--redirect-to-https needs --tls-cert or --self-signed");
    let message =
        "--redirect-to-https needs two ports: that of --tls-listen for TLS, and --port for plain HTTP";
    wrong(&["--redirect-to-https", "--self-signed"], &[], message);
    wrong(&["--redirect-to-https", "--self-signed", "--tls-listen", "1"], &[], message);
    let message = "--self-signed makes a certificate of its own, so it cannot be used with --tls-cert";
    wrong(&["--self-signed", "--tls-cert", "c", "--tls-key", "k"], &[], message);
    // Where the environment asks for what cannot be had, nothing is served without it.
    let message =
        "--tls-client-certificates of the variable HTTPFSM_TLS_CLIENT_CERTIFICATES needs --tls-client-ca";
    wrong(&["--self-signed"], &[("HTTPFSM_TLS_CLIENT_CERTIFICATES", "required")], message);
    wrong(&[], &[("HTTPFSM_TLS_CERT", "c")], "--tls-cert of the variable HTTPFSM_TLS_CERT needs --tls-key");
    let message = "--tls-client-ca of the variable HTTPFSM_TLS_CLIENT_CA needs --tls-cert or --self-signed";
    wrong(&["--self-signed=no"], &[("HTTPFSM_TLS_CLIENT_CA", "c")], message);
}

/// What other programs would take, too, is for those of them that speak TLS.
#[test]
fn what_the_environment_says_of_tls_is_no_fault_without_it() {
    let mut command = program();
    command.args(["serve", "--port", "0", "--app", "hello"]);
    command.envs([("HTTPFSM_TLS_MIN", "1.3"), ("HTTPFSM_HSTS", "1h"), ("HTTPFSM_SELF_SIGNED", "no")]);
    let response = ServerProcess::spawn(&mut command).exchange(b"GET / HTTP/1.0\r\n\r\n");
    assert_eq!((&*response.status, response.field("strict-transport-security")), ("HTTP/1.0 200 OK", None));
}
