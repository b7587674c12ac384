//! One configuration or another, by what the client says.

use std::io::Write;
use std::sync::Arc;

use httpfsm_rustls::{ClientCertificates, Tls, TlsOptions};

use crate::support::{Authority, connect, get, gone, on_each, on_one, read_response};

/// The certificate that the server has shown is that of the name, or the client would not have it.
#[test]
fn each_name_has_its_certificate() {
    let authority = Authority::new("test");
    let client = Arc::new(authority.client());
    let options = TlsOptions::default();
    let names = ["a.example", "*.b.example", "c.b.example"].map(|name| (name, authority.tls(name, &options)));
    let tls = Tls::by_name(names, None).unwrap();
    on_each(&tls, |server, hears, on| {
        for name in ["a.example", "x.b.example", "c.b.example"] {
            let response = get(&mut connect(server, &client, name), name).unwrap();
            assert!(response.contains(&format!(" sni={name} ")), "{on}: {response}");
        }
        let heard = hears.wait(3);
        for unknown in ["d.example", "b.example", "x.y.b.example"] {
            let refused = get(&mut connect(server, &client, unknown), unknown).unwrap_err();
            assert_eq!(refused.to_string(), "received fatal alert: UnrecognisedName", "{on}: {unknown}");
        }
        let heard = &hears.wait(heard.len() + 3)[heard.len()..];
        assert!(heard.iter().all(|text| text.starts_with("not opened: HandshakeFailed")), "{heard:?}");
    });
}

#[test]
fn who_asks_for_no_name_gets_the_configuration_for_the_others() {
    let authority = Authority::new("test");
    let options = TlsOptions::default();
    let (named, other) = (authority.tls("a.example", &options), authority.tls("127.0.0.1", &options));
    let server = on_one(&Tls::by_name([("a.example", named)], Some(other)).unwrap());
    let client = Arc::new(authority.client());
    let mut by_address = connect(&server, &client, "127.0.0.1");
    let response = get(&mut by_address, "127.0.0.1").unwrap();
    assert!(response.contains(" sni=- "), "{response}");
    gone(&server);
}

/// A client without a certificate asks by SNI for the name that needs none, and by `Host` for the one that does.
#[test]
fn a_host_of_another_configuration_gets_421_and_the_connection_goes_on() {
    let authority = Authority::new("test");
    let mut strict = TlsOptions::default();
    strict.client_certificates = ClientCertificates::Required(authority.pem());
    let secret = authority.tls("secret.example", &strict);
    let open = authority.pair(&["open.example", "also.example"]).tls(&TlsOptions::default());
    let tls = Tls::by_name(
        [("secret.example", secret), ("open.example", open.clone()), ("also.example", open.clone())],
        Some(open),
    )
    .unwrap();
    on_each(&tls, |server, _, on| {
        let client = Arc::new(authority.client());
        let mut client = connect(server, &client, "open.example");
        for (request, status) in [
            ("GET / HTTP/1.1\r\nHost: open.example", "200"),
            ("GET / HTTP/1.1\r\nHost: secret.example", "421"),
            ("GET / HTTP/1.1\r\nHost: SECRET.example.:8443", "421"),
            ("GET http://secret.example/ HTTP/1.1\r\nHost: open.example", "421"),
            ("POST / HTTP/1.1\r\nContent-Length: 3\r\nHost: secret.example", "421"),
            ("GET / HTTP/1.1\r\nHost: OPEN.example:8443", "200"),
            ("GET / HTTP/1.1\r\nHost: also.example", "200"),
            ("GET / HTTP/1.1\r\nHost: other.example", "200"),
            ("GET / HTTP/1.1\r\nHost: 127.0.0.1", "200"),
            ("GET / HTTP/1.1\r\nHost: [::1]:443", "200"),
            ("GET / HTTP/1.0\r\nConnection: keep-alive", "200"),
        ] {
            let body = if request.starts_with("POST") { "abc" } else { "" };
            write!(client, "{request}\r\n\r\n{body}").unwrap();
            let response = read_response(&mut client);
            assert!(response.split(" ").nth(1) == Some(status), "{on}: {request}: {response}");
        }
    });
}

