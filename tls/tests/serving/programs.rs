//! Other people's clients.

use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use httpfsm_rustls::TlsOptions;
use httpfsm_testing::tool;

use crate::support::{Authority, BODY, on_each};

#[test]
fn curl_verifies_the_certificate_reuses_the_connection_and_gets_large_responses() {
    let Some(curl) = tool("curl") else { return };
    let authority = Authority::new("test");
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("authority.pem");
    fs::write(&trusted, authority.text()).unwrap();
    on_each(&authority.tls("localhost", &TlsOptions::default()), |server, _, on| {
        let address = server.local_addr().unwrap();
        let url = format!("https://localhost:{}/large", address.port());
        let output = Command::new(&curl)
            .args([
                "--silent",
                "--show-error",
                "--ipv4",
                "--max-time",
                "30",
                "--write-out",
                "%{num_connects}",
            ])
            .arg("--cacert")
            .arg(&trusted)
            .args([&url, &url])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{on}: {output:?}");
        assert_eq!(text, format!("{0}1{0}0", "x".repeat(BODY)), "{on}");
    });
}

fn openssl(program: &std::path::Path, port: u16, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(program)
        .args(["s_client", "-connect", &format!("127.0.0.1:{port}"), "-servername", "localhost"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let _ = stdin.write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

#[test]
fn openssl_speaks_1_2_and_1_3_and_nothing_older() {
    let Some(program) = tool("openssl") else { return };
    let authority = Authority::new("test");
    let get = "GET / HTTP/1.1\nHost: localhost\nConnection: close\n\n";
    on_each(&authority.tls("localhost", &TlsOptions::default()), |server, _, on| {
        let port = server.local_addr().unwrap().port();
        for (arguments, protocol) in [
            (&["-tls1_2"][..], Some("TLSv1.2")),
            (&["-tls1_3"], Some("TLSv1.3")),
            (&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], None),
            (&["-tls1", "-cipher", "ALL:@SECLEVEL=0"], None),
            (&["-alpn", "h2"], None),
        ] {
            let arguments = [arguments, &["-crlf", "-quiet", "-ign_eof"]].concat();
            let output = openssl(&program, port, &arguments, get);
            let text = String::from_utf8_lossy(&output.stdout);
            match protocol {
                Some(protocol) => assert!(text.contains(&format!("https {protocol} ")), "{on}: {output:?}"),
                None => {
                    let said = String::from_utf8_lossy(&output.stderr);
                    assert!(text.is_empty() && said.contains("alert"), "{on} {arguments:?}: {output:?}");
                }
            }
        }
    });
}

/// Renegotiation is refused, and the connection ends or goes on: it does not hang.
#[test]
fn a_renegotiation_is_refused() {
    let Some(program) = tool("openssl") else { return };
    let authority = Authority::new("test");
    on_each(&authority.tls("localhost", &TlsOptions::default()), |server, _, on| {
        let port = server.local_addr().unwrap().port();
        // An `R` alone on a line makes it begin one.
        let output = openssl(&program, port, &["-tls1_2"], "R\nQ\n");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("renegotiation"), "{on}: {output:?}");
    });
}

#[test]
fn the_ssl_of_python_gets_a_response_and_close_notify() {
    let Some(python) = tool("python3") else { return };
    let authority = Authority::new("test");
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("authority.pem");
    fs::write(&trusted, authority.text()).unwrap();
    let script = "
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[2])
context.suppress_ragged_eofs = False
with socket.create_connection(('127.0.0.1', int(sys.argv[1])), 30) as plain:
    with context.wrap_socket(plain, server_hostname='localhost', suppress_ragged_eofs=False) as tls:
        tls.sendall(b'GET / HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n')
        while piece := tls.recv(100):
            sys.stdout.write(piece.decode())
        tls.unwrap()
";
    on_each(&authority.tls("localhost", &TlsOptions::default()), |server, _, on| {
        let port = server.local_addr().unwrap().port().to_string();
        let output = Command::new(&python).args(["-c", script, &port]).arg(&trusted).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("https TLSv1.3"), "{on}: {output:?}");
    });
}