#[test]
fn a_choice_may_be_one_of_choices_and_one_that_ends_nowhere_fails() {
    let authority = Authority::new("test");
    let tls = authority.tls("a.example", &TlsOptions::default());
    let inner = Tls::by_name([("a.example", tls)], None).unwrap();
    let server = on_one(&Tls::choose(move |hello| hello.alpn().next().is_none().then(|| inner.clone())));
    let client = Arc::new(authority.client());
    assert!(get(&mut connect(&server, &client, "a.example"), "a.example").unwrap().contains("200 OK"));
    gone(&server);

    let itself = Tls::by_name::<&str>([], None).unwrap();
    let circle = itself.clone();
    itself.replace(&Tls::choose(move |_| Some(circle.clone())));
    let server = on_one(&itself);
    let refused = get(&mut connect(&server, &client, "a.example"), "a.example").unwrap_err();
    assert_eq!(refused.to_string(), "received fatal alert: UnrecognisedName");
    gone(&server);
}

/// What a choice reads of a client is not all there for a request.
#[test]
fn a_choice_that_panics_at_a_request_has_it_refused_and_told() {
    let authority = Authority::new("test");
    let tls = authority.tls("a.example", &TlsOptions::default());
    let choice = Tls::choose(move |hello| {
        hello.client_hello().expect("there is none for a request");
        Some(tls.clone())
    });
    on_each(&choice, |server, hears, on| {
        let mut client = connect(server, &Arc::new(authority.client()), "a.example");
        write!(client, "GET / HTTP/1.1\r\nHost: b.example\r\n\r\n").unwrap();
        let response = read_response(&mut client);
        assert!(response.starts_with("HTTP/1.1 421 "), "{on}: {response}");
        let told = hears.wait(1);
        assert_eq!(
            told[0], "layer failed: The choice of hosts panicked: there is none for a request",
            "{on}"
        );
        write!(client, "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").unwrap();
        assert!(read_response(&mut client).starts_with("HTTP/1.1 200 "), "{on}");
    });
}

#[test]
fn what_no_client_asks_for_is_no_name() {
    let tls = Authority::new("test").tls("a.example", &TlsOptions::default());
    for name in ["127.0.0.1", "::1", "[::1]", "", "*", "b\u{fc}cher.example", "a.*.example", "a b"] {
        let error = Tls::by_name([(name, tls.clone())], None).unwrap_err().to_string();
        assert!(error.contains("is no name that a client can ask for"), "{name}: {error}");
    }
    for name in ["A.example.", "*.example", "xn--bcher-kva.example", "localhost"] {
        assert!(Tls::by_name([(name, tls.clone())], None).is_ok(), "{name}");
    }
}

/// A session belongs to its configuration, also where names of both are asked for by the same client.
#[test]
fn no_configuration_resumes_a_session_of_another() {
    let authority = Authority::new("test");
    let names = ["a.example", "b.example"];
    let pair = authority.pair(&names);
    let [one, other] = names.map(|_| pair.tls(&TlsOptions::default()));
    let which = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let asked = Arc::clone(&which);
    let server = on_one(&Tls::choose(move |_| {
        Some(if asked.load(std::sync::atomic::Ordering::SeqCst) { other.clone() } else { one.clone() })
    }));
    let client = Arc::new(authority.client());
    let ask = |is_other: bool, expected: &str| {
        which.store(is_other, std::sync::atomic::Ordering::SeqCst);
        let response = get(&mut connect(&server, &client, "a.example"), "a.example").unwrap();
        assert!(response.ends_with(expected), "{is_other}: {response}");
    };
    ask(false, "resumed=false");
    ask(false, "resumed=true");
    ask(true, "resumed=false");
    gone(&server);
}
